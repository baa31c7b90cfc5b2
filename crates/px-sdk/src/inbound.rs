//! Decisions of a webhook's handler about an event.

use serde::Serialize;
use serde_json::Value;

use crate::brain::{Brain, start_of};
use crate::error::{Error, Result};

/// Decision about an event: it resumes a run, starts one, both by
/// turns, or is ignored. `R` is the webhook's response type.
#[must_use = "an event goes where the handler's return value says"]
#[derive(Debug)]
pub struct Inbound<R> {
    raw: Result<RawInbound>,
    response: std::marker::PhantomData<fn() -> R>,
}

/// A reply of the handler's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The content type.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Reply {
    /// A 200 with a plain text.
    pub fn text(body: impl Into<String>) -> Self {
        Self { status: 200, content_type: "text/plain; charset=utf-8".into(), body: body.into() }
    }

    /// A 200 with a JSON document.
    #[must_use]
    pub fn json(body: &Value) -> Self {
        Self { status: 200, content_type: "application/json".into(), body: body.to_string() }
    }

    /// A 200 with an XML document, for example TwiML.
    pub fn xml(body: impl Into<String>) -> Self {
        Self { status: 200, content_type: "application/xml".into(), body: body.into() }
    }
}

/// [`Inbound`], types gone.
#[derive(Debug, Default)]
pub struct RawInbound {
    /// The identifier to resume by.
    pub identifier: Option<String>,
    /// The token that the event brings.
    pub token: Option<String>,
    /// The response for the run.
    pub response: Option<Value>,
    /// The brain to start, by title, and its input.
    pub start: Option<(String, Value)>,
    /// Reason for which the event is ignored.
    pub ignored: Option<String>,
    /// Reply instead of px's own.
    pub reply: Option<Reply>,
    /// The provider's id of this event, if it has one of its own.
    pub provider_id: Option<String>,
}

impl<R> Inbound<R> {
    fn of(raw: Result<RawInbound>) -> Self {
        Self { raw, response: std::marker::PhantomData }
    }

    fn map(self, change: impl FnOnce(RawInbound) -> Result<RawInbound>) -> Self {
        Self::of(self.raw.and_then(change))
    }

    /// Resumes the run that waits on this identifier. If none does, the event
    /// is kept for one that will, unless [`Inbound::or_start`] is said.
    pub fn resume(identifier: impl Into<String>, response: R) -> Self
    where
        R: Serialize,
    {
        let raw = object("a webhook's response", &response).map(|response| RawInbound {
            identifier: Some(identifier.into()),
            response: Some(response),
            ..RawInbound::default()
        });
        Self::of(raw)
    }

    /// If no run waits, starts one of this brain, which then owns the
    /// identifier: later events are kept for it until it ends (docs/rules.md#4).
    pub fn or_start<I: Serialize, O>(self, brain: impl FnOnce() -> Brain<I, O>, input: I) -> Self {
        self.map(|mut raw| {
            raw.start = Some(start_of(brain().title(), &input)?);
            Ok(raw)
        })
    }

    /// Starts a run of this brain.
    pub fn start<I: Serialize, O>(brain: impl FnOnce() -> Brain<I, O>, input: I) -> Self {
        let start = start_of(brain().title(), &input);
        Self::of(start.map(|start| RawInbound { start: Some(start), ..RawInbound::default() }))
    }

    /// Does nothing. The reason is shown in the inbox.
    pub fn ignore(reason: impl Into<String>) -> Self {
        Self::of(Ok(RawInbound { ignored: Some(reason.into()), ..RawInbound::default() }))
    }

    /// Does nothing but answer.
    pub fn reply(reply: Reply) -> Self {
        Self::ignore("the handler answered by itself").with_reply(reply)
    }

    /// Answers with this instead of px's own JSON.
    pub fn with_reply(self, reply: Reply) -> Self {
        self.map(|mut raw| {
            raw.reply = Some(reply);
            Ok(raw)
        })
    }

    /// Returns what the handler decided, types gone: for a test of a handler.
    ///
    /// # Errors
    /// A response or an input that is not written as a JSON object.
    pub fn raw(&self) -> Result<&RawInbound, &Error> {
        self.raw.as_ref()
    }

    /// The token that a wait can demand (docs/rules.md#10).
    pub fn token(self, token: impl Into<String>) -> Self {
        self.map(|mut raw| {
            raw.token = Some(token.into());
            Ok(raw)
        })
    }

    /// The provider's id of this event, where one request carries several:
    /// each is then known, and a duplicate, by its own.
    pub fn provider_id(self, id: impl Into<String>) -> Self {
        self.map(|mut raw| {
            raw.provider_id = Some(id.into());
            Ok(raw)
        })
    }
}

/// A value that is kept as a JSON object, or the error that says it is none.
pub(crate) fn object<T: Serialize>(what: &str, value: &T) -> Result<Value> {
    match crate::finite::to_value(value)? {
        object @ Value::Object(_) => Ok(object),
        _ => Err(Error::permanent(format_args!(
            "{what} must be written as a JSON object, and {} is not",
            std::any::type_name::<T>()
        ))),
    }
}

/// Result that a handler may return: one [`Inbound`], or several for a request that
/// carries several events.
pub trait IntoInbounds<R> {
    #[doc(hidden)]
    fn into_raw(self) -> Result<Vec<RawInbound>>;
}

impl<R> IntoInbounds<R> for Inbound<R> {
    fn into_raw(self) -> Result<Vec<RawInbound>> {
        self.raw.map(|raw| vec![raw])
    }
}

impl<R> IntoInbounds<R> for Vec<Inbound<R>> {
    fn into_raw(self) -> Result<Vec<RawInbound>> {
        self.into_iter().map(|inbound| inbound.raw).collect()
    }
}
