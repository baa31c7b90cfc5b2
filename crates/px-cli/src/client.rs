//! The HTTP client of the commands. It turns what a server answers into the
//! exit codes of the command line, and the absence of one into 5.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use px_core::Code;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value};

use crate::error::{Error, Kind, Result};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, streams excepted.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of a foreign answer an error repeats.
const EXCERPT_CHARS: usize = 120;

/// What stays as it is in a path segment or a query value (RFC 3986, unreserved).
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: String,
    /// The value of the header.
    token: Option<HeaderValue>,
    http: reqwest::Client,
}

/// An answer whose status is the caller's to judge.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

impl Client {
    /// A client of the server at `base`, which sends this API token.
    pub(crate) fn new(base: String, token: Option<&SecretString>) -> Result<Self> {
        // A second installation is the first one's loss of nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("px/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let token = token.map(|token| bearer(token.expose_secret())).transpose()?;
        let http = builder
            .build()
            .map_err(|error| Error::failed(format!("cannot make an HTTP client: {}", chain(&error))))?;
        Ok(Self { base, token, http })
    }

    /// The server's URL.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value> {
        self.call(Method::DELETE, path, None).await
    }

    /// A request to the API. Webhooks are sent without the token.
    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.header(reqwest::header::AUTHORIZATION, token.clone()),
            None => request,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut request = self.request(method, path).timeout(ANSWER_TIMEOUT);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let text = response.bytes().await.map_err(|error| self.broken(&error))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let parsed = serde_json::from_slice(&text);
        match parsed {
            Ok(value) if status.is_success() => Ok(value),
            Ok(Value::Object(fields)) => Err(refusal(status, fields)),
            _ => Err(self.foreign(status, &text)),
        }
    }

    /// Posts a webhook. Whatever is answered is an answer.
    pub(crate) async fn deliver(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: bytes::Bytes,
    ) -> Result<Answer> {
        let request = self.http.request(method, url).headers(headers).body(body).timeout(ANSWER_TIMEOUT);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let text = response.bytes().await.map_err(|error| self.broken(&error))?;
        let body = serde_json::from_slice(&text)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&text).into_owned()));
        Ok(Answer { status, body })
    }

    /// Opens a stream of server-sent events, after the event of this id.
    pub(crate) async fn stream(&self, path: &str, after: Option<&str>) -> Result<Response> {
        let mut request = self.request(Method::GET, path).header("accept", "text/event-stream");
        if let Some(id) = after {
            request = request.header("last-event-id", id);
        }
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.bytes().await.map_err(|error| self.broken(&error))?;
        match serde_json::from_slice(&text) {
            Ok(Value::Object(fields)) => Err(refusal(status, fields)),
            _ => Err(self.foreign(status, &text)),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        if error.is_builder() {
            return Error::usage(format!("cannot make a request to {}: {}", self.base, chain(error)));
        }
        let why = if error.is_timeout() { "no answer in time".to_owned() } else { root(error) };
        Error::new(Kind::Unreachable, format!("cannot reach the server at {}: {why}", self.base))
            .hint("start it with `px serve`, or name another one with --url or PX_URL")
    }

    /// An answer that broke off.
    pub(crate) fn broken(&self, error: &reqwest::Error) -> Error {
        let what = format!("the connection to {} broke off: {}", self.base, root(error));
        Error::new(Kind::Unreachable, what).hint("see what the server says, and try again")
    }

    fn foreign(&self, status: StatusCode, text: &[u8]) -> Error {
        // In one line: what is no px is often a page of HTML.
        let text = String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(EXCERPT_CHARS).collect();
        let what = format!("{} answered {status}, and not as px does: {text}", self.base);
        Error::failed(what.trim_end_matches([':', ' ']).to_owned())
            .hint("check that --url, PX_URL or px.toml names a px server")
    }
}

/// The server's refusal as an error.
fn refusal(status: StatusCode, mut fields: Map<String, Value>) -> Error {
    let kind = match status.as_u16() {
        404 => Kind::NotFound,
        300 | 409 => Kind::Conflict,
        _ => Kind::Failed,
    };
    let message = match fields.remove("error") {
        Some(Value::String(message)) => message,
        _ => format!("the server answered {status}"),
    };
    let hint = match status.as_u16() {
        503 => Some("the server cannot take it now; try again in a moment".to_owned()),
        401 if says(&fields, Code::TokenMissing) => {
            Some("give a token in PX_TOKEN; `px tokens create` makes one".to_owned())
        }
        403 if says(&fields, Code::ScopeMissing) => {
            Some("`px tokens create` makes a token of that scope, with an admin's".to_owned())
        }
        401 | 403 => Some("the server wants credentials that this request did not have".to_owned()),
        _ => violations(&fields).or_else(|| candidates(&fields)),
    };
    let mut error = Error::new(kind, message).maybe_hint(hint);
    error.details = fields;
    error
}

fn says(fields: &Map<String, Value>, code: Code) -> bool {
    fields.get("code").is_some_and(|found| found == code.as_str())
}

fn bearer(token: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
        .map_err(|_| Error::usage("PX_TOKEN is no API token").hint("`px tokens create` makes one"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What a payload or a state violates, a line each.
pub(crate) fn violations(fields: &Map<String, Value>) -> Option<String> {
    let lines: Vec<String> = fields
        .get("violations")?
        .as_array()?
        .iter()
        .map(|violation| {
            let text = |name| violation.get(name).and_then(Value::as_str).unwrap_or_default();
            let path = Some(text("path")).filter(|path| !path.is_empty()).unwrap_or("/");
            format!("\n  {path}: {}", text("message"))
        })
        .collect();
    (!lines.is_empty()).then(|| format!("this does not fit:{}", lines.concat()))
}

/// The brains that an ambiguous text could mean.
fn candidates(fields: &Map<String, Value>) -> Option<String> {
    let candidates = fields.get("candidates")?.as_array()?;
    let titles: Vec<&str> = candidates.iter().filter_map(|brain| brain.get("title")?.as_str()).collect();
    Some(format!("say which one: {}", titles.join(", ")))
}

/// Text as one segment of a path or one value of a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, &UNRESERVED).to_string()
}

/// A path with those query parameters that are there.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let query: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", encode(value.as_deref()?))))
        .collect();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// Whether the URL's host is this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    reqwest::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).is_some_and(|host| {
        let host = host.trim_matches(['[', ']']);
        host == "localhost"
            || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback() || ip.is_unspecified())
    })
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
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
    fn queries() {
        assert_eq!(with_query("/a", &[("x", None)]), "/a");
        assert_eq!(with_query("/a", &[("x", Some("1 #".into())), ("y", None)]), "/a?x=1%20%23");
        assert_eq!(encode("octo/repo#7"), "octo%2Frepo%237");
    }

    #[test]
    fn loopback() {
        for url in ["http://localhost:1", "http://127.0.0.1", "http://[::1]:2/x"] {
            assert!(is_loopback(url), "{url}");
        }
        assert!(!is_loopback("https://px.example"));
    }
}
