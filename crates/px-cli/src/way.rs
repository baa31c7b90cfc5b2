//! The way to what lies in the store and is changed by hand: through the server that
//! has it open, else into the store itself, by whoever may write its files. Which server
//! that is says the directory's lock: another one has another store.

use std::path::{Path, PathBuf};
use std::time::Duration;

use px_client::Client;

use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::store::{self, open_store, store_error};
use crate::ui::Ui;

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
    /// The store itself.
    Store(Found),
    /// There is no store in this directory.
    Nowhere(PathBuf),
}

/// A store that this process has opened, since nobody serves it.
pub(crate) struct Found {
    pub(crate) store: store::Opened,
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// True if it was made just now.
    is_new: bool,
}

impl Found {
    /// Tells which store a command works on: no server has said so.
    pub(crate) fn tell(&self, ui: Ui) {
        if !ui.json {
            let dir = absolute(&self.dir);
            ui.note(match self.is_new {
                true => format!("(there was no store: made one in {dir})"),
                false => format!("(nobody serves it: this is the store in {dir})"),
            });
        }
    }
}

/// A directory as it is told.
pub(crate) fn absolute(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()).display().to_string()
}

/// Finds the way. `makes` makes a store where there is none.
pub(crate) fn find(context: &Context, place: Place, makes: bool) -> Result<Way> {
    if makes {
        may_make(context, &place)?;
    }
    if context.explicit_url().is_some() {
        return Ok(Way::Server(context.client()?));
    }
    let config = context.store_config(place.data_dir)?;
    let is_new = !store::exists(&config);
    if is_new && !makes {
        return Ok(Way::Nowhere(config.data_dir));
    }
    match open_store(&config, Some(LOCK_WAIT)) {
        Ok(store) => Ok(Way::Store(Found { store, dir: config.data_dir, is_new })),
        Err(error @ px_store::Error::Locked(_)) => {
            let client = context.client_of(&config)?;
            client
                .map(Way::Server)
                .ok_or_else(|| Error::new(Kind::Conflict, error.to_string()).hint(NOT_SERVED))
        }
        Err(error) => Err(store_error(&error)),
    }
}

/// Refuses to make a store in a folder that is nobody's: it would be a new one beside the one that is meant,
/// and what is put there would be missed where px serves.
///
/// # Errors
/// [`Kind::Usage`] if there is neither a store nor a px.toml, and nothing has named a directory.
pub(crate) fn may_make(context: &Context, place: &Place) -> Result<()> {
    if place.data_dir.is_some() || context.explicit_url().is_some() || context.names_store() {
        return Ok(());
    }
    let config = context.store_config(None)?;
    if store::exists(&config) {
        return Ok(());
    }
    let here = absolute(Path::new("."));
    Err(Error::usage(format!("{here} is no px project: it has neither a px.toml nor a store")).hint(format!(
        "go to the project's folder, or name the data directory: `--data-dir {}` makes one here",
        config.data_dir.display()
    )))
}
