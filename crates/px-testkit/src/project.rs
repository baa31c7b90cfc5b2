//! A project that is ready to run: what all worlds of a test can share.

use std::sync::Arc;

use px_inbound::Endpoint;
use px_sdk::Registry;

use crate::error::WorldError;

/// Brains and webhooks, made ready once for as many worlds as a test needs:
/// compiling their schemas takes longer than most lives of a world.
#[derive(Debug, Clone)]
pub struct Project {
    pub(crate) registry: Arc<Registry>,
    pub(crate) endpoints: Vec<Endpoint>,
}

impl Project {
    /// Makes these brains and webhooks ready, without secrets: every webhook
    /// takes requests from this machine.
    ///
    /// # Errors
    /// A webhook is not usable.
    pub fn new(registry: Registry) -> Result<Self, WorldError> {
        let endpoints = registry
            .webhooks()
            .map(|webhook| Endpoint::new(Arc::clone(&webhook.def), &|_| None))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { registry: Arc::new(registry), endpoints })
    }
}
