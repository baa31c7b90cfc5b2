//! Signed links: `GET /webhooks/system/link/{token}` shows a question, and a `POST`
//! from that page answers it.
//!
//! A GET changes nothing, whoever asks and however often, since mail scanners open
//! links before people do: it reads the run, and its nonce is a MAC and no row. An
//! answer is a delivery like any other, and goes the same way in. Its id is the
//! link's, so that two clicks are one answer. The token is kept out of the record.
//!
//! Tests: in the files here, `px-testkit/tests/links.rs` and `links_hostile.rs` in virtual time, and
//! `px-server/tests/links.rs` over sockets.

mod page;
mod source;
mod standing;
mod token;

use std::sync::Arc;

use http::HeaderMap;
use px_core::key::LINK_SLUG;
use px_core::wait::{Ask, AskedAnswer, LINK_TOKEN_PREFIX};
use px_core::{Stopwatch, Timestamp};
use px_sdk::link::{Answered, LinkClaims};
use px_sdk::{Form, Inbound, RawInbound, Received as Request, WebhookBuilder, WebhookDef, verify};
use serde_json::{Map, Value, json};

use self::page::Notice;
use self::standing::{Histories, Standing};
use crate::accept::Acceptor;
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::endpoint::{Endpoint, EndpointError};
use crate::phases::{Handled, Incoming, Occasion};
use crate::record::{self, micros};
use crate::redact::REDACTED;
use crate::verify::{body_type, parse_form};

pub use self::source::{LINK_PATH, LinkSigner};
pub use self::token::LinkKeys;

const URLENCODED: &str = "application/x-www-form-urlencoded";

/// Place to which the browser goes after an answer: the page itself, by a GET. It does
/// not repeat the token.
const THE_PAGE: &str = "?answered";

/// Headers that the record of an answer keeps.
const KEPT: [&str; 8] = [
    "content-type",
    "forwarded",
    "host",
    "origin",
    "traceparent",
    "user-agent",
    "x-forwarded-for",
    "x-real-ip",
];

/// Returns the endpoint of answers. Nobody but this file sends anything to it.
fn endpoint() -> Result<Endpoint, EndpointError> {
    Endpoint::new(Arc::new(definition()), &|_| None)
}

fn definition() -> WebhookDef {
    WebhookBuilder::<Form, Answered<Value>>::new(LINK_SLUG, "Answers to signed links")
        .verify(verify::unverified())
        // Nothing is kept for a wait to come.
        .early(std::time::Duration::ZERO)
        .handler(async |_: Form| Ok(Inbound::<Answered<Value>>::ignore("links have no handler")))
}

/// The state of a question, as its page shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// It can be answered.
    Open,
    /// The step that asks has not come to its wait yet.
    Early,
    /// Somebody has answered.
    Answered,
    /// Its wait ended without an answer, or its run did.
    Closed,
    /// The link is too old.
    Expired,
    /// The URL is no link of this store.
    Unknown,
    /// The request was not made by the page.
    Foreign,
    /// The store could not be read or written.
    Unavailable,
}

/// An answer to a request for a link: a page, or the way to it.
#[derive(Debug, Clone)]
pub struct LinkAnswer {
    /// The page, with its status.
    pub answer: Answer,
    /// For the header `Content-Security-Policy`.
    pub policy: &'static str,
    /// For the header `Location`.
    pub location: Option<&'static str>,
    /// State of the question that the page shows.
    pub state: LinkState,
    /// The question, if the page shows it with buttons.
    pub ask: Option<Ask>,
    /// The nonce of its buttons.
    pub nonce: Option<String>,
}

impl LinkAnswer {
    fn page(status: u16, state: LinkState, body: String) -> Self {
        let answer = Answer::page(status, body);
        Self { answer, policy: page::policy(), location: None, state, ask: None, nonce: None }
    }

    fn unknown() -> Self {
        Self::page(404, LinkState::Unknown, page::unknown())
    }

    fn unavailable(error: &px_store::Error) -> Self {
        tracing::error!(slug = LINK_SLUG, %error, "the question of a link could not be read");
        let answer = Answer::not_stored(error);
        Self { answer, ..Self::page(503, LinkState::Unavailable, String::new()) }
    }

    fn retried(mut self) -> Self {
        self.answer.retry_after = Some(1);
        self
    }

    /// Sends the browser back to the page, which says how things are.
    fn see_page(state: LinkState) -> Self {
        Self { location: Some(THE_PAGE), ..Self::page(303, state, String::new()) }
    }
}

/// The part of the stage that serves links.
pub(crate) struct Links {
    context: Arc<InboundContext>,
    acceptor: Arc<Acceptor>,
    histories: Histories,
    /// There always is one: the test of this file holds that.
    endpoint: Option<Endpoint>,
}

impl Links {
    pub(crate) fn new(context: Arc<InboundContext>, acceptor: Arc<Acceptor>) -> Self {
        Self { context, acceptor, histories: Histories::default(), endpoint: endpoint().ok() }
    }

    /// Shows the page of a link. Reads, and writes nothing.
    pub(crate) async fn show(&self, token: &str, now: Timestamp) -> LinkAnswer {
        let Some(claims) = self.context.links.read(token) else { return LinkAnswer::unknown() };
        match standing::look(&self.context, &self.histories, &claims, now).await {
            Ok(Standing::Open(ask)) => self.question(200, &claims, ask, now, None),
            Ok(other) => closed(&other),
            Err(error) => LinkAnswer::unavailable(&error),
        }
    }

