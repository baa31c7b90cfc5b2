//! A run in plain words: why it is where it is, since when, what would move
//! it, and until when. Works on what the server shows of a run and of the end
//! of its log; knows neither HTTP nor the terminal.

use px_core::Timestamp;
use px_core::wait::WaitMode;

use crate::{
    Ask, Detail, Event, Failure, Registration, Run, RunStatus, StepProgress, late, reminders, words,
};

/// Number of events of the log's end that are enough to tell the story.
pub const EVENTS: u64 = 64;

/// A webhook and an identifier that would wake the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The webhook.
    pub slug: String,
    /// The identifier that its handler has to find.
    pub identifier: String,
    /// The token that the event must bring.
    pub token: Option<String>,
    /// The question, if a signed link asks one.
    pub ask: Option<Ask>,
}

/// Account of a run, from which people and programs learn why it is where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// Sentences for people, in order.
    pub sentences: Vec<String>,
    /// Time since which it is in this state.
    pub since: Option<Timestamp>,
    /// Time at which it goes on without an event.
    pub until: Option<Timestamp>,
    /// Everything that would wake it: a registration that has had its one response is not among them.
    pub waits: Vec<Listening>,
    /// Sentences about events that other runs take first.
    pub ahead: Vec<String>,
    /// The runs for whose end it waits.
    pub awaited: Vec<String>,
}

/// Tells the story of a run, of which `events` is the end of the log.
#[must_use]
pub fn tell(run: &Run, events: &[Event], now: Timestamp) -> Story {
    let mut story = Story::default();
    match &run.status {
        RunStatus::Waiting => waiting(&mut story, run, events, now),
        RunStatus::Paused => paused(&mut story, run, events, now),
        RunStatus::Pending => pending(&mut story, run, now),
        RunStatus::Running => running(&mut story, run, events, now),
        ended => over(&mut story, run, ended, events, now),
    }
    if !run.labels.is_empty() {
        story.sentences.insert(0, format!("It is labelled {}.", words::labels(&run.labels)));
    }
    story
}

fn waiting(story: &mut Story, run: &Run, events: &[Event], now: Timestamp) {
    waits(story, run);
    let next =
        run.step_id().map_or(String::new(), |step| format!(" Its next step, '{step}', needs the answer."));
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    if let Some(first) = story.awaited.first().filter(|_| story.waits.is_empty()) {
        let others = match story.awaited.len() {
            1 => String::new(),
            runs => format!(" and {} more", runs - 1),
        };
        story.sentences.push(format!("It waits{since} for the end of {first}{others}.{next}"));
        story.sentences.push(format!("`px runs explain {first}` says what would move that."));
        story.sentences.extend(reminders::sentences(run, events, now));
        return;
    }
    if story.waits.is_empty() && story.until.is_some() {
        story.sentences.push(format!("It sleeps{since}. Nothing has to be done."));
        return;
    }
    story.sentences.push(format!("It has waited for a webhook{since}.{next}"));
    story.sentences.extend(late::sentence(run, now));
    let several = run.waiting_for.iter().map(|wait| (wait.have, wait.need)).find(|(_, need)| *need > 1);
    if let Some((have, need)) = several {
        story.sentences.push(format!("It has {have} of the {need} responses that it needs."));
        story.sentences.extend(distinct(run, events));
        if modes(run).any(|mode| matches!(mode, WaitMode::Count { by_registration: true, .. })) {
            story.sentences.push("Each identifier counts once.".to_owned());
        }
        let came: Vec<String> = run
            .registrations()
            .filter(|place| place.is_answered())
            .map(|place| format!("{} '{}'", place.slug, place.identifier))
            .collect();
        if !came.is_empty() {
            story.sentences.push(format!("Came already: {}.", came.join(", ")));
        }
    }
    if modes(run).any(|mode| *mode == WaitMode::Stream) {
        story
            .sentences
            .push("It takes a stream: one response after the other, until its step is done.".into());
    }
    for run in &story.awaited {
        story.sentences.push(format!("It also waits for the end of {run}."));
    }
    story.sentences.extend(reminders::sentences(run, events, now));
    story.sentences.append(&mut story.ahead.clone());
    story.sentences.push(match story.waits.len() {
        _ if several.is_some() || !story.ahead.is_empty() => "It listens to:".to_owned(),
        0 => "The server does not say for which.".to_owned(),
        1 => "This would wake it:".to_owned(),
        _ => "The first of these wakes it:".to_owned(),
    });
}

fn modes(run: &Run) -> impl Iterator<Item = &WaitMode> {
    run.waiting_for.iter().filter_map(|wait| wait.mode.known())
}

