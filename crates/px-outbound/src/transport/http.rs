//! The real transport: reqwest behind the guard. It names errors of the network,
//! and does not know what follows from them.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use px_core::Stopwatch;
use px_store::BoxFuture;
use px_store::outbox::Timing;
use reqwest::dns::Resolve;

use super::{
    Answer, Class, Failure, MAX_ANSWER_BYTES, MAX_ANSWER_HEADER_BYTES, MAX_ANSWER_HEADERS, MAX_HEAD_BYTES,
    Request, Transport,
};
use crate::guard::{self, Client, Lookup, Policy, Refused, Target};

/// Requests over the network, one client for each policy.
#[derive(Debug, Clone)]
pub struct Http {
    narrow: Client,
    wide: Client,
}

impl Http {
    /// A transport that goes where `policy` says, and for hooks that may also to
    /// private addresses.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, guard::Error> {
        let wide = Client::new(policy.clone().with_private(true), Arc::clone(&resolver))?;
        Ok(Self { narrow: Client::new(policy, resolver)?, wide })
    }

    /// Returns what hooks without a say of their own may reach.
    #[must_use]
    pub fn policy(&self, allow_private: bool) -> &Policy {
        if allow_private { self.wide.policy() } else { self.narrow.policy() }
    }
}

impl Transport for Http {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        let client = if request.allow_private { self.wide.clone() } else { self.narrow.clone() };
        Box::pin(async move {
            let (watch, lookup) = (Stopwatch::start(), Lookup::default());
            let timeout = request.timeout;
            let head = lookup.observe(send(client, request, &lookup));
            let ended = match tokio::time::timeout(timeout, head).await {
                Ok(ended) => ended,
                Err(_) => Err(Unanswered::of(
                    Class::Timeout,
                    format!("no answer within {} ms", timeout.as_millis()),
                )),
            };
            let head = watch.elapsed();
            let mut timing = Timing {
                resolved_ms: lookup.took().map(millis),
                head_ms: ended.is_ok().then(|| millis(head)),
                total_ms: millis(head),
            };
            let mut response =
                ended.map_err(|Unanswered { class, message }| Failure { class, message, timing })?;
            let mut body = BytesMut::new();
            // The status has been said: what comes after it, or fails to, or
            // never ends, changes nothing.
            let rest = timeout.saturating_sub(head);
            let _ = tokio::time::timeout(rest, beginning(&mut response, &mut body)).await;
            timing.total_ms = millis(watch.elapsed());
            let headers = response.headers().iter().take(MAX_ANSWER_HEADERS).map(header).collect();
            let status = response.status().as_u16();
            Ok(Answer { status, headers, body: body.freeze(), timing })
        })
    }
}

fn header((name, value): (&::http::HeaderName, &::http::HeaderValue)) -> (String, String) {
    let value = value.as_bytes();
    let value = value.get(..MAX_ANSWER_HEADER_BYTES).unwrap_or(value);
    (name.to_string(), String::from_utf8_lossy(value).into_owned())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Why there is no answer.
struct Unanswered {
    class: Class,
    message: String,
}

impl Unanswered {
    fn of(class: Class, message: String) -> Self {
        Self { class, message }
    }
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        Self::of(Class::Egress, refused.to_string())
    }
}

/// Until the head of the answer has come.
///
/// A receiver may close a connection that it has kept just as the next request
/// is on its way to it. A request that took such a connection, and on which that
/// ended before a whole head had come, goes out again, once, over a connection
/// that is made for it; nothing else is sent twice within one attempt, neither
/// after a timeout nor on a connection that was made for the request. Nobody can
/// tell how much of it was read: it may have been taken in all the same, or have
/// the beginning of an answer. Its id is for that, by which the receiver knows
/// it again: RFC 9112 (section 9.3.1) lets no POST be repeated without such means.
/// Both share one time limit, and the attempt is what the second one ends in.
async fn send(client: Client, request: Request, lookup: &Lookup) -> Result<reqwest::Response, Unanswered> {
    let sent = match post(&client, &request).await {
        Err(Unanswered { class: Class::Reset, .. }) if !lookup.has_connected() => {
            post(&client.on_new_connections(), &request).await
        }
        sent => sent,
    };
    let response = sent?;
    let head: usize = response.headers().iter().map(|(name, value)| line_bytes(name, value)).sum();
    if head > MAX_HEAD_BYTES {
        let text = format!("the head of the answer has {head} bytes, and may have {MAX_HEAD_BYTES}");
        return Err(Unanswered::of(Class::Other, text));
    }
    Ok(response)
}

async fn post(client: &Client, request: &Request) -> Result<reqwest::Response, Unanswered> {
    let target = Target::parse(&request.url)?;
    let builder = client.post(&target)?;
    builder.headers(request.headers.clone()).body(request.body.clone()).send().await.map_err(failure)
}

/// Bytes of a header's line, with its colon, space and end.
fn line_bytes(name: &::http::HeaderName, value: &::http::HeaderValue) -> usize {
    name.as_str().len() + value.len() + 4
}

/// Reads the beginning of a body.
async fn beginning(response: &mut reqwest::Response, body: &mut BytesMut) {
    while let Ok(Some(piece)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        if body.len() == MAX_ANSWER_BYTES {
            break;
        }
    }
}

fn failure(error: reqwest::Error) -> Unanswered {
    let error = error.without_url();
    if let Some(refused) = guard::refusal(&error) {
        return refused.clone().into();
    }
    let class = if error.is_timeout() { Class::Timeout } else { class(&error) };
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        message = format!("{message}: {error}");
        cause = error.source();
    }
    Unanswered::of(class, message)
}

fn class(error: &(dyn std::error::Error + 'static)) -> Class {
    use std::io::ErrorKind;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return Class::Tls;
        }
        let text = error.to_string();
        // The connector names the phase and keeps its error to itself.
        if text == "dns error" {
            return Class::Dns;
        }
        if text.contains("closed before message completed") || text == "connection closed" {
            return Class::Reset;
        }
        let Some(io) = error.downcast_ref::<std::io::Error>() else {
            cause = error.source();
            continue;
        };
        match io.kind() {
            ErrorKind::ConnectionRefused => return Class::Refused,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => return Class::Reset,
            ErrorKind::TimedOut => return Class::Timeout,
            // What it wraps is not its source but that one's: it stands for it.
            _ => cause = io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static)),
        }
    }
    Class::Other
}
