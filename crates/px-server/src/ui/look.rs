//! A request that was let in, and the ways from it to an answer.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Uri};
use maud::Markup;
use px_api::{ListRuns, Withhold};
use px_core::{Code, RunId};
use px_dashboard::Session;
use px_dashboard::route::Route;
use px_store::tokens::Permission;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers;
use super::clean::without_secrets;
use super::done::Done;
use super::guard::Who;
use super::place::Place;
use crate::api::guard::Sight;
use crate::api::payload::Payloads;
use crate::api::run_list;
use crate::app::Shared;
use crate::error::ApiError;

/// A request that was let in.
pub(crate) struct Look {
    pub(super) app: Shared,
    pub(super) who: Who,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

/// Reason that a page is not shown, or an action not done. The door makes a page of it,
/// since it knows whose the request is.
#[derive(Debug, Clone)]
pub(crate) struct PageError(pub(super) Arc<ApiError>);

/// An answer of the page.
pub(super) type Page = Result<Response, PageError>;

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self(Arc::new(error))
    }
}

impl From<px_store::Error> for PageError {
    fn from(error: px_store::Error) -> Self {
        ApiError::from(error).into()
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl FromRequestParts<Shared> for Look {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Infallible> {
        // The door has put it there: no route of the page lies outside of it.
        let who = parts.extensions.get::<Who>().cloned();
        let who = who.unwrap_or_else(|| Who::visitor(app, &parts.headers));
        Ok(Self { app: app.clone(), who, uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

/// Fields that are times.
const TIMES: [&str; 2] = ["since", "until"];

/// Runs that are chosen one by one, at most; more are a filter's.
const CHOSEN: usize = 200;

/// The runs that fields name.
///
/// # Errors
/// One of them is no id of a run, or there are more than a page can choose.
pub(super) fn chosen(fields: &[(String, String)]) -> Result<Vec<RunId>, ApiError> {
    let named = fields.iter().filter(|(name, _)| name == px_dashboard::route::field::RUN);
    let ids: Result<Vec<RunId>, _> = named.map(|(_, id)| id.parse()).collect();
    let ids = ids.map_err(|error| ApiError::bad_request(format!("{error}")))?;
    if ids.len() > CHOSEN {
        let text = format!(
            "{} runs were chosen one by one, of which {CHOSEN} are possible; use a filter",
            ids.len()
        );
        return Err(ApiError::bad_request(text));
    }
    Ok(ids)
}

impl Look {
    /// Checks that the session's scope is enough for a route.
    pub(super) fn may(&self, route: Route) -> Result<(), ApiError> {
        let needed = Permission::parse(route.scope().as_str()).unwrap_or(Permission::Admin);
        if self.who.permission >= needed {
            return Ok(());
        }
        let text = format!(
            "This needs the scope {}, and the token of this session has the scope {}",
            needed.as_str(),
            self.who.permission.as_str()
        );
        Err(ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text))
    }

    /// The query of a route: of the fields that it has, those that say something.
    pub(super) fn query<T: DeserializeOwned>(&self, route: Route) -> Result<T, ApiError> {
        let uri: Uri = format!("/?{}", self.known(route))
            .parse()
            .map_err(|error| ApiError::bad_request(format!("The query cannot be read: {error}")))?;
        let read = Query::<T>::try_from_uri(&uri);
        read.map(|Query(query)| query).map_err(|error| ApiError::bad_request(error.body_text()))
    }

    /// The filter of runs in the query of a route.
    pub(super) fn runs(&self, route: Route) -> Result<ListRuns, ApiError> {
        run_list::read(&self.known(route))
    }

    /// The query of a route as it is read: times as numbers, and nothing that says nothing.
    fn known(&self, route: Route) -> String {
        let fields = px_inbound::verify::form_fields(self.uri.query().unwrap_or_default().as_bytes());
        let now = self.app.clock().now();
        let known = fields
            .into_iter()
            .filter(|(name, value)| route.fields.contains(&name.as_str()) && !value.trim().is_empty());
        let known = known.map(|(name, value)| {
            // As somebody types a time: `2h`.
            let typed = TIMES.contains(&name.as_str()).then(|| px_api::words::parse_since(&value, now));
            let value = typed.flatten().map_or(value, |time| time.as_millis().to_string());
            format!("{name}={}", Place::value_of(value.trim()))
        });
        let known: Vec<String> = known.collect();
        known.join("&")
    }

    /// One field of the query, if it says something.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let fields = px_inbound::verify::form_fields(self.uri.query().unwrap_or_default().as_bytes());
        let found = fields.into_iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// The runs that were chosen one by one.
    pub(super) fn chosen(&self) -> Result<Vec<RunId>, ApiError> {
        let fields = px_inbound::verify::form_fields(self.uri.query().unwrap_or_default().as_bytes());
        chosen(&fields)
    }

    /// An answer of the API without the values of secrets: the page shows them to nobody,
    /// whatever the scope. They are taken out before anything is cut or escaped, so that
    /// no part of one is left. Of what runs and senders bring it has what the session may see.
    pub(super) fn clean<T>(&self, mut answer: T) -> Result<T, ApiError>
    where
        T: Serialize + DeserializeOwned + Withhold,
    {
        if self.payloads() == Payloads::Withheld {
            answer.withhold();
        }
        let redactor = self.app.secrets.redaction().current();
        without_secrets(answer, &redactor).map_err(|error| {
            let text = format!("An answer could not be shown without its secrets: {error}");
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, text)
        })
    }

    /// How much of what may be a secret the session is shown by the API.
    pub(super) const fn sight(&self) -> Sight {
        match self.who.permission {
            Permission::Admin => Sight::Whole,
            Permission::Read | Permission::Operate => Sight::Redacted,
        }
    }

    /// Whether the session is shown what runs and senders bring.
    pub(super) fn payloads(&self) -> Payloads {
        Payloads::of(self.who.permission, self.app.payloads)
    }

    /// Whoever looks.
    pub(super) fn session(&self) -> Session {
        answers::session(&self.app, &self.who, &self.uri, &self.headers)
    }

    /// A page.
    pub(super) fn page(&self, page: impl FnOnce(&Session) -> Markup) -> Page {
        Ok(answers::html(StatusCode::OK, page(&self.session())))
    }

    /// The way on after an action.
    pub(super) fn done(&self, done: Done, place: &str) -> Page {
        Ok(answers::see(&Place::of(&self.uri), &done.at(place)))
    }

    /// The way to another place.
    pub(super) fn see(&self, place: &str) -> Page {
        Ok(answers::see(&Place::of(&self.uri), place))
    }
}
