//! The door of the page: whose a request is, and whether a form was sent from one of our
//! own pages. Without tokens this machine comes in, by the one rule that the API has too
//! (docs/rules.md#64); with tokens, whoever has a session. The JSON API takes no cookie.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use px_core::{Code, TokenId};
use px_inbound::verify::local::{self, Caller, Rule};
use px_inbound::verify::{Received, UrlView, form_fields};
use px_store::tokens::{Permission, Token};

use super::keys::Claims;
use super::look::PageError;
use super::place::Place;
use super::strangers::{self, Held, Unread};
use super::{answers, keys, sessions, typed};
use crate::access::Right;
use crate::app::{App, Shared};
use crate::error::ApiError;

/// Largest form of a page, bytes. What a login carries over has the same bound.
pub(super) const MAX_FORM: usize = 1024 * 1024;

/// Largest login, bytes: names of the fields that it carries over are longer there.
pub(super) const MAX_LOGIN: usize = 2 * MAX_FORM;

/// Most fields of a form.
const MAX_FIELDS: usize = 1_000;

/// The cookie of sessions, as its name says it.
const COOKIE: &str = "ui";

/// Whose a request is.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(super) right: Right,
    pub(super) permission: Permission,
    /// The token's name; none while there are no tokens.
    pub(super) name: Option<String>,
    /// The cookie's value, to which the marks of forms are bound.
    pub(super) cookie: String,
    /// Claims of the session, if there is one.
    pub(super) session: Option<Claims>,
    /// True if the browser has no such cookie yet.
    pub(super) is_new: bool,
}

impl Who {
    /// The token of the session.
    pub(super) const fn token(&self) -> Option<TokenId> {
        match self.right {
            Right::Token(id) => Some(id),
            Right::Owner | Right::First => None,
        }
    }

    /// Whoever has the session of a token.
    pub(super) fn of_token(token: &Token, session: Claims, cookie: String) -> Self {
        Self {
            right: Right::Token(token.id),
            permission: token.permission,
            name: Some(token.name.clone()),
            cookie,
            session: Some(session),
            is_new: false,
        }
    }

    /// Gives the browser its cookie if it has none yet. It belongs to the page as a whole, and a
    /// browser gives it the folder that it was set from: a page that lies deeper sets none.
    ///
    /// Nor does a form set one: a browser takes it though a page of somebody else sent the
    /// form, and would lose the session that it did not send along.
    pub(super) fn keep_cookie(&self, app: &App, (method, uri): (&Method, &Uri), response: &mut Response) {
        if method == Method::GET && Place::of(uri).depth() == 0 {
            self.give_cookie(app, response);
        }
    }

    /// Gives the browser its cookie if it has none yet, with the answer of a page that lies at the root.
    pub(super) fn give_cookie(&self, app: &App, response: &mut Response) {
        if self.is_new {
            response.headers_mut().append(header::SET_COOKIE, set_cookie(app, &self.cookie, None, false));
        }
    }

    /// A browser that has not logged in.
    pub(super) fn visitor(app: &App, headers: &HeaderMap) -> Self {
        // The cookie of a session that is over is as good.
        let cookie = cookies(app, headers).into_iter().find(|value| keys::is_ours(value));
        Self {
            right: Right::First,
            permission: Permission::Admin,
            name: None,
            session: None,
            is_new: cookie.is_none(),
            cookie: cookie.unwrap_or_else(keys::visitor),
        }
    }
}

/// What a form of a page has sent, in its order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form(pub(super) Arc<Vec<(String, String)>>);

