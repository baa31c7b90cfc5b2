//! Signing, from the same records: for `px webhooks send` and for tests.
//!
//! A request that is signed here verifies by [`Prepared`](super::Prepared) under the same record and
//! secret. The asymmetric schemes need the private key, which a receiver usually does not have.

use crate::record::{
    Algorithm, Encoding, Layout, Scheme, Signature, TimeSource, TimeUnit, Token, Verification, Window,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use px_core::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::mac::Mac;
use super::signature::{self, Facts, Shape, concatenated};
use super::{PrepareError, atlassian, body, ecdsa, ed25519, form_data, keys, mailgun, multipart, twilio};

/// A request to be signed, and then sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundRequest {
    /// The method.
    pub method: Method,
    /// The whole URL as the receiver will know it. Twilio's scheme and a
    /// token in the query change its query.
    pub url: String,
    /// The headers; those of the signature are set.
    pub headers: HeaderMap,
    /// The body. Schemes with a timestamp in the body rewrite it.
    pub body: Bytes,
}

/// Reason that a request cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The record cannot be used.
    #[error(transparent)]
    Record(#[from] PrepareError),
    /// The secret cannot sign.
    #[error("the secret cannot sign: {0}")]
    Key(&'static str),
    /// The verifier is the user's own code, which says nothing about signing.
    #[error("its verifier is code of your own, and only your code can sign for it")]
    Code,
    /// The body has no room for what the scheme puts there.
    #[error("the body cannot carry the signature: {0}")]
    Body(&'static str),
}

/// Signs `request` as the provider of `verification` would at `now`. An
/// unverified scheme changes nothing.
///
/// # Errors
/// If the record contradicts itself, the secret cannot sign, or the body
/// cannot carry what the scheme puts into it.
pub fn sign(
    verification: &Verification,
    secret: &SecretString,
    request: &mut OutboundRequest,
    now: Timestamp,
) -> Result<(), Error> {
    match &verification.scheme {
        Scheme::Unverified => Ok(()),
        Scheme::Signature(record) => sign_declared(record, secret, request, now),
        Scheme::Twilio => sign_twilio(secret, request),
        Scheme::Mailgun { .. } => sign_mailgun(secret, request, now),
        Scheme::AtlassianJwt => sign_atlassian(secret, request, now),
        Scheme::Token(token) => add_token(token, secret, request),
        Scheme::Custom(_) => Err(Error::Code),
    }
}

fn sign_declared(
    record: &Signature,
    secret: &SecretString,
    request: &mut OutboundRequest,
    now: Timestamp,
) -> Result<(), Error> {
    let shape = Shape::new(record)?;
    let time = match &shape.window {
        Some(Window { unit: TimeUnit::Millis, .. }) => now.as_millis(),
        _ => now.as_secs(),
    };
    let time_text = time.to_string();
    match shape.window.as_ref().map(|window| &window.source) {
        Some(TimeSource::Header(header)) => {
            request.headers.insert(signature::name(header)?, HeaderValue::from(time));
        }
        Some(TimeSource::Pointer(pointer)) => set_in_body(&mut request.body, pointer, time.into())?,
        _ => {}
    }
    let id = match &shape.id_header {
        None => String::new(),
        Some(name) => match request.headers.get(name).and_then(|value| value.to_str().ok()) {
            Some(id) => id.to_owned(),
            None => {
                let id = fresh_id(&request.body, now);
                request.headers.insert(name, value(&id)?);
                id
            }
        },
    };
    let facts = Facts::to_sign(&time_text, &id);
    let pieces = shape.pieces(&facts, &request.headers, &request.body);
    let key = keys::bytes(&record.key, secret).map_err(Error::Key)?;
    let signature = match record.algorithm {
        Algorithm::Ed25519 => {
            ed25519::sign(&key, keys::is_private(secret), &concatenated(pieces)).map_err(Error::Key)?
        }
        Algorithm::EcdsaP256 => ecdsa::sign(&key, &concatenated(pieces)).map_err(Error::Key)?,
        algorithm => Mac::new(algorithm, &key).map_err(Error::Key)?.tag(pieces).as_bytes().to_vec(),
    };
    let text = match shape.encoding {
        Encoding::Base64 => STANDARD.encode(signature),
        Encoding::Base64url => URL_SAFE_NO_PAD.encode(signature),
        _ => hex::encode(signature),
    };
    let text = match &shape.layout {
        Layout::Plain { prefix, .. } => format!("{prefix}{text}"),
        Layout::Tagged { separator, delimiter, tag } => {
            let time = match shape.window.as_ref().map(|window| &window.source) {
                Some(TimeSource::Tag(time_tag)) => format!("{time_tag}{delimiter}{time_text}{separator}"),
                _ => String::new(),
            };
            format!("{time}{tag}{delimiter}{text}")
        }
    };
    request.headers.insert(shape.header.clone(), value(&text)?);
    Ok(())
}

fn sign_twilio(secret: &SecretString, request: &mut OutboundRequest) -> Result<(), Error> {
    let is_form = request
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| body::essence(value).eq_ignore_ascii_case(body::FORM));
    let parameters = if is_form {
        twilio::parameters(&request.body)
    } else {
        if !request.body.is_empty() {
            let hash = hex::encode(Sha256::digest(&request.body));
            add_to_query(&mut request.url, twilio::BODY_HASH, &hash);
        }
        Vec::new()
    };
    let mac = Mac::new(Algorithm::HmacSha1, secret.expose_secret().as_bytes()).map_err(Error::Key)?;
    let tag = mac.tag(twilio::signed(&request.url, &parameters));
    let signature = value(&STANDARD.encode(tag.as_bytes()))?;
    request.headers.insert(twilio::SIGNATURE, signature);
    Ok(())
}

fn sign_mailgun(secret: &SecretString, request: &mut OutboundRequest, now: Timestamp) -> Result<(), Error> {
    let timestamp = now.as_secs().to_string();
    let token = hex::encode(Sha256::digest(fresh_id(&request.body, now)));
    let mac = Mac::new(Algorithm::HmacSha256, secret.expose_secret().as_bytes()).map_err(Error::Key)?;
    let signature = hex::encode(mac.tag(mailgun::signed(&timestamp, &token)).as_bytes());
    let fields = [("timestamp", timestamp), ("token", token), ("signature", signature)];
    let content_type =
        request.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = body::essence(content_type);
    if essence.eq_ignore_ascii_case(form_data::FORM_DATA) {
        let no_boundary = |_| Error::Body("its content type has no boundary");
        let boundary = multipart::boundary(content_type).map_err(no_boundary)?;
        let mut body = Vec::new();
        for (name, text) in fields {
            let part =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        body.extend_from_slice(&request.body);
        request.body = body.into();
        return Ok(());
    }
    if essence.eq_ignore_ascii_case(body::FORM) {
        let fields = fields.map(|(name, text)| format!("{name}={text}")).join("&");
        let separator = if request.body.is_empty() { "" } else { "&" };
        request.body = [&*request.body, separator.as_bytes(), fields.as_bytes()].concat().into();
        return Ok(());
    }
    let object = fields.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text)));
    set_in_body(&mut request.body, "/signature", Value::Object(object.collect()))
}

