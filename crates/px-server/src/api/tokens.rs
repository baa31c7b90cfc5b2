//! `GET|POST /tokens` and `DELETE /tokens/:id`: the API's own tokens.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use px_api::{CreateToken, CreatedToken};
use px_core::{Code, TokenId};
use px_store::tokens::{Permission, Token};

use crate::access::{Right, TokenError};
use crate::app::Shared;
use crate::error::ApiError;

pub(crate) async fn list(State(app): State<Shared>) -> Json<px_api::Tokens> {
    Json(app.tokens.list().iter().map(shown).collect::<Vec<_>>().into())
}

pub(crate) async fn create(
    State(app): State<Shared>,
    Extension(right): Extension<Right>,
    body: Bytes,
) -> Result<(StatusCode, Json<CreatedToken>), ApiError> {
    let body: CreateToken = super::read_json(&body)?;
    let name = body.name.ok_or_else(|| ApiError::bad_request("Missing name in request body"))?;
    let scope = body.scope.as_deref().unwrap_or(Permission::Read.as_str());
    let permission = Permission::parse(scope).ok_or_else(|| {
        let known = Permission::ALL.map(Permission::as_str).join(", ");
        ApiError::bad_request(format!("Unknown scope '{scope}'; the scopes are {known}"))
    })?;
    let (token, secret) = app.tokens.create_by(right, &name, permission).await?;
    let px_api::Token { id, name, scope, created_at } = shown(&token);
    // Shown once: nobody gets to see it again.
    let created = CreatedToken { id, name, scope, created_at, token: secret.into() };
    Ok((StatusCode::CREATED, Json(created)))
}

pub(crate) async fn revoke(
    State(app): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let parsed: TokenId = id
        .parse()
        .map_err(|_| ApiError::not_found(format!("Token '{id}' not found")).code(Code::TokenNotFound))?;
    app.tokens.revoke(parsed).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(token: &Token) -> px_api::Token {
    px_api::Token {
        id: token.id,
        name: token.name.clone(),
        scope: token.permission.as_str().into(),
        created_at: token.created_at,
    }
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
