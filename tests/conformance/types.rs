//! The types of px-api against the answers of the real binary: each is read as
//! the type that the document names, and written again it is what it was. So
//! px-client, which reads the same types, loses nothing.

use px_api as api;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An answer read and written again, or why it cannot be read.
type Read = fn(Value) -> Result<Value, String>;

fn read<T: DeserializeOwned + Serialize>(answer: Value) -> Result<Value, String> {
    let read: T = serde_json::from_value(answer).map_err(|error| error.to_string())?;
    serde_json::to_value(read).map_err(|error| error.to_string())
}

macro_rules! types {
    ($($name:ident)+) => {
        const TYPES: &[(&str, Read)] = &[$((stringify!($name), read::<api::$name>),)+];
    };
}

types! {
    Accepted BoundEvent Brain Brains BulkJob BulkJobs BulkPreview Callback CallbackPage CallbackSummary ClearedStore CreatedToken Delivery DeliveryPage DuePage
    Error Events Explained FormAccepted FormNotFound FoundIds Health Hook HookStats Hooks Keys LatePage Overview Recovered RefusedForm RestartedRun
    Resumed Run RunPage Runs SecretExists SecretInfo SecretReads Secrets SecretsSet SentTest SignalTaken StartedRun StateDiff Status
    StoreBrains StoreKeys StoreValue TestSent Tokens WaitPage Webhooks
}

/// Holds an answer against the type that its schema names, if it names one.
#[track_caller]
pub fn check(schema: &Value, answer: &Value) {
    let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else { return };
    let found = TYPES.iter().find(|(known, _)| *known == name);
    let (_, read) = found.unwrap_or_else(|| panic!("{name} is answered, and is not in this table"));
    match read(answer.clone()) {
        Ok(again) => assert_eq!(&again, answer, "{name} is not written as it was read"),
        Err(why) => panic!("{name} cannot be read: {why}\n{answer}"),
    }
}
