//! `px hooks deliveries`

use px_core::Timestamp;
use px_store::outbox::OutgoingState;
use serde_json::Value;

use super::{explained, path, text};
use crate::client::with_query;
use crate::commands::runs::since;
use crate::context::Context;
use crate::error::Result;
use crate::words;

/// The states of deliveries, and what one that is pending is called while its
/// endpoint is left alone.
const STATES: [&str; 6] = {
    let [pending, delivered, dead, held, discarded] = OutgoingState::ALL;
    [pending.as_str(), delivered.as_str(), dead.as_str(), held.as_str(), discarded.as_str(), "parked"]
};

/// List deliveries, newest first: of a hook, of a run, or all
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  px hooks deliveries\n  px hooks deliveries billing --state dead --since 1d\n  \
                        px hooks deliveries --run run_0197c1f0a1b27000800000000000cafe --json"
)]
pub(crate) struct Args {
    /// The hook's id or name
    hook: Option<String>,

    /// Only of this run
    #[arg(long, value_name = "RUN")]
    run: Option<String>,

    /// Only in this state
    #[arg(long, value_name = "STATE", value_parser = STATES)]
    state: Option<String>,

    /// Only written since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Where the page before this one ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let now = context.now();
    let client = context.client()?;
    let base = match &args.hook {
        Some(hook) => path(&client, hook, "/deliveries").await?,
        None => "/deliveries".to_owned(),
    };
    let path = with_query(
        &base,
        &[
            ("brainRunId", args.run),
            ("state", args.state),
            ("since", args.since.map(|text| since(&text, now)).transpose()?),
            ("limit", Some(args.limit.to_string())),
            ("cursor", args.cursor),
        ],
    );
    let page = client.get(&path).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.json(&page);
    }
    let deliveries = page.get("deliveries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let row = |delivery: &Value| {
        let attempts = delivery.get("attempts").and_then(Value::as_array).map_or(0, Vec::len);
        let time = |name: &str| delivery.get(name).and_then(Value::as_u64).map(Timestamp::from_millis);
        let next = time("nextAttemptAt").map_or("-".to_owned(), |at| match at > now {
            true => format!("in {}", words::duration(at.since(now))),
            false => "now".to_owned(),
        });
        let age = time("createdAt").map_or("-".to_owned(), |at| words::duration(now.since(at)));
        vec![
            text(delivery, "id").to_owned(),
            text(delivery, "type").to_owned(),
            text(delivery, "brainRunId").to_owned(),
            text(delivery, "state").to_owned(),
            attempts.to_string(),
            next,
            age,
        ]
    };
    let rows: Vec<_> = deliveries.iter().map(row).collect();
    if rows.is_empty() {
        context.ui.note("No deliveries.");
    } else {
        let header = ["Delivery", "Type", "Run", "State", "Attempts", "Next", "Age"];
        context.ui.table(&header, rows, &[0, 3])?;
    }
    if let Some(cursor) = page.get("nextCursor").and_then(Value::as_str) {
        context.ui.note(format_args!("There may be more: --cursor {cursor}"));
    }
    Ok(())
}
