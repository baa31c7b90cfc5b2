//! Asking a webhook's handler: a handler is a function of the request, so it says of a sample what it
//! would make of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use px_sdk::{Provided, RawInbound, Received, WebhookDef};
use serde_json::Value;

/// Time that a handler may take, as at the server (docs/rules.md#24).
const HANDLER_TIMEOUT: Duration = Duration::from_secs(2);

/// Answer of a handler that is on its way: what it made of the payload, or nothing if it refuses it.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Option<Vec<RawInbound>>> + Send + 'a>>;

/// A way to ask the handler of a webhook. A server has one of its own, on the threads of users' code.
pub trait AskHandler: Sync {
    /// Asks what the handler would make of the payload of this request.
    fn ask(&self, request: Received, payload: Value) -> Asked<'_>;
}

/// The handler in this process, called where it is asked. It has no resources.
#[derive(Debug, Clone, Copy)]
pub struct OwnHandler<'a>(pub &'a WebhookDef);

impl AskHandler for OwnHandler<'_> {
    fn ask(&self, request: Received, payload: Value) -> Asked<'_> {
        let handled = self.0.handle(&Provided::default(), Arc::new(request), payload);
        Box::pin(async move { tokio::time::timeout(HANDLER_TIMEOUT, handled).await.ok()?.ok() })
    }
}