impl Form {
    /// The first value of a field; none if it is empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Stands before every route of the page but the login and the hashed files.
pub(super) async fn check(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let refused = |who: Option<&Who>, error: ApiError| {
        answers::refused(&app, who, (&head.method, &head.uri, &head.headers), &error)
    };
    let asked = || who(&app, remote, &head);
    let who = match asked().await {
        Ok(Some(who)) if who.is_new && answers::needs_welcome(&head) => {
            return answers::to_welcome(&head.uri);
        }
        Ok(Some(who)) => Some(who),
        Ok(None) if head.method == Method::GET => return answers::to_login(&head.uri),
        Ok(None) => None,
        Err(error) => return refused(None, error),
    };
    let (form, held) = match read(&app, &head, body, (MAX_FORM, who.is_none())).await {
        Ok(read) => read,
        Err(error) => return refused(who.as_ref(), error),
    };
    // Whoever sends a form decides how long that takes, and may have lost the right to it meanwhile.
    let who = match head.method == Method::POST {
        true => asked().await,
        false => Ok(who),
    };
    let who = match who {
        Ok(Some(who)) => who,
        Ok(None) => {
            // What a page of somebody else sent is not carried on: it would come back as one of ours.
            let form = if is_own_page(&app, remote, &head) { form } else { Form::default() };
            return held.until_sent(answers::login_over(&app, &head, &form));
        }
        Err(error) => return refused(None, error),
    };
    if head.method == Method::POST
        && let Err(error) = from_own_form(&app, &who.cookie, remote, &head, &form)
    {
        return refused(Some(&who), error);
    }
    let welcomed = Place::of(&head.uri).without_welcome();
    if let Some(place) = welcomed.filter(|_| !who.is_new && head.method == Method::GET) {
        // It has its cookie, and the address need not say that it was fetched.
        return answers::see(&Place::of(&head.uri), place.as_str());
    }
    super::noticed::look_beside(&app);
    let mut request = Request::from_parts(head.clone(), axum::body::Body::empty());
    request.extensions_mut().insert(who.clone());
    request.extensions_mut().insert(who.right);
    request.extensions_mut().insert(form.clone());
    let is_of_run = head.method == Method::GET && Place::of(&head.uri).as_str().starts_with("runs/");
    let mut response = match is_of_run {
        true => app.beside.run(next.run(request)).await,
        false => next.run(request).await,
    };
    if let Some(error) = response.extensions_mut().remove::<PageError>() {
        response = typed::again(&app, &who, &head, &form, &error.0).unwrap_or_else(|| {
            answers::refused(&app, Some(&who), (&head.method, &head.uri, &head.headers), &error.0)
        });
    }
    who.keep_cookie(&app, (&head.method, &head.uri), &mut response);
    response
}

/// Returns whose a request is; `None` if it needs a login.
async fn who(app: &App, remote: SocketAddr, head: &request::Parts) -> Result<Option<Who>, ApiError> {
    // Nobody knows whether the session's token was revoked, if the store cannot say.
    app.tokens.refresh().await?;
    if app.tokens.is_empty() {
        return match admitted(app, remote, head) {
            Ok(()) => Ok(Some(Who::visitor(app, &head.headers))),
            Err(why) => Err(not_local(&why)),
        };
    }
    let now = app.clock().now();
    for value in cookies(app, &head.headers) {
        let digest_of = |id| app.tokens.known_token(id).map(|token| token.digest);
        let Some(claims) = app.secrets.page_keys().read(&value, now, digest_of) else { continue };
        let Some(token) = app.tokens.known_token(claims.token) else { continue };
        if !sessions::is_ended(app, claims).await? {
            return Ok(Some(Who::of_token(&token, claims, value)));
        }
    }
    Ok(None)
}

fn admitted(app: &App, remote: SocketAddr, head: &request::Parts) -> Result<(), local::Foreign> {
    if app.insecure {
        return Ok(());
    }
    let base = local::base(&head.uri);
    let caller =
        Caller { peer: remote.ip(), method: &head.method, base: base.as_deref(), headers: &head.headers };
    local::admit(Rule::Page, &caller, &app.urls.cors_origins)
}

fn not_local(why: &local::Foreign) -> ApiError {
    let text = format!(
        "There is no API token, so the page is for this machine only, and {why}. Open it at 127.0.0.1 or localhost, \
         or make a token where px runs (`px tokens create me --scope admin`), and log in with it"
    );
    ApiError::new(StatusCode::FORBIDDEN, Code::NotLocal, text)
}

/// Reads a form of at most so many bytes. A request without one has no fields.
///
/// # Errors
/// It is no form, it is larger, it has more than [`MAX_FIELDS`] fields, it takes too long, or it is one of too many
/// that come without a login.
pub(super) async fn read(
    app: &App,
    head: &request::Parts,
    body: axum::body::Body,
    (most, is_strangers): (usize, bool),
) -> Result<(Form, Held), ApiError> {
    if head.method != Method::POST {
        return Ok((Form::default(), Held::default()));
    }
    let too_large = || {
        let text = format!("A form of this page has at most {most} bytes; send more by the API or by px");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, Code::TooLarge, text)
    };
    let reading = async {
        match is_strangers {
            true => app.page.strangers.read(body, most).await,
            false => match Limited::new(body, most).collect().await {
                Ok(body) => Ok((body.to_bytes(), Held::default())),
                Err(error) if error.is::<LengthLimitError>() => Err(Unread::TooLarge),
                Err(error) => Err(Unread::Broken(axum::Error::new(error))),
            },
        }
    };
    let (bytes, held) = match tokio::time::timeout(app.body_timeout, reading).await {
        Ok(Ok(read)) => read,
        Ok(Err(Unread::TooLarge)) => return Err(too_large()),
        Ok(Err(Unread::NoPlace)) => return Err(strangers::no_place()),
        Ok(Err(Unread::Broken(error))) => {
            return Err(ApiError::bad_request(format!("The form could not be read: {error}")));
        }
        Err(_) => {
            let text = "The form took too long to come";
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, Code::TooSlow, text));
        }
    };
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !bytes.is_empty() && !is_form {
        let text = "The page takes its own forms, application/x-www-form-urlencoded, and nothing else";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::UnsupportedType, text));
    }
    // Before they are read: of a field without a name and a value, the answer would be many times as long.
    if bytes.iter().filter(|byte| **byte == b'&').count() >= MAX_FIELDS {
        let text = format!("A form of this page has at most {MAX_FIELDS} fields");
        return Err(ApiError::bad_request(text));
    }
    Ok((Form(Arc::new(form_fields(&bytes))), held))
}

