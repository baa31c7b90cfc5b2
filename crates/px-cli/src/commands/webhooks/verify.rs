//! `px webhooks verify`: a captured request, checked offline against the
//! webhook's record, secret and schema.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::Timestamp;
use px_inbound::Endpoint;
use px_inbound::verify::{Element, Refusal, UrlView};
use px_sdk::Received;
use serde_json::{Map, Value};

use super::send::read;
use crate::complete;
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::resolve;

/// Check a captured request offline, and say what is wrong with it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The secret is taken from this command's environment, and never from the store. The body must be byte for byte what \
                  was sent. Needs no server.\n\n\
                  Exit codes: 0 if px would take it, 1 if not.\n\n\
                  Examples:\n  \
                  px webhooks verify github --payload body.json --header 'X-Hub-Signature-256: sha256=…'\n  \
                  px webhooks verify slack --payload body.json --header 'X-Slack-Signature: v0=…' \
                  --header 'X-Slack-Request-Timestamp: 1531420618' --at 1531420618000"
)]
pub(crate) struct Args {
    /// The webhook's slug
    #[arg(add = complete::slugs())]
    slug: String,

    /// The file with the body (- for stdin)
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,

    /// A header as it was sent; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,

    /// The URL that the sender called, where it is signed or has a query
    #[arg(long, value_name = "URL")]
    called: Option<String>,

    /// The request's method
    #[arg(long, default_value = "POST")]
    method: Method,

    /// Time of its receipt, epoch milliseconds [default: now]
    #[arg(long, value_name = "MILLIS")]
    at: Option<u64>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let registry = context.configured()?;
    let webhook = resolve::webhook(&registry, &args.slug)?;
    let endpoint = Endpoint::new(std::sync::Arc::clone(&webhook.def), &context::env)
        .map_err(|error| Error::failed(error.to_string()))?;
    for warning in &endpoint.warnings {
        context.ui.warn(warning);
    }
    if endpoint.is_unverified() {
        let hint = endpoint.secret_variable().map(|variable| format!("set {variable} to the secret"));
        return Err(Error::usage(format!("webhook '{}' has no secret here", args.slug)).maybe_hint(hint));
    }
    let called = match &args.called {
        Some(url) => url.clone(),
        None => crate::show::listing::url(&context.config()?.webhook_base(), &args.slug),
    };
    let (base, path, query) = parts(&called)?;
    let received = Received {
        method: args.method,
        path,
        query,
        base: None,
        headers: headers(&args.headers)?,
        body: Bytes::from(args.payload.as_deref().map(read).transpose()?.unwrap_or_default()),
        remote: SocketAddr::from(([127, 0, 0, 1], 0)),
        at: args.at.map_or_else(|| context.now(), Timestamp::from_millis),
    };
    let urls = UrlView { public_url: Some(base), ..UrlView::default() };
    let verified = match endpoint.verifier.greet(&received) {
        Some(Ok(_)) => return said(context, &[("outcome", "handshake".into())]),
        Some(Err(refusal)) => Err(refusal),
        None => endpoint.verifier.verify(&received, &urls),
    };
    let verified = verified.map_err(|refusal| explained(&refusal, endpoint.secret_variable()))?;
    let payload = endpoint.verifier.parse(&received).map_err(|error| {
        Error::failed(format!("the signature is right, but the body cannot be read: {error}"))
    })?;
    if endpoint.verifier.handshake(&verified, payload.value()).is_some() {
        return said(context, &[("outcome", "handshake".into())]);
    }
    let events = endpoint.verifier.events(&payload);
    for event in &events {
        fits(&endpoint.schema, event.value(), &args.slug)?;
    }
    let event = events.first().copied().unwrap_or(Element::of(payload.value()));
    let id = endpoint.verifier.delivery_id(&received, event).map_err(|error| {
        Error::failed(format!(
            "the signature is right, but the delivery has no id: at '{}': {error}",
            error.path
        ))
    })?;
    let key = verified.key_index.map_or(0, |index| index + 1);
    said(
        context,
        &[
            ("outcome", "verified".into()),
            ("secret", key.into()),
            ("event", endpoint.verifier.event_type(&received, event).into()),
            ("providerId", id.into()),
        ],
    )
}

/// Checks an event of a believed sender by the webhook's schema.
fn fits(schema: &px_inbound::Schema, event: &Value, slug: &str) -> Result<()> {
    schema.check(event).map_err(|violations| {
        let listed: Vec<String> = violations
            .iter()
            .map(|violation| format!("at '{}': {}", violation.path, violation.message))
            .collect();
        Error::failed(format!(
            "the signature is right, but the payload does not fit the schema: {}",
            listed.join("; ")
        ))
        .hint(format!("`px webhooks show {slug}` prints the schema"))
    })
}

fn said(context: &Context, facts: &[(&str, Value)]) -> Result<()> {
    if context.ui.json {
        let fields: Map<String, Value> =
            facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        return context.ui.json(&Value::Object(fields));
    }
    let words: Vec<String> = facts
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name}: {}", value.as_str().map_or(value.to_string(), str::to_owned)))
        .collect();
    context.ui.line(words.join(", "))
}

fn explained(refusal: &Refusal, variable: Option<&str>) -> Error {
    let hint = match refusal {
        Refusal::TooOld { .. } | Refusal::TooNew { .. } => Some(
            "the signature matches; give the time of receipt with --at to check a captured request".into(),
        ),
        Refusal::Invalid { .. } => variable.map(|variable| {
            format!(
                "compare {variable} with the provider's page, and the file with what was sent, byte for byte"
            )
        }),
        Refusal::Missing(_) => Some("give every header that was sent with --header 'Name: value'".into()),
        _ => None,
    };
    let mut error = Error::failed(refusal.to_string()).maybe_hint(hint);
    error.details.insert("class".into(), refusal.class().into());
    error
}

fn headers(lines: &[String]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let bad = || Error::usage(format!("'{line}' is no header")).hint("write it like 'X-Name: value'");
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name: HeaderName = name.trim().parse().map_err(|_| bad())?;
        headers.append(name, HeaderValue::from_str(value.trim()).map_err(|_| bad())?);
    }
    Ok(headers)
}

/// Base, path and query of a URL.
fn parts(url: &str) -> Result<(String, String, Option<String>)> {
    let bad =
        || Error::usage(format!("'{url}' is no URL")).hint("write it like https://my-app.example/webhooks/x");
    let (scheme, rest) = url.split_once("://").ok_or_else(bad)?;
    let (authority, tail) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (tail, None),
    };
    if authority.is_empty() {
        return Err(bad());
    }
    Ok((format!("{scheme}://{authority}"), path.to_owned(), query))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let parts = |url| parts(url).ok();
        assert_eq!(
            parts("https://a.example:1/webhooks/x?a=1&b"),
            Some(("https://a.example:1".into(), "/webhooks/x".into(), Some("a=1&b".into())))
        );
        assert_eq!(parts("http://a"), Some(("http://a".into(), String::new(), None)));
        assert_eq!(parts("a.example/x"), None);
    }

    #[test]
    fn headers_are_read() {
        assert_eq!(headers(&["X-A: b: c ".into()]).unwrap()["x-a"], "b: c");
        assert!(headers(&["nothing".into()]).is_err());
    }
}
