//! Cursors that are made of names which users have chosen. An answer without secrets may change no cursor,
//! and a name may hold a secret: such a cursor is sealed.

use secrecy::ExposeSecret as _;

use crate::app::App;
use crate::error::ApiError;

/// The beginning of a cursor that is sealed.
const PREFIX: &str = "sealed.";

/// Purpose that they are sealed for: nothing else that the key has sealed is a cursor.
const PURPOSE: &str = "cursor";

/// A cursor as it is handed out.
pub(super) fn written(app: &App, cursor: String) -> String {
    let is_secret = app.secrets.redaction().current().finds_in(cursor.as_bytes());
    if !is_secret && !cursor.starts_with(PREFIX) {
        return cursor;
    }
    format!("{PREFIX}{}", app.operator.parts().vault.seal_text(PURPOSE, &cursor))
}

/// A cursor as it was made.
///
/// # Errors
/// 400 if it is sealed and not by this store's key.
pub(super) fn read(app: &App, cursor: String) -> Result<String, ApiError> {
    let Some(sealed) = cursor.strip_prefix(PREFIX) else { return Ok(cursor) };
    let opened = app.operator.parts().vault.open_text(PURPOSE, sealed).map_err(|_| bad())?;
    Ok(opened.expose_secret().to_owned())
}

/// The refusal of a text that is no cursor.
pub(super) fn bad() -> ApiError {
    ApiError::bad_request("Bad cursor: it is the nextCursor of the page before")
}
