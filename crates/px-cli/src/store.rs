//! Opening the store that the configuration names. Every command that works
//! on the store itself comes here, so that one file knows which kind it is.
//!
//! It decides nothing about what a store holds. A store that is being made by
//! a command, for a copy or an import, lies in a directory of its own and is
//! opened by [`open_draft`].

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use px_core::{Clock as _, SystemClock, Timestamp};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};

use crate::config;
use crate::error::{Error, Kind, Result};
use crate::private;

/// A store that this process has locked.
pub(crate) type Opened = Embedded<SledRows>;

/// Time to wait for the lock of a process that is just ending, for a command
/// that needs the store at rest.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Opens the store, and makes it where there is none. Waits for a process
/// that has it locked, for `lock_wait` at most; blocks meanwhile.
///
/// # Errors
/// [`Locked`](px_store::Error::Locked) while another process has it open;
/// everything else is in [`store_error`].
pub(crate) fn open_store(
    config: &config::Store,
    lock_wait: Option<Duration>,
) -> Result<Opened, px_store::Error> {
    check_clock(SystemClock.now())?;
    let defaults = Options::default();
    let options = Options { lock_wait: lock_wait.unwrap_or(defaults.lock_wait), ..defaults };
    // Else the store makes it, as everybody's. Why it cannot be made is the store's to say.
    let _ = private::data_dir(&config.data_dir);
    SledRows::open(&config.data_dir, options).map(Embedded::new)
}

/// Refuses a clock that shows a time before 1970, which px reads as the moment that
/// times count from. Over it sled panics, as it does over damaged files.
fn check_clock(now: Timestamp) -> Result<(), px_store::Error> {
    if now > Timestamp::EPOCH {
        return Ok(());
    }
    let message = "this machine's clock shows a time before 1970: set it, and start px again".to_owned();
    Err(px_store::Error::Io { context: "open the store".to_owned(), message })
}

/// Returns whether there is a store. Locks nothing.
pub(crate) fn exists(config: &config::Store) -> bool {
    SledRows::exists(&config.data_dir)
}

/// Returns why a store cannot be made where there is none. Leaves nothing behind.
pub(crate) fn refusal(config: &config::Store) -> Option<Error> {
    let error = SledRows::refusal(&config.data_dir)?;
    Some(match error {
        px_store::Error::Io { .. } => Error::failed(error.to_string())
            .hint("name a directory that px may make, with store.data_dir in px.toml or PX_DATA_DIR"),
        error => store_error(&error),
    })
}

/// The URL of the server that has a store open, as a client on this machine reaches
/// it: for who has just met [`Locked`](px_store::Error::Locked). `None` where the
/// process that has it open serves nobody, or nobody yet.
pub(crate) fn served_at(config: &config::Store) -> Option<String> {
    let url = SledRows::announced(&config.data_dir)?;
    let address: SocketAddr = url.strip_prefix("http://")?.parse().ok()?;
    Some(config::local_url(address.ip(), address.port()))
}

/// Opens the store if there is one, for a command that nobody may write beside.
///
/// # Errors
/// [`Kind::Conflict`] while a process has it open.
pub(crate) fn open_at_rest(config: &config::Store) -> Result<Option<Opened>> {
    if !exists(config) {
        return Ok(None);
    }
    match open_store(config, Some(LOCK_WAIT)) {
        Ok(store) => Ok(Some(store)),
        Err(error @ px_store::Error::Locked(_)) => Err(Error::new(Kind::Conflict, error.to_string())
            .hint("stop that process first: this needs a store that nobody writes to")),
        Err(error) => Err(store_error(&error)),
    }
}

/// Opens a store that has to be there, as [`open_at_rest`] does.
///
/// # Errors
/// [`Kind::NotFound`] where there is none.
pub(crate) fn require(config: &config::Store) -> Result<Opened> {
    open_at_rest(config)?.ok_or_else(|| {
        Error::not_found(format!("there is no store in {}", config.data_dir.display()))
            .hint("name its directory with --data-dir, PX_DATA_DIR or store.data_dir in px.toml")
    })
}

/// Makes an embedded store in a directory that is not a store's place yet.
pub(crate) fn open_draft(dir: &Path) -> Result<Opened> {
    private::create_dir_all(dir)
        .map_err(|error| Error::failed(format!("cannot make {}: {error}", dir.display())))?;
    let rows = SledRows::open(dir, Options::default());
    rows.map(Embedded::new).map_err(|error| store_error(&error))
}

/// A store's error with what to do next.
pub(crate) fn store_error(error: &px_store::Error) -> Error {
    use px_store::Error as E;
    match error {
        E::Locked(_) => Error::new(Kind::Conflict, error.to_string())
            .hint("another px serves from this directory: stop it, or name another one with --data-dir"),
        E::Full(_) => Error::failed(error.to_string()).hint("make room on the disk, and start it again"),
        E::Poisoned(_) => Error::failed(error.to_string())
            .hint("look at the disk, and start it again: what was acknowledged is kept"),
        E::Fenced => Error::failed(error.to_string()).hint(
            "it or its database stood still for longer than its lease; what it had goes on elsewhere: start it again",
        ),
        E::Corrupt(_) => Error::failed(error.to_string()).hint(
            "px has changed nothing there: keep a copy of the directory, then put a backup of all of it in its place",
        ),
        E::Format { .. } => Error::failed(error.to_string()).hint(
            "px has changed nothing there: serve it with the version that wrote it or a newer one, or serve a backup",
        ),
        _ => Error::failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_before_1970_is_named_and_not_taken_for_damage() {
        let error = store_error(&check_clock(Timestamp::EPOCH).unwrap_err());
        assert!(error.message.contains("before 1970") && !error.message.contains("damaged"), "{error:?}");
        assert!(check_clock(Timestamp::from_millis(1)).is_ok());
    }

    #[test]
    fn a_process_that_others_have_taken_over_says_so_and_is_no_success() {
        let error = store_error(&px_store::Error::Fenced);
        assert!(error.message.contains("taken over by other members of the cluster"), "{error:?}");
        assert!(error.hint.is_some_and(|hint| hint.contains("start it again")));
        assert_eq!(error.kind, Kind::Failed);
        assert_ne!(i32::from(error.kind.exit_code()), 0);
    }
}