fn sign_atlassian(secret: &SecretString, request: &mut OutboundRequest, now: Timestamp) -> Result<(), Error> {
    let mac = Mac::new(Algorithm::HmacSha256, secret.expose_secret().as_bytes()).map_err(Error::Key)?;
    let mut value = value(&atlassian::authorization(&mac, request.method.as_str(), &request.url, now))?;
    value.set_sensitive(true);
    request.headers.insert(AUTHORIZATION, value);
    Ok(())
}

fn add_token(token: &Token, secret: &SecretString, request: &mut OutboundRequest) -> Result<(), Error> {
    let text = secret.expose_secret();
    let (name, text): (HeaderName, String) = match token {
        Token::Header(name) => (signature::name(name)?, text.to_owned()),
        Token::Bearer => (AUTHORIZATION, format!("Bearer {text}")),
        Token::Basic => (AUTHORIZATION, format!("Basic {}", STANDARD.encode(text))),
        Token::Query(name) => {
            let encode = |text: &str| {
                percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
            };
            add_to_query(&mut request.url, &encode(name), &encode(text));
            return Ok(());
        }
    };
    let mut value = value(&text)?;
    value.set_sensitive(true);
    request.headers.insert(name, value);
    Ok(())
}

/// Sets what is at `pointer` of a JSON body; its parent has to be there.
fn set_in_body(body: &mut Bytes, pointer: &str, new: Value) -> Result<(), Error> {
    let mut value: Value = serde_json::from_slice(body).map_err(|_| Error::Body("it is not JSON"))?;
    let (parent, name) = pointer.rsplit_once('/').ok_or(Error::Body("the record's pointer is not one"))?;
    value
        .pointer_mut(parent)
        .and_then(Value::as_object_mut)
        .ok_or(Error::Body("there is no object where the timestamp belongs"))?
        .insert(name.to_owned(), new);
    *body = Bytes::from(value.to_string());
    Ok(())
}

fn add_to_query(url: &mut String, name: &str, value: &str) {
    let separator = if url.contains('?') { '&' } else { '?' };
    url.push_str(&format!("{separator}{name}={value}"));
}

/// An id that differs between requests as far as their bodies or times do.
fn fresh_id(body: &[u8], now: Timestamp) -> String {
    let hash = Sha256::new().chain_update(now.as_millis().to_be_bytes()).chain_update(body).finalize();
    let mut id = hex::encode(hash);
    id.truncate(24);
    format!("msg_{id}")
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    text.parse().map_err(|_| Error::Key("it is no text for a header"))
}
