//! `px store export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{for_each_portion, format, io};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::private;
use crate::store::{self, Opened};

/// Write the whole store as lines of JSON, with a checksum
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Works on the store alone: stop the server first. `px store import` makes a store of it again, on any \
                  machine. Payloads are in it as they came, so keep it as you keep the store; only its owner can read it, \
                  and what fails half way leaves no file. The key of the hooks' \
                  secrets, secret.key in the data directory, is not, and has to go with it.\n\n\
                  Exit codes: 0 written, 3 there is no store, 4 a process has it open or the file is there\n\n\
                  Examples:\n  px store export px.jsonl\n  px store export - | zstd > px.jsonl.zst"
)]
pub(crate) struct Args {
    /// The file to write, which must not be there yet; - for stdout
    file: PathBuf,

    /// Folder with the files of the embedded store
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let store = store::require(&context.store_config(args.data_dir.clone())?)?;
    let to_stdout = args.file.as_os_str() == "-";
    let out: Box<dyn Write> = if to_stdout {
        Box::new(context.ui.data())
    } else {
        Box::new(private::create_new(&args.file).map_err(|error| {
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => {
                    Error::new(Kind::Conflict, format!("{} is there already", args.file.display()))
                        .hint("take another name, or remove it")
                }
                _ => io("write", &args.file)(error),
            }
        })?)
    };
    let exported = write(context, &args, &store, out, to_stdout);
    if exported.is_err() && !to_stdout {
        // A part of an export is none. What cannot be removed is named by the next one.
        let _ = std::fs::remove_file(&args.file);
    }
    exported
}

fn write(context: &Context, args: &Args, store: &Opened, out: Box<dyn Write>, to_stdout: bool) -> Result<()> {
    let mut out = Summed { out: BufWriter::new(out), sum: Sha256::new() };
    let to_file = io("write", &args.file);
    let written = |error: std::io::Error| if to_stdout { Error::unwritten(&error) } else { to_file(error) };
    out.line(&format::header(context.now().as_millis())).map_err(written)?;
    let rows = for_each_portion(store, context.ui, "Exported", |table, portion| {
        portion.iter().try_for_each(|row| out.line(&format::row(table, row)).map_err(written))
    })?;
    let end = format::End { rows, sha256: hex(&out.sum.clone().finalize()) };
    out.line(&json!(end).to_string()).map_err(written)?;
    out.out.flush().map_err(written)?;
    drop(out);
    if to_stdout {
        return Ok(());
    }
    File::open(&args.file).and_then(|file| file.sync_all()).map_err(written)?;
    if context.ui.json {
        return context.ui.json(&json!({ "file": args.file, "rows": rows, "sha256": end.sha256 }));
    }
    context.ui.note(format_args!("Exported {rows} rows to {}.", args.file.display()));
    Ok(())
}

/// Bytes that are written, and their sum.
struct Summed<W: Write> {
    out: W,
    sum: Sha256,
}

impl<W: Write> Summed<W> {
    fn line(&mut self, text: &str) -> std::io::Result<()> {
        self.sum.update(text.as_bytes());
        self.sum.update(b"\n");
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
