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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use px_client::Client;
use px_core::hook::Secrets as Values;
use px_core::{Ids, Scope, SystemClock, Timestamp};
use px_outbound::operate;
use px_secrets::{KeyParts, Secrets, key};
use px_store::Store;
use px_store::secrets::SecretRecord;
use serde_json::Value;

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
                  there are tokens; if it does not run, they go to its data directory, and say which that is. set and \
                  import make a store where there is none, in the folder of a px.toml or the directory that --data-dir or \
                  PX_DATA_DIR names. reads needs a server that runs, rekey one that does not."
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
    /// The store itself.
    Store(Opened),
    /// There is no store in this directory.
    Nowhere(PathBuf),
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

/// Finds the way, and tells which store it leads to. `makes` makes a store where there is none.
async fn find(context: &Context, place: Place, makes: bool) -> Result<Way> {
    Ok(match way::find(context, place, makes)? {
        way::Way::Server(client) => Way::Server(client),
        way::Way::Nowhere(dir) => Way::Nowhere(dir),
        way::Way::Store(found) => {
            found.tell(context.ui);
            let way::Found { store, dir, .. } = found;
            Way::Store(Opened { secrets: open(&store, &dir).await?, store })
        }
    })
}

/// The secrets of a store that this process has locked, under its key.
async fn open(store: &store::Opened, dir: &Path) -> Result<Secrets> {
    let parts = parts(store, dir).await?;
    key::prove_key(&parts, false).await.map_err(other_key)?;
    Secrets::open(parts).await.map_err(|error| store_error(&error))
}

/// The refusal to look for a secret where there is no store.
fn no_store(name: &str, dir: &Path) -> Error {
    Error::not_found(px_secrets::Error::NotFound(name.to_owned()).to_string()).hint(format!(
        "there is no store in {}: name its directory with --data-dir or PX_DATA_DIR",
        way::absolute(dir)
    ))
}

/// Time that the value before a secret's new one still counts, of a flag. The text is not repeated: whoever
/// mistakes the flag may have given the value.
fn grace(text: &str) -> Result<Duration> {
    let grace = operate::duration("--grace", &Value::from(text))
        .map_err(|_| Error::usage(format!("--grace: {}", px_secrets::Error::GraceForm)))?;
    if grace > Values::MAX_GRACE {
        return Err(Error::usage(px_secrets::Error::Grace.to_string()));
    }
    Ok(grace)
}

/// Time until which the value before that of each secret counts, by name.
fn old_values(secrets: &Secrets, now: Timestamp) -> BTreeMap<String, String> {
    let until = |secret: SecretRecord| Some((secret.old_value_until(now)?.to_string(), secret.name));
    secrets.list().into_iter().filter_map(until).map(|(until, name)| (name, until)).collect()
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
