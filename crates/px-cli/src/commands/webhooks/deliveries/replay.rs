//! `px webhooks deliveries replay`

use px_api::{Accepted, ListDeliveries};
use px_client::Client;
use px_store::InboxState;
use serde_json::Value;

use super::explained;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ids;

/// Maximum number of deliveries that one command replays.
const MAX_REPLAYED: usize = 1_000;

/// Have a delivery handled again, or every delivery in a state
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The handler runs again on the stored bytes and headers. A quarantined delivery is done over in its own \
                  row, and is a duplicate if another one has done its events meanwhile. Any other one becomes a new \
                  delivery, and nothing is looked up as a duplicate.\n\n\
                  Exit codes: 0 if everything was taken, 1 if something was refused again, 4 if a delivery cannot be \
                  replayed.\n\n\
                  Examples:\n  px webhooks deliveries replay whd_0197c1f0a1b27000800000000000cafe\n  \
                  px webhooks deliveries replay --state quarantined --slug github"
)]
pub(crate) struct Args {
    /// The delivery: its id, the id's last digits (4 or more), or @last, @last:STATE
    #[arg(required_unless_present = "state", conflicts_with = "state")]
    delivery: Option<String>,

    /// Every delivery with an event in this state, oldest first
    #[arg(long, value_name = "STATE", value_parser = InboxState::ALL.map(InboxState::as_str))]
    state: Option<String>,

    /// Only of this webhook
    #[arg(long, value_name = "SLUG", requires = "state")]
    slug: Option<String>,

    /// At most this many, the newest ones
    #[arg(long, default_value_t = MAX_REPLAYED, requires = "state")]
    limit: usize,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let found_ids = match args.delivery {
        Some(id) => vec![ids::delivery(&client, &id).await?],
        None => found(&client, args.state, args.slug, args.limit.min(MAX_REPLAYED)).await?,
    };
    if found_ids.is_empty() {
        context.ui.note("No deliveries.");
        return Ok(());
    }
    let several = found_ids.len() > 1;
    let mut refused = 0;
    for id in &found_ids {
        match client.replay_delivery(id).await {
            Ok(answer) => print(context, id, answer.into_value())?,
            Err(error) if several && error.status().is_some() => {
                refused += 1;
                context.ui.warn(format_args!("{id}: {error}"));
            }
            Err(error) => return Err(explained(error, id)),
        }
    }
    if refused > 0 {
        return Err(Error::failed(format!("{refused} of {} deliveries were refused again", found_ids.len()))
            .hint("`px webhooks deliveries show <id>` says why"));
    }
    Ok(())
}

/// The ids in a state, oldest first.
async fn found(
    client: &Client,
    state: Option<String>,
    slug: Option<String>,
    limit: usize,
) -> Result<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    let limit = limit.clamp(1, MAX_REPLAYED);
    let mut query = ListDeliveries { slug, state, limit: Some(limit), ..ListDeliveries::default() };
    loop {
        let page = client.deliveries(&query).await?.into_value();
        ids.extend(page.deliveries.iter().map(|delivery| delivery.id.to_string()));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() || ids.len() >= limit {
            ids.truncate(limit);
            ids.reverse();
            return Ok(ids);
        }
    }
}

fn print(context: &Context, id: &str, answer: Value) -> Result<()> {
    if context.ui.json {
        return context.ui.json_line(&answer);
    }
    let mut line = id.to_owned();
    // A handshake, or a webhook with an answer of its own, says nothing of a delivery.
    if let Ok(accepted) = serde_json::from_value::<Accepted>(answer) {
        let run = accepted.brain_run_id.map(|run| run.to_string());
        let words = [Some(accepted.action.as_str()), accepted.identifier.as_deref(), run.as_deref()];
        for word in words.into_iter().chain([accepted.reason.as_deref()]).flatten() {
            line.push(' ');
            line.push_str(word);
        }
        let new = accepted.delivery_id.to_string();
        if new != id {
            line.push_str(&format!(" as {new}"));
        }
    }
    context.ui.line(line)
}
