//! `px webhooks deliveries replay`

use px_store::InboxState;
use serde_json::{Value, json};

use super::explained;
use crate::client::{Client, encode, with_query};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// How many deliveries one command replays, at most.
const MAX_REPLAYED: usize = 1_000;

/// Have a delivery handled again, or every delivery in a state
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The handler runs again on the stored bytes and headers, and nothing is looked up as a duplicate. A \
                  quarantined delivery is done over in its own row; any other one becomes a new delivery.\n\n\
                  Exit codes: 0 if everything was taken, 1 if something was refused again, 4 if a delivery cannot be \
                  replayed.\n\n\
                  Examples:\n  px webhooks deliveries replay whd_0197c1f0a1b27000800000000000cafe\n  \
                  px webhooks deliveries replay --state quarantined --slug github"
)]
pub(crate) struct Args {
    /// The delivery's id
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
    let ids = match args.delivery {
        Some(id) => vec![id],
        None => found(&client, args.state, args.slug, args.limit.min(MAX_REPLAYED)).await?,
    };
    if ids.is_empty() {
        context.ui.note("No deliveries.");
        return Ok(());
    }
    let several = ids.len() > 1;
    let mut refused = 0;
    for id in &ids {
        match client.post(&format!("/webhooks/deliveries/{}/replay", encode(id)), &json!({})).await {
            Ok(answer) => print(context, id, &answer)?,
            Err(error) if several && !matches!(error.kind, Kind::Unreachable) => {
                refused += 1;
                context.ui.warn(format_args!("{id}: {}", error.message));
            }
            Err(error) => return Err(explained(error, id)),
        }
    }
    if refused > 0 {
        return Err(Error::failed(format!("{refused} of {} deliveries were refused again", ids.len()))
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
    let mut cursor = None;
    loop {
        let path = with_query(
            "/webhooks/deliveries",
            &[
                ("slug", slug.clone()),
                ("state", state.clone()),
                ("limit", Some(limit.clamp(1, MAX_REPLAYED).to_string())),
                ("cursor", cursor),
            ],
        );
        let page = client.get(&path).await?;
        let items = page.get("deliveries").and_then(Value::as_array).into_iter().flatten();
        ids.extend(items.filter_map(|delivery| delivery.get("id")?.as_str().map(str::to_owned)));
        cursor = page.get("nextCursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() || ids.len() >= limit {
            ids.truncate(limit);
            ids.reverse();
            return Ok(ids);
        }
    }
}

fn print(context: &Context, id: &str, answer: &Value) -> Result<()> {
    if context.ui.json {
        return context.ui.json_line(answer);
    }
    let mut line = id.to_owned();
    for name in ["action", "identifier", "brainRunId", "reason"] {
        if let Some(text) = answer.get(name).and_then(Value::as_str) {
            line.push(' ');
            line.push_str(text);
        }
    }
    if let Some(new) = answer.get("deliveryId").and_then(Value::as_str).filter(|new| *new != id) {
        line.push_str(&format!(" as {new}"));
    }
    context.ui.line(line)
}
