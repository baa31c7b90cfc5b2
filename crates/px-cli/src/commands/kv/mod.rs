//! `px kv …`: values that outlive runs, through the server that has their store open; else in the store
//! itself, by whoever may write its files.

mod delete;
mod get;
mod list;
mod missing;

use std::sync::Arc;

use clap::Subcommand;
use px_client::Client;
use px_core::{Ids, KvId, Scope, SystemClock};
use px_server::Values;
use px_store::Store as _;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::{self, store_error};
use crate::way::{self, Place};

/// Values that outlive runs: what steps keep by `cx.kv`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "A value belongs to a brain, by its title, and is shared by all its runs, unless the step has named a scope. \
                  Steps write values; here they are looked at and removed.\n\n\
                  These commands go to the server if it runs, and to its data directory if it does not, and say which that is."
)]
pub(crate) enum Command {
    List(list::Args),
    Get(get::Args),
    Delete(delete::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let done = match self {
            Self::List(args) => list::run(context, args).await,
            Self::Get(args) => get::run(context, args).await,
            Self::Delete(args) => delete::run(context, args).await,
        };
        done.map_err(|error| context.or_without_url(error))
    }
}

/// The name of a value.
#[derive(Debug, clap::Args)]
struct Name {
    /// The brain's title
    brain: String,

    /// The key
    key: String,

    /// The scope, if the value is not shared by all runs of the brain
    #[arg(long, value_name = "SCOPE", default_value = KvId::SHARED)]
    scope: String,
}

/// A way to the values.
enum Way {
    /// Through the server that has the store open.
    Server(Client),
    /// The store itself.
    Store(Opened),
}

/// A store that this process has opened.
struct Opened {
    values: Values,
    store: store::Opened,
}

impl Opened {
    /// Brings the store to rest.
    fn close(self) -> Result<()> {
        self.store.close().map_err(|error| store_error(&error))
    }
}

/// Finds the way, and tells which store it leads to.
///
/// # Errors
/// There is no store.
fn find(context: &Context, place: Place) -> Result<Way> {
    match way::find(context, place, false)? {
        way::Way::Server(client) => Ok(Way::Server(client)),
        way::Way::Nowhere(dir) => {
            Err(Error::not_found(format!("there is no store in {}", way::absolute(&dir)))
                .hint("name its directory with --data-dir, PX_DATA_DIR or store.data_dir in px.toml"))
        }
        way::Way::Store(found) => {
            found.tell(context.ui);
            let values = Values {
                store: Arc::new(found.store.clone()),
                clock: Arc::new(SystemClock),
                ids: Arc::new(Ids::new()),
                scope: Scope::default(),
            };
            Ok(Way::Store(Opened { values, store: found.store }))
        }
    }
}
