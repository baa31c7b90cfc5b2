//! The key that secrets rest under: `PX_SECRET_KEY`, else the file `secret.key` in the
//! data directory.
//!
//! While `px secrets rekey` changes it there are two. The new one lies in
//! `secret.key.next` until all is sealed anew, and takes the name of the old one then, which stays as
//! `secret.key.old`: copies of the store from before rest under it.
//! Whoever finds both reads what rests under either; whoever opens the store finishes
//! what only lacks the name. Of two variables the one that is the store's seals.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use px_core::Scope;
use px_secrets::key;
use px_secrets::vault::{self, Vault};
use px_store::Store;
use secrecy::zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::store::store_error;

/// The file of the key, in the data directory.
pub(crate) const KEY_FILE: &str = "secret.key";

/// The file of the key that is about to take its place.
pub(crate) const NEXT_FILE: &str = "secret.key.next";

/// The file of the key that was the store's before; of a second one, that with a number behind.
pub(crate) const OLD_FILE: &str = "secret.key.old";

/// The variable of the key, and that of the one that is about to take its place.
pub(crate) const VARIABLE: &str = "PX_SECRET_KEY";
pub(crate) const NEXT_VARIABLE: &str = "PX_SECRET_KEY_NEW";

/// Advice about a key that is missing or another one.
pub(crate) const LOST_KEY: &str = "put the store's key back, as that file or as PX_SECRET_KEY: after `px secrets \
                                   rekey` that is the new one, and for a copy from before it the old one, which it left in \
                                   secret.key.old; where it is \
                                   lost, `px serve --new-secret-key` goes on with another one, and hooks and secrets need \
                                   new values";

