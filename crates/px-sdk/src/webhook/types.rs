//! What payloads and responses of webhooks have to be.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Payload that a sender posts: a type that is read from JSON and has a JSON Schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the payload of a webhook",
    label = "not a payload",
    note = "a payload is validated and then read: `#[derive(serde::Deserialize, schemars::JsonSchema)]`"
)]
pub trait Payload: DeserializeOwned + JsonSchema + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + JsonSchema + Send + 'static> Payload for T {}

/// Response that a waiting step gets: a type that is written and read as a JSON object,
/// and has a JSON Schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the response of a webhook",
    label = "not a response",
    note = "a response is stored until a step takes it: \
            `#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]`"
)]
pub trait Response: Serialize + DeserializeOwned + JsonSchema + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + JsonSchema + Send + 'static> Response for T {}
