//! `px check`

mod apart;
mod looker;
mod parked;
mod stored;

use std::sync::Arc;

use px_inbound::Endpoint;
use px_inbound::verify::local;
use px_outbound::guard::{Policy, Target};
use px_sdk::Registry;
use serde_json::{Value, json};

use crate::config::{self, Config, key};
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::show::{listing, words};
use crate::ui;

use looker::Looker;
use parked::{Parked, Stuck};
use stored::{Stored, StoredHook};

/// Check the configuration, the brains, the webhooks and the parked runs without serving them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Finds all that would keep `px serve` from starting, and warns about webhooks whose secret is neither in the \
                  environment nor in the store. Looks at each run that has not ended, \
                  in the store or, if a server has that open, through the server: one whose step this binary does \
                  not have, or whose state does not fit it, would be paused.\n\n\
                  Exit codes: 0 all is well, 1 something is to be mended\n\n\
                  Examples:\n  px check\n  px check --json"
)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<()> {
    if !apart::is_apart() {
        return tokio::task::block_in_place(apart::run);
    }
    let found = look(context).await;
    apart::done();
    found
}

async fn look(context: &Context) -> Result<()> {
    let (config, mut misconfigured) = context.read_config()?;
    let registry = registered(context, &config, &mut misconfigured)?;
    let mut problems: Vec<String> = misconfigured.iter().map(said).collect();
    problems.extend(self::problems(&registry));
    problems.extend(context.unmet_needs(&registry));
    problems.extend(context::secret_problems(&config, &registry));
    let vault = key::vault_of(&config.store.data_dir, &context::env);
    let has_key = vault.as_ref().map(Option::is_some);
    let looker = Looker::new(&registry, config.limits.steps());
    let stored = match stored::look(
        context,
        looker,
        &config.store,
        vault.as_ref().ok().and_then(Option::as_ref),
    )
    .await
    {
        Ok(stored) => stored,
        // The store is all that is wrong: it is said as by every command that opens it.
        Err(error) if problems.is_empty() => return Err(error),
        Err(error) => {
            problems.push(said(&error));
            Stored::default()
        }
    };
    let mut warnings = listing::warnings(&registry);
    warnings.extend(after_a_restart(&registry, &stored));
    warnings.extend(context::wide_secret_files(&config, &registry));
    warnings.extend(px_sdk::sources::forgotten());
    problems.extend(of_server(&config, &registry, &stored));
    match has_key {
        Ok(has_key) => problems.extend(of_key(&config, &stored, has_key)),
        Err(error) => problems.push(said(error)),
    }
    let policy = config.hooks.policy(config.socket(), config.is_fronted());
    let stored_url = |name: &str| {
        let is_it = |hook: &&StoredHook| hook.is_configured && hook.name == format!("'{name}'");
        stored.hooks.iter().find(is_it).map(|hook| hook.url.clone())
    };
    problems.extend(config.hooks.problems(&context::secret, &policy, &stored_url));
    warnings.extend(of_hooks(&stored, &registry, &policy));
    if stored.has_token == Some(false) {
        warnings.extend(unguarded(&config, false));
    }
    if let ([_], Some(error)) = (problems.as_slice(), misconfigured.into_iter().next()) {
        // Nothing but the file: it is said as by every command that reads it.
        return Err(error);
    }
    tell(context, &config, &registry, &Found { stored, problems, warnings })
}

/// All that was found.
struct Found {
    stored: Stored,
    /// What keeps the server from serving.
    problems: Vec<String>,
    warnings: Vec<String>,
}

