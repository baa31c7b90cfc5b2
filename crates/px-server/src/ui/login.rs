//! The login: a token opens a session, which ends after twelve hours or with the token; a
//! logout ends it everywhere. What was typed into a form whose session was over is carried through the
//! login and shown again; px sends nothing by itself.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use http::{StatusCode, Uri, header, request};
use px_dashboard::page::{self, Kept, LoginView};
use px_dashboard::route::field;
use secrecy::SecretString;

use super::answers::{self, html, see, session};
use super::done::{Done, Word};
use super::guard::{self, Form, Who};
use super::keys::Claims;
use super::look::{Look, Page};
use super::place::Place;
use super::sessions;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Time for which a session lasts.
const SESSION: Duration = Duration::from_secs(12 * 60 * 60);

/// Time for which a browser keeps the cookie: longer than the session, since a form that is sent after
/// its end comes back after a login that is bound to this cookie.
const COOKIE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Prefix of the hidden fields that carry what was typed, and the field with the path that it was sent to.
const KEPT: &str = "kept:";
const KEPT_PATH: &str = "kept-path";

/// The form that was sent when its session was over.
pub(super) fn kept_of(to: &Place, form: &Form) -> Kept {
    let fields = form.0.iter().filter(|(name, _)| name != field::CSRF).cloned();
    Kept { path: to.as_str().to_owned(), fields: fields.collect() }
}

/// The form that the fields of a login carry, if they carry any.
fn carried(form: &Form) -> Option<Kept> {
    let path = Place::read(form.get(KEPT_PATH)?);
    let fields = form.0.iter().filter_map(|(name, value)| Some((name.strip_prefix(KEPT)?, value)));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    (!path.as_str().is_empty()).then(|| Kept { path: path.as_str().to_owned(), fields })
}

pub(super) async fn show(State(app): State<Shared>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    if let Err(error) = app.tokens.refresh().await {
        return answers::refused(&app, None, (&head.method, &head.uri, &head.headers), &error.into());
    }
    if app.tokens.is_empty() {
        // There is nothing to log in with; the page itself says who may come in.
        return see(&Place::of(&head.uri), "");
    }
    let visitor = Who::visitor(&app, &head.headers);
    shown(&app, &head, &visitor, StatusCode::OK, None, (None, &next_of(&head.uri)))
}

/// The page to show after the login, as the query names it.
fn next_of(uri: &Uri) -> Place {
    let fields = px_inbound::verify::form_fields(uri.query().unwrap_or_default().as_bytes());
    let next = fields.into_iter().find(|(name, _)| name == field::NEXT);
    Place::read(&next.map_or_else(String::new, |(_, value)| value))
}

/// The login's page.
pub(super) fn shown(
    app: &App,
    head: &request::Parts,
    visitor: &Who,
    status: StatusCode,
    refused: Option<&str>,
    (kept, next): (Option<&Kept>, &Place),
) -> Response {
    let csrf = answers::csrf(app, visitor);
    let depth = Place::of(&head.uri).depth();
    let view = LoginView { csrf: &csrf, next: next.as_str(), refused, kept, depth };
    let mut response = html(status, page::login(&view));
    visitor.keep_cookie(app, (&head.method, &head.uri), &mut response);
    response
}

/// `POST ui/login`.
pub(super) async fn log_in(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let (form, held) = match guard::read(&app, &head, body, (guard::MAX_LOGIN, true)).await {
        Ok(read) => read,
        Err(error) => return answers::refused(&app, None, (&head.method, &head.uri, &head.headers), &error),
    };
    held.until_sent(logged_in(app, remote, head, form).await)
}

async fn logged_in(app: Shared, remote: SocketAddr, head: request::Parts, form: Form) -> Response {
    let visitor = Who::visitor(&app, &head.headers);
    // What a page of somebody else sent is not carried on.
    let kept = carried(&form).filter(|_| guard::is_own_page(&app, remote, &head));
    // A token that is refused does not lose the way to what was asked for.
    let next = Place::read(form.get(field::NEXT).unwrap_or_default());
    let again = |status, text: &str| shown(&app, &head, &visitor, status, Some(text), (kept.as_ref(), &next));
    if let Err(error) = guard::from_own_form(&app, &visitor.cookie, remote, &head, &form) {
        if !visitor.is_new || !guard::is_own_page(&app, remote, &head) {
            return again(error.status(), &error.body().error);
        }
        // A page of ours in a browser that has lost its cookie: what it carries is not lost too.
        let text = "This browser had lost the cookie of px, and has another one now. Log in once more";
        let mut response = again(error.status(), text);
        visitor.give_cookie(&app, &mut response);
        return response;
    }
    if let Err(error) = app.tokens.refresh().await {
        return answers::refused(&app, None, (&head.method, &head.uri, &head.headers), &error.into());
    }
    let text = SecretString::from(form.get(field::TOKEN).unwrap_or_default().trim().to_owned());
    let now = app.clock().now();
    let Some(token) = app.tokens.of_text(&text) else {
        let address = app.urls.client(remote.ip(), &head.headers);
        return if app.page.strikes.count(address, now) {
            again(
                StatusCode::TOO_MANY_REQUESTS,
                "More than ten wrong tokens came from this address within a minute. A right one is taken all the same",
            )
        } else {
            let text = "This is no API token of this server. `px tokens list` names those that there are, and \
                        `px tokens create me --scope operate` makes one, where px runs";
            again(StatusCode::UNAUTHORIZED, text)
        };
    };
    let claims = Claims::new(token.id, now.after(SESSION));
    let value = app.secrets.page_keys().session(claims, &token.digest);
    let mut response = match &kept {
        Some(kept) => {
            let who = Who::of_token(&token, claims, value.clone());
            html(StatusCode::OK, page::again(kept, &session(&app, &who, &head.uri, &head.headers)))
        }
        None => see(&Place::of(&head.uri), next.as_str()),
    };
    let seconds = Some(COOKIE.as_secs());
    let cookie = guard::set_cookie(&app, &value, seconds, guard::is_secure(&head.headers));
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// `POST ui/logout`.
pub(super) async fn log_out(look: Look) -> Page {
    let to = if look.who.token().is_some() { "login" } else { "" };
    if let Some(session) = look.who.session {
        sessions::end(&look.app, session).await?;
    }
    let mut response = look.done(Done::new(Word::LoggedOut), to)?;
    // Another one in its place: a form that lies open in another tab comes back after a login, too.
    let cookie = guard::set_cookie(&look.app, &super::keys::visitor(), None, false);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

/// `POST ui/settings`.
pub(super) async fn keep(look: Look, Extension(form): Extension<Form>) -> Page {
    let keys = form.get("keys").is_some_and(|keys| keys != "off");
    let zone = form.get(field::ZONE).unwrap_or("utc");
    let cookie = answers::keep_settings(&look.app, zone, keys).ok_or_else(|| {
        ApiError::bad_request(format!(
            "'{zone}' is no zone: it is utc, or minutes east of it, from -840 to 840"
        ))
    })?;
    let next = Place::read(form.get(field::NEXT).unwrap_or_default());
    let mut response = look.done(Done::new(Word::Kept), next.as_str())?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}
