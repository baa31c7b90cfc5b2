//! `px secrets list`

use px_api::{SecretInfo, Secrets};
use serde_json::json;

use super::{Way, find};
use crate::context::Context;
use crate::error::Result;
use crate::way::Place;

/// List the secrets by name; never their values
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px secrets list\n  px secrets list --json")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (listed, json) = match find(context, args.place, false).await? {
        Way::Server(client) => {
            let answer = client.secrets().await?;
            let json = answer.to_json();
            (answer.into_value(), json)
        }
        Way::Store(opened) => {
            let mut secrets = Vec::new();
            if let Some(opened) = opened {
                secrets.extend(opened.secrets.list().into_iter().map(|secret| SecretInfo {
                    name: secret.name,
                    created_at: secret.created_at.to_string(),
                    updated_at: secret.updated_at.to_string(),
                }));
                opened.close()?;
            }
            let listed = Secrets::from(secrets);
            let json = json!(listed);
            (listed, json)
        }
    };
    if context.ui.json {
        return context.ui.json(&json);
    }
    if listed.secrets.is_empty() {
        context.ui.note("No secrets. `px secrets set NAME` sets one, `px secrets import .env` several.");
        return Ok(());
    }
    let row =
        |secret: &SecretInfo| vec![secret.name.clone(), secret.created_at.clone(), secret.updated_at.clone()];
    let rows = listed.secrets.iter().map(row).collect();
    context.ui.table(&["Secret", "Made", "Last set"], rows, &[0])
}
