//! Progress that steps report.

use std::future::IntoFuture;

use serde::Serialize;
use serde_json::Value;

use crate::cx::Cx;
use crate::error::Result;
use crate::port::PortFuture;

impl Cx {
    /// Reports progress: an entry of the run's log, which watchers see at
    /// once. Await it; with [`durable`](Emit::durable) before, outbound hooks
    /// deliver it like any other event. A step that runs again reports again.
    pub fn emit(&self, name: impl Into<String>, data: impl Serialize) -> Emit<'_> {
        Emit { cx: self, name: name.into(), data: serde_json::to_value(data), durable: false }
    }
}

/// A report of progress in the making: see [`Cx::emit`].
#[must_use = "progress is reported when this is awaited"]
#[derive(Debug)]
pub struct Emit<'a> {
    cx: &'a Cx,
    name: String,
    data: serde_json::Result<Value>,
    durable: bool,
}

impl Emit<'_> {
    /// Lets outbound hooks keep it and try it again like any other event (docs/rules.md#48).
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }
}

impl<'a> IntoFuture for Emit<'a> {
    type Output = Result<()>;
    type IntoFuture = PortFuture<'a, Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.cx.port().emit(self.name, self.data?, self.durable).await })
    }
}
