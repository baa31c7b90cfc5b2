//! Description of a route: its method and path, who may use it, what it takes, what
//! it answers, and what serves it. One table of these ([`super::routes`])
//! makes the router, the OpenAPI document ([`super::openapi`]) and what the
//! tests of the whole contract walk, so that they cannot differ.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::{Method, Uri};
use px_core::Code;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::door::Door;
use super::{body, fields, guard, headers, payload, query};
use crate::app::Shared;
use crate::error::ApiError;

/// Makes the schema of a type.
pub(super) type Shape = fn(&mut SchemaGenerator) -> Schema;

/// Answer of a route in one case.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) what: &'static str,
    /// The content type and the schema; `None` answers no body.
    pub(super) body: Option<(&'static str, Shape)>,
}

/// One method of one path.
pub(super) struct Route {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// A name that is unique, for generated clients.
    pub(super) name: &'static str,
    /// Summary, a sentence.
    pub(super) what: &'static str,
    pub(super) door: Door,
    /// The type of its query.
    pub(super) query: Option<Shape>,
    /// The names of its parameters.
    parameters: &'static [&'static str],
    /// The content types and types of its body; not required if so said.
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    /// True if what its path names may not be there, and 404 says so.
    pub(super) may_miss: bool,
    serve: MethodRouter<Shared>,
}

/// The body that a route takes.
pub(super) struct Body {
    pub(super) required: bool,
    pub(super) forms: Vec<(&'static str, Shape)>,
}

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; version=0.0.4";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream";

pub(super) fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

impl Route {
    fn new<H, T>(method: Method, filter: MethodFilter, path: &'static str, door: Door, handler: H) -> Self
    where
        H: Handler<T, Shared>,
        T: 'static,
    {
        Self {
            method,
            path,
            name: "",
            what: "",
            door,
            query: None,
            parameters: &[],
            body: None,
            answers: Vec::new(),
            may_miss: true,
            serve: on(filter, handler),
        }
    }

    pub(super) fn get<H: Handler<T, Shared>, T: 'static>(path: &'static str, door: Door, handler: H) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, door, handler)
    }

    pub(super) fn post<H: Handler<T, Shared>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, door, handler)
    }

    pub(super) fn patch<H: Handler<T, Shared>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Self {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, door, handler)
    }

    pub(super) fn delete<H: Handler<T, Shared>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, door, handler)
    }

    pub(super) fn options<H: Handler<T, Shared>, T: 'static>(
        path: &'static str,
        door: Door,
        handler: H,
    ) -> Self {
        Self::new(Method::OPTIONS, MethodFilter::OPTIONS, path, door, handler)
    }

    pub(super) fn named(self, name: &'static str, what: &'static str) -> Self {
        Self { name, what, ..self }
    }

    /// Returns whether a body has to be JSON: on every route of the API that may change
    /// something. The ways in of webhooks and forms have types of their own.
    pub(super) fn wants_json(&self) -> bool {
        self.door.scope().is_some() && self.method != Method::GET
    }

    pub(super) fn query<T: JsonSchema + DeserializeOwned>(self) -> Self {
        let parameters = fields::known_fields::<T>();
        Self {
            query: Some(shape::<T>),
            parameters,
            ..self.refuses(400, "A value of the query cannot be read")
        }
    }

    pub(super) fn takes<T: JsonSchema>(self) -> Self {
        let body = Body { required: true, forms: vec![(JSON, shape::<T>)] };
        Self { body: Some(body), ..self.refuses(400, "The body cannot be read, or a value in it cannot be") }
    }

    /// As [`Route::takes`], and the body may be left out.
    pub(super) fn may_take<T: JsonSchema>(self) -> Self {
        let mut this = self.takes::<T>();
        if let Some(body) = &mut this.body {
            body.required = false;
        }
        this
    }

    pub(super) fn takes_forms(self, forms: Vec<(&'static str, Shape)>) -> Self {
        Self { body: Some(Body { required: false, forms }), ..self }
    }

    pub(super) fn answers<T: JsonSchema>(self, status: u16, what: &'static str) -> Self {
        self.answers_as(status, what, JSON, shape::<T>)
    }

    pub(super) fn answers_as(
        mut self,
        status: u16,
        what: &'static str,
        content_type: &'static str,
        shape: Shape,
    ) -> Self {
        self.answers.push(Answer { status, what, body: Some((content_type, shape)) });
        self
    }

    /// Answers without a body.
    pub(super) fn answers_nothing(mut self, status: u16, what: &'static str) -> Self {
        self.answers.push(Answer { status, what, body: None });
        self
    }

    /// Answers an error; one of several reasons for a status is enough.
    pub(super) fn refuses(mut self, status: u16, what: &'static str) -> Self {
        if self.answers.iter().all(|answer| answer.status != status) {
            self.answers.push(Answer { status, what, body: Some((JSON, shape::<px_api::Error>)) });
        }
        self
    }

    /// Says that what the path names need not be there: nothing is an answer, too.
    pub(super) fn never_misses(self) -> Self {
        Self { may_miss: false, ..self }
    }

    /// Returns whether the path names something.
    pub(super) fn has_parameters(&self) -> bool {
        self.path.contains('{')
    }
}

