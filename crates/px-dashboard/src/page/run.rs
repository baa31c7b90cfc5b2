//! A run: first what would move it, then how it came here, then its state at any point of its log.

use maud::{Markup, html};
use px_api::{CallbackPage, Cause, Events, Explained, Run, StateDiff, Wakes};
use serde_json::Value;

use super::callback::lines;
use super::run_log::{self, Log};
use crate::asset::File;
use crate::charts::timeline;
use crate::json_tree::{self, Source};
use crate::schema_form::SchemaForm;
use crate::shell::{Frame, heading, shell};
use crate::text::{outsider, tail_of, whole_id};
use crate::{Href, Query, Session, action, form, prose, route, status, time};

/// A run.
#[derive(Debug, Clone)]
pub struct RunView<'a> {
    /// The run as it is now.
    pub run: &'a Run,
    /// Account of it.
    pub explained: &'a Explained,
    /// A page of its log, oldest first: at most 200 entries.
    pub events: &'a Events,
    /// Number of the event that the page of the log begins behind.
    pub after: Option<u64>,
    /// The run as it was after the event of this number, if that is asked for.
    pub at: Option<(u64, &'a Run)>,
    /// Changes that this event made to the state.
    pub diff: Option<&'a StateDiff>,
    /// Callbacks about the run, newest first.
    pub callbacks: &'a CallbackPage,
    /// True if entries that repeat statuses are shown.
    pub shows_all: bool,
    /// Forms of the answers to the first of what it waits for, in the order of the account.
    pub answers: &'a [AnswerForm],
}

/// Form of an answer to a webhook that a run waits for.
#[derive(Debug, Clone, Default)]
pub struct AnswerForm {
    /// JSON Schema of the response.
    pub schema: Option<Value>,
    /// A response that fits.
    pub example: Value,
    /// The place in a wait that the answer is for; without one it is for the next that it fits.
    pub wait: Option<String>,
}

/// A run.
#[must_use]
pub fn run(view: &RunView<'_>, who: &Session) -> Markup {
    let run = view.run;
    let id = run.brain_run_id.to_string();
    let here = Href::at_depth(0).with(
        route::RUN,
        &[&id],
        &Query::new().maybe(route::field::AT, view.at.map(|(at, _)| at)),
    );
    let frame = Frame::new(route::RUN, format!("{} {}", tail_of(&id), run.brain_title))
        .place(route::RUNS)
        .live(format!("run:{id}"))
        .here(here.trim_start_matches("./"))
        .scripts(&[File::Run]);
    let href = frame.href();
    let log = Log {
        run: &id,
        events: view.events,
        after: view.after,
        at: view.at.map(|(at, _)| at),
        seq: run.seq,
        shows_all: view.shows_all,
    };
    let body = html! {
        (heading(&html! { (outsider(&run.brain_title)) }, &about(run, &id, href, who), &action::run_actions(run, href, who)))
        (explained(view, href, who))
        section aria-labelledby="course-h" data-part="course" #course {
            h2 #course-h { "Course" }
            @if !run.steps.is_empty() {
                ol.track aria-label="Steps" {
                    @for step in &run.steps { li { (status::step(&step.status, &step.title)) } }
                }
            }
            (timeline(&view.events.events, run.status.is_terminal(), who))
        }
        div.two {
            (run_log::log(&log, href, who))
            div {
                (state(view, &id, href, who))
                (callbacks(view.callbacks, href, who))
            }
        }
    };
    shell(&frame, who, &body)
}

fn about(run: &Run, id: &str, href: Href, who: &Session) -> Markup {
    html! {
        span #status data-part="status" { (status::run(&run.status)) }
        span { (whole_id(id)) (form::copy("Copy", id)) }
        span { "created " (time::ago(run.created_at, who)) " ago" (cause(&run.cause, href)) }
        @for (name, value) in &run.labels {
            @let label = Query::new().and("label", format!("{name}={value}"));
            a.label href=(href.with(route::RUNS, &[], &label)) { (name) "=" (outsider(value)) }
        }
    }
}

/// Reason that the run exists, in words.
fn cause(cause: &Cause, href: Href) -> Markup {
    html! {
        @match (cause.kind.as_str(), cause.id.as_deref()) {
            ("event", _) => " by an event",
            ("run", Some(id)) => { " by " (prose::sentence(id, href)) },
            ("fork", Some(id)) => { " as a fork of " (prose::sentence(id, href)) },
            ("rerun", Some(id)) => { " as a rerun of " (prose::sentence(id, href)) },
            ("schedule", Some(name)) => { " by the schedule " (outsider(name)) },
            (kind, _) => { " by " (outsider(kind)) },
        }
        @if cause.test == Some(true) { " " (status::test(cause.test, cause.tested_by.as_deref())) }
    }
}