    /// Takes an answer in, if it comes from the page of its link.
    pub(crate) async fn answer(&self, token: &str, request: Request) -> LinkAnswer {
        let watch = Stopwatch::start();
        let now = request.at;
        let Some(claims) = self.context.links.read(token) else { return LinkAnswer::unknown() };
        if !self.context.urls.is_own_page(&request) {
            tracing::warn!(slug = LINK_SLUG, run = %claims.run, "an answer is refused: another page sent it");
            return LinkAnswer::page(403, LinkState::Foreign, page::foreign());
        }
        let fields = read(&request);
        let ask = match standing::look(&self.context, &self.histories, &claims, now).await {
            Ok(Standing::Open(ask)) => ask,
            // The page says so, and how it came to that.
            Ok(other) => return LinkAnswer::see_page(state_of(&other)),
            Err(error) => return LinkAnswer::unavailable(&error),
        };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        if !self.context.links.is_nonce(&claims, text("nonce"), now) {
            return self.question(409, &claims, ask, now, Some(Notice::Stale));
        }
        let chosen = text("answer").parse().ok().and_then(|index: usize| ask.answers.get(index));
        let Some(chosen) = chosen else {
            return self.question(422, &claims, ask, now, Some(Notice::NoAnswer));
        };
        let mut response = Map::from_iter([("answer".to_owned(), chosen.value.clone())]);
        response.extend(ask.approver.iter().map(|approver| ("by".to_owned(), json!(approver))));
        let words = in_words(&ask, chosen);
        let taken = self.take_in(&claims, Request { body: words.into(), ..request }, response, watch).await;
        let Some(answer) = taken.filter(|answer| answer.status < 300) else {
            return self.question(503, &claims, ask, now, Some(Notice::NotStored)).retried();
        };
        let Answer { action, run, delivery, .. } = answer;
        let see_page = LinkAnswer::see_page(LinkState::Answered);
        LinkAnswer { answer: Answer { action, run, delivery, ..see_page.answer }, ..see_page }
    }

    /// Accepts an answer, durably, on the way that every event goes. `None` where this
    /// process has no endpoint.
    async fn take_in(
        &self,
        claims: &LinkClaims,
        mut request: Request,
        response: Map<String, Value>,
        watch: Stopwatch,
    ) -> Option<Answer> {
        let endpoint = self.endpoint.as_ref()?;
        // The token opens the link; the record of its answer does not.
        request.path = format!("{LINK_PATH}{REDACTED}");
        request.query = None;
        request.headers = kept(&request.headers);
        let ids = &self.context.ids;
        let mut delivery =
            record::delivery(ids.delivery(request.at), endpoint, &request, "link token".to_owned());
        delivery.took_us = micros(watch);
        let identifier = claims.link.to_string();
        let raw = RawInbound {
            identifier: Some(identifier.clone()),
            response: Some(Value::Object(response)),
            ..RawInbound::default()
        };
        // A link has one answer, whoever clicks how often.
        let provider_id = Some(identifier);
        let events = vec![Incoming { id: ids.event(request.at), provider_id: provider_id.clone(), raw }];
        let handled = Handled { endpoint, delivery, events, provider_id, occasion: Occasion::Arrival };
        Some(self.acceptor.accept(handled).await)
    }

    fn question(
        &self,
        status: u16,
        claims: &LinkClaims,
        ask: Ask,
        now: Timestamp,
        notice: Option<Notice>,
    ) -> LinkAnswer {
        let nonce = self.context.links.nonce(claims, now);
        let page = LinkAnswer::page(status, LinkState::Open, page::question(&ask, &nonce, notice));
        LinkAnswer { ask: Some(ask), nonce: Some(nonce), ..page }
    }
}

fn closed(standing: &Standing) -> LinkAnswer {
    let state = state_of(standing);
    let status = match state {
        LinkState::Open | LinkState::Early | LinkState::Answered => 200,
        _ => 410,
    };
    LinkAnswer::page(status, state, page::closed(standing))
}

fn state_of(standing: &Standing) -> LinkState {
    match standing {
        Standing::Open(_) => LinkState::Open,
        Standing::Early => LinkState::Early,
        Standing::Expired(_) => LinkState::Expired,
        Standing::Over(over) if !over.votes.is_empty() => LinkState::Answered,
        Standing::Over(_) | Standing::Gone => LinkState::Closed,
    }
}

/// Returns what the record of an answer has of its head: who answered, and by what. Anything else may hold the
/// token, as the path that a proxy was asked for does.
fn kept(headers: &HeaderMap) -> HeaderMap {
    let lines = headers.iter().filter(|(name, value)| {
        KEPT.contains(&name.as_str())
            && !value
                .as_bytes()
                .windows(LINK_TOKEN_PREFIX.len())
                .any(|part| part == LINK_TOKEN_PREFIX.as_bytes())
    });
    lines.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Returns the body that the record of an answer has: a form that says what was asked and
/// answered, in place of the page's, which has a nonce and the number of a button.
fn in_words(ask: &Ask, chosen: &AskedAnswer) -> String {
    let value = chosen.value.to_string();
    let mut fields = vec![("question", &*ask.words), ("answer", &*chosen.label), ("value", &*value)];
    fields.extend(ask.approver.iter().map(|approver| ("by", &**approver)));
    let text = |text| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC);
    let fields = fields.into_iter().map(|(name, value)| format!("{name}={}", text(value)));
    fields.collect::<Vec<_>>().join("&")
}

/// Returns the fields of the page's form; none of what is no form.
fn read(request: &Request) -> Map<String, Value> {
    let is_form = |declared: &str| {
        declared.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case(URLENCODED))
    };
    match body_type(request) {
        Ok(Some(declared)) if is_form(declared) => parse_form(&request.body).unwrap_or_default(),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_have_an_endpoint() {
        let endpoint = endpoint().unwrap();
        assert_eq!((endpoint.def.slug.as_str(), endpoint.def.early), (LINK_SLUG, None));
    }
}
