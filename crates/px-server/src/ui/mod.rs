//! The page below `/ui`: its door, its sessions, and the way from its routes to the
//! functions that the API has. What it looks like is px-dashboard's.
//!
//! Tested over real sockets in `px-server/tests/ui/main.rs`.

mod actions;
mod answers;
mod clean;
mod done;
mod guard;
mod keys;
mod live;
mod login;
mod look;
mod noticed;
mod pages;
mod place;
mod sessions;
mod strangers;
mod strikes;
mod typed;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any, get, post};
use http::{HeaderMap, StatusCode, Uri, header};
use px_core::Code;
use px_dashboard::route::{self, Route};

pub(crate) use keys::PageKeys;

use crate::app::Shared;
use crate::error::ApiError;
use look::PageError;
use noticed::Noticed;
use strangers::Strangers;
use strikes::Strikes;

/// Counts of the page, in this process.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    strikes: Strikes,
    noticed: Noticed,
    strangers: Strangers,
}

/// Every route of the page and whatever serves it. A test holds it to the table of px-dashboard.
fn served() -> Vec<(Route, MethodRouter<Shared>)> {
    vec![
        (route::OVERVIEW, get(pages::overview)),
        (route::SETTINGS, get(pages::settings)),
        (route::SET, post(login::keep)),
        (route::LOG_OUT, post(login::log_out)),
        (route::FIND, get(pages::find)),
        (route::LIVE, get(live::live)),
        (route::RUNS, get(pages::runs)),
        (route::RUN, get(pages::run)),
        (route::VALUE, get(pages::value)),
        (route::STATE, get(pages::state)),
        (route::CHANGES, get(pages::changes)),
        (route::PAUSE, post(actions::pause)),
        (route::RESUME, post(actions::resume)),
        (route::CANCEL, post(actions::cancel)),
        (route::RERUN, post(actions::rerun_from)),
        (route::FORK, get(pages::fork)),
        (route::FORK_RUN, post(actions::fork)),
        (route::ANSWER, post(actions::answer)),
        (route::WAITS, get(pages::waits)),
        (route::INBOX, get(pages::inbox)),
        (route::DELIVERY, get(pages::delivery)),
        (route::FILE, get(pages::file)),
        (route::REPLAY, post(actions::replay)),
        (route::BIND, post(actions::bind)),
        (route::WEBHOOKS, get(pages::webhooks)),
        (route::WEBHOOK, get(pages::webhook)),
        (route::TEST_WEBHOOK, post(actions::test_webhook)),
        (route::HOOKS, get(pages::hooks)),
        (route::HOOK, get(pages::hook)),
        (route::TEST_HOOK, post(actions::test_hook)),
        (route::RECOVER, post(actions::recover_hook)),
        (route::ENABLE_HOOK, post(actions::enable_hook)),
        (route::DISABLE_HOOK, post(actions::disable_hook)),
        (route::ROTATE_HOOK, post(actions::rotate_secret)),
        (route::DELETE_HOOK, post(actions::delete_hook)),
        (route::OUTBOX, get(pages::outbox)),
        (route::CALLBACK, get(pages::callback)),
        (route::REDELIVER, post(actions::redeliver)),
        (route::BRAINS, get(pages::brains)),
        (route::BRAIN, get(pages::brain)),
        (route::START, post(actions::start)),
        (route::STORE, get(pages::store)),
        (route::VALUES, get(pages::values)),
        (route::VALUES_OF, get(pages::values_of)),
        (route::KV, get(pages::kv)),
        (route::TOKENS, get(pages::tokens)),
        (route::CREATE_TOKEN, post(actions::create_token)),
        (route::REVOKE_TOKEN, post(actions::revoke_token)),
        (route::BULK, get(pages::bulk)),
        (route::START_JOB, post(actions::start_job)),
        (route::JOB, get(pages::job)),
        (route::STOP_JOB, post(actions::stop_job)),
        (route::SECRETS, get(pages::secrets)),
        (route::SECRET, get(pages::secret)),
    ]
}

/// The routes that let in whoever has no session yet.
fn of_login() -> [(Route, MethodRouter<Shared>); 2] {
    [(route::LOGIN, get(login::show)), (route::LOG_IN, post(login::log_in))]
}

/// The page, and the way to it from `/`.
pub(crate) fn router(app: Shared) -> Router {
    let path = |route: Route| format!("{}{}", place::ROOT, route.path);
    let mut inside = Router::new();
    for (route, serve) in served() {
        inside = inside.route(&path(route), serve);
    }
    let inside = inside
        .route("/ui/{*rest}", any(nothing))
        .layer(axum::middleware::from_fn_with_state(app.clone(), guard::check));
    let mut outside = Router::new().route("/ui/welcome", get(welcome)).route("/ui/assets/{name}", get(asset));
    for (route, serve) in of_login() {
        outside = outside.route(&path(route), serve);
    }
    inside
        .merge(outside)
        .layer(axum::middleware::from_fn(answers::add_headers))
        .route("/ui", get(below))
        .route("/", any(root))
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

/// Leads a browser to the page; everybody else is told that there is no such route, as ever.
async fn root(headers: HeaderMap) -> Response {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    if accepts.flat_map(|line| line.split(',')).any(|range| range.trim_start().starts_with("text/html")) {
        return (StatusCode::SEE_OTHER, [(header::LOCATION, "ui/")]).into_response();
    }
    ApiError::not_found("There is no such route").code(Code::NoRoute).into_response()
}

async fn below() -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, "ui/")]).into_response()
}

async fn welcome(State(app): State<Shared>, RawQuery(query): RawQuery, request: Request) -> Response {
    answers::welcome(&app, request.headers(), request.uri(), query.as_deref())
}

async fn asset(Path(name): Path<String>) -> Response {
    let found = px_dashboard::assets().iter().find(|asset| asset.name == name);
    match found {
        Some(asset) => answers::asset(asset.content_type, asset.bytes),
        None => {
            (StatusCode::NOT_FOUND, "There is no such file: the page names another one now").into_response()
        }
    }
}

async fn nothing(uri: Uri) -> PageError {
    let text = format!("There is no page at '{}'", uri.path());
    ApiError::not_found(text).code(Code::NoRoute).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_that_pages_link_to_is_served() {
        let served: Vec<Route> = served().into_iter().chain(of_login()).map(|(route, _)| route).collect();
        let missing: Vec<_> = route::all().filter(|route| !served.contains(route)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
