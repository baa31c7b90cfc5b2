//! Answers without what runs and senders bring, for callers that may not see it: `[access] payloads`.
//! In the place of each such part stands that it is withheld, and which scope shows it.
//!
//! States, inputs, responses, payloads, the values of headers and of fields, files' names, the bodies of
//! callbacks and of their answers, values that outlive runs, questions and the tokens of waits are withheld, and so
//! is the reason of a quarantined event, which quotes the value that does not fit.
//! Ids, times, statuses, titles, identifiers, labels, reasons and the messages of errors are not: lists
//! and searches live of them.
//!
//! Each type decides for itself, in an exhaustive list below: a type without a decision cannot be shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Ask, Brain, Brains, BulkJob, BulkJobs, BulkPreview, Callback, CallbackPage, CallbackSummary, Delivery,
    DeliveryPage, DeliveryState, DeliverySummary, DuePage, Event, Events, Explained, FoundIds, Health, Hook,
    HookStats, Hooks, InboxEvent, LatePage, Open, Overview, Registration, Run, RunPage, RunSummary,
    RunningBrains, Runs, StateDiff, Status, StoreBrains, StoreKeys, StoreValue, WaitPage, Webhook, Webhooks,
};

/// The scope that shows what is withheld, in words.
const NEEDS: &str = "needs operate";

/// A text that stands for one that is withheld.
const TEXT: &str = "[withheld: needs operate]";

/// Object that stands in the place of a value which the caller may not see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Withheld {
    /// The scope that shows it, in words: `needs operate`.
    pub withheld: String,
}

impl Withheld {
    /// The object as a value.
    #[must_use]
    pub fn value() -> Value {
        json!({ "withheld": NEEDS })
    }

    /// The text that stands for a text.
    fn text() -> String {
        TEXT.to_owned()
    }
}

/// An answer that may hold what runs and senders bring.
pub trait Withhold {
    /// Puts in the place of each such part that it is withheld.
    fn withhold(&mut self);
}

/// Types of answers that hold none of it.
macro_rules! without_payloads {
    ($($name:ty),+ $(,)?) => {
        $(impl Withhold for $name {
            fn withhold(&mut self) {}
        })+
    };
}

without_payloads!(
    Brain,
    Brains,
    BulkJob,
    BulkJobs,
    BulkPreview,
    CallbackPage,
    CallbackSummary,
    DuePage,
    FoundIds,
    Health,
    Hook,
    HookStats,
    Hooks,
    LatePage,
    Overview,
    Status,
    StoreBrains,
    StoreKeys,
    WaitPage,
    Webhook,
    Webhooks,
);

impl<T: Withhold> Withhold for Vec<T> {
    fn withhold(&mut self) {
        self.iter_mut().for_each(Withhold::withhold);
    }
}

impl<T: Withhold> Withhold for Option<T> {
    fn withhold(&mut self) {
        self.iter_mut().for_each(Withhold::withhold);
    }
}

/// A state, or a part of one.
impl Withhold for Value {
    fn withhold(&mut self) {
        *self = Withheld::value();
    }
}

/// Withholds a text that is there.
fn text(text: &mut Option<String>) {
    if let Some(text) = text {
        *text = Withheld::text();
    }
}

impl Withhold for Ask {
    fn withhold(&mut self) {
        self.words = Withheld::text();
        for answer in &mut self.answers {
            answer.label = Withheld::text();
            answer.value.withhold();
        }
    }
}

impl Withhold for Registration {
    fn withhold(&mut self) {
        text(&mut self.token);
        self.ask.withhold();
    }
}

impl Withhold for Run {
    fn withhold(&mut self) {
        self.options.withhold();
        self.state.withhold();
        for wait in &mut self.waiting_for {
            wait.wait_for.withhold();
        }
    }
}

impl Withhold for RunSummary {
    fn withhold(&mut self) {
        self.options = Withheld::text();
        if let Some(position) = &mut self.position {
            *position = Open::Other(Withheld::value());
        }
    }
}

impl Withhold for Runs {
    fn withhold(&mut self) {
        self.runs.withhold();
    }
}

impl Withhold for RunPage {
    fn withhold(&mut self) {
        self.runs.withhold();
    }
}

impl Withhold for RunningBrains {
    fn withhold(&mut self) {
        self.running_brains.withhold();
    }
}

/// The further fields of an event that are no payload. Of those that came later nobody knows yet.
const EVENT_FIELDS: &[&str] = &[
    "arm",
    "attempt",
    "brainVersion",
    "by",
    "cause",
    "currentUser",
    "deliveryId",
    "depth",
    "dueAt",
    "error",
    "eventId",
    "halted",
    "have",
    "identifier",
    "index",
    "itemIndex",
    "iteration",
    "kind",
    "labels",
    "mode",
    "name",
    "need",
    "nextAt",
    "nth",
    "part",
    "path",
    "processedCount",
    "progress",
    "reason",
    "reminders",
    "requestId",
    "resetTo",
    "slug",
    "startsAt",
    "stateKey",
    "stepIndex",
    "steps",
    "timeout",
    "totalItems",
    "waitFor",
    "waitId",
];

