//! A webhook request as its provider would send it: a payload that fits the
//! schema, the provider's ids, and its signature, from the same verification
//! record that the server checks it with.
//!
//! Used by `webhooks send`, `webhooks show` and `runs explain`, and by the test events of a server.

mod body;
mod stamp;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use px_core::Timestamp;
use px_sdk::verify::{Keyring, Scheme, Source};
use px_sdk::{RawInbound, Received, WebhookDef};
use px_verify::sign::{Error as SignError, OutboundRequest, sign};
use secrecy::SecretString;
use serde_json::Value;

use crate::aim::{Oracle, needs_a_server};
use crate::error::{Error, Result};
use crate::handler::AskHandler;
use crate::kinds;
use crate::schema;

use body::{body, content_type, posted};
use stamp::{flip, stamp};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Characters that stay as they are in a value of a query or a form.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one value of a query or a form.
fn encode(text: impl std::fmt::Display) -> String {
    utf8_percent_encode(&text.to_string(), &UNRESERVED).to_string()
}

/// Wishes about a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish<'a> {
    /// The identifier that the handler is to find.
    pub identifier: Option<&'a str>,
    /// The provider's name for the kind of event.
    pub event: Option<&'a str>,
    /// The kind of event, as the schema of the payload names it.
    pub kind: Option<&'a str>,
    /// The token of the wait.
    pub token: Option<&'a str>,
    /// A body to send instead of a sample.
    pub body: Option<&'a [u8]>,
}

/// A request without the ids and the signature that each sending has of its own.
#[derive(Debug, Clone)]
pub struct Draft {
    content: Content,
    headers: HeaderMap,
    query: Option<String>,
}

#[derive(Debug, Clone)]
enum Content {
    /// A payload that px may still put an id into.
    Made(Value),
    /// Bytes that somebody gave, sent as they are.
    Given(Bytes),
    /// JSON that somebody gave, and the form in which its provider would post it.
    Posted(Value, Bytes),
}

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL that it is signed for, with its query.
    pub url: String,
    /// The headers, with the signature.
    pub headers: HeaderMap,
    /// The bytes that are signed.
    pub body: Bytes,
    /// True if it carries a signature or a token.
    pub signed: bool,
}

/// The validator of a webhook's payload.
///
/// # Errors
/// The schema does not compile.
pub fn validator(def: &WebhookDef) -> Result<jsonschema::Validator> {
    jsonschema::validator_for(&def.payload_schema).map_err(|error| {
        Error::failed(format!("the payload schema of webhook '{}' does not compile: {error}", def.slug))
    })
}

/// Makes what the wish asks for, asking the webhook's handler where the
/// identifier belongs.
///
/// # Errors
/// The wish cannot be met: no sample fits, or the handler finds the identifier nowhere.
pub async fn draft(
    def: &WebhookDef,
    handler: &dyn AskHandler,
    wish: Wish<'_>,
    now: Timestamp,
) -> Result<Draft> {
    let validator = validator(def)?;
    let query = wish.token.map(|token| format!("token={}", encode(token)));
    let request = |payload: &Value| received(def, payload, wish.event, query.as_deref(), now);
    let oracle = Oracle { def, handler, validator: Some(&validator), request: &request };
    let given = wish.body.map(|body| (body, serde_json::from_slice::<Value>(body).ok()));
    let samples = match &given {
        Some((_, Some(payload))) => vec![payload.clone()],
        Some((body, None)) => {
            if wish.identifier.is_some() {
                return Err(Error::usage("--identifier needs a payload that is JSON")
                    .hint("leave out --identifier, or leave out --payload"));
            }
            return Ok(Draft {
                headers: headers(def, &Value::Null, FORM, wish.event)?,
                content: Content::Given(Bytes::copy_from_slice(body)),
                query,
            });
        }
        None => samples(def, wish)?,
    };
    let content = match (wish.identifier, &given) {
        (Some(wanted), _) => {
            let aimed =
                oracle.aimed(samples, wanted).await.ok_or_else(|| no_aim(def, wanted, given.is_some()))?;
            Content::Made(aimed)
        }
        (None, Some((body, Some(payload)))) if content_type(&def.verification, payload) == FORM => {
            Content::Posted(payload.clone(), Bytes::from(posted(&def.verification, payload, body)))
        }
        (None, Some((body, _))) => Content::Given(Bytes::copy_from_slice(body)),
        (None, None) => Content::Made(oracle.best(samples).await.ok_or_else(|| {
            Error::failed(format!(
                "no sample that px makes fits the payload schema of webhook '{}'",
                def.slug
            ))
            .hint("write a payload and send it with --payload FILE, or give the schema an example")
        })?),
    };
    let payload = match &content {
        Content::Made(payload) | Content::Posted(payload, _) => payload.clone(),
        Content::Given(body) => serde_json::from_slice(body).unwrap_or_default(),
    };
    let kind = match &content {
        Content::Made(payload) => content_type(&def.verification, payload),
        Content::Posted(..) => FORM,
        Content::Given(_) => JSON,
    };
    Ok(Draft { headers: headers(def, &payload, kind, wish.event)?, content, query })
}

