//! Explanation of a delivery's outcome, in a paragraph: the rule that applied, the wait or what was
//! missing, who else had waited, and what can be done now.
//!
//! It tells the moment of the commit, as the inbox keeps it, and a few things that are so now, which the
//! caller has looked up ([`Now`]). Tested over the real binary in the root's `tests/why.rs`.

use px_core::{DeliveryId, Timestamp};

use crate::{DeliveryState, InboxEvent};

/// Things about an event that its record in the answer does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// The event brought a token.
    pub brought_token: bool,
    /// Another delivery did what it was to do.
    pub is_superseded: bool,
    /// Time until which it is kept for a wait to come, if that has an end.
    pub kept_until: Option<Timestamp>,
    /// The run that owns it is paused.
    pub is_owner_paused: bool,
}

/// Returns what became of a delivery and why, a few sentences an event. `emptied` says
/// that its headers and payload were dropped.
#[must_use]
pub fn why(id: DeliveryId, slug: &str, events: &[(&InboxEvent, Now)], emptied: bool) -> String {
    let mut told: Vec<String> = events.iter().map(|(event, now)| paragraph(id, slug, event, *now)).collect();
    if told.is_empty() {
        told.push("The delivery carries no event.".to_owned());
    }
    if emptied {
        told.push(why_emptied(events).into());
    }
    told.join(" ")
}

/// Says of a file that nobody reads it, in a sentence that goes behind the others.
#[must_use]
pub fn unread(field: &str, name: &str) -> String {
    format!(
        " The file '{name}' in the field '{field}' is kept, and no step reads it: nothing that the handler gave to a run \
         has it, so the sender or the payload's type may have another name for the field."
    )
}

/// Says of a delivery that it was a test, in a sentence that goes behind the others.
#[must_use]
pub fn tested(by: Option<&str>) -> String {
    match by {
        Some(name) => {
            format!(" It was a test: px made, signed and sent it itself, as the token '{name}' asked.")
        }
        None => " It was a test: px made, signed and sent it itself, as somebody asked.".to_owned(),
    }
}

/// Why a delivery has no payload any more, in a sentence.
fn why_emptied(events: &[(&InboxEvent, Now)]) -> &'static str {
    // What cannot be read goes by its age alone, so it was emptied when it came.
    if !events.is_empty() && events.iter().all(|(event, _)| matches!(event.state, DeliveryState::Rejected)) {
        return "Its body was not kept: it could not be read, and is larger than one that is kept for a later try, so \
                only its sender has it.";
    }
    "Its headers and payload were dropped since: there were more deliveries than are kept."
}

fn paragraph(id: DeliveryId, slug: &str, event: &InboxEvent, now: Now) -> String {
    use DeliveryState as S;
    let place = match &event.identifier {
        Some(identifier) => format!("{slug} for '{identifier}'"),
        None => slug.to_owned(),
    };
    let run = event.brain_run_id.map_or_else(|| "a run".to_owned(), |run| run.to_string());
    let reason = event.reason.as_deref().unwrap_or("no reason was given");
    let others = others(event);
    match &event.state {
        S::Resumed => {
            let wait = event.wait_id.map(|wait| format!(" ({wait})")).unwrap_or_default();
            format!("{run} waited on {place}{wait}, and took the event: the oldest wait does.{others}")
        }
        S::Collected => format!(
            "{run} waits on {place} and needs several responses, of which this is one; it goes on when it has \
             them all.{others}"
        ),
        S::Started => match &event.identifier {
            Some(_) => format!(
                "Nobody waited on {place}, no live run owned it, and the handler said to start one: {run} was \
                 started, and owns it until it ends."
            ),
            None => format!("The handler gave no identifier and said to start a run: {run} was started."),
        },
        S::Queued => queued(event, now, &place),
        S::Duplicate => match event.original {
            Some(original) if original == id => {
                "The same delivery brings this event twice, by the provider's id; the first one counts."
                    .to_owned()
            }
            Some(original) => format!(
                "The provider's id{} was seen before, in {original}; nothing was done again.",
                event.provider_id.as_deref().map(|id| format!(" '{id}'")).unwrap_or_default()
            ),
            None => "The provider's id was seen before; nothing was done again.".to_owned(),
        },
        S::Ignored if event.reason.as_deref() == Some("token") => format!(
            "{run} waits on {place}, but with a token, and the event brought {}; so nothing follows from it.",
            if now.brought_token { "another one" } else { "none" }
        ),
        S::Ignored if now.is_superseded => {
            format!("What this event was to do, another delivery did: {reason}.")
        }
        S::Ignored if event.brain_run_id.is_some() => {
            format!("{run} waits on {place}, and did not take the event: {reason}.")
        }
        S::Ignored if event.identifier.is_some() => {
            format!("Nothing follows from the event on {place}: {reason}.")
        }
        S::Ignored => format!("The handler said to ignore the event: {reason}."),
        S::Late => format!(
            "{run} had waited on {place}, but the event came too late: {reason}. No later run takes it by itself; \
             `px webhooks deliveries bind {id} RUN` gives it to one."
        ),
        S::Expired => format!(
            "Nobody waited on {place} in time: the event was kept for the webhook's early window and has expired. \
             `px webhooks deliveries bind {id} RUN` gives it to a run."
        ),
        S::Quarantined => format!(
            "The event did not get as far as a run, and was set aside: {reason}. Once that is mended, \
             `px webhooks deliveries replay {id}` has it handled again."
        ),
        S::Rejected => rejected(id, slug, reason),
        S::Other(state) => format!("Its state is '{state}': {reason}."),
    }
}

