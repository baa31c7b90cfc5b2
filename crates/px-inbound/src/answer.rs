//! The answers to webhook requests: the fate of each event, and the only place
//! that makes a status, a body and headers of it.

use px_core::key::EndedBy;
use px_core::{Code, DeliveryId, RunId};
use px_sdk::Reply;
use px_sdk::verify::Ack;
use px_store::DedupRecord;
use serde::Serialize;
use serde_json::{Value, json};

use crate::validate::Violation;
use crate::verify::{BodyErrorKind, HandshakeReply};

/// The fate of one event, as its sender is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// A run that waited took it.
    Resumed(RunId),
    /// A run was started.
    Triggered(RunId),
    /// It is kept; the run that owns the identifier will take it, if one does.
    Queued(Option<RunId>),
    /// It is one of several that a wait needs.
    Collected {
        /// The run that waits.
        run: RunId,
        /// Responses that it has.
        have: u32,
        /// Responses that it needs.
        need: u32,
    },
    /// The wait that it was for had ended before.
    Late {
        /// The run that had waited.
        run: RunId,
        /// The end of the wait.
        by: EndedBy,
    },
    /// Nothing follows from it.
    Ignored {
        /// The run whose token did not fit.
        token: Option<RunId>,
    },
    /// The wait that it is for has the same response already.
    NotDistinct {
        /// The run that waits.
        run: RunId,
    },
    /// The provider's id was accepted before, as this record says.
    Duplicate(DedupRecord),
}

impl Action {
    /// Returns the word in the body and in the header.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Resumed(_) => "resumed",
            Self::Triggered(_) => "triggered",
            Self::Queued(_) => "queued",
            Self::Collected { .. } => "collected",
            Self::Late { .. } => "late",
            Self::Ignored { .. } | Self::NotDistinct { .. } => "ignored",
            Self::Duplicate(_) => "duplicate",
        }
    }

    /// Returns the run in it.
    #[must_use]
    pub const fn run(&self) -> Option<RunId> {
        match self {
            Self::Resumed(run) | Self::Triggered(run) => Some(*run),
            Self::Collected { run, .. } | Self::Late { run, .. } | Self::NotDistinct { run } => Some(*run),
            Self::Queued(run) | Self::Ignored { token: run } => *run,
            Self::Duplicate(record) => record.run,
        }
    }
}

/// What a word of an answer does not tell: which `ignored` it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The wait has the same response already.
    NotDistinct,
    /// The run waits with another token.
    OtherToken,
}

/// An answer, ready for HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content type; empty for none.
    pub content_type: String,
    /// The body.
    pub body: String,
    /// For the header `Px-Action`.
    pub action: Option<&'static str>,
    /// For the header `Px-Run-Id`.
    pub run: Option<RunId>,
    /// For the header `Px-Delivery-Id`.
    pub delivery: Option<DeliveryId>,
    /// For the header `Retry-After`, seconds.
    pub retry_after: Option<u32>,
    /// More about the first event's action.
    pub(crate) first: Option<First>,
}

/// An event that was taken in, as the answer describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The consequence of the event.
    pub action: Action,
    /// The identifier that its handler gave.
    pub identifier: Option<String>,
}

impl Answer {
    fn json(status: u16, body: &impl Serialize) -> Self {
        Self {
            status,
            content_type: "application/json".into(),
            // Names are texts in each of them, so nothing can fail.
            body: serde_json::to_string(body).unwrap_or_default(),
            action: None,
            run: None,
            delivery: None,
            retry_after: None,
            first: None,
        }
    }

    fn error(status: u16, code: Code, text: &str) -> Self {
        Self::json(status, &json!({ "error": text, "code": code.as_str() }))
    }

    /// Answers a handshake as the provider wants it; no delivery, no run.
    #[must_use]
    pub fn handshake(reply: HandshakeReply) -> Self {
        Self {
            status: reply.status,
            content_type: reply.content_type,
            body: reply.body,
            ..Self::json(200, &Value::Null)
        }
    }

