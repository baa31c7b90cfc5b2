//! Acts on a run, as buttons: the likely one stands alone, the others are in a menu, and those that
//! cannot apply to its status are absent.

use maud::{Markup, html};
use px_api::{Run, RunStatus};

use crate::icon::{Icon, icon};
use crate::route::{self, Route, field};
use crate::text::tail_of;
use crate::{Href, Query, Session, form};

/// An act on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunAction {
    /// It stands still until it is resumed.
    Pause,
    /// It goes on.
    Resume,
    /// It ends.
    Cancel,
    /// It goes back to a step.
    Rerun,
    /// Another run begins with one of its steps.
    Fork,
}

impl RunAction {
    /// Every act, in the order of the menu.
    const ALL: [Self; 5] = [Self::Resume, Self::Pause, Self::Rerun, Self::Fork, Self::Cancel];

    /// Returns whether the act can apply to a run of this status.
    const fn applies_to(self, status: &RunStatus) -> bool {
        match self {
            Self::Pause => {
                matches!(status, RunStatus::Pending | RunStatus::Running | RunStatus::Waiting)
            }
            Self::Resume => matches!(status, RunStatus::Paused),
            Self::Cancel => !status.is_terminal(),
            Self::Rerun => status.is_terminal(),
            Self::Fork => true,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Pause => "Pause",
            Self::Resume => "Resume",
            Self::Cancel => "Cancel…",
            Self::Rerun => "Rerun…",
            Self::Fork => "Fork…",
        }
    }

    const fn route(self) -> Route {
        match self {
            Self::Pause => route::PAUSE,
            Self::Resume => route::RESUME,
            Self::Cancel => route::CANCEL,
            Self::Rerun => route::RERUN,
            Self::Fork => route::FORK,
        }
    }

    /// Sentence that says what will happen.
    const fn consequence(self) -> &'static str {
        match self {
            Self::Pause => {
                "It stands still at its next step until somebody resumes it. Events are kept for it."
            }
            Self::Resume => {
                "It goes on with the step that it is at, and takes the events that were kept for it."
            }
            Self::Cancel => "It ends now, and its waits with it. What its steps have done stays done.",
            Self::Rerun => "It goes back to a step and runs again from there. Its log keeps what was before.",
            Self::Fork => {
                "Another run begins with a step of this one, with the state of then, which can be edited."
            }
        }
    }

    /// The px command that does the same.
    fn command(self, tail: &str) -> String {
        let tail = tail.trim_start_matches('…');
        match self {
            Self::Pause => format!("px runs pause {tail}"),
            Self::Resume => format!("px runs resume {tail}"),
            Self::Cancel => format!("px runs cancel {tail}"),
            Self::Rerun => format!("px runs rerun {tail} --from STEP"),
            Self::Fork => format!("px runs fork {tail} --from STEP"),
        }
    }
}

/// The act that is likely wanted of a run of this status.
const fn likely(status: &RunStatus) -> Option<RunAction> {
    match status {
        RunStatus::Paused => Some(RunAction::Resume),
        RunStatus::Error => Some(RunAction::Rerun),
        _ => None,
    }
}

/// The acts on a run.
pub(crate) fn run_actions(run: &Run, href: Href, who: &Session) -> Markup {
    let likely = likely(&run.status);
    let others = RunAction::ALL.into_iter().filter(|act| act.applies_to(&run.status) && Some(*act) != likely);
    html! {
        @match likely {
            Some(RunAction::Rerun) => details.menu {
                summary.button.primary { "Rerun…" }
                div.sheet { (act(RunAction::Rerun, run, href, who)) }
            },
            Some(action) => (simple(action, run, "primary", href, who)),
            None => {},
        }
        details.menu {
            summary.button { (icon(Icon::More)) span.vh { "More about this run" } }
            div.sheet { @for other in others { (act(other, run, href, who)) } }
        }
    }
}

fn simple(action: RunAction, run: &Run, class: &str, href: Href, who: &Session) -> Markup {
    let id = run.brain_run_id.to_string();
    let label = action.word().trim_end_matches('…');
    form::post(action.route(), &[&id], href, who, &form::submit(label, class, action.route(), who))
}

/// An act of the menu: what it does, its form, and the command that does the same.
fn act(action: RunAction, run: &Run, href: Href, who: &Session) -> Markup {
    let id = run.brain_run_id.to_string();
    html! {
        section.act {
            h2 { (action.word().trim_end_matches('…')) }
            p.m { (action.consequence()) }
            @match action {
                RunAction::Rerun => (form::post(route::RERUN, &[&id], href, who, &html! {
                    (steps("rerun", run)) (form::submit("Rerun from there", "", route::RERUN, who))
                })),
                RunAction::Fork => form action=(href.to(route::FORK, &[&id])) method="get" {
                    (steps("fork", run))
                    (form::submit("Edit the state…", "", route::FORK_RUN, who))
                },
                RunAction::Cancel => (form::post(route::CANCEL, &[&id], href, who,
                    &form::submit(&format!("Cancel {}", tail_of(&id)), "danger", route::CANCEL, who))),
                _ => (simple(action, run, "", href, who)),
            }
            (form::command(&action.command(&tail_of(&id))))
        }
    }
}

/// The choice of a step to begin with; the one that it is at, or that failed, is chosen at first.
fn steps(what: &str, run: &Run) -> Markup {
    let failed = run.steps.iter().position(|step| step.status == px_api::StepProgress::Error);
    let at = run.steps.iter().position(|step| Some(&step.title) == run.step.as_ref());
    let chosen = failed.or(at).unwrap_or(0);
    let id = format!("{what}-step");
    html! {
        div.field {
            label for=(id) { "Step to begin with" }
            select #(id) name=(field::STEP) {
                @for (at, step) in run.steps.iter().enumerate() {
                    option value=(at + 1) selected[at == chosen] {
                        (at + 1) ". " (crate::text::visible(&step.title))
                    }
                }
            }
        }
    }
}

/// The form that does something to several runs: to those that are chosen, or to all that match.
pub(crate) fn bulk(filter: &Query, href: Href, who: &Session) -> Markup {
    let acts = [("cancel", "Cancel…"), ("pause", "Pause…"), ("resume", "Resume…")];
    let reason = form::refusal(who, &route::START_JOB.scope());
    html! {
        form #bulk.bulk action=(href.to(route::BULK, &[])) method="get" {
            @for (name, value) in filter.fields() { (form::hidden(name, &crate::text::visible(value))) }
            span.m #chosen { "The chosen runs, or all that match if none is chosen:" }
            @for (value, word) in acts {
                button type="submit" name=(field::DO) value=(value) disabled[reason.is_some()]
                    title=[reason.as_deref()] { (word) }
            }
            @if let Some(reason) = &reason { span.why { (reason) } }
        }
    }
}
