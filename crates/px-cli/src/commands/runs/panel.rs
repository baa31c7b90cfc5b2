//! Below the events of a followed run, for a person at a terminal: its steps,
//! what it waits for and until when, and its state, drawn anew as they change.
//! Without a terminal there is no panel; the events say the same.

use px_core::Timestamp;
use serde_json::Value;

use crate::ui::{ERROR, FAINT, GOOD, HEADING, WARNING, paint, style_of};
use crate::words;

/// Lines of the state that are shown.
const STATE_LINES: usize = 12;

/// The lines for a run as the server shows it, none longer than `width` columns.
pub(super) fn lines(run: &Value, now: Timestamp, width: usize) -> Vec<String> {
    let text = |name: &str| run.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = text("status");
    let mut lines = vec![
        paint(FAINT, "─".repeat(width.min(72))),
        format!("{} {}", paint(HEADING, cut(text("brainTitle"), width / 2)), paint(style_of(status), status)),
    ];
    let list = |name: &str| run.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    lines.extend(list("steps").iter().map(|step| {
        let part = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or_default();
        let (mark, style) = match part("status") {
            "complete" => ("✓", GOOD),
            "running" if matches!(status, "waiting" | "paused") => ("…", WARNING),
            "running" => ("▸", HEADING),
            "error" => ("✗", ERROR),
            _ => ("·", FAINT),
        };
        format!("  {} {}", paint(style, mark), cut(part("title"), width.saturating_sub(4)))
    }));
    for wait in list("waitingFor") {
        let places = wait.get("waitFor").and_then(Value::as_array).cloned().unwrap_or_default();
        let named: Vec<String> = places
            .iter()
            .map(|place| {
                let part = |name: &str| place.get(name).and_then(Value::as_str).unwrap_or("-");
                format!("{} '{}'", part("slug"), part("identifier"))
            })
            .collect();
        let what =
            if named.is_empty() { "sleeps".to_owned() } else { format!("waits for {}", named.join(" or ")) };
        lines.push(paint(WARNING, cut(&what, width)));
        let number = |name: &str| wait.get(name).and_then(Value::as_u64);
        if let (Some(have), Some(need @ 2..)) = (number("have"), number("need")) {
            lines.push(paint(WARNING, cut(&format!("  has {have} of {need}"), width)));
        }
        // A line of its own: the names before it may be longer than the terminal is wide.
        if let Some(due) = wait.get("deadline").and_then(Value::as_u64).map(Timestamp::from_millis) {
            let left = if due > now {
                format!("{} left", words::duration(due.since(now)))
            } else {
                "due now".into()
            };
            lines.push(paint(WARNING, cut(&format!("  {left}"), width)));
        }
    }
    let state =
        run.get("state").filter(|state| !state.is_null()).map_or(String::new(), |state| format!("{state:#}"));
    lines.extend(state.lines().take(STATE_LINES).map(|line| paint(FAINT, cut(line, width))));
    if state.lines().count() > STATE_LINES {
        lines.push(paint(FAINT, "…"));
    }
    lines
}

/// A text of at most so many characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_waiting_run() {
        let run = json!({
            "brainTitle": "approval", "status": "waiting", "state": {"order": "42"},
            "steps": [{"title": "ask", "status": "complete"}, {"title": "decide", "status": "pending"}],
            "waitingFor": [{"deadline": 63_000, "have": 1, "need": 2, "waitFor": [{"slug": "decisions", "identifier": "42"}]}],
        });
        let shown: Vec<String> = lines(&run, Timestamp::from_millis(3_000), 60)
            .iter()
            .map(|line| anstream::adapter::strip_str(line).to_string())
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
        assert!(
            narrow
                .iter()
                .all(|line| anstream::adapter::strip_str(line).to_string().chars().count() <= 12 + 10)
        );
    }
}