fn no_aim(def: &WebhookDef, wanted: &str, given: bool) -> Error {
    if let Some(needs) = needs_a_server(def) {
        let hint = format!(
            "write the payload with it into a file: `px webhooks send {} --payload FILE`, without --identifier",
            def.slug
        );
        let told =
            format!("the handler of webhook '{}' {needs}, so px cannot find where '{wanted}' goes", def.slug);
        return Error::failed(told).hint(hint);
    }
    let what = if given { "the payload" } else { "any sample payload" };
    Error::failed(format!(
        "the handler of webhook '{}' does not find the identifier '{wanted}' in {what}, wherever px puts it",
        def.slug
    ))
    .hint(if given {
        "put the identifier into the payload yourself, and leave out --identifier"
    } else {
        "name the kind of event with --kind or --event, give its schema an `example`, or write a payload and \
         send it with --payload FILE"
    })
}

/// Samples of the payload, with the kind of event where the provider puts it.
fn samples(def: &WebhookDef, wish: Wish<'_>) -> Result<Vec<Value>> {
    let event = wish.event;
    let mut samples = match wish.kind {
        Some(kind) => schema::samples_of(&def.payload_schema, kind),
        None => schema::samples(&def.payload_schema),
    };
    if let Some(kind) = wish.kind.filter(|_| samples.is_empty()) {
        return Err(no_kind(def, kind));
    }
    if let (Some(event), Some(Source::Pointer(pointer))) = (event, def.verification.event_type.first()) {
        for sample in &mut samples {
            put(sample, pointer, event.into());
        }
    }
    Ok(samples)
}

fn no_kind(def: &WebhookDef, kind: &str) -> Error {
    let known = kinds::of(&def.payload_schema);
    let hint = if known.is_empty() {
        "it tells no kinds apart; --event names one in the place where the provider does".to_owned()
    } else {
        format!(
            "it knows {}; another one is written to a file and sent with --payload FILE",
            known.join(", ")
        )
    };
    Error::usage(format!("the payload of webhook '{}' has no kind '{kind}'", def.slug)).hint(hint)
}

/// Sets a field of an object that is there.
fn put(payload: &mut Value, pointer: &str, value: Value) {
    let parent =
        pointer.rsplit_once('/').and_then(|(parent, name)| Some((payload.pointer_mut(parent)?, name)));
    if let Some((Value::Object(fields), name)) = parent {
        fields.insert(name.replace("~1", "/").replace("~0", "~"), value);
    }
}

/// The request that a handler sees while it is asked about a payload.
fn received(
    def: &WebhookDef,
    payload: &Value,
    event: Option<&str>,
    query: Option<&str>,
    now: Timestamp,
) -> Received {
    let kind = content_type(&def.verification, payload);
    Received {
        method: Method::POST,
        path: format!("/webhooks/{}", def.slug),
        query: query.map(str::to_owned),
        base: None,
        headers: headers(def, payload, kind, event).unwrap_or_default(),
        body: body(def, payload, kind),
        remote: std::net::SocketAddr::from(([127, 0, 0, 1], 0)),
        at: now,
    }
}

fn headers(def: &WebhookDef, payload: &Value, kind: &'static str, event: Option<&str>) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(Source::Header(name)) = def.verification.event_type.first()
        && let Some(event) = event.or_else(|| kind_of_event(payload))
    {
        headers.insert(header_name(name)?, header_value("--event", event)?);
    }
    Ok(headers)
}