    /// Answers a delivery: with px's own body, unless the handler has a `reply`
    /// of its own, or the provider insists on another by its `ack`.
    pub(crate) fn to_delivery(
        delivery: DeliveryId,
        taken: &[Taken],
        reply: Option<&Reply>,
        ack: &Ack,
    ) -> Self {
        let mut answer = Self::accepted(delivery, taken);
        if let Some(reply) = reply {
            answer.replace(Some(reply.status), &reply.content_type, &reply.body);
        }
        match &ack.body {
            Some(body) => answer.replace(ack.status, &body.content_type, &body.text),
            None => answer.status = ack.status.unwrap_or(answer.status),
        }
        // If the provider insists on it, a duplicate gets the original's reply.
        if let [Taken { action: Action::Duplicate(record), .. }] = taken
            && let Some(reply) = &record.reply
        {
            answer.replace(Some(reply.status), &reply.content_type, &reply.body);
        }
        answer
    }

    fn replace(&mut self, status: Option<u16>, content_type: &str, body: &str) {
        self.status = status.unwrap_or(self.status);
        content_type.clone_into(&mut self.content_type);
        body.clone_into(&mut self.body);
    }

    /// Answers a delivery that is durable with px's own body.
    #[must_use]
    pub fn accepted(delivery: DeliveryId, taken: &[Taken]) -> Self {
        let first = taken
            .iter()
            .find(|event| !matches!(event.action, Action::Ignored { .. } | Action::Duplicate(_)))
            .or_else(|| taken.first());
        let is_start = first.is_some_and(|first| matches!(first.action, Action::Triggered(_)));
        let status = if is_start { 201 } else { 200 };
        let mut body = first.map_or_else(Body::ignored, Body::of);
        (body.delivery_id, body.received) = (Some(delivery), Some(true));
        if taken.len() > 1 {
            body.events = taken.iter().map(Body::of).collect();
        }
        Self {
            action: Some(first.map_or("ignored", |first| first.action.as_str())),
            run: first.and_then(|first| first.action.run()),
            delivery: Some(delivery),
            first: first.and_then(|first| match first.action {
                Action::NotDistinct { .. } => Some(First::NotDistinct),
                Action::Ignored { token: Some(_) } => Some(First::OtherToken),
                _ => None,
            }),
            ..Self::json(status, &body)
        }
    }

    /// Answers with a page of HTML.
    #[must_use]
    pub(crate) fn page(status: u16, body: String) -> Self {
        Self { content_type: "text/html; charset=utf-8".into(), body, ..Self::json(status, &Value::Null) }
    }

    /// Answers a form that does not say which wait it is for.
    #[must_use]
    pub(crate) fn form_without_identifier() -> Self {
        Self::error(400, Code::FormIdentifierMissing, "Missing required query parameter \"identifier\"")
    }

    /// Answers a form whose token is missing or another one than the wait's.
    #[must_use]
    pub(crate) fn form_refused(identifier: &str, reason: &str) -> Self {
        let body =
            json!({ "received": false, "action": "ignored", "identifier": identifier, "reason": reason });
        Self { action: Some("ignored"), ..Self::json(403, &body) }
    }

    /// Answers a form that nobody waits for, or no more.
    #[must_use]
    pub(crate) fn form_not_found(identifier: &str) -> Self {
        let body = json!({
            "received": true, "action": "not_found", "identifier": identifier,
            "message": format!("No run waits for a form with the identifier '{identifier}'"),
        });
        Self { action: Some("not_found"), ..Self::json(404, &body) }
    }

    /// Answers a request for an unknown slug.
    #[must_use]
    pub(crate) fn unknown_slug(slug: &str) -> Self {
        Self::error(404, Code::WebhookNotFound, &format!("Webhook '{slug}' not found"))
    }

    /// Answers a GET that is no handshake.
    #[must_use]
    pub(crate) fn wrong_method(slug: &str) -> Self {
        Self::error(405, Code::WrongMethod, &format!("Webhook '{slug}' takes POST"))
    }

    /// Answers a sender who was not believed.
    #[must_use]
    pub(crate) fn unauthorized(text: &str) -> Self {
        Self { action: Some("rejected"), ..Self::error(401, Code::Unverified, text) }
    }