/// Checks that a form was sent from one of our pages to whoever has this cookie: by its
/// mark, and by what the browser says of the page. Neither is enough alone: a page of
/// another port is of the same site, and over plain http browsers say less.
pub(super) fn from_own_form(
    app: &App,
    cookie: &str,
    remote: SocketAddr,
    head: &request::Parts,
    form: &Form,
) -> Result<(), ApiError> {
    let mark = form.get(px_dashboard::route::field::CSRF).unwrap_or_default();
    let keys = app.secrets.page_keys();
    // Where there are no sessions, what another server on this host set beside our cookie keeps nobody out.
    let of_visitor =
        || app.tokens.is_empty() && cookies(app, &head.headers).iter().any(|own| keys.is_mark(own, mark));
    if is_own_page(app, remote, head) && (keys.is_mark(cookie, mark) || of_visitor()) {
        return Ok(());
    }
    let text = "This form was not sent from a page that px showed to this browser, so nothing was done. \
                Open the page again and send it from there";
    Err(ApiError::new(StatusCode::FORBIDDEN, Code::ForeignForm, text))
}

/// Returns whether the browser says that one of our pages sent this: one of the address
/// that it asked, or of `public_url`.
pub(super) fn is_own_page(app: &App, remote: SocketAddr, head: &request::Parts) -> bool {
    let received = Received {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: None,
        base: local::base(&head.uri),
        headers: head.headers.clone(),
        body: bytes::Bytes::new(),
        remote,
        at: app.clock().now(),
    };
    let asked = UrlView { public_url: None, ..app.urls.clone() };
    asked.is_own_page(&received) || app.urls.is_own_page(&received)
}

/// The values of our cookie. There is one, unless somebody else on this host set another:
/// cookies are told apart by their names and not by who set them.
fn cookies(app: &App, headers: &HeaderMap) -> Vec<String> {
    let name = app.secrets.page_keys().cookie_name(COOKIE);
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(own, _)| *own == name).map(|(_, value)| value.to_owned()).collect()
}

/// The line that sets our cookie for so many seconds, for the browser's session without
/// a number, and ends it with 0. Without `Path` it goes to what lies below the page alone,
/// whatever prefix a proxy puts before it; Lax, so that a link in a chat leads in.
pub(super) fn set_cookie(app: &App, value: &str, seconds: Option<u64>, is_secure: bool) -> HeaderValue {
    let name = app.secrets.page_keys().cookie_name(COOKIE);
    let mut line = format!("{name}={value}; HttpOnly; SameSite=Lax");
    if let Some(seconds) = seconds {
        line.push_str(&format!("; Max-Age={seconds}"));
    }
    if is_secure {
        line.push_str("; Secure");
    }
    HeaderValue::from_str(&line).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Returns whether the browser speaks https: by `public_url` or a trusted proxy, as far
/// as the page that sent the form says so itself.
pub(super) fn is_secure(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}