/// Describes the part in which the responses of a wait have to differ, and those that came so far:
/// a second one of these changes nothing.
fn distinct(run: &Run, events: &[Event]) -> Option<String> {
    let pointer = modes(run).find_map(|mode| match mode {
        WaitMode::Count { distinct_by, .. } => distinct_by.as_deref(),
        _ => None,
    })?;
    let since =
        events.iter().rposition(|event| event.kind == "brain:webhook").map_or(0, |opening| opening + 1);
    let came: Vec<String> = events
        .iter()
        .skip(since)
        .filter_map(|event| match event.detail() {
            Detail::Partial { response, .. } => response.pointer(pointer).cloned(),
            _ => None,
        })
        .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        .collect();
    let came =
        if came.is_empty() { String::new() } else { format!(", and there was one of {}", came.join(", ")) };
    Some(format!("They have to differ in {pointer}{came}."))
}

fn pending(story: &mut Story, run: &Run, now: Timestamp) {
    story.since = Some(run.created_at);
    let since = format!(" since {}", words::moment(run.created_at, now));
    let ahead = run.turn.as_ref().map_or(0, |turn| turn.ahead.len());
    story.sentences.push(format!("It waits for its turn{since}, with {ahead} before it."));
    let holders = run.turn.as_ref().map_or(&[][..], |turn| &turn.under_way);
    if let Some(first) = holders.first() {
        let count = words::count(u64::try_from(holders.len()).unwrap_or(u64::MAX), "run");
        story.sentences.push(format!(
            "{count} of its brain may be under way at once, and {first} is one of those that are. Nothing has to be done."
        ));
    }
}

/// Returns the sentence that follows the list of things that would wake a run.
#[must_use]
pub fn ending(story: &Story, now: Timestamp) -> String {
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
fn waits(story: &mut Story, run: &Run) {
    for wait in &run.waiting_for {
        story.since = story.since.or(Some(wait.since));
        story.until = story.until.or(wait.deadline);
        let open = wait.wait_for.iter().filter(|place| !place.is_answered());
        for Registration { slug, identifier, token, ahead, ahead_count, ask, misfit, .. } in open {
            if slug == px_core::key::RUN_SLUG {
                story.awaited.push(identifier.clone());
                continue;
            }
            story.waits.push(Listening {
                slug: slug.clone(),
                identifier: identifier.clone(),
                token: token.clone(),
                ask: ask.clone(),
            });
            story.ahead.extend(misfit.clone());
            let ahead = ahead.as_deref().unwrap_or_default();
            if let Some(first) = ahead.first() {
                story.ahead.push(format!(
                    "Other runs wait for {slug} '{identifier}' longer ({}): the next event there goes to {first}, the oldest.",
                    ahead_count.unwrap_or_else(|| u64::try_from(ahead.len()).unwrap_or(u64::MAX)),
                ));
            }
        }
    }
}

fn paused(story: &mut Story, run: &Run, events: &[Event], now: Timestamp) {
    let paused = last(events, |name| name == "brain:paused");
    story.since = paused.map(|event| event.timestamp);
    let said = paused.and_then(|event| match event.detail() {
        Detail::Paused { reason } => reason,
        _ => None,
    });
    let reason = run.reason.clone().or(said);
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    let why = reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    story.sentences.push(format!("It is paused{since}{why}."));
    let mending = reason.as_deref().and_then(mending);
    story.sentences.extend(mending.map(str::to_owned));
    story.sentences.push(match mending {
        Some(_) => "Once that is mended, somebody who resumes it moves it:".to_owned(),
        None => "Nothing but somebody who resumes it moves it:".to_owned(),
    });
}

/// Returns what to do about a reason that the code gives, before the run is resumed:
/// else it is paused again at once.
fn mending(reason: &str) -> Option<&'static str> {
    let says = |words: &str| reason.contains(words);
    let left = ["is in arm '", "is no loop any more", "is no branch any more", "is no brain any more"];
    if left.into_iter().any(says) || says("is another brain than") {
        Some(
            "It is inside of something that the code has no more, and an arm has no former names: the code has to have \
             it again until the run is through, or `px runs rerun` goes back to a step before it.",
        )
    } else if says("is not in brain") {
        Some(
            "If it was renamed, `.formerly(\"its old name\")` after it says so; `px check` says whether that will do.",
        )
    } else if says("does not fit") || says("could not be migrated") || says("response changed") {
        Some(
            "The code has to take what is stored (`#[serde(default)]`, `.migrate_state(..)`); `px check` says whether it does.",
        )
    } else {
        None
    }
}

