//! `px secrets list`

use std::path::Path;

use px_api::{SecretInfo, Secrets};
use px_core::Scope;
use px_store::Store as _;
use px_store::secrets::SecretRecord;
use serde_json::json;

use super::open;
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::store::store_error;
use crate::way::{self, Place};

/// List the secrets by name; never their values
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px secrets list\n  px secrets list --json")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut closed = Ok(());
    let mut nowhere = None;
    // The advice is no command that is refused.
    let refused = way::may_make(context, &args.place).err();
    let (listed, json) = match way::find(context, args.place, false)? {
        way::Way::Server(client) => {
            let answer = client.secrets().await?;
            let json = answer.to_json();
            (answer.into_value(), json)
        }
        way::Way::Nowhere(dir) => {
            nowhere = Some(dir);
            let none = Secrets::from(Vec::new());
            let json = json!(none);
            (none, json)
        }
        way::Way::Store(found) => {
            found.tell(context.ui);
            let listed = Secrets::from(of_store(context, &found).await?);
            // What a full disk keeps from being brought to rest is read all the same.
            closed = found.store.close().map_err(|error| store_error(&error));
            let json = json!(listed);
            (listed, json)
        }
    };
    if context.ui.json {
        context.ui.json_of::<Secrets>(&json)?;
        return closed;
    }
    if listed.secrets.is_empty() {
        context.ui.note(none(nowhere.as_deref(), refused));
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

/// Says that there are none, in this directory if it has no store, and how there would be some; `refused` is why
/// no store is made there.
fn none(nowhere: Option<&Path>, refused: Option<Error>) -> String {
    let place =
        nowhere.map(|dir| format!(": there is no store in {}", way::absolute(dir))).unwrap_or_default();
    match (nowhere, refused.and_then(|refused| refused.hint)) {
        (Some(_), Some(hint)) => format!("No secrets{place}. To have some, {hint}."),
        _ => format!("No secrets{place}. `px secrets set NAME` sets one, `px secrets import .env` several."),
    }
}

/// The secrets of a store. Names and times need no key: without it, or with another one, they are listed as
/// those that cannot be decrypted.
async fn of_store(context: &Context, found: &way::Found) -> Result<Vec<SecretInfo>> {
    let opened = open(&found.store, &found.dir).await;
    let (list, unreadable) = match opened {
        Ok(secrets) => (secrets.list(), secrets.unreadable()),
        Err(error) => {
            let rows = px_store::secrets::list(&found.store, Scope::default()).await;
            let list: Vec<_> =
                rows.map_err(|error| store_error(&error))?.into_iter().map(|row| row.record).collect();
            let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            context.ui.warn(format_args!("{}{hint}", error.message));
            let names = list.iter().map(|secret| secret.name.clone()).collect();
            (list, names)
        }
    };
    let info = |secret: SecretRecord| SecretInfo {
        created_at: secret.created_at.to_string(),
        updated_at: secret.updated_at.to_string(),
        old_value_until: secret.old_value_until(context.now()).map(|until| until.to_string()),
        unreadable: unreadable.contains(&secret.name),
        shadowed: context::shadowed(&secret.name).is_some(),
        unchanged: false,
        name: secret.name,
    };
    Ok(list.into_iter().map(info).collect())
}

/// Returns what to know about a secret.
fn noted(secret: &SecretInfo) -> String {
    let unreadable =
        secret.unreadable.then(|| "cannot be decrypted: put its key back, or set it anew".to_owned());
    let shadowed = secret.shadowed.then(|| "the environment has a value, which comes first".to_owned());
    let old = secret
        .old_value_until
        .as_ref()
        .map(|until| format!("values before it count until {until} at the latest"));
    [unreadable, shadowed, old].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
