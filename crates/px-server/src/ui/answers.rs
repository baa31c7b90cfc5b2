//! Answers of the page: HTML with its headers, the way on after an action, and refusals
//! in the page's own look.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request};
use maud::Markup;
use px_dashboard::page::{self, RefusalView};
use px_dashboard::{Csrf, Session, Zone};
use px_store::tokens::Permission;

use super::done::Done;
use super::guard::{Form, Who};
use super::place::Place;
use crate::app::App;
use crate::error::ApiError;

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
static OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// Headers of every answer below the page, unless a route says something else.
const HEADERS: [(&HeaderName, HeaderValue); 8] = [
    (&X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (&X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (&REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (&CONTENT_SECURITY_POLICY, HeaderValue::from_static(px_dashboard::CSP)),
    (&CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    (&RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
    (&OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (&PERMISSIONS_POLICY, HeaderValue::from_static("")),
];

pub(super) async fn add_headers(request: Request, next: Next) -> Response {
    // Browsers complain of that policy where they do not trust the connection, and say there nothing of
    // where a request comes from.
    let is_trusted = request.headers().contains_key("sec-fetch-site");
    let mut response = next.run(request).await;
    for (name, value) in HEADERS.into_iter().filter(|(name, _)| is_trusted || *name != OPENER_POLICY) {
        response.headers_mut().entry(name).or_insert(value);
    }
    // The page's refusals have its look already.
    response.extensions_mut().insert(crate::layered::AsItIs);
    response
}

/// A page.
pub(super) fn html(status: StatusCode, markup: Markup) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(CONTENT_TYPE, kind)], markup.into_string()).into_response()
}

/// Sends the browser on to another place of the page, by a GET.
pub(super) fn see(from: &Place, to: &str) -> Response {
    let location = format!("{}{to}", from.up());
    match HeaderValue::from_str(&location) {
        Ok(location) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        Err(_) => (StatusCode::SEE_OTHER, [(LOCATION, HeaderValue::from_static("./"))]).into_response(),
    }
}

/// Sends whoever has no session to the login, and from there back.
pub(super) fn to_login(uri: &Uri) -> Response {
    let place = Place::of(uri);
    match place.as_str() {
        "" => see(&place, "login"),
        _ => see(&place, &format!("login?next={}", place.as_value())),
    }
}

/// Returns whether a browser without our cookie has to fetch it first: it belongs to the
/// page as a whole, and a browser gives a cookie the folder that it was set from.
pub(super) fn needs_welcome(head: &request::Parts) -> bool {
    let place = Place::of(&head.uri);
    head.method == Method::GET && place.depth() > 0 && place.without_welcome().is_none()
}

/// Sends a browser to fetch its cookie, and from there back.
pub(super) fn to_welcome(uri: &Uri) -> Response {
    let place = Place::of(uri);
    see(&place, &format!("welcome?next={}", place.as_value()))
}

/// The way back with the cookie.
pub(super) fn welcome(app: &App, headers: &HeaderMap, uri: &Uri, query: Option<&str>) -> Response {
    let next = query.into_iter().flat_map(|query| px_inbound::verify::form_fields(query.as_bytes()));
    let next = next.into_iter().find(|(name, _)| name == "next").map(|(_, value)| Place::read(&value));
    let place = Place::of(uri);
    let mut response = match next.filter(|next| next.depth() > 0) {
        Some(next) => see(&place, next.welcomed().as_str()),
        None => see(&place, ""),
    };
    Who::visitor(app, headers).keep_cookie(app, (&Method::GET, uri), &mut response);
    response
}

/// The mark that the forms of a page carry.
pub(super) fn csrf(app: &App, who: &Who) -> Csrf {
    Csrf(app.secrets.page_keys().mark(&who.cookie))
}

/// Whoever looks at a page, as the page wants to know it.
pub(super) fn session(app: &App, who: &Who, uri: &Uri, headers: &HeaderMap) -> Session {
    let (zone, keys) = settings(app, headers);
    Session {
        scope: scope(who.permission),
        token_name: who.name.clone(),
        csrf: csrf(app, who),
        zone,
        keys,
        now: app.clock().now(),
        attention: app.page.noticed.count(),
        sees_payloads: who.permission >= app.payloads,
        notice: uri
            .query()
            .and_then(Done::of_query)
            .filter(|done| done.is_about(uri.path()))
            .map(Done::notice),
    }
}

/// A page for somebody who was not let in: nothing on it says how it is with px.
fn of_nobody(session: Session) -> Session {
    Session { scope: px_api::Scope::Read, attention: 0, sees_payloads: false, notice: None, ..session }
}

fn scope(permission: Permission) -> px_api::Scope {
    permission.as_str().into()
}

/// Name of the cookie that keeps the zone of times and whether single keys do something.
fn settings_name(app: &App) -> String {
    app.secrets.page_keys().cookie_name("set")
}

fn settings(app: &App, headers: &HeaderMap) -> (Zone, bool) {
    let name = settings_name(app);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.find(|(own, _)| *own == name).map(|(_, value)| value).unwrap_or_default();
    let (zone, keys) = value.split_once('.').unwrap_or((value, "on"));
    (Zone::parse(zone).unwrap_or_default(), keys != "off")
}

/// The line that keeps these settings for a year.
pub(super) fn keep_settings(app: &App, zone: &str, keys: bool) -> Option<HeaderValue> {
    Zone::parse(zone)?;
    let keys = if keys { "on" } else { "off" };
    let name = settings_name(app);
    HeaderValue::from_str(&format!("{name}={zone}.{keys}; HttpOnly; SameSite=Lax; Max-Age=31536000")).ok()
}

/// A refusal in the look of the page, with the next step on it.
pub(super) fn refused(
    app: &App,
    who: Option<&Who>,
    head: (&Method, &Uri, &HeaderMap),
    error: &ApiError,
) -> Response {
    let (method, uri, headers) = head;
    let (status, can_retry) = (error.status(), method == Method::GET);
    let body = cleaned(app, error);
    let (visitor, is_let_in) = (Who::visitor(app, headers), who.is_some());
    let who = who.unwrap_or(&visitor);
    let session = match is_let_in {
        true => session(app, who, uri, headers),
        false => of_nobody(session(app, who, uri, headers)),
    };
    let place = Place::of(uri);
    let view = RefusalView { status: status.as_u16(), error: &body, path: place.as_str(), can_retry };
    let mut response = html(status, page::refusal(&view, &session));
    note_retry(error, &mut response);
    response
}

/// An error without the values of secrets.
pub(super) fn cleaned(app: &App, error: &ApiError) -> px_api::Error {
    let redactor = app.secrets.redaction().current();
    let mut body = error.body().clone();
    body.error = redactor.text(&body.error).into_owned();
    for violation in body.violations.iter_mut().flatten() {
        violation.message = redactor.text(&violation.message).into_owned();
    }
    body
}

/// Says when asking again is worth it.
pub(super) fn note_retry(error: &ApiError, response: &mut Response) {
    if error.comes_back() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

/// The answer to a form whose session is over: the login, with what was typed kept in it.
pub(super) fn login_over(app: &App, head: &request::Parts, form: &Form) -> Response {
    let visitor = Who::visitor(app, &head.headers);
    let place = Place::of(&head.uri);
    let kept = super::login::kept_of(&place, form);
    let kept = Some(&kept).filter(|kept| !kept.fields.is_empty());
    super::login::shown(app, head, &visitor, StatusCode::UNAUTHORIZED, None, (kept, &Place::read("")))
}

/// A file under a name that changes with its bytes.
pub(super) fn asset(kind: &'static str, bytes: &'static [u8]) -> Response {
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    let kind = HeaderValue::from_static(kind);
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, forever)], Body::from(bytes)).into_response()
}
