//! Who is shown what runs and senders bring: `[access] payloads`, for each route that a reader may ask. One
//! table decides: a route that is not in it is refused to whoever may not see payloads, and fails a test.
//!
//! The page asks the same handlers, and withholds by the same types (`px_api::Withhold`).

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use px_api::{Withheld, Withhold};
use px_core::Code;
use px_store::tokens::Permission;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::redacted;
use crate::error::ApiError;

/// Whether a request is shown what runs and senders bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payloads {
    Shown,
    Withheld,
}

impl Payloads {
    /// Returns what a token of a permission is shown, where this one is the least that shows payloads.
    pub(crate) fn of(permission: Permission, least: Permission) -> Self {
        if permission >= least { Self::Shown } else { Self::Withheld }
    }

    /// Checks that they are shown: for a route that would answer nothing else.
    pub(crate) fn demand(self, what: &str) -> Result<(), ApiError> {
        match self {
            Self::Shown => Ok(()),
            Self::Withheld => Err(refused(what)),
        }
    }
}

fn refused(what: &str) -> ApiError {
    let text = format!(
        "{what} holds what runs and senders bring, which this server shows from the scope operate on \
         (access.payloads in px.toml)"
    );
    ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text)
}

/// What of an answer is withheld.
#[derive(Debug, Clone, Copy)]
pub(super) enum Payload {
    /// Nothing: it holds none.
    None,
    /// Parts of each JSON document that it is made of.
    Part(fn(&[u8]) -> Option<Vec<u8>>),
    /// All of it.
    Whole,
}

/// A document of a type without its payloads; none if it is not of this type.
fn part<T: Withhold + DeserializeOwned + Serialize>(json: &[u8]) -> Option<Vec<u8>> {
    let mut answer: T = serde_json::from_slice(json).ok()?;
    answer.withhold();
    serde_json::to_vec(&answer).ok()
}

/// The decision about each route that the scope read is enough for, by the route's name.
const DECISIONS: &[(&str, Payload)] = &[
    ("status", Payload::None),
    ("overview", Payload::None),
    ("metrics", Payload::None),
    ("openapi", Payload::None),
    ("listBrains", Payload::None),
    ("watchBrains", Payload::Part(part::<px_api::RunningBrains>)),
    ("showBrain", Payload::None),
    ("brainHistory", Payload::Part(part::<px_api::Runs>)),
    ("activeRuns", Payload::Part(part::<px_api::Runs>)),
    ("listRuns", Payload::Part(part::<px_api::RunPage>)),
    ("showRun", Payload::Part(part::<px_api::Run>)),
    ("explainRun", Payload::Part(part::<px_api::Explained>)),
    ("diffRun", Payload::Part(part::<px_api::StateDiff>)),
    ("runEvents", Payload::Part(part::<px_api::Events>)),
    ("watchRun", Payload::Part(part::<px_api::Event>)),
    // Their filters are of those who may operate.
    ("listBulk", Payload::None),
    ("showBulk", Payload::None),
    ("listWaits", Payload::None),
    ("listDue", Payload::None),
    ("listLate", Payload::None),
    ("findIds", Payload::None),
    ("listWebhooks", Payload::None),
    ("listDeliveries", Payload::Part(part::<px_api::DeliveryPage>)),
    ("showDelivery", Payload::Part(part::<px_api::Delivery>)),
    ("downloadFile", Payload::Whole),
    ("listHooks", Payload::None),
    ("showHook", Payload::None),
    ("hookDeliveries", Payload::None),
    ("hookStats", Payload::None),
    ("listOutgoing", Payload::None),
    ("showOutgoing", Payload::Part(part::<px_api::Callback>)),
    ("listStore", Payload::None),
    ("listStoreKeys", Payload::None),
    ("showStoreValue", Payload::Part(part::<px_api::StoreValue>)),
];

/// The decision about a route. All of one that has none is withheld.
pub(super) fn of(name: &str, scope: Permission) -> Payload {
    if scope > Permission::Read {
        // Whoever comes in there sees payloads, too.
        return Payload::None;
    }
    DECISIONS.iter().find(|(known, _)| *known == name).map_or(Payload::Whole, |(_, decision)| *decision)
}

/// An answer without its payloads. What cannot be read as what it has to be is not shown.
pub(super) async fn answer(payload: Payload, response: Response) -> Response {
    let Payload::Part(part) = payload else { return response };
    if !response.status().is_success() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    if body.size_hint().exact().is_none() {
        let of_line = move |json: &[u8]| part(json).or_else(|| serde_json::to_vec(&Withheld::value()).ok());
        let frames = body.map_frame(move |frame| {
            frame.map_data(|data| redacted::each_data(&data, |json| of_line(json).unwrap_or_default().into()))
        });
        return Response::from_parts(head, Body::new(frames));
    }
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    if whole.is_empty() {
        return Response::from_parts(head, Body::empty());
    }
    match part(&whole) {
        Some(shown) => {
            head.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(head, Body::from(Bytes::from(shown)))
        }
        None => {
            let text = "The answer could not be made without what your scope may not see";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::routes;
    use super::*;

    #[test]
    fn every_route_that_a_reader_may_ask_has_a_decision() {
        let asked: BTreeSet<&str> = routes::all()
            .iter()
            .filter(|route| route.door.scope() == Some(Permission::Read))
            .map(|route| route.name)
            .collect();
        let decided: BTreeSet<&str> = DECISIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(decided.len(), DECISIONS.len(), "one decision a route");
        let open: Vec<_> = asked.difference(&decided).collect();
        assert!(
            open.is_empty(),
            "routes that answer readers, and nobody has said what is withheld: {open:?}"
        );
        let gone: Vec<_> = decided.difference(&asked).collect();
        assert!(gone.is_empty(), "{gone:?}");
        assert!(matches!(of("a route to come", Permission::Read), Payload::Whole));
    }

    #[tokio::test]
    async fn what_is_not_of_its_type_is_not_shown() {
        let odd = Response::new(Body::from(r#"{"planted":1}"#));
        let shown = answer(Payload::Part(part::<px_api::Run>), odd).await;
        assert_eq!(shown.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let bytes = shown.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&bytes).contains("planted"));
        let frames = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(
            "id: 1\ndata: {\"planted\":1}\n\n",
        )]);
        let shown =
            answer(Payload::Part(part::<px_api::Event>), Response::new(Body::from_stream(frames))).await;
        let bytes = shown.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(&*bytes, b"id: 1\ndata: {\"withheld\":\"needs operate\"}\n\n");
    }
}
