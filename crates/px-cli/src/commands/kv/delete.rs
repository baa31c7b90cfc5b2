//! `px kv delete`

use px_core::KvId;
use serde_json::json;

use crate::context::Context;
use crate::error::{Error, Result};

/// Remove a value, or all values of a brain
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs that read it next find none. A step that has read it already and is about to write runs again.\n\n\
                        Examples:\n  px kv delete customer-feedback answers\n  \
                        px kv delete customer-feedback greeted --scope customer-7\n  \
                        px kv delete customer-feedback --all"
)]
pub(crate) struct Args {
    /// The brain's title
    brain: String,

    /// The key
    key: Option<String>,

    /// The scope, if the value is not shared by all runs of the brain
    #[arg(long, value_name = "SCOPE", default_value = KvId::SHARED, conflicts_with = "all")]
    scope: String,

    /// Every value of the brain, in all scopes
    #[arg(long, conflicts_with = "key")]
    all: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let Args { brain, key, scope, .. } = args;
    let Some(key) = key else {
        if !args.all {
            return Err(Error::usage("which value is to be removed?").hint("say its key, or --all"));
        }
        let cleared = client.clear_store(&brain).await?;
        if context.ui.json {
            return context.ui.json(&cleared.to_json());
        }
        let count = crate::show::words::count(cleared.deleted, "value");
        context.ui.note(format_args!("Removed {count} of {brain}."));
        return Ok(());
    };
    client.delete_store_value(&brain, &scope, &key).await?;
    if context.ui.json {
        // The route answers 204, without a body.
        return context.ui.json(&json!({ "brain": brain, "scope": scope, "key": key, "deleted": true }));
    }
    context.ui.note(format_args!("Removed {key} of {brain}."));
    Ok(())
}
