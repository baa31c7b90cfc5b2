//! A run in plain words: why it is where it is, since when, what would move
//! it, and until when. Works on what the server shows of a run and of the end
//! of its log; knows neither HTTP nor the terminal.

use px_core::Timestamp;
use serde_json::Value;

use crate::words;

/// How many events of the log's end are enough to tell the story.
pub(crate) const EVENTS: u64 = 64;

/// A webhook and an identifier that would wake the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listening {
    pub(crate) slug: String,
    pub(crate) identifier: String,
    pub(crate) token: Option<String>,
}

/// What there is to say about a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Story {
    pub(crate) sentences: Vec<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) waits: Vec<Listening>,
    /// What other runs take first.
    pub(crate) ahead: Vec<String>,
    /// The runs for whose end it waits.
    pub(crate) awaited: Vec<String>,
}

/// Tells the story of a run, of which `events` is the end of the log.
pub(crate) fn tell(run: &Value, events: &[Value], now: Timestamp) -> Story {
    let mut story = Story::default();
    match text(run, "status") {
        "waiting" => waiting(&mut story, run, events, now),
        "paused" => paused(&mut story, run, events, now),
        "pending" => pending(&mut story, run, now),
        "running" => running(&mut story, run, events, now),
        ended => over(&mut story, run, ended, now),
    }
    story
}

fn waiting(story: &mut Story, run: &Value, events: &[Value], now: Timestamp) {
    waits(story, run);
    let step = run.get("step").and_then(Value::as_str).filter(|step| !step.is_empty());
    let next = step.map_or(String::new(), |step| format!(" Its next step, '{step}', needs the answer."));
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    if let Some(first) = story.awaited.first().filter(|_| story.waits.is_empty()) {
        let others = match story.awaited.len() {
            1 => String::new(),
            runs => format!(" and {} more", runs - 1),
        };
        story.sentences.push(format!("It waits{since} for the end of {first}{others}.{next}"));
        story.sentences.push(format!("`px runs explain {first}` says what would move that."));
        return;
    }
    if story.waits.is_empty() && story.until.is_some() {
        story.sentences.push(format!("It sleeps{since}. Nothing has to be done."));
        return;
    }
    story.sentences.push(format!("It has waited for a webhook{since}.{next}"));
    let several = run.get("waitingFor").and_then(Value::as_array).into_iter().flatten().find_map(|wait| {
        let (have, need) = (wait.get("have")?.as_u64()?, wait.get("need")?.as_u64()?);
        (need > 1).then_some((have, need))
    });
    if let Some((have, need)) = several {
        story.sentences.push(format!("It has {have} of the {need} responses that it needs."));
        story.sentences.extend(distinct(run, events));
    }
    if is_stream(run) {
        story
            .sentences
            .push("It takes a stream: one response after the other, until its step is done.".into());
    }
    for run in &story.awaited {
        story.sentences.push(format!("It also waits for the end of {run}."));
    }
    story.sentences.append(&mut story.ahead.clone());
    story.sentences.push(match story.waits.len() {
        _ if several.is_some() || !story.ahead.is_empty() => "It listens to:".to_owned(),
        0 => "The server does not say for which.".to_owned(),
        1 => "This would wake it:".to_owned(),
        _ => "The first of these wakes it:".to_owned(),
    });
}

/// In what the responses that a wait counts have to differ, and what came so far:
/// a second one of these changes nothing.
fn distinct(run: &Value, events: &[Value]) -> Option<String> {
    let waits = run.get("waitingFor").and_then(Value::as_array)?;
    let pointer = waits.iter().find_map(|wait| wait.pointer("/mode/count/distinct_by")?.as_str())?;
    let is_opening = |event: &Value| text(event, "type") == "brain:webhook";
    let since = events.iter().rposition(is_opening).map_or(0, |opening| opening + 1);
    let came: Vec<String> = events
        .iter()
        .skip(since)
        .filter(|event| text(event, "type") == "brain:webhook_partial")
        .filter_map(|event| event.get("response")?.pointer(pointer))
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    let came =
        if came.is_empty() { String::new() } else { format!(", and there was one of {}", came.join(", ")) };
    Some(format!("They have to differ in {pointer}{came}."))
}

fn is_stream(run: &Value) -> bool {
    let waits = run.get("waitingFor").and_then(Value::as_array).into_iter().flatten();
    waits.into_iter().any(|wait| wait.get("mode").and_then(Value::as_str) == Some("stream"))
}

