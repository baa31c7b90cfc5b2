//! Context of every route.

use std::collections::BTreeMap;
use std::sync::Arc;

use px_core::{Clock, RunId};
use px_engine::Parts;
use px_inbound::verify::UrlView;
use px_inbound::{Gate, Schema, Stage};
use px_sdk::Registry;
use px_store::Store;
use tokio::sync::watch;

/// Shared by all requests.
pub(crate) struct App {
    pub(crate) stage: Stage,
    pub(crate) parts: Parts,
    pub(crate) operator: px_outbound::Operator,
    pub(crate) inputs: BTreeMap<String, Schema>,
    /// Base of webhook URLs, without a slash at the end.
    pub(crate) base_url: String,
    pub(crate) tokens: crate::access::Tokens,
    pub(crate) secrets: crate::secrets::ServerSecrets,
    /// Serves the API to others though there is no token.
    pub(crate) insecure: bool,
    /// The least permission that is shown what runs and senders bring.
    pub(crate) payloads: px_store::tokens::Permission,
    /// Hides the paths of hooks' URLs below the scope `admin`, too.
    pub(crate) redact_paths: bool,
    /// Figures of the storage below the store.
    pub(crate) figures: Vec<&'static [px_metrics::Metric]>,
    pub(crate) gate: Arc<Gate>,
    /// Webhooks whose configuration says whether they take test events, by slug.
    pub(crate) allow_test: std::collections::HashMap<String, bool>,
    pub(crate) examples: crate::examples::Examples,
    /// The webhooks with middleware of their own, by slug.
    pub(crate) layered: std::collections::HashMap<String, px_sdk::layer::Route>,
    pub(crate) urls: UrlView,
    /// Port that this server listens at.
    pub(crate) port: u16,
    /// Serves the page for people.
    pub(crate) has_page: bool,
    pub(crate) unsignable_hooks: crate::api::UnsignableHooks,
    /// The places of what computes for long.
    pub(crate) beside: crate::beside::Beside,
    #[cfg(feature = "dashboard")]
    pub(crate) page: crate::ui::Counts,
    pub(crate) streams: Arc<crate::streams::Streams>,
    /// Bounds of the webhooks that take forms with files, by slug.
    pub(crate) files: std::collections::HashMap<String, px_sdk::Files>,
    pub(crate) spills: crate::spill::Spills,
    pub(crate) too_large: crate::too_large::TooLarge,
    pub(crate) max_body: usize,
    pub(crate) max_api_body: usize,
    pub(crate) max_headers: usize,
    pub(crate) body_timeout: std::time::Duration,
    /// Tells the worker of a bulk job that was started here.
    pub(crate) bulk_started: tokio::sync::Notify,
    /// Time at which the server was put together.
    pub(crate) up_since: px_core::Timestamp,
    pub(crate) pace: crate::pace::Pace,
    /// Becomes true when streams have to end.
    pub(crate) closing: watch::Receiver<bool>,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.parts.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.parts.registry
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }

    /// A run by the text of its id. A text that is no id is one that is not
    /// found (docs/rules.md#40).
    pub(crate) async fn run(&self, id: &str) -> Result<Option<px_core::Run>, px_store::Error> {
        let Ok(id) = id.parse::<RunId>() else { return Ok(None) };
        Ok(self.store().run(self.parts.scope, id).await?.map(|record| Arc::unwrap_or_clone(record.run)))
    }
}