fn tell(context: &Context, config: &Config, registry: &Registry, found: &Found) -> Result<()> {
    let Found { stored, problems, warnings } = found;
    let mut problems = problems.clone();
    let parked = &stored.parked;
    let keeps_from_serving = !problems.is_empty();
    problems.extend(stuck(parked));
    let file = context.config_file();
    if context.ui.json {
        context.ui.json(&json!({
            "ok": problems.is_empty(),
            "config": {
                "file": file.exists().then(|| file.display().to_string()),
                "publicUrl": config.server.public_url,
                "dataDir": config.store.data_dir,
            },
            "brains": registry.brains().map(|brain| &*brain.def.title).collect::<Vec<_>>(),
            "webhooks": registry.webhooks().map(|webhook| &*webhook.def.slug).collect::<Vec<_>>(),
            "parkedRuns": { "lookedAt": parked.looked_at, "stuck": parked.stuck },
            "problems": problems,
            "serves": !keeps_from_serving,
            "warnings": warnings,
        }))?;
    } else {
        let source = if file.exists() {
            file.display().to_string()
        } else {
            "defaults, there is no px.toml".to_owned()
        };
        context.ui.line(format_args!("Configuration  {source}"))?;
        context.ui.line(format_args!("Brains         {}", registry.brains().len()))?;
        context.ui.line(format_args!("Webhooks       {}", registry.webhooks().len()))?;
        match parked.looked_at {
            Some(runs) => {
                context.ui.line(format_args!("Active runs    {runs}, {} of them stuck", parked.count()))?
            }
            None => context.ui.warn(
                "the runs were not looked at: a process has the store open, and no server answers; see --url",
            ),
        }
        warnings.iter().for_each(|warning| context.ui.warn(warning));
    }
    if problems.is_empty() {
        if !context.ui.json {
            context.ui.note(ui::paint(ui::GOOD, "Everything is in order."));
        }
        return Ok(());
    }
    let count = words::count(u64::try_from(problems.len()).unwrap_or(u64::MAX), "problem");
    let list: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
    let mut error = Error::failed(format!("{count} found{list}")).hint(if keeps_from_serving {
        "px does not serve until this is mended"
    } else {
        "served by this binary, these runs are paused when their turn comes: name the step's old name with \
             `.formerly(..)`, bring their state over with `.migrate_state(..)`, or keep the arm, loop or brain that \
             they are inside of until they have left it"
    });
    error.details.insert("problems".into(), json!(problems));
    Err(error)
}

/// The runs that would be paused, a line for each reason.
fn stuck(parked: &Parked) -> Vec<String> {
    let line = |(reason, stuck): (&String, &Stuck)| {
        let count = words::count(stuck.count, "run");
        let ids: Vec<String> = stuck.runs.iter().map(ToString::to_string).collect();
        let more = if stuck.count > stuck.runs.len() as u64 { ", …" } else { "" };
        format!("{count} could not go on: {reason} ({}{more})", ids.join(", "))
    };
    let passed = parked.passed.iter().map(|(brain, count)| {
        let count = words::count(*count, "more run");
        format!("{count} of brain '{brain}' not looked at, since the migrations of others did not return")
    });
    parked.stuck.iter().map(line).chain(passed).collect()
}

/// The brains and webhooks as they are configured, as far as they can be; what is
/// wrong about the others is added to `misconfigured`.
fn registered(context: &Context, config: &Config, misconfigured: &mut Vec<Error>) -> Result<Registry> {
    let (mut registry, mistakes) = Registry::collect_all();
    if !mistakes.is_empty() {
        // Each says where it is, in lines of its own.
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        return Err(Error::failed(all.join("\n\n")));
    }
    misconfigured.extend(context.configure(config, &mut registry));
    Ok(registry)
}

/// An error as one of several problems.
fn said(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message.clone(),
    }
}

/// Webhooks that the server that runs shuts, and one that is started anew would not: it has never had their
/// secrets.
fn after_a_restart(registry: &Registry, stored: &Stored) -> Vec<String> {
    let is_shut = |slug: &str| stored.refuses.iter().any(|shut| shut == slug);
    let has_none = registry.webhooks().map(|webhook| &webhook.def).filter(|def| {
        is_shut(&def.slug) && def.verification.secret.is_some() && def.keyring(&context::secret).is_empty()
    });
    has_none
        .map(|def| {
            format!(
                "webhook '{}' has no secret: a px that is started anew takes what callers on this machine post",
                def.slug
            )
        })
        .collect()
}

/// What keeps the server from listening where it is to.
fn of_server(config: &Config, registry: &Registry, stored: &Stored) -> Vec<String> {
    let mut problems = Vec::new();
    let bind = config.server.bind;
    if !bind.is_loopback() && !listing::unverified(registry).is_empty() {
        problems.push(format!(
            "webhooks are unverified, and server.bind = \"{bind}\" can be reached from other machines: {}",
            listing::unverified(registry).join(", ")
        ));
    }
    if !bind.is_loopback() && stored.has_token == Some(false) {
        problems.push(format!(
            "there is no API token, and server.bind = \"{bind}\" can be reached from other machines; \
             `px tokens create me --scope admin` makes one, and `px serve --insecure` serves without"
        ));
    }
    problems.extend(config.limits.clone().fitted().err().map(|error| error.message));
    for text in &config.server.trusted_proxies {
        problems.extend(
            config::network(text).err().map(|error| format!("server.trusted_proxies: {}", error.message)),
        );
    }
    for origin in &config.server.cors_origins {
        problems
            .extend(local::page_origin(origin).err().map(|error| format!("server.cors_origins: {error}")));
    }
    problems
}

