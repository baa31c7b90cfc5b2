//! Stands before each route of the API, and asks whether the request may use
//! it: by its token, or, while there is none, by the one rule of who this
//! machine is (`px_inbound::verify::local`).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use px_core::Code;
use px_inbound::verify::local::{self, Caller, Foreign, Rule};
use px_store::tokens::Permission;

use super::door::Door;
use super::payload::{self, Payload, Payloads};
use super::redacted;
use crate::access::{Right, Verdict};
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Demand of a guarded route.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needed {
    pub(super) door: Door,
    pub(super) scope: Permission,
    pub(super) payload: Payload,
}

/// Returns how much of what may be a secret a request is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// All that may be shown to anybody.
    Whole,
    /// URLs of hooks without what may be a secret in them, and nothing with a value of
    /// the secrets.
    Redacted,
}

pub(super) async fn check(
    State((app, needed)): State<(Shared, Needed)>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Err(error) = app.tokens.refresh().await {
        // Nobody knows whether the request's token was revoked.
        return ApiError::from(error).into_response();
    }
    let verdict = app.tokens.verdict(request.headers());
    let sight = match verdict {
        Verdict::Known(_, scope) if scope < Permission::Admin => Sight::Redacted,
        _ => Sight::Whole,
    };
    let payloads = match verdict {
        Verdict::Known(_, scope) => Payloads::of(scope, app.payloads),
        _ => Payloads::Shown,
    };
    let right = match verdict {
        Verdict::Known(id, scope) if scope >= needed.scope => match needed.payload {
            Payload::Whole => payloads.demand("This answer").map(|()| Right::Token(id)),
            Payload::None | Payload::Part(_) => Ok(Right::Token(id)),
        },
        Verdict::NoTokens => {
            let base = local::base(request.uri());
            let caller = Caller {
                peer: remote.ip(),
                method: request.method(),
                base: base.as_deref(),
                headers: request.headers(),
            };
            without_tokens(&app, needed.door, &caller).map(|()| Right::First)
        }
        Verdict::Known(..) => {
            let text = format!("The API token does not have the scope {}", needed.scope.as_str());
            Err(ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text))
        }
        Verdict::Unknown => {
            let text = "The API needs a token: Authorization: Bearer <token>";
            Err(ApiError::new(StatusCode::UNAUTHORIZED, Code::TokenMissing, text))
        }
    };
    match right {
        Ok(right) => {
            // Whatever changes the tokens asks again: others may have done so meanwhile.
            request.extensions_mut().insert(right);
            request.extensions_mut().insert(sight);
            request.extensions_mut().insert(payloads);
            let redacts = sight == Sight::Redacted || redacted::is_asked(request.headers());
            let mut answer = next.run(request).await;
            if payloads == Payloads::Withheld {
                answer = payload::answer(needed.payload, answer).await;
            }
            if redacts { redacted::answer(app.secrets.redaction(), answer).await } else { answer }
        }
        Err(error) => error.into_response(),
    }
}

/// Returns who may use the API while there are no tokens. `--insecure` lets other
/// machines in, and no page takes the server over even then.
fn without_tokens(app: &App, door: Door, caller: &Caller<'_>) -> Result<(), ApiError> {
    let admitted = match door.rule() {
        Rule::NoBrowser if app.insecure => local::no_browser(caller.headers),
        _ if app.insecure => Ok(()),
        rule => local::admit(rule, caller, &app.urls.cors_origins),
    };
    admitted.map_err(|why| not_local(&why))
}

/// Returns whether a request may read, for a route that is open to everybody and
/// tells some more.
pub(super) async fn may_read(app: &App, caller: &Caller<'_>) -> bool {
    if app.tokens.refresh().await.is_err() {
        return false;
    }
    match app.tokens.verdict(caller.headers) {
        Verdict::Known(_, scope) => scope >= Permission::Read,
        Verdict::NoTokens => without_tokens(app, Door::Read, caller).is_ok(),
        Verdict::Unknown => false,
    }
}

fn not_local(why: &Foreign) -> ApiError {
    let make = "`px tokens create <name> --scope admin`";
    let text = match why {
        Foreign::Browser(_) => format!(
            "The first API token is not made from a browser, and {why}; make it where px runs: {make}"
        ),
        _ if why.is_other_page() => format!(
            "There is no API token, so the API is for this machine only, and {why}; add the page's origin to \
             server.cors_origins, or make a token and send it: {make}"
        ),
        _ => format!(
            "There is no API token, so the API is for this machine only, and {why}; ask 127.0.0.1 or localhost \
             directly, or make a token and send it: {make}"
        ),
    };
    ApiError::new(StatusCode::FORBIDDEN, Code::NotLocal, text)
}
