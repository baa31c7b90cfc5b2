//! Why a delivery became what it is, in a paragraph: the rule that applied, the
//! wait or what was missing, who else had waited, and what can be done now.
//!
//! It tells what the inbox keeps of the moment of the commit, and asks the store
//! only about what is so now. Tested over the real binary in the root's
//! `tests/why.rs`.

use px_core::RunStatus;
use px_store::{Delivery, InboxEvent, InboxState};

use crate::app::App;

/// What became of a delivery and why, a few sentences an event.
pub(crate) async fn why(app: &App, delivery: &Delivery) -> String {
    let mut told = Vec::new();
    for event in &delivery.events {
        told.push(paragraph(app, delivery, event).await);
    }
    if told.is_empty() {
        told.push("The delivery carries no event.".to_owned());
    }
    if delivery.emptied {
        told.push(
            "Its headers and payload were dropped since: there were more deliveries than are kept.".into(),
        );
    }
    told.join(" ")
}

async fn paragraph(app: &App, delivery: &Delivery, event: &InboxEvent) -> String {
    use InboxState as S;
    let slug = &delivery.slug;
    let place = match &event.identifier {
        Some(identifier) => format!("{slug} for '{identifier}'"),
        None => slug.clone(),
    };
    let run = event.run.map_or_else(|| "a run".to_owned(), |run| run.to_string());
    let reason = event.reason.as_deref().unwrap_or("no reason was given");
    let id = delivery.id;
    let others = others(event);
    match event.state {
        S::Resumed => {
            let wait = event.wait.map(|wait| format!(" ({wait})")).unwrap_or_default();
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
        S::Queued => queued(app, delivery, event, &place).await,
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
            if event.token.is_some() { "another one" } else { "none" }
        ),
        S::Ignored if event.is_superseded() => {
            format!("What this event was to do, another delivery did: {reason}.")
        }
        S::Ignored if event.run.is_some() => {
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
        S::Rejected => format!(
            "The sender was not believed: {reason}. Nothing of the request's body was kept; `px webhooks verify \
             {slug}` checks a captured one."
        ),
    }
}

/// Who else waited when the event came (RULES 11).
fn others(event: &InboxEvent) -> String {
    let runs: Vec<String> = event.passed.iter().map(ToString::to_string).collect();
    match runs.as_slice() {
        [] => String::new(),
        [one] => format!(" {one} waited too, and goes on waiting."),
        several => format!(" {} waited too, and go on waiting.", several.join(", ")),
    }
}

async fn queued(app: &App, delivery: &Delivery, event: &InboxEvent, place: &str) -> String {
    let Some(run) = event.run else {
        let early = app.registry().webhook(&delivery.slug).and_then(|webhook| webhook.early);
        let until = early.map(|early| format!(", until {}", event.since.after(early))).unwrap_or_default();
        let starts = match &event.start {
            Some(start) => format!(" The handler would have started '{}'.", start.brain),
            None => String::new(),
        };
        return format!("Nobody waits on {place} yet; the event is kept for a wait to come{until}.{starts}");
    };
    let status = match app.store().run(app.parts.scope, run).await {
        Ok(Some(record)) => record.run.status,
        _ => RunStatus::Running,
    };
    match status {
        RunStatus::Paused => format!(
            "{run} waits on {place} and is paused; the event is kept, and applied when `px runs resume {run}` lets \
             it go on."
        ),
        _ => format!(
            "{run} owns {place} and does not wait on it now; the event is kept until it does, or ends."
        ),
    }
}
