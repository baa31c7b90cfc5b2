//! Forms on pages: `POST /webhooks/system/page-form?identifier=&token=`
//! (API.md section 2). A form is a delivery like any other, and goes the same
//! way in: its answer comes after its commit. What nobody waits for, and what
//! brings another token than the wait's, is not kept, since anybody may post it.
//!
//! Tested over the real binary in the root's `tests/api.rs`.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use px_core::key::{Arrival, FORM_SLUG, Route};
use px_core::{KeyId, Stopwatch};
use px_sdk::{Form, Inbound, RawInbound, Received, WebhookBuilder, WebhookDef, verify};
use serde_json::{Map, Value};

use crate::accept::{Incoming, Occasion};
use crate::answer::Answer;
use crate::endpoint::{Endpoint, EndpointError};
use crate::stage::{Stage, micros};
use crate::verify::{BodyErrorKind, insert_field, parse_form};

/// How many fields a form may have.
const MAX_FIELDS: usize = 10_000;

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// The endpoint of forms. Nobody but this file sends anything to it.
pub(crate) fn endpoint() -> Result<Endpoint, EndpointError> {
    Endpoint::new(Arc::new(definition()), &|_| None)
}

fn definition() -> WebhookDef {
    WebhookBuilder::<Form, Form>::new(FORM_SLUG, "Forms on pages")
        .verify(verify::unverified())
        // Nothing is kept for a wait to come.
        .early(std::time::Duration::ZERO)
        .handler(async |_: Form| Ok(Inbound::<Form>::ignore("forms have no handler")))
}

impl Stage {
    /// Takes one form in.
    pub async fn receive_form(&self, received: Received) -> Answer {
        let watch = Stopwatch::start();
        let query = received.query.as_deref().unwrap_or_default();
        let query = parse_form(query.as_bytes()).unwrap_or_default();
        let parameter = |name: &str| {
            query.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let Some(identifier) = parameter("identifier") else { return Answer::form_without_identifier() };
        let Some(token) = parameter("token") else {
            return Answer::form_refused(&identifier, "Missing form token");
        };
        let fields = match read(&received).await {
            Ok(fields) => fields,
            Err((kind, text)) => return Answer::unreadable(kind, &text),
        };
        let Some(endpoint) = &self.forms else { return Answer::unavailable("Forms are not taken now") };
        let key = KeyId::new(FORM_SLUG, identifier.as_str());
        let arrival = Arrival {
            token: Some(&token),
            starts: false,
            early: None,
            queue_limit: endpoint.def.queue_limit,
            at: received.at,
        };
        // Strangers may post what they like; only what fits a wait makes a record.
        match self.store.key(self.scope, &key).await.map(|key| key.record.route(&arrival)) {
            Ok(Route::Resume(_)) => {}
            Ok(Route::WrongToken { .. }) => return Answer::form_refused(&identifier, "Invalid form token"),
            Ok(_) => return Answer::form_not_found(&identifier),
            Err(error) => {
                tracing::error!(slug = FORM_SLUG, %error, "the waiting runs could not be read");
                return Answer::unavailable("Not now, try again");
            }
        }
        let at = received.at;
        let mut delivery = self.delivery(endpoint, &received, "form token".to_owned());
        delivery.took_us = micros(watch);
        let id = delivery.id;
        let raw = RawInbound {
            identifier: Some(identifier.clone()),
            token: Some(token),
            response: Some(Value::Object(fields)),
            ..RawInbound::default()
        };
        let event = Incoming { id: self.ids.event(at), provider_id: None, raw };
        match self.accept(endpoint, delivery, vec![event], Occasion::Arrival).await {
            // The wait ended between the look and the commit.
            Ok(answer) if matches!(answer.action, Some("ignored" | "late")) => match answer.run {
                Some(_) if answer.action == Some("ignored") => {
                    Answer::form_refused(&identifier, "Invalid form token")
                }
                _ => Answer::form_not_found(&identifier),
            },
            Ok(answer) => answer,
            Err(error) => self.not_accepted(endpoint, id, error, None, None).await,
        }
    }
}

type Unreadable = (BodyErrorKind, String);

fn syntax(text: impl Into<String>) -> Unreadable {
    (BodyErrorKind::Syntax, text.into())
}

/// The fields of a form, urlencoded or multipart.
async fn read(received: &Received) -> Result<Map<String, Value>, Unreadable> {
    let mut lines = received.headers.get_all(CONTENT_TYPE).iter();
    let declared = lines.next().map_or(URLENCODED, |line| line.to_str().unwrap_or_default());
    if lines.next().is_some() {
        return Err(syntax("The header Content-Type came more than once"));
    }
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(URLENCODED) {
        let count = received.body.iter().filter(|byte| **byte == b'&').count() + 1;
        if count > MAX_FIELDS {
            return Err(syntax(format!("The form has more than {MAX_FIELDS} fields")));
        }
        return parse_form(&received.body).ok_or_else(|| syntax("The form is not UTF-8"));
    }
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        let boundary = multer::parse_boundary(declared)
            .map_err(|_| syntax("The header Content-Type of the form has no boundary"))?;
        return multipart(received.body.clone(), &boundary).await;
    }
    let text = format!("Unsupported content type: forms are {URLENCODED} or multipart/form-data");
    Err((BodyErrorKind::UnsupportedType, text))
}

async fn multipart(body: Bytes, boundary: &str) -> Result<Map<String, Value>, Unreadable> {
    let unreadable = |error: multer::Error| syntax(format!("The form could not be read: {error}"));
    let body = stream::once(std::future::ready(Ok::<_, Infallible>(body)));
    let mut parts = multer::Multipart::new(body, boundary);
    let mut fields = Map::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.map_err(unreadable)? {
        count += 1;
        if count > MAX_FIELDS {
            return Err(syntax(format!("The form has more than {MAX_FIELDS} fields")));
        }
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(syntax("A part of the form has no name"));
        };
        if part.file_name().is_some_and(|file| !file.is_empty()) {
            return Err(syntax(format!("The field '{name}' is a file; forms here have texts only")));
        }
        let value = part.bytes().await.map_err(unreadable)?;
        let value = String::from_utf8(value.to_vec()).map_err(|_| syntax("The form is not UTF-8"))?;
        insert_field(&mut fields, &name, value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_an_endpoint() {
        let endpoint = endpoint().unwrap();
        assert_eq!((endpoint.def.slug.as_str(), endpoint.def.early), (FORM_SLUG, None));
    }
}
