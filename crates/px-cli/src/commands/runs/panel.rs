//! Below the events of a followed run, for a person at a terminal: its steps,
//! what it waits for and until when, and its state, drawn anew as they change.
//! Without a terminal there is no panel; the events say the same.

use px_api::{Run, RunStatus, StepProgress};
use px_core::Timestamp;

use crate::show::words;
use crate::ui::{ERROR, FAINT, GOOD, HEADING, WARNING, paint, shown, style_of};

/// Lines of the state that are shown.
const STATE_LINES: usize = 12;

/// The lines for a run as the server shows it, none longer than `width` columns.
pub(super) fn lines(run: &Run, now: Timestamp, width: usize) -> Vec<String> {
    let status = &run.status;
    let stands_still = matches!(status, RunStatus::Waiting | RunStatus::Paused);
    let title = paint(HEADING, cut(&run.brain_title, width / 2));
    let mut lines = vec![
        paint(FAINT, "─".repeat(width.min(72))),
        format!("{title} {}", paint(style_of(status.as_str()), status)),
    ];
    lines.extend(run.steps.iter().map(|step| {
        let (mark, style) = match &step.status {
            StepProgress::Complete => ("✓", GOOD),
            StepProgress::Running if stands_still => ("…", WARNING),
            StepProgress::Running => ("▸", HEADING),
            StepProgress::Error => ("✗", ERROR),
            _ => ("·", FAINT),
        };
        format!("  {} {}", paint(style, mark), cut(&step.title, width.saturating_sub(4)))
    }));
    for wait in &run.waiting_for {
        let open = wait.wait_for.iter().filter(|place| !place.is_answered());
        let named: Vec<String> = open.map(|place| format!("{} '{}'", place.slug, place.identifier)).collect();
        let what =
            if named.is_empty() { "sleeps".to_owned() } else { format!("waits for {}", named.join(" or ")) };
        lines.push(paint(WARNING, cut(&what, width)));
        if wait.need >= 2 {
            lines.push(paint(WARNING, cut(&format!("  has {} of {}", wait.have, wait.need), width)));
        }
        // A line of its own: the names before it may be longer than the terminal is wide.
        if let Some(due) = wait.deadline {
            let left = if due > now {
                format!("{} left", words::duration(due.since(now)))
            } else {
                "due now".into()
            };
            lines.push(paint(WARNING, cut(&format!("  {left}"), width)));
        }
        let to_come = wait.reminders.iter().flatten().filter(|reminder| reminder.next_at.is_some());
        lines.extend(to_come.map(|reminder| {
            let line = format!("  reminder '{}' {}", reminder.name, reminder.in_words(now));
            paint(FAINT, cut(&line, width))
        }));
    }
    let state = if run.state.is_null() { String::new() } else { format!("{:#}", run.state) };
    lines.extend(state.lines().take(STATE_LINES).map(|line| paint(FAINT, cut(line, width))));
    if state.lines().count() > STATE_LINES {
        lines.push(paint(FAINT, "…"));
    }
    lines
}

/// A text of at most so many characters.
fn cut(text: &str, width: usize) -> String {
    let text = &shown(text);
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::for_terminal;
    use serde_json::json;

    #[test]
    fn a_waiting_run() {
        let run = json!({
            "brainRunId": "run_0197c1f0a1b27000800000000000cafe", "brainTitle": "approval",
            "brainDescription": null, "type": "brain:start", "status": "waiting", "options": {}, "error": null,
            "createdAt": 0, "startedAt": 0, "completedAt": null, "userName": "root", "state": {"order": "42"},
            "steps": [
                {"id": "ask", "title": "ask", "status": "complete"},
                {"id": "decide", "title": "decide", "status": "pending"},
            ],
            "waitingFor": [{
                "waitId": "wat_0197c1f0a1b27000800000000000cafe", "mode": "any", "since": 0, "deadline": 63_000,
                "have": 1, "need": 2, "waitFor": [
                    {"slug": "decisions", "identifier": "42"},
                    {"slug": "decisions", "identifier": "41", "answered": true},
                ],
            }],
            "seq": 4, "cause": {"kind": "api"},
        });
        let run: Run = serde_json::from_value(run).unwrap();
        let shown: Vec<String> = lines(&run, Timestamp::from_millis(3_000), 60)
            .iter()
            .map(|line| anstream::adapter::strip_str(&for_terminal(line)).to_string())
            .collect();
        assert_eq!(
            shown[1..],
            [
                "approval waiting",
                "  ✓ ask",
                "  · decide",
                "waits for decisions '42'",
                "  has 1 of 2",
                "  1 minute left",
                "{",
                "  \"order\": \"42\"",
                "}"
            ]
        );
        let narrow = lines(&run, Timestamp::from_millis(99_000), 12);
        let length = |line| anstream::adapter::strip_str(&for_terminal(line)).to_string().chars().count();
        assert!(narrow.iter().all(|line| length(line) <= 12 + 10));
    }
}
