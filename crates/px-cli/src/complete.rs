//! Values that a shell completes: runs, brains, webhooks, steps, deliveries and hooks, as the
//! server has them. A server that does not answer soon offers nothing, and nothing is printed
//! beside the candidates: they appear while somebody types.

use std::ffi::OsStr;
use std::future::Future;
use std::time::Duration;

use clap::CommandFactory as _;
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use px_api::{FindBrains, ListDeliveries, ListRuns};
use px_client::Client;
use px_sdk::Providers;

use crate::context::{Context, Global};
use crate::entry::Cli;
use crate::ids;
use crate::paint::shown;

/// The variable by which a shell's script asks for candidates.
pub(crate) const VARIABLE: &str = "PX_COMPLETE";

/// Time that the server has for its answer.
const PATIENCE: Duration = Duration::from_millis(200);

/// Candidates of a kind, at most.
const MAX_CANDIDATES: usize = 50;

/// Answers a shell that asks for candidates, and ends the process; returns if none does.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin("px").complete();
}

macro_rules! completers {
    ($($(#[$doc:meta])* $name:ident = $find:ident,)+) => {
        $($(#[$doc])*
        pub(crate) fn $name() -> ArgValueCompleter {
            ArgValueCompleter::new($find)
        })+
    };
}

completers! {
    /// Completes the id of a run.
    runs = find_runs,
    /// Completes the title of a brain.
    brains = find_brains,
    /// Completes the slug of a webhook.
    slugs = find_slugs,
    /// Completes the title of a step of the run that is named before.
    steps = find_steps,
    /// Completes the id of a delivery of a webhook.
    deliveries = find_deliveries,
    /// Completes the name or id of a hook.
    hooks = find_hooks,
}

/// A candidate, with what is said beside it.
fn candidate(value: &str, help: String) -> CompletionCandidate {
    // Both are others' texts, and a shell prints them as they are.
    CompletionCandidate::new(shown(value)).help((!help.is_empty()).then(|| shown(help).into()))
}

/// Asks the server; nothing if it does not answer in time.
fn ask<F>(question: impl FnOnce(Client) -> F) -> Vec<CompletionCandidate>
where
    F: Future<Output = Result<Vec<CompletionCandidate>, px_client::Error>>,
{
    let Some(client) = client() else { return Vec::new() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let asked = runtime.block_on(async { tokio::time::timeout(PATIENCE, question(client)).await });
    runtime.shutdown_background();
    asked.ok().and_then(Result::ok).unwrap_or_default()
}

/// A client of the server that the words of the command line name.
fn client() -> Option<Client> {
    let words = words();
    let flag = |name: &str| {
        let assigned = format!("{name}=");
        let at = words.iter().position(|word| word == name || word.starts_with(&assigned))?;
        let word = words.get(at)?;
        word.strip_prefix(&assigned).or_else(|| words.get(at + 1).map(String::as_str)).map(str::to_owned)
    };
    let of_env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let global = Global {
        json: None,
        url: flag("--url").or_else(|| of_env("PX_URL")),
        config: flag("--config").or_else(|| of_env("PX_CONFIG")).map(Into::into),
    };
    Context::new(global, Providers::default()).client().ok()
}

/// The words that are being completed: those behind the first `--`.
fn words() -> Vec<String> {
    let words = std::env::args().skip_while(|word| word != "--").skip(1);
    words.collect()
}

/// Only candidates that begin as what is typed does.
fn begun(candidates: Vec<CompletionCandidate>, current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let is_meant = |one: &CompletionCandidate| one.get_value().to_string_lossy().starts_with(&*current);
    candidates.into_iter().filter(is_meant).collect()
}

/// Runs by the last digits of their ids, the newest first.
fn find_runs(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = ask(async |client| {
        let query = ListRuns { limit: Some(MAX_CANDIDATES), ..ListRuns::default() };
        let page = client.runs(&query).await?;
        let of_run = |run: &px_api::RunSummary| {
            let short = ids::short(run.brain_run_id);
            candidate(short.trim_start_matches('…'), format!("{} {}", run.brain_title, run.status))
        };
        Ok(page.runs.iter().map(of_run).collect())
    });
    begun(found, current)
}

/// Brains by title.
fn find_brains(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = ask(async |client| {
        let brains = client.brains(&FindBrains::default()).await?;
        let of_brain = |brain: &px_api::BrainSummary| candidate(&brain.title, brain.description.clone());
        Ok(brains.brains.iter().map(of_brain).take(MAX_CANDIDATES).collect())
    });
    begun(found, current)
}

/// Webhooks by slug.
fn find_slugs(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = ask(async |client| {
        let webhooks = client.webhooks().await?;
        let of_webhook = |webhook: &px_api::Webhook| candidate(&webhook.slug, String::new());
        Ok(webhooks.webhooks.iter().map(of_webhook).take(MAX_CANDIDATES).collect())
    });
    begun(found, current)
}

/// Steps of the run that the command line names before, by title.
fn find_steps(current: &OsStr) -> Vec<CompletionCandidate> {
    let words = words();
    let at = words.iter().position(|word| word == "rerun" || word == "fork");
    let Some(run) = at.and_then(|at| words.get(at + 1)).filter(|word| !word.starts_with('-')) else {
        return Vec::new();
    };
    let found = ask(async |client| {
        let Ok(id) = ids::run(&client, run).await else { return Ok(Vec::new()) };
        let run = client.run(&id).await?;
        let of_step = |(at, step): (usize, &px_api::StepStatus)| {
            candidate(&step.title, format!("step {}", at + 1)).display_order(Some(at))
        };
        Ok(run.steps.iter().enumerate().map(of_step).take(MAX_CANDIDATES).collect())
    });
    begun(found, current)
}

/// Deliveries by the last digits of their ids, the newest first.
fn find_deliveries(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = ask(async |client| {
        let query = ListDeliveries { limit: Some(MAX_CANDIDATES), ..ListDeliveries::default() };
        let page = client.deliveries(&query).await?;
        let of_delivery = |delivery: &px_api::DeliverySummary| {
            let short = ids::short(delivery.id);
            let state = delivery.state.as_ref().map_or_else(String::new, |state| format!(" {state}"));
            candidate(short.trim_start_matches('…'), format!("{}{state}", delivery.slug))
        };
        Ok(page.deliveries.iter().map(of_delivery).collect())
    });
    begun(found, current)
}

/// Hooks by name, those without one by the last digits of their ids.
fn find_hooks(current: &OsStr) -> Vec<CompletionCandidate> {
    let found = ask(async |client| {
        let hooks = client.hooks().await?;
        let of_hook = |hook: &px_api::Hook| {
            let short = ids::short(hook.id);
            let name = if hook.name.is_empty() { short.trim_start_matches('…') } else { &hook.name };
            candidate(name, hook.url.clone())
        };
        Ok(hooks.hooks.iter().map(of_hook).take(MAX_CANDIDATES).collect())
    });
    begun(found, current)
}
