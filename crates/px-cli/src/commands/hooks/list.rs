//! `px hooks list`

use px_api::{CallbackState, Hook, HookStats};
use px_core::Timestamp;

use super::{names, or_dash};
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::{status, words};

/// List the hooks that are told of many runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks list\n  px hooks list --json")]
pub(crate) struct Args {
    /// Show whole ids
    #[arg(long)]
    wide: bool,

    /// Print the ids and nothing else, one a line
    #[arg(long, short)]
    quiet: bool,
}

/// Number of hooks whose deliveries are counted.
const MAX_STATS: usize = 50;

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let listed = client.hooks().await?;
    if context.ui.json {
        return context.ui.answer(&listed);
    }
    if listed.hooks.is_empty() {
        context.ui.note("No hooks. `px hooks create <URL>` makes one; [[hooks]] in px.toml, too.");
        return Ok(());
    }
    if args.quiet {
        return listed.hooks.iter().try_for_each(|hook| context.ui.line(hook.id));
    }
    let now = context.now();
    let mut rows = Vec::with_capacity(listed.hooks.len());
    for (at, hook) in listed.hooks.iter().enumerate() {
        // Each costs the server a look at its deliveries.
        let stats = if at < MAX_STATS { client.hook_stats(hook.id).await.ok() } else { None };
        rows.push(row(hook, stats.as_deref(), now, args.wide));
    }
    let head = ["Hook", "Name", "URL", "Events", "Brains", "State", "Due", "Delivered"];
    context.ui.styled_table(&head, rows, &[0], status::column(0, 5))
}

fn row(hook: &Hook, stats: Option<&HookStats>, now: Timestamp, is_wide: bool) -> Vec<String> {
    let name = Some(&hook.name).filter(|name| !name.is_empty());
    let parked = stats.and_then(|stats| stats.parked_until).filter(|until| *until > now);
    let state = match (hook.enabled, parked) {
        (false, _) => "disabled".to_owned(),
        (true, Some(until)) => format!("⚡ parked {}", words::age(until.since(now))),
        (true, None) => "enabled".to_owned(),
    };
    let of =
        |state: CallbackState| stats.and_then(|stats| stats.states.get(&state)).copied().unwrap_or_default();
    let due = of(CallbackState::Pending);
    let oldest = stats.and_then(|stats| stats.oldest_pending_at).filter(|_| due > 0);
    let oldest = oldest.map_or(String::new(), |at| format!(", oldest {}", words::age(now.since(at))));
    let delivered = stats.map_or_else(
        || "-".to_owned(),
        |stats| format!("{} of {}", of(CallbackState::Delivered), stats.deliveries),
    );
    vec![
        if is_wide { hook.id.to_string() } else { ids::short(hook.id) },
        or_dash(name),
        hook.url.clone(),
        names(&hook.events),
        names(&hook.brains),
        state,
        if due == 0 { "-".to_owned() } else { format!("{due}{oldest}") },
        delivered,
    ]
}
