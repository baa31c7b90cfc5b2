//! `px tokens list`

use px_core::Timestamp;
use serde_json::{Value, json};

use super::{Place, Way, way};
use crate::context::Context;
use crate::error::Result;
use crate::words;

/// List the tokens, oldest first; never their secrets
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px tokens list\n  px tokens list --json")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let listed = match way(context, args.place, false).await? {
        Way::Server(client) => client.get("/tokens").await?,
        Way::Store(None) => json!({ "count": 0, "tokens": [] }),
        Way::Store(Some(opened)) => {
            let tokens: Vec<Value> = opened
                .tokens
                .list()
                .iter()
                .map(|token| {
                    json!({
                        "id": token.id, "name": token.name, "scope": token.permission.as_str(),
                        "createdAt": token.created_at,
                    })
                })
                .collect();
            opened.close()?;
            json!({ "count": tokens.len(), "tokens": tokens })
        }
    };
    if context.ui.json {
        return context.ui.json(&listed);
    }
    let tokens = listed.get("tokens").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if tokens.is_empty() {
        context.ui.note("No tokens: the API is for this machine only. `px tokens create` makes one.");
        return Ok(());
    }
    let now = context.now();
    let row = |token: &Value| {
        let text = |name: &str| token.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let made = token.get("createdAt").and_then(Value::as_u64).map(Timestamp::from_millis);
        let age = made.map_or_else(String::new, |made| format!("{} ago", words::duration(now.since(made))));
        vec![text("id"), text("name"), text("scope"), age]
    };
    context.ui.table(&["Token", "Name", "Scope", "Made"], tokens.iter().map(row).collect(), &[0])
}