fn running(story: &mut Story, run: &Run, events: &[Event], now: Timestamp) {
    let event = last(events, |name| matches!(name, "step:start" | "step:retry" | "step:complete"));
    let at = run.step_id();
    let step = event.and_then(|event| event.step_id.as_deref()).or(at.as_deref()).unwrap_or_default();
    story.since = event.map(|event| event.timestamp);
    let since = story.since.map_or(String::new(), |at| format!(" since {}", words::moment(at, now)));
    let detail = event.map(Event::detail);
    if let (Some(stalled), false) = (run.stalled_since, matches!(detail, Some(Detail::StepStart { .. }))) {
        let next = at.as_deref().map_or(String::new(), |next| format!(" before step '{next}'"));
        story.since = Some(stalled);
        story.sentences.push(format!(
            "Code{next} has not yielded since {}: a migration, or what says whether a loop is over. `px runs \
             cancel` counts all the same; a binary whose code returns goes on with it.",
            words::moment(stalled, now)
        ));
        return;
    }
    match detail {
        Some(Detail::StepRetry { attempt, error, due_at }) => {
            story.until = Some(due_at);
            let due = words::moment(due_at, now);
            story.sentences.push(format!("Attempt {attempt} at step '{step}' failed: {}.", error.in_words()));
            story.sentences.push(format!("It is tried again at {due}. Nothing has to be done."));
        }
        Some(Detail::StepStart { attempt }) => {
            let attempt = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
            if let Some(stalled) = run.stalled_since {
                let stalled = words::moment(stalled, now);
                story.sentences.push(format!(
                    "Step '{step}'{attempt} runs{since}, and has not yielded since {stalled}: it computes or \
                     blocks where it should await."
                ));
                story.sentences.push(
                    "Its timeout, if it has one, and `px runs cancel` count all the same; code that blocks belongs \
                     in `px::blocking`."
                        .to_owned(),
                );
                return;
            }
            story.sentences.push(format!("Step '{step}'{attempt} runs{since}. Nothing has to be done."));
            story.sentences.push(
                "If the process that runs it dies, the step is run again when the server is back.".to_owned(),
            );
        }
        Some(_) => {
            story
                .sentences
                .push(format!("Step '{step}' is complete{since}, and the next one is about to run."));
        }
        None => story.sentences.push("It is about to run its first step.".to_owned()),
    }
}

fn over(story: &mut Story, run: &Run, status: &RunStatus, events: &[Event], now: Timestamp) {
    story.since = run.completed_at;
    let at = story.since.map_or(String::new(), |at| format!(" at {}", words::moment(at, now)));
    let took = story.since.map_or(String::new(), |to| {
        format!(", {} after it began", words::duration(to.since(run.created_at)))
    });
    let sentence = match status {
        RunStatus::Complete => match guard(run) {
            Some(guard) => format!(
                "It ended well{at}{took}, at '{guard}': a guard there was not met, and the steps behind it \
                 were passed over."
            ),
            None => format!("It was completed{at}{took}."),
        },
        RunStatus::Cancelled => {
            let reason = run.reason.as_ref();
            format!("It was cancelled{at}{took}{}.", reason.map_or(String::new(), |why| format!(": {why}")))
        }
        RunStatus::Error => {
            let step = run.step_id().or_else(|| failed_step(events));
            let step = step.map_or(String::new(), |step| format!(" in step '{step}'"));
            let why = run.error.as_ref().map_or_else(|| "no message".to_owned(), Failure::in_words);
            format!("It failed{step}{at}{took}: {why}.")
        }
        other => format!("Its status is '{other}'."),
    };
    story.sentences.push(sentence);
    let failed = run.steps.iter().find(|step| step.status == StepProgress::Error);
    story.sentences.push(match failed {
        Some(step) => format!(
            "It does not go on by itself. Once that is mended, `px runs rerun {} --from '{}'` runs it again from \
             that step.",
            run.brain_run_id,
            step.title.replace('\'', r"'\''")
        ),
        None => "Nothing moves it any more.".to_owned(),
    });
}

/// The innermost step that failed with the run: its status is the first that is written behind the error.
fn failed_step(events: &[Event]) -> Option<String> {
    let error = events.iter().rposition(|event| event.kind == "brain:error")?;
    events.iter().skip(error + 1).find_map(|event| match event.detail() {
        Detail::Steps { steps } => {
            steps.into_iter().find(|step| step.status == StepProgress::Error).map(|step| step.id)
        }
        _ => None,
    })
}

/// The step at which a guard ended a complete run, itself or in an arm of it: the one before those that
/// were passed over to the end.
fn guard(run: &Run) -> Option<&str> {
    run.steps.last().filter(|step| step.status == StepProgress::Halted)?;
    let before = run.steps.iter().rev().find(|step| step.status != StepProgress::Halted)?;
    Some(&before.title)
}

fn last(events: &[Event], is: impl Fn(&str) -> bool) -> Option<&Event> {
    events.iter().rev().find(|event| is(&event.kind))
}

#[cfg(test)]
mod tests;