/// Looks up a variable of the environment.
pub(crate) type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The vault of the store's key: of the environment, else of the data directory.
/// None if there is no key.
pub(crate) fn vault_of(data_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Vault>> {
    let (vault, next) = match env(VARIABLE) {
        Some(text) => {
            let next = env(NEXT_VARIABLE).map(|text| from_text(NEXT_VARIABLE, &text)).transpose()?;
            (Some(from_text(VARIABLE, &text)?), next)
        }
        None => {
            let read = |name| Vault::read_file(&data_dir.join(name)).map_err(unusable);
            (read(KEY_FILE)?, read(NEXT_FILE)?)
        }
    };
    Ok(vault.map(|vault| match next {
        Some(next) => vault.beside(next),
        None => vault,
    }))
}

/// The vault of the key of a store, which is made where there is none and nothing is
/// sealed, or `anew` says so.
pub(crate) async fn of_store(
    data_dir: &Path,
    store: &Arc<dyn Store>,
    env: Env<'_>,
    anew: bool,
) -> Result<Vault> {
    remove_stale(data_dir);
    finish_rekey(data_dir, store, env).await?;
    if let Some(both) = variables(env)? {
        return Ok(of_two(store, both).await?.0);
    }
    if let Some(vault) = vault_of(data_dir, env)? {
        return Ok(vault);
    }
    if !anew {
        let sealing = key::sealing(store, Scope::default(), None).await;
        let sealing = sealing.map_err(|error| store_error(&error))?;
        if sealing.holds_sealed {
            return Err(missing(data_dir, &sealing));
        }
    }
    Vault::from_file(&data_dir.join(KEY_FILE)).map_err(unusable)
}

/// Removes what a process that died while it made a key has left of it. The caller has
/// the lock of the directory.
fn remove_stale(data_dir: &Path) {
    for entry in std::fs::read_dir(data_dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if is_key(&name) && name.as_encoded_bytes().ends_with(b".new") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Returns whether a file of a data directory has a key, or what will be one.
pub(crate) fn is_key(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"secret.")
}

/// The files of a data directory that have a key: that of now, the one that is about to take its place, and
/// those from before, which copies of the store rest under.
pub(crate) fn files(data_dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data_dir).into_iter().flatten().flatten();
    let is_kept = |name: &OsStr| is_key(name) && !name.as_encoded_bytes().ends_with(b".new");
    entries.filter(|entry| is_kept(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// The keys of the two variables, where both are set.
fn variables(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<(Vault, Vault)>> {
    let (Some(old), Some(next)) = (env(VARIABLE), env(NEXT_VARIABLE)) else { return Ok(None) };
    Ok(Some((from_text(VARIABLE, &old)?, from_text(NEXT_VARIABLE, &next)?)))
}

async fn of_two(store: &Arc<dyn Store>, both: (Vault, Vault)) -> Result<(Vault, bool)> {
    let of_two = key::of_two(store, Scope::default(), both).await;
    of_two.map_err(|error| store_error(&error))
}

/// Advice where the variable of the key has the old one still.
pub(crate) async fn late_variable(store: &Arc<dyn Store>, env: Env<'_>) -> Result<Option<String>> {
    if is_same(env) {
        return Ok(Some(format!("{NEXT_VARIABLE} has the key that {VARIABLE} has: unset it")));
    }
    let Some(both) = variables(env)? else { return Ok(None) };
    let (_, is_next) = of_two(store, both).await?;
    Ok(is_next.then(|| {
        format!(
            "the key of the store is that of {NEXT_VARIABLE} by now: give {VARIABLE} its value, and unset {NEXT_VARIABLE}"
        )
    }))
}

/// Returns whether the two variables are set to one key.
pub(crate) fn is_same(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let (Some(key), Some(next)) = (env(VARIABLE), env(NEXT_VARIABLE)) else { return false };
    key.trim().eq_ignore_ascii_case(next.trim())
}

/// Gives the new key the name of the old one if it is the store's already.
async fn finish_rekey(data_dir: &Path, store: &Arc<dyn Store>, env: Env<'_>) -> Result<()> {
    if env(VARIABLE).is_some() {
        return Ok(());
    }
    let Some(next) = Vault::read_file(&data_dir.join(NEXT_FILE)).map_err(unusable)? else { return Ok(()) };
    let is_the_stores = key::is_key_of(store, Scope::default(), &next).await;
    match is_the_stores.map_err(|error| store_error(&error))? {
        Some(true) => take_next(data_dir).map(drop),
        _ => Ok(()),
    }
}

/// Puts the new key in the place of the old one, durably, once nothing rests under the old one any more. That
/// one is kept beside it, for copies of the store that were made before: returns its file.
pub(crate) fn take_next(data_dir: &Path) -> Result<Option<PathBuf>> {
    let key = data_dir.join(KEY_FILE);
    let kept = keep_old(data_dir, |key, old| std::fs::hard_link(key, old))
        .and_then(|kept| std::fs::rename(data_dir.join(NEXT_FILE), &key).map(|()| kept))
        .and_then(|kept| std::fs::File::open(data_dir)?.sync_all().map(|()| kept));
    kept.map_err(|error| Error::failed(format!("cannot replace {}: {error}", key.display())))
}

/// Gives the key a second name by `link`, which no older key has: of several the last number is the newest. Returns
/// it; none if there is no key.
fn keep_old(
    data_dir: &Path,
    link: impl Fn(&Path, &Path) -> std::io::Result<()>,
) -> std::io::Result<Option<PathBuf>> {
    let key = data_dir.join(KEY_FILE);
    let bytes = match std::fs::read(&key) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for number in 1_u32.. {
        let name = if number == 1 { OLD_FILE.to_owned() } else { format!("{OLD_FILE}.{number}") };
        let old = data_dir.join(name);
        // A link replaces nothing, and the file is its owner's as it was. Some file systems have no links, and
        // say so before they say that there is such a name.
        let kept = match link(&key, &old) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => copy_of(&old, &bytes),
            linked => linked,
        };
        match kept {
            Ok(()) => return Ok(Some(old)),
            // Whoever died between the two names has kept it already.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if *Zeroizing::new(std::fs::read(&old)?) == *bytes {
                    return Ok(Some(old));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Writes a key that was kept, for its owner alone.
fn copy_of(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A key of a variable.
pub(crate) fn from_text(variable: &str, text: &str) -> Result<Vault> {
    Vault::from_text(text).map_err(|error| {
        Error::usage(format!("{variable}: {error}")).hint("make one with `openssl rand -hex 32`")
    })
}

pub(crate) fn unusable(error: vault::Error) -> Error {
    Error::failed(error.to_string())
}

/// The refusal of a store whose key is not there.
pub(crate) fn missing(data_dir: &Path, sealing: &key::Sealing) -> Error {
    let mut cannot = String::new();
    if !sealing.unreadable.is_empty() {
        cannot += &format!("; without it these hooks cannot sign: {}", sealing.unreadable.join(", "));
    }
    if !sealing.unreadable_secrets.is_empty() {
        cannot +=
            &format!("; without it these secrets cannot be read: {}", sealing.unreadable_secrets.join(", "));
    }
    Error::failed(format!(
        "the key that the secrets of this store are sealed under is missing: {}{cannot}",
        data_dir.join(KEY_FILE).display()
    ))
    .hint(LOST_KEY)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Where there are no links the old key is a copy, for its owner alone, and no other one's place is taken.
    #[test]
    fn an_old_key_is_kept_though_the_file_system_has_no_links() {
        let dir = tempfile::tempdir().unwrap();
        let without_links = |_: &Path, _: &Path| Err(std::io::ErrorKind::Unsupported.into());
        let keep = || keep_old(dir.path(), without_links).unwrap();
        let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(keep(), None, "there is no key");
        for (key, name) in [
            ("first", OLD_FILE),
            // Whoever died behind the copy comes again.
            ("first", OLD_FILE),
            ("second", "secret.key.old.2"),
            ("third", "secret.key.old.3"),
            ("second", "secret.key.old.2"),
        ] {
            std::fs::write(dir.path().join(KEY_FILE), key).unwrap();
            assert_eq!(keep(), Some(dir.path().join(name)), "{key}");
            assert_eq!((read(name), read(KEY_FILE)), (key.to_owned(), key.to_owned()));
            let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(
            [OLD_FILE, "secret.key.old.2", "secret.key.old.3"].map(read),
            ["first", "second", "third"]
        );
        // What a copy that was cut off has left is nobody's key, and is not taken for one.
        std::fs::write(dir.path().join("secret.key.old.4"), "fou").unwrap();
        std::fs::write(dir.path().join(KEY_FILE), "fourth").unwrap();
        assert_eq!(keep(), Some(dir.path().join("secret.key.old.5")));
    }
}