/// Returns what an operator should know of an API that others reach and no token
/// guards.
pub(crate) fn unguarded(config: &Config, is_insecure: bool) -> Option<String> {
    let make = "`px tokens create me --scope admin` makes a token";
    let bind = config.server.bind;
    if !bind.is_loopback() {
        let text = format!(
            "there is no API token, and --insecure lets every machine that reaches {bind} use the API; {make}"
        );
        return is_insecure.then_some(text);
    }
    config.is_fronted().then(|| {
        format!(
            "there is no API token, but server.public_url or server.trusted_proxies says that others reach px: \
             where the proxy adds no forwarding header, all of them may use the API; {make}"
        )
    })
}

/// What is wrong with the key that secrets rest under.
fn of_key(config: &Config, stored: &Stored, has_key: bool) -> Option<String> {
    let sealing = &stored.sealing;
    if sealing.holds_sealed && !has_key {
        return Some(key::missing(&config.store.data_dir, sealing).message);
    }
    let names = [&sealing.unreadable[..], &sealing.unreadable_secrets].concat().join(", ");
    sealing.is_other_key.then(|| {
        format!("the secrets of this store are sealed under another key; it cannot read those of {names}")
    })
}

/// What to know about hooks of the store.
fn of_hooks(stored: &Stored, registry: &Registry, policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    for hook in &stored.hooks {
        let own = if hook.allow_private { policy.clone().with_private(true) } else { policy.clone() };
        let refused = Target::parse(&hook.url).and_then(|target| target.check(&own)).err();
        warnings.extend(refused.map(|refused| {
            let said = if refused.rule.is_held() { "are held" } else { "cannot be sent" };
            format!("the callbacks of hook {} {said}: {refused}", hook.name)
        }));
        let unknown = hook.brains.iter().filter(|brain| px_server::is_unknown(registry, brain));
        warnings.extend(unknown.map(|brain| px_server::unknown_brain(&hook.name, brain)));
    }
    if !stored.sealing.is_other_key && !stored.sealing.unreadable.is_empty() {
        warnings.push(format!(
            "these hooks cannot sign, their secrets are sealed under another key: {}; `px hooks rotate-secret` \
             gives them new ones",
            stored.sealing.unreadable.join(", ")
        ));
    }
    if !stored.sealing.is_other_key && !stored.sealing.unreadable_secrets.is_empty() {
        warnings.push(format!(
            "these secrets cannot be read, they are sealed under another key: {}; `px secrets set` sets them anew",
            stored.sealing.unreadable_secrets.join(", ")
        ));
    }
    warnings
}

/// Returns what would keep the server from starting: schemas that do not compile and
/// verification records that contradict themselves.
pub(crate) fn problems(registry: &Registry) -> Vec<String> {
    let compiles = |what: String, schema: &Value| {
        jsonschema::validator_for(schema).err().map(|error| format!("{what} does not compile: {error}"))
    };
    let mut problems = Vec::new();
    for brain in registry.brains() {
        let what = format!("{}: the input schema of brain '{}'", brain.source, brain.def.title);
        problems.extend(compiles(what, &brain.def.input_schema));
    }
    for webhook in registry.webhooks() {
        let (source, def) = (&webhook.source, &webhook.def);
        let schemas = [("payload", &def.payload_schema), ("response", &def.response_schema)];
        let compiled = schemas.into_iter().filter_map(|(name, schema)| {
            compiles(format!("{source}: the {name} schema of webhook '{}'", def.slug), schema)
        });
        let before = problems.len();
        problems.extend(compiled);
        // The server's own reading, which has an opinion of the schemas, too.
        if let Err(error) = Endpoint::new(Arc::clone(def), &context::env)
            && problems.len() == before
        {
            problems.push(format!("{source}: {error}"));
        }
    }
    problems
}
