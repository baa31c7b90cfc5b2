//! An entry of a run's log on one line: its own facts, beside its type.

use std::time::Duration;

use maud::{Markup, html};
use px_api::{Detail, Event, StepStatus};
use serde_json::Value;

use crate::json_tree::line;
use crate::text::outsider;
use crate::time;

/// Characters of a value that a line shows.
const MAX_VALUE: usize = 160;

/// The facts of an event.
pub(crate) fn facts(event: &Event) -> Markup {
    let step = event.step_id.as_deref().or(event.step_title.as_deref()).unwrap_or_default();
    match event.detail() {
        Detail::Start { initial_state } => code(&initial_state),
        Detail::Failed { error } => html! { span.s-bad { (outsider(&error.in_words())) } },
        Detail::Cancelled { reason } | Detail::Paused { reason } | Detail::PauseRequested { reason } => {
            outsider(reason.as_deref().unwrap_or_default())
        }
        Detail::Rerun { starts_at, reset_to } => html! {
            "from step " (starts_at) ", " (outsider(step)) ", as after " a href={ "#e" (reset_to) } { "#" (reset_to) }
        },
        Detail::Awaited { by } => html! { "by " (outsider(&by)) },
        Detail::Waits { wait_for, timeout, .. } => waits(event, &wait_for, timeout),
        Detail::Partial { slug, identifier, response, have, need } => html! {
            (have) " of " (need) ": " (place(slug, identifier)) " " (code(&response)) (tested(event))
        },
        Detail::Response { slug, identifier, response } => html! {
            (place(slug, identifier)) " " @if let Some(response) = &response { (code(response)) } (tested(event))
        },
        Detail::Steps { steps } => statuses(&steps),
        Detail::StepStart { attempt } if attempt > 1 => html! { "attempt " (attempt) },
        Detail::StepRetry { error, due_at, attempt } => html! {
            "attempt " (attempt) " failed: " span.s-bad { (outsider(&error.in_words())) } ", again at "
            time datetime=(due_at) { (due_at) }
        },
        Detail::Reminder { name, nth, progress, error, .. } => html! {
            (outsider(&name)) ", turn " (nth) ", " (progress)
            @if let Some(error) = error { ": " span.s-bad { (outsider(&error.in_words())) } }
        },
        Detail::Once { name, value } => html! { (outsider(&name)) " = " (code(&value)) },
        Detail::Emit { name, data } => html! { (outsider(&name)) " " (code(&data)) },
        Detail::Item { processed_count, total_items } => html! { (processed_count) " of " (total_items) },
        _ => other(event),
    }
}

/// The mark of a response that a test event brought.
fn tested(event: &Event) -> Markup {
    let is_test = event.fields.get("test").and_then(Value::as_bool);
    let by = event.fields.get("testedBy").and_then(Value::as_str);
    html! { @if is_test == Some(true) { " " (crate::status::test(is_test, by)) } }
}

fn other(event: &Event) -> Markup {
    let arm = event.fields.get("arm").and_then(Value::as_str);
    let is_halted = event.fields.get("halted") == Some(&Value::Bool(true));
    match (&*event.kind, arm) {
        ("step:complete" | "inner:start", Some(arm)) => html! { "takes " (outsider(arm)) },
        ("step:complete", None) if is_halted => html! { "passed over" },
        ("inner:start", None) => html! { "begins a turn" },
        _ => html! {},
    }
}

fn code(value: &Value) -> Markup {
    html! { code { bdi { (crate::text::visible(&line(value, MAX_VALUE))) } } }
}

fn place(slug: Option<String>, identifier: Option<String>) -> Markup {
    let (slug, identifier) = (slug.unwrap_or_default(), identifier.unwrap_or_default());
    html! { (slug) " " (outsider(&identifier)) }
}

fn statuses(steps: &[StepStatus]) -> Markup {
    html! { @for (at, step) in steps.iter().enumerate() {
        @if at > 0 { ", " } (outsider(&step.title)) " " (step.status)
    } }
}

fn waits(event: &Event, places: &[px_api::Registration], timeout: Option<u64>) -> Markup {
    let timeout = timeout.map(|millis| format!(" for {}", time::short(Duration::from_millis(millis))));
    let mode = event.fields.get("mode");
    let need = mode.and_then(|mode| mode.get("count")?.get("need")?.as_u64()).filter(|need| *need > 1);
    let between = if mode.and_then(Value::as_str) == Some("all") { " and " } else { " or " };
    html! {
        @if places.is_empty() { "sleeps" }
        @if let Some(need) = need { (need) " of " }
        @for (at, place) in places.iter().enumerate() {
            @if at > 0 { (between) }
            (place.slug) " " (outsider(&place.identifier))
        }
        @if let Some(timeout) = timeout { (timeout) }
    }
}
