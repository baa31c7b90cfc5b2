//! `px store`: the whole store, with its server down: written out, read in,
//! copied, and written anew without what was removed from it.

mod backup;
mod compact;
mod export;
mod format;
mod import;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use px_core::Scope;
use px_store::Table;
use px_store::audit::audit;
use px_store_rows::{Backing as _, RawRow};

use super::audit as audit_command;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::private;
use crate::show::words;
use crate::store::{Opened, store_error};
use crate::ui::Ui;

/// Export, import, back up and compact the store, with its server down
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Export(export::Args),
    Import(import::Args),
    Backup(backup::Args),
    Compact(compact::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Export(args) => export::run(context, args),
            Self::Import(args) => import::run(context, args).await,
            Self::Backup(args) => backup::run(context, args).await,
            Self::Compact(args) => compact::run(context, args).await,
        }
    }
}

/// Number of rows that are read at once: a delivery may have megabytes.
const PORTION: usize = 32;

/// Rows between two looks at the progress.
const STRIDE: u64 = 1_024;

/// Gives every row to `each`, table by table; returns how many there were.
fn for_each_portion(
    store: &Opened,
    ui: Ui,
    what: &str,
    mut each: impl FnMut(Table, &[RawRow]) -> Result<()>,
) -> Result<u64> {
    let (mut rows, mut next) = (0_u64, 0);
    for table in px_store::audit::TABLES {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let portion = store.raw_rows(Scope::default(), table, after.as_deref(), PORTION);
            let portion = portion.map_err(|error| store_error(&error))?;
            let Some((last, _)) = portion.last() else { break };
            each(table, &portion)?;
            rows += portion.len() as u64;
            if rows >= next {
                next = rows + STRIDE;
                ui.progress(format_args!("{what} {}", words::count(rows, "row")));
            }
            let is_last = portion.len() < PORTION;
            after = Some(last.clone());
            if is_last {
                break;
            }
        }
    }
    ui.progress("");
    Ok(rows)
}

/// Proves that a store adds up, and leaves it at rest: all of it in the tree.
async fn prove(store: Opened, dir: &Path, ui: Ui) -> Result<()> {
    let report = audit(&store, Scope::default(), &mut |at| ui.progress(audit_command::line(at))).await;
    ui.progress("");
    let report = report.map_err(|error| store_error(&error))?;
    store.backing().close().map_err(|error| store_error(&error))?;
    if report.is_clean() {
        return Ok(());
    }
    let count = words::count(report.total(), "violation");
    Err(Error::failed(format!("the store in {} does not add up: {count}", dir.display()))
        .hint(format!("`px audit --data-dir {}` lists them", dir.display())))
}

/// A directory beside this one, for what is not finished. One that is there is
/// what an earlier attempt left.
fn beside(dir: &Path, ending: &str) -> Result<PathBuf> {
    let whole =
        std::path::absolute(dir).map_err(|error| Error::failed(format!("{}: {error}", dir.display())))?;
    let mut name = whole.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    let draft = whole.with_file_name(name);
    if draft.exists() {
        return Err(Error::new(
            Kind::Conflict,
            format!("{} is there: an attempt before this one did not end", draft.display()),
        )
        .hint("remove it; the store itself was not touched by that attempt"));
    }
    Ok(draft)
}

/// Copies a file, durably but for its name, for its owner only. Returns how many bytes it has.
fn copy_file(from: &Path, to: &Path) -> Result<u64> {
    let bytes = fs::copy(from, to).map_err(io("copy", from))?;
    private::narrow(to, &[]).map_err(io("narrow", to))?;
    sync(to)?;
    Ok(bytes)
}

/// Brings a file, or the names of a directory, to the disk.
fn sync(path: &Path) -> Result<()> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(io("write", path))
}

/// Brings the name of a file or a directory to the disk.
fn sync_name(path: &Path) -> Result<()> {
    let whole = std::path::absolute(path).map_err(io("find", path))?;
    whole.parent().map_or(Ok(()), sync)
}

/// Gives a finished directory its name, durably.
fn rename(draft: &Path, name: &Path) -> Result<()> {
    fs::rename(draft, name).map_err(io("make", name))?;
    sync_name(name)
}

fn io(what: &str, path: &Path) -> impl Fn(std::io::Error) -> Error {
    let text = format!("cannot {what} {}", path.display());
    move |error| Error::failed(format!("{text}: {error}"))
}