fn pending(story: &mut Story, run: &Value, now: Timestamp) {
    story.since = time(run, "createdAt");
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    let runs = |name: &str| {
        let runs = run.pointer(&format!("/turn/{name}")).and_then(Value::as_array);
        runs.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let (holders, ahead) = (runs("underWay"), runs("ahead").len());
    story.sentences.push(format!("It waits for its turn{since}, with {ahead} before it."));
    if let Some(first) = holders.first() {
        let count = words::count(u64::try_from(holders.len()).unwrap_or(u64::MAX), "run");
        story.sentences.push(format!(
            "{count} of its brain may be under way at once, and {first} is one of those that are. Nothing has to be done."
        ));
    }
}

/// What is said after the list of what would wake a run.
pub(crate) fn ending(story: &Story, now: Timestamp) -> String {
    match story.until {
        Some(until) if until <= now => {
            format!("Its time was up at {}: the step is about to be told so.", words::moment(until, now))
        }
        Some(until) if story.waits.is_empty() => {
            format!("It goes on by itself at {}.", words::moment(until, now))
        }
        Some(until) => format!(
            "It waits until {}; if nothing has come by then, it goes on and the step is told so.",
            words::moment(until, now)
        ),
        None => "It waits without a time limit.".to_owned(),
    }
}

/// Reads the open waits of a run into the story.
fn waits(story: &mut Story, run: &Value) {
    for wait in run.get("waitingFor").and_then(Value::as_array).into_iter().flatten() {
        story.since = story.since.or(time(wait, "since"));
        story.until = story.until.or(time(wait, "deadline"));
        for registration in wait.get("waitFor").and_then(Value::as_array).into_iter().flatten() {
            if text(registration, "slug") == px_core::key::RUN_SLUG {
                story.awaited.push(text(registration, "identifier").to_owned());
                continue;
            }
            story.waits.push(Listening {
                slug: text(registration, "slug").to_owned(),
                identifier: text(registration, "identifier").to_owned(),
                token: registration.get("token").and_then(Value::as_str).map(str::to_owned),
            });
            let ahead = registration.get("ahead").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if let Some(first) = ahead.first().and_then(Value::as_str) {
                story.ahead.push(format!(
                    "Other runs wait for {} '{}' longer ({}): the next event there goes to {first}, the oldest.",
                    text(registration, "slug"),
                    text(registration, "identifier"),
                    ahead.len(),
                ));
            }
        }
    }
}

fn paused(story: &mut Story, run: &Value, events: &[Value], now: Timestamp) {
    let paused = last(events, |name| name == "brain:paused");
    story.since = paused.and_then(|event| time(event, "timestamp"));
    let reason = run.get("reason").or_else(|| paused?.get("reason")).and_then(Value::as_str);
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    let why = reason.map_or(String::new(), |reason| format!(": {reason}"));
    story.sentences.push(format!("It is paused{since}{why}."));
    let mending = reason.and_then(mending);
    story.sentences.extend(mending.map(str::to_owned));
    story.sentences.push(match mending {
        Some(_) => "Once that is mended, somebody who resumes it moves it:".to_owned(),
        None => "Nothing but somebody who resumes it moves it:".to_owned(),
    });
}

/// What to do about a reason that the code gives, before the run is resumed:
/// else it is paused again at once.
fn mending(reason: &str) -> Option<&'static str> {
    let says = |words: &str| reason.contains(words);
    if says("is not in brain") {
        Some(
            "If it was renamed, `.formerly(\"its old name\")` after it says so; `px check` says whether that will do.",
        )
    } else if says("does not fit") || says("could not be migrated") || says("response changed") {
        Some(
            "The code has to take what is stored (`#[serde(default)]`, `.migrate(..)`); `px check` says whether it does.",
        )
    } else {
        None
    }
}

