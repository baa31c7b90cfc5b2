//! `px store compact`

use std::fs;
use std::path::{Path, PathBuf};

use px_core::Scope;
use px_store::Table;
use px_store_rows::{Backing as _, RawRow};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

use super::{beside, copy_file, for_each_portion, io, prove, sync, sync_name};
use crate::config::key;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::{self, Opened, store_error};

/// Write the store anew, without the room that removed rows have left
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works on the store alone: stop the server first. Needs room for a second store; the new one takes the \
                  old one's place in one move, once its audit is clean. Killed before that, it has changed nothing.\n\n\
                  Exit codes: 0 done, 3 there is no store, 4 a process has it open\n\n\
                  Examples:\n  px store compact\n  px store compact --data-dir /var/lib/px --json"
)]
pub(crate) struct Args {
    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let config = context.store_config(args.data_dir)?;
    let dir = &config.data_dir;
    let store = store::require(&config)?;
    let draft = beside(dir, ".compact")?;
    let before = size(dir);
    let made = make(context, &store, dir, &draft).await;
    if let Err(error) = made.and_then(|()| exchange(&draft, dir)) {
        // What stays is named by the next attempt.
        let _ = fs::remove_dir_all(&draft);
        return Err(error);
    }
    // Before anything of the old one is removed.
    sync_name(dir)?;
    // The lock of the old one is held until here.
    drop(store);
    fs::remove_dir_all(&draft).map_err(io("remove the old store in", &draft))?;
    let after = size(dir);
    if context.ui.json {
        return context.ui.json(&json!({ "dataDir": dir, "bytesBefore": before, "bytesAfter": after }));
    }
    let kib = |bytes: u64| bytes.div_ceil(1024);
    context.ui.note(format_args!("{}: {} KiB before, {} KiB now.", dir.display(), kib(before), kib(after)));
    Ok(())
}

async fn make(context: &Context, store: &Opened, dir: &Path, draft: &Path) -> Result<()> {
    let new = store::open_draft(draft)?;
    let runtime = tokio::runtime::Handle::current();
    let take = |table: Table, portion: &[RawRow]| {
        let taken = new.take_in(Scope::default(), table, portion.to_vec());
        // The reader goes at the pace of the writer.
        let taken = tokio::task::block_in_place(|| runtime.block_on(taken));
        taken.map_err(|error| store_error(&error))
    };
    for_each_portion(store, context.ui, "Copied", take)?;
    prove(new, draft, context.ui).await?;
    store.backing().close().map_err(|error| store_error(&error))?;
    // The next one, too: secrets rest under it while a change of the key is not finished. And those from
    // before, which older copies of the store rest under.
    for key in key::files(dir) {
        copy_file(&key, &draft.join(key.file_name().unwrap_or_default()))?;
    }
    sync(draft)
}

/// Lets two directories take each other's place, in one move.
fn exchange(draft: &Path, dir: &Path) -> Result<()> {
    renameat_with(CWD, draft, CWD, dir, RenameFlags::EXCHANGE).map_err(|error| {
        Error::failed(format!("the new store cannot take the place of the old one in one move: {error}"))
            .hint("this file system cannot exchange directories; `px store export` and `px store import` do the same")
    })
}

/// Bytes of the files below a directory, as far as they can be read.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() { size(&path) } else { entry.metadata().map_or(0, |about| about.len()) }
        })
        .sum()
}