/// The account of the run, and everything that would wake it.
fn explained(view: &RunView<'_>, href: Href, who: &Session) -> Markup {
    let explained = view.explained;
    let title = if view.run.status.is_terminal() { "How it ended" } else { "What would move it" };
    html! {
        section.box #explained aria-labelledby="move-h" data-part="explained" {
            h2 #move-h { (title) }
            @if let Some(error) = &view.run.error {
                p.s-bad { "✕ " (outsider(&error.message)) }
                @if let Some(stack) = &error.stack { pre tabindex="0" { (crate::text::visible(stack)) } }
            }
            @for sentence in explained.why.iter().filter(|sentence| !sentence.starts_with("It is labelled ")) { p { (prose::sentence(sentence, href)) } }
            @if !explained.wake.is_empty() {
                ul.wakes { @for (at, wakes) in explained.wake.iter().enumerate() { (wake(at, wakes, view, href, who)) } }
            }
            @if let Some(until) = explained.until {
                p { (time::left(until, who)) ", until " (time::exact(until, who)) "." }
            }
        }
    }
}

/// A webhook and an identifier that would wake the run, and the forms that do it.
fn wake(at: usize, wakes: &Wakes, view: &RunView<'_>, href: Href, who: &Session) -> Markup {
    let id = view.run.brain_run_id.to_string();
    let others = Query::new().and("slug", &wakes.slug).and("identifier", &wakes.identifier);
    let empty = Value::Object(serde_json::Map::new());
    let (form, id_of_form) = (view.answers.get(at), format!("f-{at}-"));
    let response = SchemaForm {
        id: &id_of_form,
        schema: form.and_then(|form| form.schema.as_ref()),
        example: form.map_or(&empty, |form| &form.example),
        json: ("response", "Response, as JSON"),
        rows: 6,
        typed: &[],
        violations: &[],
    };
    html! {
        li {
            span.wake { strong { (wakes.slug) } " " (outsider(&wakes.identifier)) }
            @if let Some(ask) = &wakes.ask { span.m { "asks: " (outsider(&ask.words)) } }
            span.acts {
                a href=(href.with(route::WAITS, &[], &others)) { "Who else waits" }
                @if let Some(url) = &wakes.url { (form::copy("Copy URL", url)) }
                (form::copy("Copy command", &format!("px webhooks send {} --identifier {}", wakes.slug, form::quoted(&wakes.identifier))))
                details.menu {
                    summary.button.primary { "Answer it…" }
                    div.sheet {
                        p.m { "The run takes this as the response, as if the webhook had brought it." }
                        (form::post(route::ANSWER, &[&id], href, who, &html! {
                            (form::hidden("slug", &wakes.slug))
                            @if let Some(wait) = form.and_then(|form| form.wait.as_deref()) { (form::hidden(route::field::WAIT, wait)) }
                            (response.controls())
                            (form::submit("Give it to the run", "", route::ANSWER, who))
                        }))
                    }
                }
            }
        }
    }
}

/// The state, now or after an event.
fn state(view: &RunView<'_>, id: &str, href: Href, who: &Session) -> Markup {
    let at = view.at.map(|(at, _)| at);
    let shown = view.at.map_or(view.run, |(_, run)| run);
    let source = Source { href, run: id.to_owned(), at, path: String::new(), from: 0 };
    let newest = view.run.seq;
    let download = Query::new().maybe(route::field::AT, at);
    html! {
        section #state aria-labelledby="state-h" data-part=[at.is_none().then_some("state")] {
            h2 #state-h { @match at { Some(at) => { "State after event " (at) }, None => "State" } }
            form.scrub action={ (href.to(route::RUN, &[id])) "#state" } method="get" data-scrub {
                label for="at" { "After event" }
                input #at type="range" name=(route::field::AT) min="1" max=(newest.max(1)) value=(at.unwrap_or(newest));
                output for="at" { (at.unwrap_or(newest)) " of " (newest) }
                button type="submit" { "Show" }
                @if at.is_some() { a href={ (href.to(route::RUN, &[id])) "#state" } { "Now" } }
            }
            @if let Some(diff) = view.diff.filter(|_| who.sees_payloads) { (changes(diff)) }
            @if who.sees_payloads {
                (json_tree::tree_of(&shown.state, &source))
                p { a href=(href.with(route::STATE, &[id], &download)) download { "Download" } }
            } @else {
                p.m { "States are shown to the scope operate and above; this session has " (who.scope) "." }
            }
        }
    }
}

/// Operations of a patch, a line each.
fn changes(diff: &StateDiff) -> Markup {
    let text =
        |patch: &Value, name: &str| patch.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    html! {
        @if diff.patch.is_empty() { p.m { "This event changed nothing in the state." } } @else {
            ul.diff aria-label={ "Changes from event " (diff.from) " to " (diff.to) } {
                @for patch in &diff.patch {
                    @let sign = match &*text(patch, "op") { "add" => "+", "remove" => "−", _ => "~" };
                    li { span aria-hidden="true" { (sign) } " " span.vh { (text(patch, "op")) } (outsider(&text(patch, "path")))
                        @if let Some(value) = patch.get("value") { " " code { (outsider(&json_tree::line(value, 120))) } } }
                }
            }
        }
    }
}

fn callbacks(page: &CallbackPage, href: Href, who: &Session) -> Markup {
    html! {
        section aria-labelledby="callbacks-h" data-part="callbacks" #callbacks {
            h2 #callbacks-h { "Callbacks" }
            @if page.deliveries.is_empty() { p.m { "No hook was told about this run." } } @else {
                (lines(&page.deliveries, href, who))
            }
        }
    }
}
