//! `px secrets delete <name>`

use serde_json::json;

use super::{Way, find, no_store, refused};
use crate::context::{self, Context};
use crate::error::Result;
use crate::way::Place;

/// Delete a secret, and its old values with it; who has read it stays known
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A webhook whose senders it verified believes nobody from then on, until it is set again or px is \
                  started anew.\n\nExamples:\n  px secrets delete STRIPE_KEY"
)]
pub(crate) struct Args {
    /// Its name
    name: String,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let shadow = match find(context, args.place, false).await? {
        Way::Server(client) => {
            // Whoever may delete it may list it.
            let listed = client.secrets().await?.into_value().secrets;
            let is_shadowed = listed.iter().any(|secret| secret.name == args.name && secret.shadowed);
            client.delete_secret(&args.name).await?;
            is_shadowed.then(|| super::SHADOWED.to_owned())
        }
        Way::Nowhere(dir) => return Err(no_store(&args.name, &dir)),
        Way::Store(opened) => {
            let deleted = opened.secrets.remove(&args.name).await;
            opened.close()?;
            deleted.map_err(refused)?;
            context::shadowed(&args.name)
        }
    };
    if context.ui.json {
        return context.ui.json(&json!({ "name": args.name, "deleted": true }));
    }
    context.ui.note(format_args!("{} is deleted.", args.name));
    if let Some(shadow) = shadow {
        context.ui.warn(format_args!("{} still has a value: {shadow}", args.name));
    }
    Ok(())
}
