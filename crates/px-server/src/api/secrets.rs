//! `GET|POST /secrets`, `POST /secrets/bulk`, `DELETE /secrets/:name`, and whether
//! there is one and who has read it. No answer has a value.

use axum::Json;
use axum::extract::{Path, State};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use px_api::{
    ReaderKind, SecretExists, SecretInfo, SecretRead, SecretReads, SecretsSet, SetSecret, SetSecrets,
};
use px_core::Code;
use px_core::hook::Secrets as Values;
use px_outbound::operate;
use px_secrets::{Error, NewSecret, Unfit};
use px_store::secrets::{SecretReader, SecretReads as Reads, SecretRecord};

use super::fields::Unknown;
use crate::app::{App, Shared};
use crate::error::ApiError;

pub(super) async fn list(State(app): State<Shared>) -> Result<Json<px_api::Secrets>, ApiError> {
    app.secrets.stored().refresh().await?;
    let secrets = app.secrets.stored().list();
    Ok(Json(secrets.iter().map(shown).collect::<Vec<_>>().into()))
}

pub(super) async fn set(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(StatusCode, HeaderMap, Json<SecretInfo>), ApiError> {
    let unknown = Unknown::of::<SetSecret>(&body);
    let new = wanted(super::read_json(&body)?)?;
    let name = new.name.clone();
    let warned = unknown.warn()?;
    change(&app, vec![new]).await?;
    let secrets = app.secrets.stored().list();
    let secret = secrets.iter().find(|secret| secret.name == name).ok_or(Error::NotFound(name))?;
    Ok((StatusCode::CREATED, warned, Json(shown(secret))))
}

pub(super) async fn set_all(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(StatusCode, HeaderMap, Json<SecretsSet>), ApiError> {
    let unknown = Unknown::of::<SetSecrets>(&body);
    let body: SetSecrets = super::read_json(&body)?;
    let all = body.secrets.ok_or_else(|| missing("secrets", " (array)"))?;
    let all = all.into_iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    let warned = unknown.warn()?;
    let done = change(&app, all).await?;
    let set = SecretsSet { created: done.created, updated: done.updated };
    Ok((StatusCode::CREATED, warned, Json(set)))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.secrets.stored().remove(&name).await?;
    app.apply_secrets().await;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn exists(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<SecretExists>, ApiError> {
    app.secrets.stored().refresh().await?;
    Ok(Json(SecretExists { exists: app.secrets.stored().held(&name).is_some() }))
}

pub(super) async fn reads(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<SecretReads>, ApiError> {
    let stored = app.secrets.stored();
    let reads = stored.reads(&name).await?;
    // One of the environment has no row, and readers all the same.
    if reads.is_empty() && stored.held(&name).is_none() {
        return Err(Error::NotFound(name).into());
    }
    Ok(Json(reads.into_iter().rev().map(read).collect::<Vec<_>>().into()))
}

/// Sets secrets, and lets verifiers and redactor know before this is answered.
async fn change(app: &App, all: Vec<NewSecret>) -> Result<px_secrets::Change, ApiError> {
    app.secrets.can_sign(&app.operator, &all)?;
    let done = app.secrets.stored().set(all).await?;
    app.apply_secrets().await;
    Ok(done)
}

fn wanted(new: SetSecret) -> Result<NewSecret, ApiError> {
    let name = new.name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name", ""))?;
    let value = new.value.ok_or_else(|| missing("value", ""))?;
    let grace = new.grace.map(|grace| operate::duration("grace", &grace)).transpose()?;
    Ok(NewSecret { name, value: value.into(), grace: grace.unwrap_or(Values::DEFAULT_GRACE) })
}

fn missing(field: &str, more: &str) -> ApiError {
    ApiError::bad_request(format!("Missing required field \"{field}\"{more}"))
}

fn shown(secret: &SecretRecord) -> SecretInfo {
    SecretInfo {
        name: secret.name.clone(),
        created_at: secret.created_at.to_string(),
        updated_at: secret.updated_at.to_string(),
    }
}

fn read(reads: Reads) -> SecretRead {
    let (kind, reader, step) = match reads.reader {
        SecretReader::Step { brain, step } => (ReaderKind::Step, brain, Some(step)),
        SecretReader::Handler(slug) => (ReaderKind::Handler, slug, None),
        SecretReader::Verifier(slug) => (ReaderKind::Verifier, slug, None),
        SecretReader::Hook(name) => (ReaderKind::Hook, name, None),
    };
    SecretRead {
        kind,
        reader,
        step,
        brain_run_id: reads.run,
        count: reads.count,
        first_at: reads.first_at,
        last_at: reads.last_at,
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(_) => Self::not_found(error.to_string()).code(Code::SecretNotFound),
            Error::Unfit(Unfit::Reserved { .. }) => {
                Self::new(StatusCode::FORBIDDEN, Code::SecretInvalid, error.to_string())
            }
            Error::TooMany => Self::conflict(error.to_string()).code(Code::SecretInvalid),
            Error::Store(error) => error.into(),
            _ => Self::bad_request(error.to_string()).code(Code::SecretInvalid),
        }
    }
}
