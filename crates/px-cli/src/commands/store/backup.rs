//! `px store backup`

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use px_store_rows::Backing as _;
use serde_json::json;

use super::{beside, copy_file, io, prove, rename, sync};
use crate::config::key;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::private;
use crate::store;

/// Copy the data directory, and prove the copy
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works on the store alone: stop the server first. The copy is a data directory like the first, without \
                  secret.key, the key that secrets rest under: keep the key apart from copies, and put it into the copy that is \
                  to be served. With --with-key it is in the copy, those that `px secrets rekey` has left too, and whoever has the copy has the secrets. Only its owner \
                  can read it. It is there when all of it is \
                  on the disk and its audit is clean, or not at all.\n\n\
                  Exit codes: 0 copied, 3 there is no store, 4 a process has it open or the copy is there\n\n\
                  Examples:\n  px store backup /backups/px-monday\n  px store backup /safe/px-monday --with-key\n  px store backup copy --data-dir /var/lib/px"
)]
pub(crate) struct Args {
    /// The directory to make
    copy: PathBuf,

    /// Copy the key of the secrets too
    #[arg(long)]
    with_key: bool,

    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let config = context.store_config(args.data_dir)?;
    let dir = &config.data_dir;
    let store = store::require(&config)?;
    if args.copy.symlink_metadata().is_ok() {
        return Err(Error::new(Kind::Conflict, format!("{} is there already", args.copy.display()))
            .hint("take another name, or remove it"));
    }
    let draft = beside(&args.copy, ".partial")?;
    // At rest, and still locked: nobody writes while it is copied.
    store.backing().close().map_err(|error| store::store_error(&error))?;
    // A key that was not finished is one, too.
    let copied = copy_all(dir, &draft, &|name| args.with_key || !key::is_key(name));
    drop(store);
    let bytes = match copied {
        Ok(bytes) => bytes,
        Err(error) => {
            let _ = fs::remove_dir_all(&draft);
            return Err(error);
        }
    };
    prove(store::open_draft(&draft)?, &draft, context.ui).await?;
    rename(&draft, &args.copy)?;
    if context.ui.json {
        return context.ui.json(&json!({ "copy": args.copy, "bytes": bytes, "withKey": args.with_key && dir.join(key::KEY_FILE).exists() }));
    }
    context.ui.note(format_args!("Copied {} to {}; everything adds up.", dir.display(), args.copy.display()));
    let has_key = dir.join(key::KEY_FILE).exists();
    match (args.with_key, has_key) {
        (true, true) => context.ui.warn(format_args!(
            "the copy holds the key, {}: whoever has the copy has its secrets. Keep it as you keep them.",
            args.copy.join(key::KEY_FILE).display()
        )),
        (true, false) => context.ui.warn(format_args!(
            "there is no {}, so the copy has no key either: keep the value of {} for it.",
            dir.join(key::KEY_FILE).display(),
            key::VARIABLE
        )),
        (false, true) => context.ui.note(format_args!(
            "{} is not in it: without that key the copy is not served and its secrets are lost.",
            dir.join(key::KEY_FILE).display()
        )),
        (false, false) => {}
    }
    Ok(())
}

/// Copies the files of a data directory that are wanted by their names, durably, and returns how many bytes
/// that is.
fn copy_all(from: &Path, to: &Path, is_wanted: &dyn Fn(&OsStr) -> bool) -> Result<u64> {
    private::create_dir_all(to).map_err(io("make", to))?;
    let mut bytes = 0;
    for entry in fs::read_dir(from).map_err(io("read", from))? {
        let entry = entry.map_err(io("read", from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "px.lock" || !is_wanted(&entry.file_name()) {
            continue;
        }
        if source.is_dir() {
            bytes += copy_all(&source, &target, &|_| true)?;
        } else {
            bytes += copy_file(&source, &target)?;
        }
    }
    sync(to)?;
    Ok(bytes)
}
