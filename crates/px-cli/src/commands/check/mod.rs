//! `px check`

mod parked;

use px_inbound::verify::Prepared;
use px_sdk::Registry;
use serde_json::{Value, json};

use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::show::{listing, words};
use crate::ui;

use parked::{Parked, Stuck};

/// Check the configuration, the brains, the webhooks and the parked runs without serving them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Warns about webhooks whose secret is not in the environment. Looks at each run that has not ended, \
                  in the store or, if a server has that open, through the server: one whose step this binary does \
                  not have, or whose state does not fit it, would be paused.\n\n\
                  Exit codes: 0 all is well, 1 something is to be mended\n\n\
                  Examples:\n  px check\n  px check --json"
)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _: &Args) -> Result<()> {
    let config = context.config()?;
    let registry = context.configured()?;
    let mut problems = problems(&registry);
    let mut warnings = listing::warnings(&registry);
    let (of_hooks, about_hooks) = config.hooks.problems(&context::env);
    problems.extend(of_hooks);
    warnings.extend(about_hooks);
    let bind = config.server.bind;
    if !bind.is_loopback() && !listing::unverified(&registry).is_empty() {
        problems.push(format!(
            "webhooks are unverified, and server.bind = \"{bind}\" can be reached from other machines: {}",
            listing::unverified(&registry).join(", ")
        ));
    }
    let parked = parked::look(context, &registry, &config.store).await?;
    let keeps_from_serving = !problems.is_empty();
    problems.extend(stuck(&parked));
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
             `.formerly(..)`, or bring their state over with `.migrate(..)`"
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
    parked.stuck.iter().map(line).collect()
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
        for (name, schema) in [("payload", &def.payload_schema), ("response", &def.response_schema)] {
            problems
                .extend(compiles(format!("{source}: the {name} schema of webhook '{}'", def.slug), schema));
        }
        let keyring = def.keyring(&context::env);
        if let Err(error) = Prepared::new(def.verification.clone(), &keyring) {
            problems.push(format!("{source}: the verification of webhook '{}': {error}", def.slug));
        }
    }
    problems
}