/// The router of a table.
pub(super) fn router(routes: Vec<Route>, app: Shared) -> Router {
    let cors = headers::cors(&app.urls.cors_origins);
    let mut router = Router::new();
    let paths: Arc<[&str]> = routes.iter().map(|route| route.path).collect();
    for route in routes {
        let wants_json = route.wants_json();
        let mut serve = route.serve;
        if let Some(scope) = route.door.scope() {
            if !route.parameters.is_empty() {
                let heard = axum::middleware::from_fn_with_state(route.parameters, query::hear);
                serve = serve.layer(heard);
            }
            let unread = match (&route.body, route.path) {
                (Some(_), _) => body::Unread::Never,
                // The ancestor's: its clients may send what means nothing here.
                (None, "/brains/runs/{id}") => body::Unread::Named,
                (None, _) => body::Unread::Refused,
            };
            let read = (app.clone(), body::Wanted { json: wants_json, scope, unread });
            serve = serve.layer(axum::middleware::from_fn_with_state(read, body::read));
            let payload = payload::of(route.name, scope);
            let needed = guard::Needed { door: route.door, scope, payload };
            let state = (app.clone(), needed);
            serve = serve.layer(axum::middleware::from_fn_with_state(state, guard::check));
            serve = serve.layer(axum::middleware::map_response(headers::add));
            // Outermost: a browser asks whether it may before it has a token.
            if let Some(cors) = &cors {
                serve = serve.layer(cors.clone());
            }
        } else if route.method == Method::GET && route.door == Door::Public {
            serve = serve.layer(axum::middleware::map_response(headers::add));
        }
        router = router.route(route.path, serve);
    }
    // axum's own bound, 2 MiB, is another one than that which is configured.
    router = router.layer(DefaultBodyLimit::disable());
    router.fallback(async move |uri: Uri| no_route(uri.path(), &paths)).with_state(app)
}

/// The answer where there is no route. Who wrote a slash too many is told the URL
/// that was meant: senders follow no redirect.
fn no_route(path: &str, paths: &[&str]) -> ApiError {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_meant = |known: &&&str| {
        let mut known = known.split('/').skip(1);
        let fits =
            parts.iter().all(|part| known.next().is_some_and(|name| name.starts_with('{') || name == *part));
        fits && known.next().is_none()
    };
    let meant = format!("/{}", parts.join("/"));
    let text = match paths.iter().find(is_meant) {
        Some(_) if meant != path => {
            format!("There is no such route; it is {meant}, without the other slashes")
        }
        _ => "There is no such route".to_owned(),
    };
    ApiError::not_found(text).code(Code::NoRoute)
}