fn running(story: &mut Story, run: &Value, events: &[Value], now: Timestamp) {
    let event = last(events, |name| matches!(name, "step:start" | "step:retry" | "step:complete"));
    let name = event.map_or("", |event| text(event, "type"));
    let step = event.map(|event| text(event, "stepTitle")).or_else(|| run.get("step")?.as_str());
    let step = step.unwrap_or_default();
    story.since = event.and_then(|event| time(event, "timestamp"));
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    match (name, event) {
        ("step:retry", Some(event)) => {
            let attempt = event.get("attempt").and_then(Value::as_u64).unwrap_or(1);
            let why = event.pointer("/error/message").and_then(Value::as_str).unwrap_or("no message");
            story.until = time(event, "dueAt");
            let due = story.until.map_or("soon".to_owned(), |due| words::moment(due, now));
            story.sentences.push(format!("Attempt {attempt} at step '{step}' failed: {why}."));
            story.sentences.push(format!("It is tried again at {due}. Nothing has to be done."));
        }
        ("step:start", Some(event)) => {
            let attempt = event.get("attempt").and_then(Value::as_u64).unwrap_or(1);
            let attempt = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            if let Some(stalled) = time(run, "stalledSince") {
                let stalled = words::moment(stalled, now);
                story.sentences.push(format!(
                    "Step '{step}'{attempt} runs{since}, and has not yielded since {stalled}: it computes or \
                     blocks where it should await."
                ));
                story.sentences.push(
                    "Its timeout and `px runs cancel` count all the same; code that blocks belongs in \
                     `px::blocking`."
                        .to_owned(),
                );
                return;
            }
            story.sentences.push(format!("Step '{step}'{attempt} runs{since}. Nothing has to be done."));
            story.sentences.push(
                "If the process that runs it dies, the step is run again when the server is back.".to_owned(),
            );
        }
        ("step:complete", _) => {
            story
                .sentences
                .push(format!("Step '{step}' is complete{since}, and the next one is about to run."));
        }
        _ => story.sentences.push("It is about to run its first step.".to_owned()),
    }
}

fn over(story: &mut Story, run: &Value, status: &str, now: Timestamp) {
    story.since = time(run, "completedAt");
    let at = story.since.map_or(String::new(), |at| format!(" at {}", words::moment(at, now)));
    let took = time(run, "createdAt")
        .zip(story.since)
        .map_or(String::new(), |(from, to)| format!(", {} after it began", words::duration(to.since(from))));
    let sentence = match status {
        "complete" => format!("It was completed{at}{took}."),
        "cancelled" => {
            let reason = run.get("reason").and_then(Value::as_str);
            format!("It was cancelled{at}{took}{}.", reason.map_or(String::new(), |why| format!(": {why}")))
        }
        "error" => {
            let step = run.get("step").and_then(Value::as_str).filter(|step| !step.is_empty());
            let step = step.map_or(String::new(), |step| format!(" in step '{step}'"));
            let why = run.pointer("/error/message").and_then(Value::as_str).unwrap_or("no message");
            format!("It failed{step}{at}{took}: {why}.")
        }
        other => format!("Its status is '{other}'."),
    };
    story.sentences.push(sentence);
    story.sentences.push("Nothing moves it any more.".to_owned());
}