/// Returns what became of an event that was not taken in: its sender was not
/// believed, or its body could not be read.
fn rejected(id: DeliveryId, slug: &str, reason: &str) -> String {
    match reason.strip_prefix("unreadable: ") {
        Some(why) => format!(
            "The sender was believed, and what it sent could not be read: {why}. All of its bytes were kept; once px \
             can read them, `px webhooks deliveries replay {id}` has them handled."
        ),
        None => format!(
            "The sender was not believed: {reason}. Nothing of the request's body was kept; `px webhooks verify \
             {slug}` checks a captured one."
        ),
    }
}

/// Those who waited too when the event came.
fn others(event: &InboxEvent) -> String {
    let runs: Vec<String> = event.passed.iter().map(ToString::to_string).collect();
    match runs.as_slice() {
        [] => String::new(),
        [one] => format!(" {one} waited too, and goes on waiting."),
        several => format!(" {} waited too, and go on waiting.", several.join(", ")),
    }
}

fn queued(event: &InboxEvent, now: Now, place: &str) -> String {
    let Some(run) = event.brain_run_id else {
        let until = now.kept_until.map(|at| format!(", until {at}")).unwrap_or_default();
        let starts = match &event.would_start {
            Some(brain) => format!(" The handler would have started '{brain}'."),
            None => String::new(),
        };
        return format!("Nobody waits on {place} yet; the event is kept for a wait to come{until}.{starts}");
    };
    if now.is_owner_paused {
        return format!(
            "{run} waits on {place} and is paused; the event is kept, and applied when `px runs resume {run}` lets \
             it go on."
        );
    }
    format!("{run} owns {place} and does not wait on it now; the event is kept until it does, or ends.")
}

#[cfg(test)]
mod tests {
    use px_core::EventId;

    use super::*;

    #[test]
    fn a_payload_is_gone_for_the_reason_that_it_is_gone_for() {
        for (state, words) in [
            (DeliveryState::Rejected, "only its sender has it"),
            (DeliveryState::Resumed, "more deliveries than are kept"),
        ] {
            let event = InboxEvent {
                id: EventId::from_bytes([1; 16]),
                state,
                since: Timestamp::from_millis(0),
                provider_id: None,
                identifier: None,
                brain_run_id: None,
                wait_id: None,
                passed: Vec::new(),
                original: None,
                reason: Some("unreadable: no form".into()),
                response: None,
                would_start: None,
            };
            let told = why(DeliveryId::from_bytes([1; 16]), "claims", &[(&event, Now::default())], true);
            assert!(told.contains(words), "{told}");
        }
    }
}