/// Returns what a provider that names the kind in a header would name it, as far as
/// the body shows: GitHub's kinds are the names of their main object.
fn kind_of_event(payload: &Value) -> Option<&'static str> {
    ["pull_request", "issue", "release", "discussion", "deployment", "check_run"]
        .into_iter()
        .find(|kind| payload.get(kind).is_some_and(Value::is_object))
}

fn header_name(name: &str) -> Result<HeaderName> {
    name.parse()
        .map_err(|_| Error::failed(format!("the verification record names '{name}', which is no header")))
}

fn header_value(what: &str, text: &str) -> Result<HeaderValue> {
    text.parse().map_err(|_| Error::usage(format!("{what} is '{text}', which no header can carry")))
}

impl Draft {
    /// Bytes that somebody gave, sent as they are.
    ///
    /// # Errors
    /// The wish names an event that no header can carry.
    pub fn of_bytes(def: &WebhookDef, content_type: &str, body: Bytes, wish: Wish<'_>) -> Result<Self> {
        let mut headers = headers(def, &Value::Null, FORM, wish.event)?;
        headers.insert(CONTENT_TYPE, header_value("the content type", content_type)?);
        let query = wish.token.map(|token| format!("token={}", encode(token)));
        Ok(Self { content: Content::Given(body), headers, query })
    }

    /// Asks the webhook's handler what it makes of the payload; nothing if it ignores it.
    pub async fn outcome(
        &self,
        def: &WebhookDef,
        handler: &dyn AskHandler,
        now: Timestamp,
    ) -> Option<RawInbound> {
        let payload = self.payload()?;
        let request = |payload: &Value| received(def, payload, None, self.query.as_deref(), now);
        Oracle { def, handler, validator: None, request: &request }.ask(&payload).await
    }

    /// The payload as JSON, where px knows it.
    #[must_use]
    pub fn payload(&self) -> Option<Value> {
        match &self.content {
            Content::Made(payload) | Content::Posted(payload, _) => Some(payload.clone()),
            Content::Given(body) => serde_json::from_slice(body).ok(),
        }
    }

    /// The request of one sending to a webhook that knows itself as `url`: `id` is the provider's id
    /// of it. Signed if there is a secret; `spoilt` gives it a signature that is none.
    ///
    /// # Errors
    /// The secret cannot sign, or the verifier is users' own code.
    pub fn seal(
        &self,
        def: &WebhookDef,
        url: &str,
        keyring: &Keyring,
        id: &str,
        now: Timestamp,
        spoilt: bool,
    ) -> Result<Request> {
        let mut headers = self.headers.clone();
        let mut content = self.content.clone();
        if let Some(source) = def.verification.dedup.first() {
            stamp(def, source, id, &mut headers, &mut content)?;
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or(JSON).to_owned();
        let bytes = match content {
            Content::Made(payload) => body(def, &payload, &kind),
            Content::Given(bytes) | Content::Posted(_, bytes) => bytes,
        };
        let known_as = match &self.query {
            Some(query) => format!("{url}?{query}"),
            None => url.to_owned(),
        };
        let mut callback = OutboundRequest { method: Method::POST, url: known_as, headers, body: bytes };
        let active = keyring.keys().iter().find(|key| key.expires.is_none_or(|expires| now < expires));
        let secret = active.map(|key| &key.secret);
        if let Some(secret) = secret {
            let wrong = SecretString::from("not the secret");
            let is_signature = matches!(def.verification.scheme, Scheme::Signature(_));
            let secret = if spoilt && !is_signature { &wrong } else { secret };
            sign(&def.verification, secret, &mut callback, now).map_err(|error| unsigned(def, &error))?;
            if spoilt && let Scheme::Signature(record) = &def.verification.scheme {
                flip(&mut callback.headers, &header_name(&record.header)?);
            }
        }
        let OutboundRequest { method, url, headers, body } = callback;
        Ok(Request { method, url, headers, body, signed: secret.is_some() })
    }
}

fn unsigned(def: &WebhookDef, error: &SignError) -> Error {
    let hint = match (error, &def.verification.secret) {
        (SignError::Key(_), Some(variable)) => Some(format!(
            "{variable} is the public key, which only verifies; set it here to the private one of a test pair"
        )),
        (SignError::Code, _) => Some(format!(
            "send it by a program that can; `px webhooks show {}` prints a sample payload",
            def.slug
        )),
        _ => None,
    };
    Error::failed(format!("cannot sign for webhook '{}': {error}", def.slug)).maybe_hint(hint)
}

#[cfg(test)]
mod tests;
