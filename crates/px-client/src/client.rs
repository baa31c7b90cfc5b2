//! The client, and the one way in which its requests are sent and read.

use std::fmt::Display;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::{Answer, WebhookAnswer};
use crate::builder::Builder;
use crate::error::{Error, Kind, Result};

/// Largest answer that is read. What px answers is far below it.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Length of the excerpt of a foreign answer in an error.
const EXCERPT_CHARS: usize = 120;

/// Characters that stay as they are in a path segment or a query value (RFC 3986, unreserved).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of one server. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    base: String,
    /// The value of the header.
    token: Option<HeaderValue>,
    timeout: Duration,
    http: reqwest::Client,
    /// True if answers are to come without secrets.
    redacted: bool,
}

impl Client {
    /// A client of the server at this URL, without an API token.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(base: impl Into<String>) -> Result<Self> {
        Self::builder(base).build()
    }

    /// Makes a client of the server at this URL.
    pub fn builder(base: impl Into<String>) -> Builder {
        Builder::new(base.into())
    }

    pub(crate) const fn of(
        base: String,
        token: Option<HeaderValue>,
        timeout: Duration,
        http: reqwest::Client,
        redacted: bool,
    ) -> Self {
        Self { base, token, timeout, http, redacted }
    }

    /// The server's URL, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a webhook, to any URL and without the API token: what the headers
    /// say is how its sender is believed.
    ///
    /// # Errors
    /// [`Kind::Unreachable`] or [`Kind::Interrupted`]. A refusal is an answer.
    pub async fn send_webhook(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<WebhookAnswer> {
        let mut request = self.http.request(method, url).headers(headers).body(body).timeout(self.timeout);
        if self.redacted {
            request = request.header("px-redact", "secrets");
        }
        let response = request.send().await.map_err(|error| self.unsent(&error, false))?;
        let status = response.status().as_u16();
        let body = self.body(response, false).await?;
        Ok(WebhookAnswer { status, body })
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>> {
        self.call(self.request(Method::GET, path)?, true).await
    }

    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
    ) -> Result<Answer<T>> {
        self.call(self.request(Method::GET, path)?.query(query), true).await
    }

    /// The same with parameters behind the query's that may be said several times.
    pub(crate) async fn list_with<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &impl Serialize,
        repeated: &[(&str, &str)],
    ) -> Result<Answer<T>> {
        self.call(self.request(Method::GET, path)?.query(query).query(repeated), true).await
    }

    /// Posts something that must not be carried out twice.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer<T>> {
        self.send(Method::POST, path, body, false).await
    }

    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
        is_repeatable: bool,
    ) -> Result<Answer<T>> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::new(Kind::Setup, format!("cannot write the request: {error}"), false))?;
        let request = self.request(method, path)?.header(CONTENT_TYPE, "application/json").body(body);
        self.call(request, is_repeatable).await
    }

    /// A route that answers bytes.
    pub(crate) async fn bytes(&self, path: &str) -> Result<Bytes> {
        self.exchange(self.request(Method::GET, path)?, true).await.map(|(_, body)| body)
    }

    /// A route that answers without a body.
    pub(crate) async fn delete(&self, path: &str) -> Result<()> {
        self.exchange(self.request(Method::DELETE, path)?, true).await.map(drop)
    }

    /// Removes something, and reads what is said of it.
    pub(crate) async fn remove<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>> {
        self.call(self.request(Method::DELETE, path)?, true).await
    }

    /// Opens a stream of server-sent events, after the event of this id. `None`
    /// if there is nothing left to say (204).
    pub(crate) async fn open(&self, path: &str, after: Option<&str>) -> Result<Option<Response>> {
        let mut request = self.request(Method::GET, path)?.header(ACCEPT, "text/event-stream");
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|error| self.unsent(&error, true))?;
        match response.status() {
            StatusCode::NO_CONTENT => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            _ => Err(self.failure(response, true).await),
        }
    }

    /// A request to the API. A name that is `.` or `..` is none that a path can have: it would
    /// be a request about something else.
    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        if let Some(dots) = path.split('/').find(|part| matches!(*part, "." | "..")) {
            let text =
                format!("nothing can be asked for by the name '{dots}': in a URL it is a way, and no name");
            return Err(Error::new(Kind::Setup, text, false));
        }
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if self.redacted {
            request = request.header("px-redact", "secrets");
        }
        Ok(match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.clone()),
            None => request,
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        repeatable: bool,
    ) -> Result<Answer<T>> {
        let (status, body) = self.exchange(request, repeatable).await?;
        match Answer::read(body.clone()) {
            Ok(answer) => Ok(answer),
            Err(_) if serde_json::from_slice::<Value>(&body).is_err() => {
                Err(self.foreign(status, &body, repeatable))
            }
            Err(why) => Err(self.unreadable(&why)),
        }
    }

    async fn exchange(&self, request: RequestBuilder, is_repeatable: bool) -> Result<(StatusCode, Bytes)> {
        let sent = request.timeout(self.timeout).send().await;
        let response = sent.map_err(|error| self.unsent(&error, is_repeatable))?;
        if !response.status().is_success() {
            return Err(self.failure(response, is_repeatable).await);
        }
        let status = response.status();
        Ok((status, self.body(response, is_repeatable).await?))
    }

    /// Reads the body of an answer, which whoever listens there could make endless.
    async fn body(&self, mut response: Response, is_repeatable: bool) -> Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| self.broken(&error, is_repeatable))? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(self.unreadable(&format!("it has more than {} MiB", MAX_ANSWER_BYTES >> 20)));
            }
            body.extend_from_slice(&part);
        }
        Ok(body.freeze())
    }

    /// The error that an answer of no success is.
    async fn failure(&self, response: Response, is_repeatable: bool) -> Error {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        let body = match self.body(response, is_repeatable).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        match serde_json::from_slice(&body) {
            Ok(Value::Object(fields)) => Error::refused(status, retry_after, fields, is_repeatable),
            _ => self.foreign(status, &body, is_repeatable),
        }
    }

    /// A request that got no answer.
    fn unsent(&self, error: &reqwest::Error, is_repeatable: bool) -> Error {
        if error.is_builder() {
            let text = format!("cannot make a request to {}: {}", self.base, chain(error));
            return Error::new(Kind::Setup, text, false);
        }
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { root(error) };
        let text = format!("cannot reach the server at {}: {why}", self.base);
        match error.is_connect() {
            true => Error::new(Kind::Unreachable, text, true),
            false => Error::new(Kind::Interrupted, text, is_repeatable),
        }
    }

    /// An answer that broke off.
    pub(crate) fn broken(&self, error: &reqwest::Error, is_repeatable: bool) -> Error {
        let text = format!("the connection to {} broke off: {}", self.base, root(error));
        Error::new(Kind::Interrupted, text, is_repeatable)
    }

    pub(crate) fn unreadable(&self, why: &dyn Display) -> Error {
        Error::new(Kind::Unreadable, format!("the answer of {} is not understood: {why}", self.base), false)
    }

    fn foreign(&self, status: StatusCode, text: &[u8], is_repeatable: bool) -> Error {
        // In one line: what is no px is often a page of HTML.
        let text = String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(EXCERPT_CHARS).collect();
        let what = format!("{} answered {status}, and not as px does: {text}", self.base);
        let is_retry_safe = is_repeatable && status.is_server_error();
        let kind = Kind::Foreign { status: status.as_u16() };
        Error::new(kind, what.trim_end_matches([':', ' ']), is_retry_safe)
    }
}

/// A text as one segment of a path or one value of a query.
#[must_use]
pub fn encode(text: impl Display) -> String {
    utf8_percent_encode(&text.to_string(), &UNRESERVED).to_string()
}

/// Says whether a URL's host is this machine.
#[must_use]
pub fn is_loopback(url: &str) -> bool {
    reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip.is_unspecified())
    })
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The innermost cause, which is the operating system's word.
fn root(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    text.split(" (os error").next().map_or(text.clone(), str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_one_segment() {
        assert_eq!(encode("octo/repo#7"), "octo%2Frepo%237");
    }

    #[test]
    fn a_loopback_url_is_known_by_its_host() {
        for url in ["http://localhost:1", "http://127.0.0.1", "http://[::1]:2/x"] {
            assert!(is_loopback(url), "{url}");
        }
        assert!(!is_loopback("https://px.example"));
    }
}
