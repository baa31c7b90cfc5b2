//! Forms on pages: `POST /webhooks/system/page-form?identifier=&token=`. A form
//! is a delivery like any other, and goes the same way in: its answer comes
//! after its commit. A form that nobody waits for, or that brings another token
//! than the wait's, is not kept, since anybody may post it.
//!
//! Tested over the real binary in the root's `tests/api.rs`.

use std::sync::Arc;

use px_core::key::{Arrival, FORM_SLUG, Route};
use px_core::{KeyId, Stopwatch};
use px_sdk::{Form, Inbound, RawInbound, Received as Request, WebhookBuilder, WebhookDef, verify};
use serde_json::{Map, Value};

use crate::accept::Acceptor;
use crate::answer::{Answer, First};
use crate::context::InboundContext;
use crate::endpoint::{Endpoint, EndpointError};
use crate::phases::{Handled, Incoming, Occasion};
use crate::record::{self, micros};
use crate::verify::{BodyErrorKind, Part, body_type, insert_field, parse_form, parts_of, without_mark};

/// Maximum number of fields of a form.
const MAX_FIELDS: usize = 10_000;

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Returns the endpoint of forms. Nobody but this file sends anything to it.
fn endpoint() -> Result<Endpoint, EndpointError> {
    Endpoint::new(Arc::new(definition()), &|_| None)
}

fn definition() -> WebhookDef {
    WebhookBuilder::<Form, Form>::new(FORM_SLUG, "Forms on pages")
        .verify(verify::unverified())
        // Nothing is kept for a wait to come.
        .early(std::time::Duration::ZERO)
        .handler(async |_: Form| Ok(Inbound::<Form>::ignore("forms have no handler")))
}

/// The part of the stage that takes forms in.
pub(crate) struct Forms {
    context: Arc<InboundContext>,
    acceptor: Arc<Acceptor>,
    /// There always is one: the test of this file holds that.
    endpoint: Option<Endpoint>,
}

/// The parameters of a form's URL.
struct Target {
    identifier: String,
    token: String,
}

impl Forms {
    pub(crate) fn new(context: Arc<InboundContext>, acceptor: Arc<Acceptor>) -> Self {
        Self { context, acceptor, endpoint: endpoint().ok() }
    }

    /// Takes one form in.
    pub(crate) async fn receive(&self, request: Request) -> Answer {
        let watch = Stopwatch::start();
        let target = match Target::of(&request) {
            Ok(target) => target,
            Err(answer) => return answer,
        };
        let fields = match read(&request) {
            Ok(fields) => fields,
            Err((kind, text)) => return Answer::unreadable(kind, &text),
        };
        let Some(endpoint) = &self.endpoint else { return Answer::unavailable("Forms are not taken now") };
        if let Err(answer) = self.find_wait(endpoint, &request, &target).await {
            return answer;
        }
        let ids = &self.context.ids;
        let id = ids.delivery(request.at);
        let mut delivery = record::delivery(id, endpoint, &request, "form token".to_owned());
        delivery.took_us = micros(watch);
        let Target { identifier, token } = target;
        let raw = RawInbound {
            identifier: Some(identifier.clone()),
            token: Some(token),
            response: Some(Value::Object(fields)),
            ..RawInbound::default()
        };
        let events = vec![Incoming { id: ids.event(request.at), provider_id: None, raw }];
        let handled = Handled { endpoint, delivery, events, provider_id: None, occasion: Occasion::Arrival };
        let answer = self.acceptor.accept(handled).await;
        match answer.first {
            // The wait takes one response of each of its entries, and has this one's: so the inbox says, too.
            Some(First::NotDistinct) => answer,
            // The wait ended between the look and the commit.
            Some(First::OtherToken) => Answer::form_refused(&identifier, "Invalid form token"),
            _ if matches!(answer.action, Some("ignored" | "late")) => Answer::form_not_found(&identifier),
            _ => answer,
        }
    }

    /// Looks for the wait that a form fits: strangers may post what they like,
    /// and only what fits a wait makes a record.
    async fn find_wait(&self, endpoint: &Endpoint, request: &Request, target: &Target) -> Result<(), Answer> {
        let identifier = target.identifier.as_str();
        let arrival = Arrival {
            token: Some(&target.token),
            starts: false,
            early: None,
            queue_limit: endpoint.def.queue_limit,
            at: request.at,
        };
        let key = KeyId::new(FORM_SLUG, identifier);
        let mut draft = self.context.draft(request.at);
        let candidates = draft.candidates(&key, arrival.token).await;
        let route = match candidates {
            Ok(candidates) => draft.key(&key).await.map(|key| key.route(&candidates, &arrival)),
            Err(error) => Err(error),
        };
        match route {
            Ok(Route::Resume(_)) => Ok(()),
            Ok(Route::WrongToken { .. }) => Err(Answer::form_refused(identifier, "Invalid form token")),
            Ok(_) => Err(Answer::form_not_found(identifier)),
            Err(error) => {
                tracing::error!(slug = FORM_SLUG, %error, "the waiting runs could not be read");
                Err(Answer::unavailable("Not now, try again"))
            }
        }
    }
}

impl Target {
    fn of(request: &Request) -> Result<Self, Answer> {
        let query = request.query.as_deref().unwrap_or_default();
        let query = parse_form(query.as_bytes()).unwrap_or_default();
        let parameter = |name: &str| {
            query.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let identifier = parameter("identifier").ok_or_else(Answer::form_without_identifier)?;
        let token =
            parameter("token").ok_or_else(|| Answer::form_refused(&identifier, "Missing form token"))?;
        Ok(Self { identifier, token })
    }
}

type Unreadable = (BodyErrorKind, String);

fn syntax(text: impl Into<String>) -> Unreadable {
    (BodyErrorKind::Syntax, text.into())
}

/// Returns the fields of a form, urlencoded or multipart.
fn read(request: &Request) -> Result<Map<String, Value>, Unreadable> {
    let declared = body_type(request).map_err(|error| (error.kind(), error.to_string()))?;
    let declared = declared.unwrap_or(URLENCODED);
    let essence = declared.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(URLENCODED) {
        let count = request.body.iter().filter(|byte| **byte == b'&').count() + 1;
        if count > MAX_FIELDS {
            return Err(syntax(format!("The form has more than {MAX_FIELDS} fields")));
        }
        return parse_form(without_mark(&request.body)).ok_or_else(|| syntax("The form is not UTF-8"));
    }
    if essence.eq_ignore_ascii_case("multipart/form-data") {
        let parts = parts_of(declared, &request.body, MAX_FIELDS).map_err(|error| match error.kind() {
            BodyErrorKind::TooLarge => syntax(format!("The form has more than {MAX_FIELDS} fields")),
            kind => (kind, error.to_string()),
        })?;
        return fields_of(parts);
    }
    let text = format!("Unsupported content type: forms are {URLENCODED} or multipart/form-data");
    Err((BodyErrorKind::UnsupportedType, text))
}

fn fields_of(parts: Vec<Part>) -> Result<Map<String, Value>, Unreadable> {
    let mut fields = Map::new();
    for Part { name, file, content, .. } in parts {
        if file.is_some_and(|file| !file.is_empty()) {
            return Err(syntax(format!("The field '{name}' is a file; forms here have texts only")));
        }
        let value = String::from_utf8(content.to_vec()).map_err(|_| syntax("The form is not UTF-8"))?;
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
