//! The outbound stage put together: its policy, its parts, and the hooks that
//! single runs bring with them.

use std::net::SocketAddr;
use std::sync::Arc;

use px_core::hook::{Hook, Source};
use px_core::{HookId, Scope};
use px_outbound::format::Links;
use px_outbound::guard::{Policy, Range, System};
use px_outbound::operate::{self, Spec};
use px_outbound::transport::Http;
use px_outbound::vault::Vault;
use px_outbound::{Bodies, Limits, Operator, SenderContext};
use secrecy::SecretString;

use crate::app::App;
use crate::error::{ApiError, StartError};
use crate::members;
use crate::options::Options;

/// Options of outbound hooks.
#[derive(Debug, Clone)]
pub struct HookOptions {
    /// True if hooks may go to private addresses; by default to this machine's
    /// own, if and only if px listens there itself and serves nobody else
    /// (docs/rules.md#49, #68).
    pub allow_private: Option<bool>,
    /// Ranges of addresses that are open besides.
    pub ranges: Vec<Range>,
    /// Vault of secrets at rest.
    pub vault: Vault,
    /// Makes the vault's key the store's, though secrets rest under another one.
    pub new_secret_key: bool,
    /// The hooks of the configuration.
    pub hooks: Vec<Spec>,
    /// The sender's bounds.
    pub limits: Limits,
}

impl Default for HookOptions {
    fn default() -> Self {
        Self {
            allow_private: None,
            ranges: Vec::new(),
            vault: Vault::forgetful(),
            new_secret_key: false,
            hooks: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Returns where callbacks may go. This machine is open to them only where px
/// serves nobody else: behind a proxy, whoever may start a run could else post
/// to every service of this machine (docs/rules.md#68).
pub(crate) fn policy(options: &Options, address: SocketAddr) -> Policy {
    let hooks = &options.hooks;
    let serves_others =
        !address.ip().is_loopback() || options.public_url.is_some() || !options.proxies.is_empty();
    match hooks.allow_private {
        None => Policy::public().with_loopback(!serves_others),
        Some(open) => Policy::public().with_private(open),
    }
    .with_ranges(hooks.ranges.iter().copied())
    .holding_loopback()
}

/// Makes the outbound stage, and the hooks of the configuration what they are
/// to be. Nothing is sent yet.
pub(crate) async fn prepare(
    options: &Options,
    address: SocketAddr,
    base_url: &str,
    warnings: &mut Vec<String>,
) -> Result<Operator, StartError> {
    let hooks = &options.hooks;
    let policy = policy(options, address);
    if hooks.allow_private == Some(true) || !hooks.ranges.is_empty() {
        warnings.push(
            "hooks may go to private addresses: fit for development, or for a network you trust".into(),
        );
    }
    let transport = Http::new(policy.clone(), Arc::new(System)).map_err(StartError::Hooks)?;
    let links = Links::below(base_url).unwrap_or_else(Links::none);
    options.store.outbox().render_with(Arc::new(Bodies::new(links)));
    let operator = Operator::new(SenderContext {
        store: Arc::clone(&options.store),
        clock: Arc::clone(&options.clock),
        ids: Arc::clone(&options.ids),
        scope: Scope::default(),
        cluster: Arc::clone(&options.cluster),
        vault: hooks.vault.clone(),
        transport: Arc::new(transport),
        policy,
    });
    operate::prove_key(operator.parts(), hooks.new_secret_key).await.map_err(StartError::SecretKey)?;
    let others = members::others(&*options.cluster).await.map_err(StartError::Store)?;
    operate::configure(&operator, hooks.hooks.clone(), &others).await.map_err(StartError::Hook)?;
    for hook in operator.hooks().map_err(StartError::Hook)? {
        if let Some(refused) = operator.closed(&hook) {
            let name = operate::name_of(&hook);
            warnings.push(format!("the callbacks of hook {name} are held: {refused}"));
        }
        if operate::is_unreadable(&hooks.vault, &hook) {
            warnings.push(format!(
                "hook '{}' cannot sign: its secrets were sealed under another key; `px hooks rotate-secret {}` gives it a new one",
                hook.name, hook.id
            ));
        }
    }
    Ok(operator)
}

impl App {
    /// The hook that a run brings with it, checked before anything happens:
    /// for every route that takes `webhookUrl` and `webhookSecret`. The draft
    /// of the run's change takes it by `hook_next_run` or `hook_run`.
    ///
    /// # Errors
    /// 400 for a URL or a secret that cannot be, 422 for an address that may
    /// not be sent to.
    pub(crate) fn run_hook(
        &self,
        url: Option<String>,
        secret: Option<SecretString>,
    ) -> Result<Option<Hook>, ApiError> {
        let Some(url) = url else {
            return match secret {
                None => Ok(None),
                Some(_) => Err(ApiError::bad_request("webhookSecret needs a webhookUrl to sign for")),
            };
        };
        let parts = self.operator.parts();
        let nobody = HookId::from_bytes([0; 16]);
        let spec = Spec::of_run(url, secret);
        Ok(Some(operate::validate(parts, &spec, nobody, Source::Api, self.clock().now())?))
    }
}