impl Withhold for Event {
    fn withhold(&mut self) {
        self.options.withhold();
        for (name, value) in self.fields.iter_mut() {
            match name.as_str() {
                "waitFor" => tokens(value),
                "patch" => *value = json!([Withheld::value()]),
                known if EVENT_FIELDS.contains(&known) => {}
                _ => value.withhold(),
            }
        }
    }
}

/// The tokens of registrations as the log has them.
fn tokens(places: &mut Value) {
    for place in places.as_array_mut().into_iter().flatten() {
        for field in ["token", "ask"] {
            if let Some(value) = place.get_mut(field) {
                *value = if value.is_string() { TEXT.into() } else { Withheld::value() };
            }
        }
    }
}

impl Withhold for Events {
    fn withhold(&mut self) {
        self.events.withhold();
    }
}

impl Withhold for Explained {
    /// The sentences are told of a run and events that are withheld already: see the server's route.
    fn withhold(&mut self) {
        for wakes in &mut self.wake {
            if let Some((before, _)) = wakes.url.as_ref().and_then(|url| url.split_once("token=")) {
                wakes.url = Some(format!("{before}token=TOKEN"));
            }
            text(&mut wakes.token);
            wakes.ask.withhold();
        }
    }
}

impl Withhold for StateDiff {
    fn withhold(&mut self) {
        self.patch.withhold();
    }
}

/// Returns whether the reason of an event quotes its payload: it says of a value that it does not fit.
fn quotes(event: &InboxEvent) -> bool {
    event.state == DeliveryState::Quarantined
}

impl Withhold for InboxEvent {
    fn withhold(&mut self) {
        self.response.withhold();
        if quotes(self) {
            text(&mut self.reason);
        }
    }
}

impl Withhold for DeliverySummary {
    fn withhold(&mut self) {
        self.events.withhold();
    }
}

impl Withhold for DeliveryPage {
    fn withhold(&mut self) {
        self.deliveries.withhold();
    }
}

impl Withhold for Delivery {
    fn withhold(&mut self) {
        for reason in
            self.events.iter().filter(|event| quotes(event)).filter_map(|event| event.reason.as_ref())
        {
            self.why = self.why.replace(reason, TEXT);
        }
        self.events.withhold();
        if let Some((path, _)) = self.target.split_once('?') {
            self.target = format!("{path}?{TEXT}");
        }
        for value in self.headers.values_mut() {
            *value = Withheld::text();
        }
        if !self.emptied {
            self.payload.withhold();
        }
        for field in self.fields.iter_mut().flatten() {
            field.value = Withheld::text();
        }
        for file in &mut self.files {
            if !file.name.is_empty() {
                self.why = self.why.replace(&file.name, TEXT);
            }
            file.name = Withheld::text();
        }
    }
}

impl Withhold for Callback {
    fn withhold(&mut self) {
        self.body.withhold();
        for attempt in &mut self.attempts {
            for value in attempt.response.headers.values_mut() {
                *value = Withheld::text();
            }
            text(&mut attempt.response.body);
        }
    }
}

impl Withhold for StoreValue {
    fn withhold(&mut self) {
        self.value.withhold();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunId;

    #[test]
    fn a_field_of_an_event_that_nobody_knows_is_withheld_and_those_that_say_where_it_stands_are_not() {
        let text = json!({
            "type": "step:later", "seq": 7, "timestamp": 1, "brainRunId": RunId::from_bytes([1; 16]),
            "options": { "secret": 1 }, "identifier": "+1", "response": { "planted": 1 }, "novel": "planted",
            "patch": [{ "op": "add", "path": "/x", "value": "planted" }],
            "waitFor": [{ "slug": "s", "identifier": "i", "token": "planted" }],
        });
        let mut event: Event = serde_json::from_value(text).unwrap();
        event.withhold();
        let shown = serde_json::to_value(&event).unwrap();
        assert!(!shown.to_string().contains("planted"), "{shown}");
        assert_eq!((&shown["identifier"], &shown["waitFor"][0]["identifier"]), (&json!("+1"), &json!("i")));
        assert_eq!(shown["waitFor"][0]["token"], TEXT);
        for name in ["response", "novel", "options"] {
            assert_eq!(shown[name], Withheld::value(), "{name}: {shown}");
        }
        assert_eq!(shown["patch"][0], Withheld::value());
    }
}
