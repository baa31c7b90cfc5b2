//! `px secrets list`

use px_api::{SecretInfo, Secrets};
use serde_json::json;

use super::{Way, find};
use crate::context::{self, Context};
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
    let mut closed = Ok(());
    let (listed, json) = match find(context, args.place, false).await? {
        Way::Server(client) => {
            let answer = client.secrets().await?;
            let json = answer.to_json();
            (answer.into_value(), json)
        }
        Way::Store(opened) => {
            let mut secrets = Vec::new();
            if let Some(opened) = opened {
                let unreadable = opened.secrets.unreadable();
                secrets.extend(opened.secrets.list().into_iter().map(|secret| SecretInfo {
                    created_at: secret.created_at.to_string(),
                    updated_at: secret.updated_at.to_string(),
                    old_value_until: secret.old_value_until(context.now()).map(|until| until.to_string()),
                    unreadable: unreadable.contains(&secret.name),
                    shadowed: context::shadowed(&secret.name).is_some(),
                    unchanged: false,
                    name: secret.name,
                }));
                // What a full disk keeps from being brought to rest is read all the same.
                closed = opened.close();
            }
            let listed = Secrets::from(secrets);
            let json = json!(listed);
            (listed, json)
        }
    };
    if context.ui.json {
        context.ui.json(&json)?;
        return closed;
    }
    if listed.secrets.is_empty() {
        context.ui.note("No secrets. `px secrets set NAME` sets one, `px secrets import .env` several.");
        return closed;
    }
    let has_notes = listed.secrets.iter().any(|secret| !noted(secret).is_empty());
    let row = |secret: &SecretInfo| {
        let mut row = vec![secret.name.clone(), secret.created_at.clone(), secret.updated_at.clone()];
        row.extend(has_notes.then(|| noted(secret)));
        row
    };
    let rows = listed.secrets.iter().map(row).collect();
    let header: &[&str] =
        if has_notes { &["Secret", "Made", "Last set", "Note"] } else { &["Secret", "Made", "Last set"] };
    context.ui.table(header, rows, &[0])?;
    closed
}

/// Returns what to know about a secret.
fn noted(secret: &SecretInfo) -> String {
    let unreadable = secret.unreadable.then(|| "cannot be decrypted: set it anew".to_owned());
    let shadowed = secret.shadowed.then(|| "the environment has a value, which comes first".to_owned());
    let old = secret.old_value_until.as_ref().map(|until| format!("the value before counts until {until}"));
    [unreadable, shadowed, old].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