fn last(events: &[Value], is: impl Fn(&str) -> bool) -> Option<&Value> {
    events.iter().rev().find(|event| is(text(event, "type")))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn time(value: &Value, name: &str) -> Option<Timestamp> {
    value.get(name).and_then(Value::as_u64).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_768_473_000_000);

    fn at(seconds_ago: u64) -> u64 {
        NOW.as_millis() - seconds_ago * 1000
    }

    #[test]
    fn a_waiting_run() {
        let run = json!({
            "status": "waiting", "step": "process",
            "waitingFor": [{
                "waitId": "w", "since": at(300), "deadline": NOW.as_millis() + 3_600_000,
                "waitFor": [{"slug": "slack", "identifier": "C1"}, {"slug": "twilio", "identifier": "+1", "token": "t"}],
            }],
        });
        let story = tell(&run, &[], NOW);
        assert_eq!(
            story.sentences,
            [
                "It has waited for a webhook since 2026-01-15 10:25:00 UTC (5 minutes ago). \
                 Its next step, 'process', needs the answer.",
                "The first of these wakes it:",
            ]
        );
        assert_eq!(story.waits.len(), 2);
        assert_eq!(story.waits[1].token.as_deref(), Some("t"));
        assert_eq!(
            ending(&story, NOW),
            "It waits until 2026-01-15 11:30:00 UTC (in 1 hour); if nothing has come by then, it goes on and the step is told so."
        );
        assert_eq!(ending(&Story { until: None, ..story }, NOW), "It waits without a time limit.");
    }

    #[test]
    fn runs_that_wait_for_other_runs() {
        let run = json!({"status": "waiting", "step": "heard", "waitingFor": [{
            "since": at(60), "waitFor": [{"slug": "px.run", "identifier": "run_1"}],
        }]});
        let story = tell(&run, &[], NOW);
        assert!(story.waits.is_empty(), "no webhook wakes it");
        assert!(story.sentences[0].contains("for the end of run_1."), "{:?}", story.sentences);
        let run = json!({"status": "pending", "createdAt": at(60),
            "turn": {"underWay": ["run_1", "run_2"], "ahead": ["run_3"]}});
        let story = tell(&run, &[], NOW);
        assert!(story.sentences[0].ends_with("with 1 before it."), "{:?}", story.sentences);
        assert!(story.sentences[1].starts_with("2 runs of its brain"), "{:?}", story.sentences);
    }

    #[test]
    fn runs_that_nothing_has_to_be_done_about() {
        let run = json!({"status": "running", "step": "ask"});
        let start = json!({"type": "step:start", "stepTitle": "ask", "attempt": 2, "timestamp": at(3)});
        assert_eq!(
            tell(&run, &[start], NOW).sentences[0],
            "Step 'ask', attempt 2 runs since 2026-01-15 10:29:57 UTC (3 seconds ago). Nothing has to be done."
        );
        let retry = json!({"type": "step:retry", "stepTitle": "ask", "attempt": 1, "timestamp": at(3),
            "error": {"message": "no route"}, "dueAt": NOW.as_millis() + 5000});
        let story = tell(&run, &[retry], NOW);
        assert_eq!(story.sentences[0], "Attempt 1 at step 'ask' failed: no route.");
        assert_eq!(
            story.sentences[1],
            "It is tried again at 2026-01-15 10:30:05 UTC (in 5 seconds). Nothing has to be done."
        );
    }

    #[test]
    fn runs_that_are_over() {
        let run = |status: &str| {
            json!({"status": status, "createdAt": at(60), "completedAt": at(30), "step": "ask",
                "error": {"message": "boom"}, "reason": "by hand"})
        };
        let first = |status: &str| tell(&run(status), &[], NOW).sentences.remove(0);
        let when = "at 2026-01-15 10:29:30 UTC (30 seconds ago), 30 seconds after it began";
        assert_eq!(first("complete"), format!("It was completed {when}."));
        assert_eq!(first("cancelled"), format!("It was cancelled {when}: by hand."));
        assert_eq!(first("error"), format!("It failed in step 'ask' {when}: boom."));
    }

    #[test]
    fn responses_that_have_to_differ() {
        let run = json!({"status": "waiting", "waitingFor": [{
            "since": at(60), "have": 1, "need": 2, "mode": {"count": {"need": 2, "distinct_by": "/by"}},
            "waitFor": [{"slug": "votes", "identifier": "7"}],
        }]});
        let partial = |by: &str| json!({"type": "brain:webhook_partial", "response": {"by": by}});
        let events = [partial("an earlier wait's"), json!({"type": "brain:webhook"}), partial("ada")];
        assert_eq!(
            tell(&run, &events, NOW).sentences[1..3],
            [
                "It has 1 of the 2 responses that it needs.",
                "They have to differ in /by, and there was one of ada."
            ]
        );
        assert_eq!(tell(&run, &[], NOW).sentences[2], "They have to differ in /by.");
    }

    #[test]
    fn a_run_that_the_code_paused_says_what_to_mend_before_it_is_resumed() {
        let run = json!({"status": "paused", "reason": "step 'a' is not in brain 'b' any more"});
        let story = tell(&run, &[], NOW);
        assert!(story.sentences[1].contains("`.formerly(\"its old name\")`"), "{:?}", story.sentences);
        let run = json!({"status": "paused", "reason": "by hand"});
        assert_eq!(tell(&run, &[], NOW).sentences.len(), 2);
    }

    #[test]
    fn a_paused_run() {
        let paused = json!({"type": "brain:paused", "timestamp": at(60), "reason": "response changed"});
        let story = tell(&json!({"status": "paused"}), &[paused], NOW);
        assert_eq!(
            story.sentences[0],
            "It is paused since 2026-01-15 10:29:00 UTC (1 minute ago): response changed."
        );
    }

    #[test]
    fn a_sleep_needs_nobody() {
        let run = json!({
            "status": "waiting", "step": "wake",
            "waitingFor": [{"waitId": "w", "waitFor": [], "since": 1_000, "deadline": 3_601_000}],
        });
        let now = Timestamp::from_millis(2_000);
        let story = tell(&run, &[], now);
        assert!(story.sentences[0].starts_with("It sleeps since"), "{:?}", story.sentences);
        assert!(ending(&story, now).starts_with("It goes on by itself at"));
    }
}
