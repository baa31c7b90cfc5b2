//! `px kv delete`

use px_api::ClearedStore;
use px_core::KvId;
use serde_json::json;

use super::missing::no_key;
use super::{Way, find};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::show::words;
use crate::store::store_error;
use crate::way::Place;

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

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let Args { brain, key, scope, all, place } = args;
    let Some(key) = key else {
        if !all {
            return Err(Error::usage("which value is to be removed?").hint("say its key, or --all"));
        }
        return clear(context, find(context, place)?, &brain).await;
    };
    let (way, id) = (find(context, place)?, KvId { brain, scope, key });
    if let Err(error) = remove(&way, &id).await {
        return Err(way.explained(context, &id, error).await);
    }
    if let Way::Store(opened) = way {
        opened.close()?;
    }
    let KvId { brain, scope, key } = id;
    if context.ui.json {
        // The route answers 204, without a body.
        return context.ui.json(&json!({ "brain": brain, "scope": scope, "key": key, "deleted": true }));
    }
    context.ui.note(format_args!("Removed {key} of {brain}."));
    Ok(())
}

async fn remove(way: &Way, id: &KvId) -> Result<()> {
    match way {
        Way::Server(client) => Ok(client.delete_store_value(&id.brain, &id.scope, &id.key).await?),
        Way::Store(opened) => {
            let is_done = opened.values.remove(id).await.map_err(|error| store_error(&error))?;
            if is_done { Ok(()) } else { Err(no_key(&id.key)) }
        }
    }
}

async fn clear(context: &Context, way: Way, brain: &str) -> Result<()> {
    let cleared = match &way {
        Way::Server(client) => client.clear_store(brain).await?.into_value(),
        Way::Store(opened) => {
            let deleted = opened.values.clear(brain).await.map_err(|error| store_error(&error))?;
            ClearedStore { deleted }
        }
    };
    if cleared.deleted == 0 {
        way.known(context, brain).await?;
    }
    if let Way::Store(opened) = way {
        opened.close()?;
    }
    if context.ui.json {
        return context.ui.json_of::<ClearedStore>(&json!(cleared));
    }
    let count = words::count(cleared.deleted, "value");
    context.ui.note(format_args!("Removed {count} of {brain}."));
    Ok(())
}
