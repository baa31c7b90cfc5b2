//! A delivery and its hook become a signed request. Timestamp and signature are
//! fresh for each attempt; the body is what was written when the event was,
//! without secrets.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use px_core::Timestamp;
use px_core::hook::Hook;
use px_core::lifecycle::Envelope;
use px_secrets::Redactor;
use px_store::outbox::Callback;
use secrecy::{ExposeSecret as _, SecretString};

use crate::format;
use crate::sign::{Message, Signer};
use crate::transport::Request;
use crate::vault::Vault;

/// Reason that a request cannot be made; no text holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Error {
    #[error(transparent)]
    Vault(#[from] crate::vault::Error),
    #[error(transparent)]
    Sign(#[from] crate::sign::Error),
    #[error(transparent)]
    Header(#[from] format::HeaderError),
}

/// The request of an attempt that is made at `now`.
pub(crate) fn request(
    vault: &Vault,
    redactor: &Redactor,
    hook: &Hook,
    callback: &Callback,
    now: Timestamp,
) -> Result<Request, Error> {
    let body = redacted(redactor, &callback.body);
    let named = Envelope {
        id: callback.event,
        kind: callback.kind,
        seq: callback.seq,
        at: callback.created_at,
        is_final: callback.is_final,
        run: None,
        change: None,
        log_seq: 0,
        test: None,
        data: serde_json::Map::new(),
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &hook.headers {
        let value = vault.open(value)?;
        let (name, value) = format::custom_header(name, value.expose_secret())?;
        headers.append(name, value);
    }
    headers.extend(format::headers(callback.format, &hook.signing, &named, callback.id));
    if let Some(signer) = signer(vault, hook, now)? {
        let id = callback.event.to_string();
        signer.sign(&Message { id: &id, at: now, body: &body }, &mut headers)?;
    }
    Ok(Request {
        url: hook.url.clone(),
        headers,
        body,
        timeout: Duration::from_millis(hook.timeout_ms.max(1)),
        allow_private: hook.allow_private,
    })
}

/// The body without the values of secrets. What is kept of a callback is kept as it
/// is; what is signed is what is sent.
fn redacted(redactor: &Redactor, body: &Bytes) -> Bytes {
    match redactor.json(body) {
        Cow::Borrowed(_) => body.clone(),
        Cow::Owned(redacted) => redacted.into(),
    }
}

/// Returns what signs for a hook at `now`; none for a hook without a secret.
pub(crate) fn signer(vault: &Vault, hook: &Hook, now: Timestamp) -> Result<Option<Signer>, Error> {
    let secrets = hook
        .secrets
        .signing(now)
        .map(|sealed| vault.open(sealed))
        .collect::<Result<Vec<SecretString>, _>>()?;
    if secrets.is_empty() {
        return Ok(None);
    }
    Ok(Some(Signer::new(&hook.signing, &secrets)?))
}
