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
use crate::secrets::ServerSecrets;

/// Options of outbound hooks.
#[derive(Debug, Clone)]
pub struct HookOptions {
    /// True if hooks may go to private addresses; by default to this machine's
    /// own, if and only if px listens there itself and serves nobody else
    /// (docs/rules.md#49, #68).
    pub allow_private: Option<bool>,
    /// True if the paths of hooks' URLs are hidden below the scope `admin`, as
    /// their queries are.
    pub redact_paths: bool,
    /// Ranges of addresses that are open besides.
    pub ranges: Vec<Range>,
    /// Vault of secrets at rest.
    pub vault: Vault,
    /// Makes the vault's key the store's, though secrets rest under another one.
    pub new_secret_key: bool,
    /// The hooks of the configuration.
    pub hooks: Vec<Spec>,
    /// Names of those whose secret has a name, each with that name.
    pub secret_names: Vec<(String, String)>,
    /// The sender's bounds.
    pub limits: Limits,
}

impl Default for HookOptions {
    fn default() -> Self {
        Self {
            allow_private: None,
            redact_paths: false,
            ranges: Vec::new(),
            vault: Vault::forgetful(),
            new_secret_key: false,
            hooks: Vec::new(),
            secret_names: Vec::new(),
            limits: Limits::default(),
        }
    }
}

impl HookOptions {
    /// Returns where callbacks may go. This machine is open to them only where px
    /// serves nobody else: behind a proxy, whoever may start a run could else post
    /// to every service of this machine (docs/rules.md#68).
    #[must_use]
    pub fn policy(&self, address: SocketAddr, is_fronted: bool) -> Policy {
        let serves_others = is_fronted || !address.ip().is_loopback();
        match self.allow_private {
            None => Policy::public().with_loopback(!serves_others),
            Some(open) => Policy::public().with_private(open),
        }
        .with_ranges(self.ranges.iter().copied())
    }
}

/// Returns whether something stands before px that lets others in.
fn serves_others(options: &Options) -> bool {
    options.public_url.is_some() || !options.proxies.is_empty()
}

/// Makes the outbound stage, and the hooks of the configuration what they are
/// to be. Nothing is sent yet.
pub(crate) async fn prepare(
    options: &Options,
    address: SocketAddr,
    base_url: &str,
    secrets: &ServerSecrets,
    warnings: &mut Vec<String>,
) -> Result<Operator, StartError> {
    let hooks = &options.hooks;
    let policy = hooks.policy(address, serves_others(options));
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
        redaction: options.redaction.clone(),
        transport: Arc::new(transport),
        policy,
    });
    let others = members::others(&*options.cluster).await.map_err(StartError::Store)?;
    let old = |hook: &str| secrets.old_of_hook(hook);
    operate::configure(&operator, hooks.hooks.clone(), &others, &old).await.map_err(StartError::Hook)?;
    for hook in operator.hooks().map_err(StartError::Hook)? {
        if let Some(refused) = operator.closed(&hook) {
            let name = operate::name_of(&hook);
            warnings.push(format!("the callbacks of hook {name} are held: {refused}"));
        }
        for brain in hook.brains.iter().filter(|brain| is_unknown(&options.registry, brain)) {
            warnings.push(unknown_brain(&operate::name_of(&hook), brain));
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

/// Returns whether no brain of the binary is called so. A pattern fits some.
#[must_use]
pub fn is_unknown(registry: &px_sdk::Registry, brain: &str) -> bool {
    !registry.brains().any(|known| px_core::hook::glob_fits(brain, &known.def.title))
}

/// Returns what to know about a hook that names a brain which is not there.
#[must_use]
pub fn unknown_brain(hook: &str, brain: &str) -> String {
    format!(
        "hook {hook} names the brain '{brain}', which this binary does not have: it is told nothing of it"
    )
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
        if let Some(secret) = &secret {
            self.secrets.learn_of_run(secret);
        }
        let spec = Spec::of_run(url, secret);
        Ok(Some(operate::validate(parts, &spec, nobody, Source::Api, self.clock().now())?))
    }
}
