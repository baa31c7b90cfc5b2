//! Phase 3: a payload, before the webhook's schema and handler have seen it.
//! A replay enters here, with the request as the inbox has kept it.

use std::sync::Arc;

use px_core::{DeliveryId, Stopwatch, Timestamp, json_exceeds};
use px_sdk::{RawInbound, Received as Request};
use px_store::Delivery;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Handled, Incoming, Occasion};
use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::quarantine::Trouble;
use crate::record::micros;
use crate::upload::note_unread;
use crate::users;
use crate::validate::Violation;
use crate::verify::{Content, Element, IdError, bounded_id};

/// Maximum length of an identifier that a handler gives, bytes.
const MAX_IDENTIFIER: usize = 1_024;

/// A payload with the record that the inbox will keep of it.
pub(crate) struct Parsed<'a> {
    endpoint: &'a Endpoint,
    request: Arc<Request>,
    content: Content,
    delivery: Delivery,
    origin: Origin,
}

/// The way by which a payload got here.
enum Origin {
    /// A sender sent it; the stopwatch runs since the whole request was there.
    Arrived(Stopwatch),
    /// An operator has it handled again.
    Replayed(Replayed),
}

/// A kept delivery that is handled again.
pub(crate) struct Replayed {
    pub(crate) delivery: DeliveryId,
    /// The tokens of its events, in order, for those that bring none now.
    pub(crate) tokens: Vec<Option<String>>,
    /// The time of its new events.
    pub(crate) at: Timestamp,
}

/// A delivery that did not get as far as a route.
pub(crate) struct Unhandled<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) delivery: Delivery,
    /// The provider's ids in it.
    pub(crate) ids: ProviderIds,
    pub(crate) trouble: Trouble,
}

/// The provider's ids of a delivery.
pub(crate) struct ProviderIds {
    /// Of the whole delivery, or of the first event of a batch.
    pub(crate) delivery: Option<String>,
    /// Of its only event, or of each one of a batch, before the handler has
    /// made several of one.
    pub(crate) events: Vec<Option<String>>,
}

impl ProviderIds {
    const fn none() -> Self {
        Self { delivery: None, events: Vec::new() }
    }

    /// Returns what can be known of a delivery whose body is not understood: the
    /// ids in its headers.
    pub(crate) fn of_headers(endpoint: &Endpoint, request: &Request) -> Self {
        let nothing = Value::Null.into();
        Self::of(endpoint, request, &nothing).unwrap_or_else(|_| Self::none())
    }

    fn of(endpoint: &Endpoint, request: &Request, content: &Content) -> Result<Self, Violation> {
        let parts = endpoint.verifier.events(content);
        if endpoint.def.same_body_within.is_some() {
            let digest = content.digest().unwrap_or_else(|| Sha256::digest(&request.body).into());
            let body = format!("body:{}", hex::encode(digest));
            // One body for all parts: the place tells them apart.
            let id = |place| if parts.len() > 1 { format!("{body}.{place}") } else { body.clone() };
            let events = (0..parts.len()).map(|place| Some(id(place))).collect();
            return Ok(Self { delivery: Some(body), events });
        }
        let id = |part: &Element<'_>| endpoint.verifier.delivery_id(request, *part);
        let events: Result<Vec<_>, _> = parts.iter().map(id).collect();
        let events = events.map_err(|error: IdError| Violation { path: error.path, message: error.why })?;
        Ok(Self { delivery: events.first().cloned().flatten(), events })
    }
}

/// Returns the provider's id of one of the events that a handler makes of one:
/// the place tells them apart.
pub(crate) fn id_of_several(id: &str, place: usize) -> String {
    format!("{id}#{place}")
}

impl<'a> Parsed<'a> {
    /// Returns the payload of a request that a sender sent.
    pub(crate) fn arrived(
        endpoint: &'a Endpoint,
        request: Arc<Request>,
        content: Content,
        delivery: Delivery,
        watch: Stopwatch,
    ) -> Self {
        Self { endpoint, request, content, delivery, origin: Origin::Arrived(watch) }
    }

    /// Returns the payload of a kept delivery that an operator has handled again.
    pub(crate) fn replayed(
        endpoint: &'a Endpoint,
        request: Arc<Request>,
        content: Content,
        delivery: Delivery,
        replayed: Replayed,
    ) -> Self {
        Self { endpoint, request, content, delivery, origin: Origin::Replayed(replayed) }
    }

