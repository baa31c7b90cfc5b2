//! `px secrets …`: values that steps, handlers, verifiers and hooks read by name. They
//! lie in the store, sealed. While a server has it open they are changed through that
//! server; else in the store itself, by whoever may write its files.

mod delete;
mod get;
mod import;
mod list;
mod prompt;
mod reads;
mod rekey;
mod set;

use std::path::Path;
use std::sync::Arc;

use clap::Subcommand;
use px_client::Client;
use px_core::{Ids, Scope, SystemClock};
use px_secrets::{KeyParts, Secrets, key};
use px_store::Store;

use crate::config::key as config_key;
use crate::context::{Context, env};
use crate::error::{Error, Kind, Result};
use crate::store::{self, store_error};
use crate::way::{self, Place};

/// Secrets: values that brains, webhooks and hooks read by name
#[derive(Debug, Subcommand)]
#[command(
    after_help = "A name is looked for in the environment first (NAME, then the file that NAME_FILE names), then here. A \
                  value is given on stdin or at a prompt, never as an argument, and is never shown again.\n\n\
                  set, list, delete and import go to the server if it runs, and need an admin's PX_TOKEN as soon as \
                  there are tokens; if it does not run, they go to its data directory. reads needs a server that runs, \
                  rekey one that does not."
)]
pub(crate) enum Command {
    Set(set::Args),
    List(list::Args),
    #[command(hide = true, alias = "show")]
    Get(get::Args),
    Delete(delete::Args),
    Import(import::Args),
    Reads(reads::Args),
    Rekey(rekey::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let done = match self {
            Self::Reads(args) => return reads::run(context, args).await,
            Self::Rekey(args) => return rekey::run(context, args).await,
            Self::Get(args) => return get::run(args),
            Self::Set(args) => set::run(context, args).await,
            Self::List(args) => list::run(context, args).await,
            Self::Delete(args) => delete::run(context, args).await,
            Self::Import(args) => import::run(context, args).await,
        };
        done.map_err(|error| context.or_without_url(error))
    }
}

/// Reason that nobody gets the value of the store, where a server says so.
const SHADOWED: &str = "the environment of the server, or a file that it names, has one, which comes first";

/// A way to the secrets.
enum Way {
    /// Through the server that has the store open.
    Server(Client),
    /// The store itself; none if there is none yet.
    Store(Option<Opened>),
}

struct Opened {
    secrets: Secrets,
    store: store::Opened,
}

impl Opened {
    /// Brings the store to rest.
    fn close(self) -> Result<()> {
        self.store.close().map_err(|error| store_error(&error))
    }
}

/// Finds the way. `makes` makes a store where there is none.
async fn find(context: &Context, place: Place, makes: bool) -> Result<Way> {
    Ok(match way::find(context, place, makes)? {
        way::Way::Server(client) => Way::Server(client),
        way::Way::Store(None) => Way::Store(None),
        way::Way::Store(Some((store, dir))) => {
            let parts = parts(&store, &dir).await?;
            key::prove_key(&parts, false).await.map_err(other_key)?;
            let secrets = Secrets::open(parts).await.map_err(|error| store_error(&error))?;
            Way::Store(Some(Opened { secrets, store }))
        }
    })
}

/// What seals and opens in a store that this process has locked.
async fn parts(store: &store::Opened, dir: &Path) -> Result<KeyParts> {
    let store: Arc<dyn Store> = Arc::new(store.clone());
    let vault = config_key::of_store(dir, &store, &env, false).await?;
    Ok(KeyParts {
        store,
        clock: Arc::new(SystemClock),
        ids: Arc::new(Ids::new()),
        scope: Scope::default(),
        vault,
    })
}

fn other_key(error: key::Error) -> Error {
    match error {
        key::Error::Store(error) => store_error(&error),
        error => Error::failed(error.to_string()).hint(config_key::LOST_KEY),
    }
}

fn refused(error: px_secrets::Error) -> Error {
    match error {
        px_secrets::Error::NotFound(_) => {
            Error::not_found(error.to_string()).hint("`px secrets list` prints the names of all")
        }
        px_secrets::Error::Store(error) => store_error(&error),
        px_secrets::Error::TooMany => Error::new(Kind::Conflict, error.to_string()),
        other => Error::usage(other.to_string()),
    }
}
