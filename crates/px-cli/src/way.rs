//! The way to what lies in the store and is changed by hand: through the server that
//! has it open, else into the store itself, by whoever may write its files. Which server
//! that is says the directory's lock: another one has another store.

use std::path::PathBuf;
use std::time::Duration;

use px_client::Client;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::store::{self, open_store, store_error};

/// Time to wait for the lock of a process that is just ending.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Advice about a store that is open and not served.
const NOT_SERVED: &str =
    "that process serves nobody, or nobody yet: wait until it does or is done, or stop it";

/// Place of the store.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// The data directory; a px that serves from it is asked, wherever it listens
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data_dir: Option<PathBuf>,
}

/// A way to what the store holds.
pub(crate) enum Way {
    /// Through the server that has the store open.
    Server(Client),
    /// The store itself, and its directory; none if there is none yet.
    Store(Option<(store::Opened, PathBuf)>),
}

/// Finds the way. `makes` makes a store where there is none.
pub(crate) fn find(context: &Context, place: Place, makes: bool) -> Result<Way> {
    if context.explicit_url().is_some() {
        return Ok(Way::Server(context.client()?));
    }
    let config = context.store_config(place.data_dir)?;
    if !makes && !store::exists(&config) {
        return Ok(Way::Store(None));
    }
    match open_store(&config, Some(LOCK_WAIT)) {
        Ok(store) => Ok(Way::Store(Some((store, config.data_dir)))),
        Err(error @ px_store::Error::Locked(_)) => {
            let client = context.client_of(&config)?;
            client
                .map(Way::Server)
                .ok_or_else(|| Error::new(Kind::Conflict, error.to_string()).hint(NOT_SERVED))
        }
        Err(error) => Err(store_error(&error)),
    }
}
