//! The form of a fork: a step, and the state that the new run begins with.

use maud::{Markup, html};
use px_api::{Run, Violation};

use crate::route::{self, field};
use crate::shell::{Frame, heading, shell};
use crate::text::{outsider, short_id, tail_of};
use crate::{Session, form};

/// A fork that is being made.
#[derive(Debug, Clone)]
pub struct ForkView<'a> {
    /// The run that it begins from.
    pub run: &'a Run,
    /// Number of the step to begin with, from 1.
    pub step: u32,
    /// State of then, or what was typed, as JSON text.
    pub state: &'a str,
    /// Parts that do not fit the step, if it was sent already.
    pub violations: &'a [Violation],
}

/// The form of a fork.
#[must_use]
pub fn fork(view: &ForkView<'_>, who: &Session) -> Markup {
    let id = view.run.brain_run_id.to_string();
    let frame = Frame::new(route::FORK, format!("Fork {}", tail_of(&id))).place(route::RUNS);
    let href = frame.href();
    let at = usize::try_from(view.step).unwrap_or(usize::MAX).saturating_sub(1);
    let title = view.run.steps.get(at).map_or("", |step| &step.title);
    let about = html! { span { "of " a href=(href.to(route::RUN, &[&id])) { (short_id(&id)) } " " (outsider(&view.run.brain_title)) } };
    let form = html! {
        (form::hidden(field::STEP, &view.step.to_string()))
        (form::area(field::STATE, "State to begin with, as JSON", view.state, 20))
        div.row { (form::submit("Start the fork", "primary", route::FORK_RUN, who)) a href=(href.to(route::RUN, &[&id])) { "Back" } }
    };
    let body = html! {
        (heading(&html! { "Fork from ‘" (outsider(title)) "’" }, &about, &html! {}))
        p { "A new run begins with step " (view.step) ", " (outsider(title)) ", and this state. The run that it comes from does not change." }
        @if !view.violations.is_empty() {
            div.box role="alert" {
                p.s-bad { "✕ This does not fit the step:" }
                ul.prose { @for violation in view.violations { li { code { (outsider(&violation.path)) } ": " (outsider(&violation.message)) } } }
            }
        }
        div.stack { (form::post(route::FORK_RUN, &[&id], href, who, &form)) }
        p.m { "On the command line, without the changes above:" }
        (form::command(&format!("px runs fork {} --from {}", tail_of(&id).trim_start_matches('…'), view.step)))
    };
    shell(&frame, who, &body)
}
