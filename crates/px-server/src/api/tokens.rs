//! `GET|POST /tokens` and `DELETE /tokens/:id`: the API's own tokens.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use px_core::{Code, TokenId};
use px_store::tokens::{Permission, Token};
use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::access::{Right, TokenError};
use crate::app::Shared;
use crate::error::ApiError;

pub(super) async fn list(State(app): State<Shared>) -> Json<Value> {
    let tokens: Vec<Value> = app.tokens.list().iter().map(view).collect();
    Json(json!({ "count": tokens.len(), "tokens": tokens }))
}

/// What a token is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// What it is for.
    #[schemars(with = "String", regex(pattern = r"^[^\u0000-\u001f\u007f-\u009f]{1,100}$"))]
    name: Option<String>,
    /// `read`, `operate` or `admin`; `read` if it is not said.
    #[serde(default, deserialize_with = "said")]
    #[schemars(regex(pattern = "^(read|operate|admin)$"))]
    scope: Option<String>,
}

/// A text that is there, and not null.
fn said<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

pub(super) async fn create(
    State(app): State<Shared>,
    Extension(right): Extension<Right>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let body: NewToken = super::read_json(&body)?;
    let name = body.name.ok_or_else(|| ApiError::bad_request("Missing name in request body"))?;
    let scope = body.scope.as_deref().unwrap_or(Permission::Read.as_str());
    let permission = Permission::parse(scope).ok_or_else(|| {
        let known = Permission::ALL.map(Permission::as_str).join(", ");
        ApiError::bad_request(format!("Unknown scope '{scope}'; the scopes are {known}"))
    })?;
    let (token, secret) = app.tokens.create_by(right, &name, permission).await?;
    let mut shown = view(&token);
    if let Value::Object(fields) = &mut shown {
        // Shown once: nobody gets to see it again.
        fields.insert("token".into(), secret.expose_secret().into());
    }
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn revoke(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let parsed: TokenId = id
        .parse()
        .map_err(|_| ApiError::not_found(format!("Token '{id}' not found")).code(Code::TokenNotFound))?;
    app.tokens.revoke(parsed).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn view(token: &Token) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "scope": token.permission.as_str(),
        "createdAt": token.created_at,
    })
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::NotFound(_) => Self::not_found(error.to_string()).code(Code::TokenNotFound),
            TokenError::Name => Self::bad_request(error.to_string()),
            TokenError::NotFirst | TokenError::Revoked => {
                Self::new(StatusCode::UNAUTHORIZED, Code::TokenMissing, error.to_string())
            }
            TokenError::FirstIsNotAdmin | TokenError::TooMany => {
                Self::conflict(error.to_string()).code(Code::TokenConflict)
            }
            TokenError::Store(error) => error.into(),
        }
    }
}