    /// Validates each event and asks the handler for its fate.
    pub(crate) async fn handle(
        mut self,
        context: &InboundContext,
    ) -> Result<Handled<'a>, Box<Unhandled<'a>>> {
        let content = std::mem::replace(&mut self.content, Value::Null.into());
        let (ids, misfit) = match ProviderIds::of(self.endpoint, &self.request, &content) {
            Ok(ids) => match check_number(ids.events.len(), context.max_batch_events) {
                Ok(()) => (ids, None),
                // Nobody asks what became of so many.
                Err(misfit) => (ProviderIds { events: Vec::new(), ..ids }, Some(misfit)),
            },
            Err(violation) => (ProviderIds::none(), Some(Trouble::Violations(vec![violation]))),
        };
        let at = match &self.origin {
            Origin::Arrived(_) => self.request.at,
            Origin::Replayed(replayed) => replayed.at,
        };
        let asked = match misfit {
            Some(misfit) => Err(misfit),
            None => self.ask(context, content, &ids.events, at).await,
        };
        let Self { endpoint, request, mut delivery, origin, .. } = self;
        if let Origin::Arrived(watch) = &origin {
            delivery.took_us = micros(*watch);
        }
        if let Ok(events) = &asked {
            note_unread(&mut delivery, events);
        }
        match (asked, origin) {
            (Ok(events), Origin::Arrived(_)) => Ok(Handled {
                endpoint,
                delivery,
                events,
                provider_id: ids.delivery,
                occasion: Occasion::Arrival,
            }),
            (Ok(mut events), Origin::Replayed(Replayed { delivery: old, tokens, .. })) => {
                for (event, token) in events.iter_mut().zip(tokens) {
                    event.raw.token = event.raw.token.take().or(token);
                }
                Ok(Handled {
                    endpoint,
                    delivery,
                    events,
                    provider_id: ids.delivery,
                    occasion: Occasion::Replay(old),
                })
            }
            (Err(trouble), origin) => {
                let is_arrival = matches!(origin, Origin::Arrived(_));
                let trouble = if is_arrival { trouble.of_a_form(&request) } else { trouble };
                Err(Box::new(Unhandled { endpoint, delivery, ids, trouble }))
            }
        }
    }

    /// Validates each event and asks the handler about it; new events are as of `at`.
    async fn ask(
        &self,
        context: &InboundContext,
        content: Content,
        ids: &[Option<String>],
        at: Timestamp,
    ) -> Result<Vec<Incoming>, Trouble> {
        let (endpoint, request) = (self.endpoint, &self.request);
        let parts = endpoint.verifier.into_events(content);
        let mut events = Vec::with_capacity(parts.len());
        for (part, provider_id) in parts.into_iter().zip(ids) {
            endpoint.schema.check(&part).map_err(Trouble::Violations)?;
            let inbounds = users::ask_handler(context, endpoint, request, part).await?;
            check_number(events.len() + inbounds.len(), context.max_batch_events)?;
            let is_several = inbounds.len() > 1;
            for (index, mut raw) in inbounds.into_iter().enumerate() {
                check_identifier(&raw)?;
                check_size(&raw, context.max_response_bytes)?;
                if raw.token.is_none() {
                    raw.token = query_token(request);
                }
                let provider_id = match (raw.provider_id.take(), provider_id) {
                    (Some(own), _) => Some(bounded_id(&own)),
                    (None, Some(id)) if is_several => Some(id_of_several(id, index)),
                    (None, id) => id.clone(),
                };
                events.push(Incoming { id: context.ids.event(at), provider_id, raw });
            }
        }
        Ok(events)
    }
}

/// Refuses a request with more events than one commit takes.
fn check_number(events: usize, most: usize) -> Result<(), Trouble> {
    if events <= most {
        return Ok(());
    }
    let message = format!(
        "the request brings {events} events or more, and at most {most} of one request are taken \
         (limits.max_batch_events): send them in several requests, or raise the bound and replay the delivery"
    );
    Err(Trouble::Violations(vec![Violation { path: String::new(), message }]))
}

fn check_identifier(raw: &RawInbound) -> Result<(), Trouble> {
    let complain =
        |message: String| Err(Trouble::Violations(vec![Violation { path: String::new(), message }]));
    if raw.provider_id.as_deref() == Some("") {
        return complain("the id of the delivery is empty".into());
    }
    // Two that differ in what was replaced would be one event, and the second would be dropped.
    if raw.provider_id.as_deref().is_some_and(|id| id.contains('\u{fffd}')) {
        return complain(
            "the id of the delivery has a character that could not be read (U+FFFD), so it may be another's"
                .into(),
        );
    }
    match &raw.identifier {
        Some(identifier) if identifier.is_empty() => complain("the identifier is empty".into()),
        // Two that were cut in the middle of a character would meet (docs/rules.md#54).
        Some(identifier) if identifier.contains('\u{fffd}') => complain(
            "the identifier has a character that could not be read (U+FFFD), so it may be another's".into(),
        ),
        Some(identifier) if identifier.len() > MAX_IDENTIFIER => complain(format!(
            "the identifier has {} bytes, at most {MAX_IDENTIFIER} are taken",
            identifier.len()
        )),
        _ => Ok(()),
    }
}

/// Refuses what no step should be given, before anybody is answered: a run that
/// took it could not get rid of it.
fn check_size(raw: &RawInbound, most: usize) -> Result<(), Trouble> {
    let made =
        [("a response", raw.response.as_ref()), ("an input", raw.start.as_ref().map(|(_, input)| input))];
    let Some((what, _)) =
        made.into_iter().find(|(_, value)| value.is_some_and(|value| json_exceeds(value, most)))
    else {
        return Ok(());
    };
    let message = format!(
        "the handler made {what} of more than {most} bytes of this request; at most as much is taken as \
         server.max_body_bytes says, or 4 MiB if that is less"
    );
    Err(Trouble::Violations(vec![Violation { path: String::new(), message }]))
}

/// Returns the value of `?token=`, which an event brings unless its handler gave another.
fn query_token(request: &Request) -> Option<String> {
    let query = request.query.as_deref()?;
    let value = query.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    percent_encoding::percent_decode_str(value).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
