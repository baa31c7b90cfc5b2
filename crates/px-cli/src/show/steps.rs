//! The log of a run in short: a line a step and a line a wait, with their times.

use px_api::{Detail, Event};
use px_core::Timestamp;

use super::event_line;
use super::words;

/// Effects of a step that its line names.
const MAX_EFFECTS: usize = 4;

/// Some entries of a log that belong together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) at: Timestamp,
    /// The step, or the last part of the entry's type.
    pub(crate) title: String,
    /// Time that it took, where it has an end.
    pub(crate) took: String,
    pub(crate) detail: String,
}

impl Line {
    /// The numbers of its entries.
    pub(crate) fn numbers(&self) -> String {
        if self.from == self.to { self.from.to_string() } else { format!("{}–{}", self.from, self.to) }
    }

    fn single(event: &Event) -> Self {
        let title = match event.kind.split_once(':') {
            Some((_, "webhook_response")) => "answered",
            Some((_, "webhook_partial")) => "collected",
            Some((_, "wait_timeout")) => "timed out",
            Some((_, title)) => title,
            None => &*event.kind,
        };
        Self {
            from: event.seq,
            to: event.seq,
            at: event.timestamp,
            title: title.to_owned(),
            took: String::new(),
            detail: event_line::detail(event),
        }
    }
}

/// Something that has begun and not ended.
enum Open {
    Step { line: Line, id: String, effects: Vec<String>, notes: Vec<String> },
    Wait(Line),
}

impl Open {
    fn begins_step(event: &Event, attempt: u32) -> Self {
        let id = event.step_id.clone().or_else(|| event.step_title.clone()).unwrap_or_default();
        let notes = if attempt > 1 { vec![format!("attempt {attempt}")] } else { Vec::new() };
        Self::Step { line: Line { title: id.clone(), ..Line::single(event) }, id, effects: Vec::new(), notes }
    }

    fn closed(self) -> Line {
        match self {
            Self::Wait(line) => line,
            Self::Step { mut line, effects, notes, .. } => {
                let mut parts = notes;
                if !effects.is_empty() {
                    let more = effects.len().saturating_sub(MAX_EFFECTS);
                    let mut named = effects.into_iter().take(MAX_EFFECTS).collect::<Vec<_>>().join(", ");
                    if more > 0 {
                        named.push_str(&format!(" and {more} more"));
                    }
                    parts.push(format!("once: {named}"));
                }
                line.detail = parts.join("; ");
                line
            }
        }
    }
}

/// A log in short.
pub(crate) fn lines(events: &[Event]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut open: Option<Open> = None;
    for event in events {
        open = match (open, event.detail()) {
            // The steps' statuses say again what the other entries say.
            (open, Detail::Steps { .. }) => open,
            (open, Detail::StepStart { attempt }) => {
                lines.extend(open.map(Open::closed));
                Some(Open::begins_step(event, attempt))
            }
            (open, Detail::Waits { .. }) => {
                lines.extend(open.map(Open::closed));
                Some(Open::Wait(Line { title: "waits".to_owned(), ..Line::single(event) }))
            }
            (Some(Open::Wait(mut line)), Detail::Response { .. }) => {
                line.to = event.seq;
                line.took = words::took(event.timestamp.since(line.at));
                line.title = "waited".to_owned();
                line.detail = format!("{} → {}", line.detail, event_line::detail(event));
                lines.push(line);
                None
            }
            (Some(Open::Step { mut line, id, mut effects, mut notes }), detail) if is_of(event, &id) => {
                line.to = event.seq;
                let mut is_over = false;
                match detail {
                    Detail::Once { name, .. } => effects.push(name),
                    Detail::Item { processed_count, total_items } => {
                        notes.retain(|note| !note.ends_with(" items"));
                        notes.push(format!("{processed_count} of {total_items} items"));
                    }
                    Detail::Emit { name, .. } => notes.push(format!("told {name}")),
                    Detail::StepRetry { error, .. } => {
                        line.took = words::took(event.timestamp.since(line.at));
                        notes.push(format!("failed: {}", error.in_words()));
                        is_over = true;
                    }
                    _ if event.kind == "step:complete" => {
                        line.took = words::took(event.timestamp.since(line.at));
                        is_over = true;
                    }
                    _ => notes.push(event_line::detail(event)),
                }
                let step = Open::Step { line, id, effects, notes };
                if is_over {
                    lines.push(step.closed());
                    None
                } else {
                    Some(step)
                }
            }
            (open, _) => {
                lines.extend(open.map(Open::closed));
                lines.push(Line::single(event));
                None
            }
        };
    }
    lines.extend(open.map(Open::closed));
    lines
}

fn is_of(event: &Event, step: &str) -> bool {
    event.kind != "step:start" && event.step_id.as_deref().or(event.step_title.as_deref()) == Some(step)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn log(entries: &[Value]) -> Vec<Event> {
        let entry = |(seq, more): (usize, &Value)| {
            let mut event = json!({
                "seq": seq + 1, "timestamp": seq * 100, "options": {},
                "brainRunId": "run_0197c1f0a1b27000800000000000cafe",
            });
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value(event).unwrap()
        };
        entries.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn a_step_is_a_line_and_so_is_a_wait_with_its_answer() {
        let steps = json!({"type": "step:status", "steps": []});
        let start =
            |step: &str| json!({"type": "step:start", "stepTitle": step, "stepId": step, "attempt": 1});
        let end =
            |step: &str| json!({"type": "step:complete", "stepTitle": step, "stepId": step, "patch": []});
        let once = json!({"type": "step:once", "stepTitle": "ask", "stepId": "ask", "name": "ask in Slack", "value": 1});
        let wait = json!({"type": "brain:webhook", "waitFor": [{"slug": "twilio", "identifier": "+1"}]});
        let answer = json!({"type": "brain:webhook_response", "slug": "twilio", "identifier": "+1", "response": {"a": 1}});
        let events = log(&[
            json!({"type": "brain:start", "initialState": {}}),
            steps.clone(),
            start("ask"),
            once,
            end("ask"),
            steps,
            wait,
            answer,
            start("process"),
        ]);
        let found: Vec<_> = lines(&events)
            .into_iter()
            .map(|line| (line.numbers(), line.title, line.took, line.detail))
            .collect();
        let line = |numbers: &str, title: &str, took: &str, detail: &str| {
            (numbers.to_owned(), title.to_owned(), took.to_owned(), detail.to_owned())
        };
        assert_eq!(
            found,
            [
                line("1", "start", "", "{}"),
                line("3–5", "ask", "200 ms", "once: ask in Slack"),
                line("7–8", "waited", "100 ms", "waits for twilio '+1' → twilio '+1' {\"a\":1}"),
                line("9", "process", "", ""),
            ]
        );
    }

    #[test]
    fn an_attempt_that_failed_is_a_line_of_its_own() {
        let start =
            |attempt: u32| json!({"type": "step:start", "stepTitle": "s", "stepId": "s", "attempt": attempt});
        let retry = json!({"type": "step:retry", "stepTitle": "s", "stepId": "s", "attempt": 1,
            "error": {"name": "Error", "message": "no route"}, "dueAt": 1});
        let found: Vec<_> = lines(&log(&[start(1), retry, start(2)]))
            .into_iter()
            .map(|line| (line.numbers(), line.detail))
            .collect();
        let expected = [("1–2", "failed: no route"), ("3", "attempt 2")];
        assert_eq!(found, expected.map(|(numbers, detail)| (numbers.to_owned(), detail.to_owned())));
    }
}