    /// Answers a body that cannot be read.
    #[must_use]
    pub fn unreadable(kind: BodyErrorKind, text: &str) -> Self {
        match kind {
            BodyErrorKind::TooLarge => Self::error(413, Code::TooLarge, text),
            BodyErrorKind::UnsupportedType => Self::error(415, Code::UnsupportedType, text),
            _ => Self::error(400, Code::PayloadUnreadable, text),
        }
    }

    /// Answers a payload that does not fit and is quarantined; 202 if the webhook accepts those.
    #[must_use]
    pub fn violations(delivery: DeliveryId, text: &str, violations: &[Violation], accepts: bool) -> Self {
        let body = json!({
            "error": text, "code": Code::PayloadUnfit.as_str(),
            "violations": violations, "deliveryId": delivery,
        });
        Self {
            action: Some("quarantined"),
            delivery: Some(delivery),
            ..Self::json(if accepts { 202 } else { 422 }, &body)
        }
    }

    /// Answers a delivery whose handler failed; it is quarantined.
    #[must_use]
    pub(crate) fn handler_failed(delivery: DeliveryId) -> Self {
        let body = json!({
            "error": "Failed to process webhook", "code": Code::HandlerFailed.as_str(), "deliveryId": delivery,
        });
        Self { action: Some("quarantined"), delivery: Some(delivery), ..Self::json(500, &body) }
    }

    /// Answers for a store that failed: 503, or 500 where a row that the delivery needs
    /// is not what was written, since no later try reads it either.
    #[must_use]
    pub(crate) fn not_stored(error: &px_store::Error) -> Self {
        if error.is_about_bytes() {
            let text = "A row of the store that the delivery needs is damaged; `px audit` names it";
            return Self::error(500, Code::Damaged, text);
        }
        Self::unavailable("The delivery could not be stored, try again")
    }

    /// Answers 503: nothing was kept, and the sender should come back.
    #[must_use]
    pub(crate) fn unavailable(text: &str) -> Self {
        Self { retry_after: Some(1), ..Self::error(503, Code::Unavailable, text) }
    }
}

/// px's own body of an answer, or what it says of one of several events. The fields stand in the order of
/// their names.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    brain_run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_id: Option<DeliveryId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    have: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    need: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<Original<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<bool>,
}

/// The delivery that a duplicate repeats.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Original<'a> {
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    brain_run_id: Option<RunId>,
    delivery_id: DeliveryId,
}

impl<'a> Body<'a> {
    fn ignored() -> Self {
        Self { action: "ignored", ..Self::default() }
    }

    fn of(event: &'a Taken) -> Self {
        let action = event.action.as_str();
        if let Action::Duplicate(record) = &event.action {
            let DedupRecord { delivery, action: word, run, .. } = record;
            let original = Original { action: word, brain_run_id: *run, delivery_id: *delivery };
            return Self { action, original: Some(original), ..Self::default() };
        }
        let is_start = matches!(event.action, Action::Triggered(_));
        let (have, need) = match event.action {
            Action::Collected { have, need, .. } => (Some(have), Some(need)),
            _ => (None, None),
        };
        let reason = match &event.action {
            Action::Late { by, .. } => Some(by.as_str()),
            Action::NotDistinct { .. } => Some("not distinct"),
            Action::Ignored { token: Some(_) } => Some("token"),
            _ => None,
        };
        let identifier = event.identifier.as_deref().filter(|_| !is_start);
        Self { action, brain_run_id: event.action.run(), have, identifier, need, reason, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_an_answer_stand_in_the_order_of_their_names() {
        let (run, delivery) = (RunId::from_bytes([1; 16]), DeliveryId::from_bytes([2; 16]));
        let taken = |action| Taken { action, identifier: Some("a \"b\"".into()) };
        let actions = [Action::Collected { run, have: 1, need: 2 }, Action::Ignored { token: Some(run) }];
        let answer = Answer::accepted(delivery, &actions.map(taken));
        let sorted: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer.body, sorted.to_string());
        assert_eq!(sorted["events"][1]["reason"], "token");
        assert_eq!(sorted["identifier"], "a \"b\"");
    }
}
