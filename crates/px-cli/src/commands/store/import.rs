//! `px store import`

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use px_core::Scope;
use px_store::Table;
use px_store_rows::RawRow;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::export::hex;
use super::{STRIDE, beside, copy_file, format, io, prove, rename, sync, sync_name};
use crate::config::key;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::store::{self, Opened, store_error};
use crate::ui::Ui;

/// Rows that are taken in at once.
const AT_ONCE: usize = 256;

/// Bytes of rows that are held before they are taken in.
const BYTES_AT_ONCE: usize = 16 * 1024 * 1024;

/// Make a store of an export
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Into a directory without a store only. The checksum and the audit come first: a store is there when \
                  all of it is right, or none is. A secret.key that lies in the directory stays.\n\n\
                  Exit codes: 0 made, 1 the file is damaged, 3 there is no such file, 4 there is a store already\n\n\
                  Examples:\n  px store import px.jsonl\n  zstd -d < px.jsonl.zst | px store import - --data-dir /var/lib/px"
)]
pub(crate) struct Args {
    /// The file that `px store export` wrote; - for stdin
    file: PathBuf,

    /// Folder for the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let config = context.store_config(args.data_dir)?;
    let dir = &config.data_dir;
    if store::exists(&config) {
        return Err(Error::new(Kind::Conflict, format!("there is a store in {} already", dir.display()))
            .hint("import into another directory, with --data-dir, or move that one away"));
    }
    let kept = keys_in(dir)?;
    let file: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(fs::File::open(&args.file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Error::not_found(format!("there is no file {}", args.file.display()))
            }
            _ => io("read", &args.file)(error),
        })?)
    };
    let draft = beside(dir, ".import")?;
    let made = make(&draft, BufReader::new(file), &args.file, context.ui).await;
    let rows = match made {
        Ok(rows) => rows,
        Err(error) => {
            // What stays is named by the next attempt.
            let _ = fs::remove_dir_all(&draft);
            return Err(error);
        }
    };
    for key in &kept {
        copy_file(key, &draft.join(key.file_name().unwrap_or_default()))?;
    }
    // The copies and their names are on the disk before the keys themselves go.
    sync(&draft)?;
    sync_name(&draft)?;
    for key in &kept {
        fs::remove_file(key).map_err(io("move", key))?;
    }
    let _ = fs::remove_file(dir.join("px.lock"));
    if dir.exists() {
        fs::remove_dir(dir).map_err(io("replace", dir))?;
    }
    rename(&draft, dir)?;
    if context.ui.json {
        return context.ui.json(&json!({ "dataDir": dir, "rows": rows }));
    }
    context.ui.note(format_args!("Imported {rows} rows into {}; everything adds up.", dir.display()));
    Ok(())
}

/// The files of a directory without a store, which may be keys only.
fn keys_in(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut keys = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        match name.to_str() {
            _ if key::is_key(&name) => keys.push(entry.path()),
            Some("px.lock") => {}
            _ => {
                return Err(Error::new(Kind::Conflict, format!("{} is not empty", dir.display()))
                    .hint("import into a directory that is empty or not there"));
            }
        }
    }
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        fs::create_dir_all(above).map_err(io("make", above))?;
    }
    Ok(keys)
}

/// Makes a store of the lines in a directory of its own.
async fn make(draft: &Path, lines: impl BufRead, file: &Path, ui: Ui) -> Result<u64> {
    let store = store::open_draft(draft)?;
    let rows = take_in(&store, lines, file, ui).await?;
    prove(store, draft, ui).await?;
    Ok(rows)
}

async fn take_in(store: &Opened, mut lines: impl BufRead, file: &Path, ui: Ui) -> Result<u64> {
    let bad = |number: u64, why: String| {
        Error::failed(format!("{}:{number}: {why}", file.display())).hint("nothing was imported")
    };
    let (mut sum, mut rows, mut number) = (Sha256::new(), 0_u64, 0_u64);
    let mut held = 0;
    let (mut waiting, mut of): (Vec<RawRow>, Option<Table>) = (Vec::new(), None);
    let mut line = String::new();
    loop {
        line.clear();
        number += 1;
        if lines.read_line(&mut line).map_err(io("read", file))? == 0 {
            return Err(bad(number, "it ends before its last line, which has the checksum".into()));
        }
        let text = line.trim_end_matches('\n');
        if number == 1 {
            format::check_header(text).map_err(|why| bad(number, why))?;
            sum.update(line.as_bytes());
            continue;
        }
        match format::read(text).map_err(|why| bad(number, why))? {
            format::Read::End(end) => {
                let found = hex(&sum.finalize());
                if (end.rows, &end.sha256) != (rows, &found) {
                    return Err(bad(number, "the checksum is another one: the file is damaged".into()));
                }
                if lines.read(&mut [0]).map_err(io("read", file))? > 0 {
                    return Err(bad(
                        number + 1,
                        "something follows the last line: the file is damaged".into(),
                    ));
                }
                flush(store, of, waiting).await?;
                ui.progress("");
                return Ok(rows);
            }
            format::Read::Row(table, row) => {
                sum.update(line.as_bytes());
                rows += 1;
                // A row may be a MiB of a file, or more.
                held += row.1.len();
                if of != Some(table) || waiting.len() >= AT_ONCE || held > BYTES_AT_ONCE {
                    flush(store, of, std::mem::take(&mut waiting)).await?;
                    of = Some(table);
                    held = 0;
                }
                waiting.push(row);
                if rows.is_multiple_of(STRIDE) {
                    ui.progress(format_args!("Imported {rows} rows"));
                }
            }
        }
    }
}

async fn flush(store: &Opened, table: Option<Table>, rows: Vec<RawRow>) -> Result<()> {
    let Some(table) = table else { return Ok(()) };
    let taken = store.take_in(Scope::default(), table, rows).await;
    taken.map_err(|error| store_error(&error))
}
