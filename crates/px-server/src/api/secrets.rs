//! `GET|POST /secrets`, `POST /secrets/bulk`, `DELETE /secrets/:name`, and whether
//! there is one and who has read it. No answer has a value, and none repeats what may be one.

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
use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::Unknown;
use crate::app::{App, Shared};
use crate::error::ApiError;

pub(crate) async fn list(State(app): State<Shared>) -> Result<Json<px_api::Secrets>, ApiError> {
    app.secrets.stored().refresh().await?;
    let secrets = app.secrets.stored().list();
    Ok(Json(secrets.iter().map(|secret| shown(&app, secret)).collect::<Vec<_>>().into()))
}

pub(crate) async fn set(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(HeaderMap, (StatusCode, Json<SecretInfo>)), ApiError> {
    let unknown = Unknown::of::<SetSecret>(&body).discreet();
    let body = super::read_json(&body)?;
    unknown.named_in(one_set(&app, body, &unknown).await)
}

async fn one_set(
    app: &Shared,
    body: SetSecret,
    unknown: &Unknown,
) -> Result<(StatusCode, Json<SecretInfo>), ApiError> {
    let new = wanted(body)?;
    let name = new.name.clone();
    unknown.refuse_slips()?;
    let done = change(app, vec![new]).await?;
    let secrets = app.secrets.stored().list();
    let secret = secrets.iter().find(|secret| secret.name == name).ok_or(Error::NotFound(name))?;
    let set = SecretInfo { unchanged: done.unchanged == 1, ..shown(app, secret) };
    Ok((StatusCode::CREATED, Json(set)))
}

pub(crate) async fn set_all(
    State(app): State<Shared>,
    body: Bytes,
) -> Result<(HeaderMap, (StatusCode, Json<SecretsSet>)), ApiError> {
    let unknown = Unknown::of::<SetSecrets>(&body).discreet();
    unknown.named_in(all_set(&app, &body, &unknown).await)
}

async fn all_set(
    app: &Shared,
    body: &Bytes,
    unknown: &Unknown,
) -> Result<(StatusCode, Json<SecretsSet>), ApiError> {
    let read: SetSecrets = super::read_json(body)?;
    let all = read.secrets.ok_or_else(|| missing("secrets", " (array)"))?;
    // One such as a misspelled grace would leave a value counting that others know.
    let items: Items<'_> = super::read_json(body)?;
    for (index, item) in items.secrets.iter().enumerate() {
        Unknown::of_part::<SetSecret>(item.get().as_bytes(), format!("secrets[{index}]"))
            .discreet()
            .refuse()?;
    }
    let all = all.into_iter().map(wanted).collect::<Result<Vec<_>, _>>()?;
    unknown.refuse_slips()?;
    let done = change(app, all).await?;
    let set = SecretsSet { created: done.created, updated: done.updated, unchanged: done.unchanged };
    Ok((StatusCode::CREATED, Json(set)))
}

pub(crate) async fn delete(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    app.secrets.stored().remove(&name).await?;
    app.apply_secrets().await;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn exists(
    State(app): State<Shared>,
    Path(name): Path<String>,
) -> Result<Json<SecretExists>, ApiError> {
    app.secrets.stored().refresh().await?;
    Ok(Json(SecretExists { exists: app.secrets.stored().held(&name).is_some() }))
}

pub(crate) async fn reads(
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

/// The objects of a body of several secrets, as they are written.
#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    secrets: Vec<&'a RawValue>,
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
    let read = |grace| operate::duration("grace", &grace).map_err(|_| Error::GraceForm);
    let grace = new.grace.map(read).transpose()?;
    Ok(NewSecret { name, value: value.into(), grace: grace.unwrap_or(Values::DEFAULT_GRACE) })
}

fn missing(field: &str, more: &str) -> ApiError {
    ApiError::bad_request(format!("Missing required field \"{field}\"{more}"))
}

fn shown(app: &App, secret: &SecretRecord) -> SecretInfo {
    let held = app.secrets.stored().held(&secret.name);
    let until = secret.old_value_until(app.clock().now());
    SecretInfo {
        name: secret.name.clone(),
        created_at: secret.created_at.to_string(),
        updated_at: secret.updated_at.to_string(),
        old_value_until: until.map(|until| until.to_string()),
        unreadable: held.is_some_and(|held| held.current.is_none()),
        shadowed: app.secrets.is_shadowed(&secret.name),
        unchanged: false,
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
