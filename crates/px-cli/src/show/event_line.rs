//! An event of a run's log on one line.

use std::time::Duration;

use px_api::{Detail, Event, StepStatus};
use px_core::wait::WaitMode;

use crate::show::words;

/// An event's own facts on one line.
pub(crate) fn detail(event: &Event) -> String {
    // The id names the turn of a loop and the arm of a branch around it.
    let step = event.step_id.as_deref().or(event.step_title.as_deref()).unwrap_or_default();
    let arm = event.fields.get("arm").and_then(|arm| arm.as_str());
    let place = |slug: Option<String>, identifier: Option<String>| {
        format!("{} '{}'", slug.unwrap_or_default(), identifier.unwrap_or_default())
    };
    match event.detail() {
        Detail::Start { initial_state } => initial_state.to_string(),
        Detail::Failed { error } => error.in_words(),
        Detail::Cancelled { reason } | Detail::Paused { reason } | Detail::PauseRequested { reason } => {
            reason.unwrap_or_default()
        }
        Detail::Rerun { starts_at, reset_to } => {
            format!("from step {starts_at}, '{step}', as after event {reset_to}")
        }
        Detail::Awaited { by } => format!("by {by}"),
        Detail::Waits { wait_for, mode, timeout } => {
            let places: Vec<String> =
                wait_for.iter().map(|place| format!("{} '{}'", place.slug, place.identifier)).collect();
            waits(&places, mode.as_ref().and_then(|mode| mode.known()), timeout)
        }
        Detail::Partial { slug, identifier, response, have, need } => {
            format!("{have} of {need}: {} {response}", place(slug, identifier))
        }
        Detail::Response { slug, identifier, response } => {
            let response = response.unwrap_or_default();
            format!("{} {response}", place(slug, identifier))
        }
        Detail::Steps { steps } => {
            let one = |step: &StepStatus| format!("{} {}", step.title, step.status);
            steps.iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Detail::StepStart { attempt: attempt @ 2.. } => format!("{step}, attempt {attempt}"),
        Detail::StepRetry { error, .. } => format!("{step}: {}", error.in_words()),
        Detail::Reminder { name, nth, progress, error, .. } => {
            let error = error.map_or(String::new(), |error| format!(": {}", error.in_words()));
            format!("{step}: reminder {name}, turn {nth}, {progress}{error}")
        }
        Detail::Once { name, value } => format!("{step}: {name} = {value}"),
        Detail::Emit { name, data } => format!("{step}: {name} {data}"),
        Detail::Item { processed_count, total_items } => {
            format!("{step}: {processed_count} of {total_items}")
        }
        Detail::StepStart { .. } => step.to_owned(),
        _ if event.kind == "step:complete" => match arm {
            Some(arm) => format!("{step}: took '{arm}'"),
            // Its code never ran: it lies behind a guard, or in an arm that was not taken.
            None if event.fields.get("halted") == Some(&true.into()) => format!("{step} (halted)"),
            None => step.to_owned(),
        },
        _ if event.kind == "inner:start" => {
            arm.map_or_else(|| "begins a turn".to_owned(), |arm| format!("takes '{arm}'"))
        }
        _ => String::new(),
    }
}

fn waits(places: &[String], mode: Option<&WaitMode>, timeout: Option<u64>) -> String {
    let timeout = timeout
        .map_or(String::new(), |millis| format!(" for {}", words::duration(Duration::from_millis(millis))));
    if places.is_empty() {
        return format!("sleeps{timeout}");
    }
    match mode {
        Some(WaitMode::All) => format!("waits for {}{timeout}", places.join(" and ")),
        Some(WaitMode::Count { need: need @ 2.., .. }) => {
            format!("waits for {need} of {}{timeout}", places.join(" or "))
        }
        _ => format!("waits for {}{timeout}", places.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn waits(wait_for: &Value, mode: Option<Value>, timeout: Option<u64>) -> String {
        let mut event = json!({
            "type": "brain:webhook", "seq": 1, "timestamp": 0, "options": {},
            "brainRunId": "run_0197c1f0a1b27000800000000000cafe", "waitFor": wait_for,
        });
        if let Some(mode) = mode {
            event["mode"] = mode;
        }
        if let Some(timeout) = timeout {
            event["timeout"] = timeout.into();
        }
        detail(&serde_json::from_value(event).unwrap())
    }

    #[test]
    fn a_step_in_a_loop_is_named_with_its_turn_and_a_branch_with_its_arm() {
        let line = |more: &Value| {
            let mut event = json!({
                "seq": 1, "timestamp": 0, "options": {}, "brainRunId": "run_0197c1f0a1b27000800000000000cafe",
            });
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            detail(&serde_json::from_value(event).unwrap())
        };
        let book = json!({"type": "step:start", "stepTitle": "book", "stepId": "pay[2]/book", "attempt": 1});
        assert_eq!(line(&book), "pay[2]/book");
        let how = json!({"type": "step:complete", "stepTitle": "how", "stepId": "how", "arm": "card"});
        assert_eq!(line(&how), "how: took 'card'");
        let paid = json!({"type": "step:complete", "stepTitle": "pay", "stepId": "pay", "halted": true});
        assert_eq!(line(&paid), "pay (halted)", "its code never ran");
        let nudged = json!({"type": "step:reminder", "stepTitle": "ask", "stepId": "pay[2]/ask", "name": "nudge",
            "nth": 2, "attempt": 1, "progress": "retrying", "error": {"name": "Error", "message": "no route"}});
        assert_eq!(line(&nudged), "pay[2]/ask: reminder nudge, turn 2, retrying: no route");
        assert_eq!(line(&json!({"type": "inner:start", "part": "arm", "arm": "card"})), "takes 'card'");
        assert_eq!(line(&json!({"type": "inner:start", "part": "turn"})), "begins a turn");
    }

    #[test]
    fn a_sleep_and_a_wait_say_how_long() {
        assert_eq!(waits(&json!([]), None, Some(3_600_000)), "sleeps for 1 hour");
        let slack = json!([{"slug": "slack", "identifier": "C1"}]);
        assert_eq!(waits(&slack, None, None), "waits for slack 'C1'");
        let votes = json!([{"slug": "votes", "identifier": "7"}, {"slug": "mail", "identifier": "a"}]);
        let count = json!({"count": {"need": 2}});
        assert_eq!(waits(&votes, Some(count), None), "waits for 2 of votes '7' or mail 'a'");
        assert_eq!(waits(&votes, Some(json!("all")), None), "waits for votes '7' and mail 'a'");
    }
}
