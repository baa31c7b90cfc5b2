//! `px kv get`

use px_api::StoreValue;
use px_core::KvId;
use serde_json::{Value, json};

use super::missing::no_key;
use super::{Name, Way, find};
use crate::context::Context;
use crate::error::Result;
use crate::store::store_error;
use crate::way::Place;

/// Show a value, as JSON
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px kv get customer-feedback answers\n  \
                        px kv get customer-feedback greeted --scope customer-7\n  \
                        px kv get customer-feedback answers --json   with its size and its time")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let Name { brain, key, scope } = args.name;
    let (way, id) = (find(context, args.place)?, KvId { brain, scope, key });
    let found = match value(&way, &id).await {
        Ok(found) => found,
        Err(error) => return Err(way.explained(context, &id, error).await),
    };
    if let Way::Store(opened) = way {
        opened.close()?;
    }
    if context.ui.json {
        return context.ui.json_of::<StoreValue>(&found);
    }
    context.ui.json(found.get("value").unwrap_or(&Value::Null))
}

/// A value as the server shows it.
async fn value(way: &Way, id: &KvId) -> Result<Value> {
    match way {
        Way::Server(client) => Ok(client.store_value(&id.brain, &id.scope, &id.key).await?.to_json()),
        Way::Store(opened) => {
            let found = opened.values.value(id.clone()).await.map_err(|error| store_error(&error))?;
            found.map(|found| json!(found)).ok_or_else(|| no_key(&id.key))
        }
    }
}
