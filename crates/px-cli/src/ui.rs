//! The one place that prints. Data goes to stdout, everything else to stderr;
//! colours are stripped unless the stream is a terminal that wants them
//! (`NO_COLOR`, `TERM=dumb`: anstream decides).
//!
//! Data of a command that cannot be written is the command's failure. A process
//! that serves prints through the queue of [`crate::log`] instead, and neither
//! fails nor waits.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io::{IsTerminal as _, Write as _};

use anstyle::Style;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width as ComfyWidth};
use px_client::Answer;
use schemars::JsonSchema;
use serde_json::{Map, Value};
use tracing::Level;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Stream};
use crate::paint::for_terminal;
use crate::show::picked::{fields_of, picked};

pub(crate) use crate::paint::{ERROR, FAINT, GOOD, HEADING, HINT, WARNING, paint, shown, style_of};

/// Output of a command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    /// True if data and errors are JSON.
    pub(crate) json: bool,
    /// Names of the fields that are asked for, with commas between them; empty for all.
    pub(crate) fields: &'static str,
}

impl Ui {
    /// Output as text, or as JSON with all fields.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json, fields: "" }
    }

    /// A line of data, or several, for people. A value of others that is to be
    /// one line is [`shown`].
    pub(crate) fn line(self, text: impl Display) -> Result<()> {
        self.put(&for_terminal(text))
    }

    /// JSON is written as it is: taking colours away would take letters of texts, too.
    fn put_json(self, text: &str) -> Result<()> {
        if log::running().is_some() {
            return self.put(text);
        }
        let mut out = self.data();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Error::unwritten(&error))
    }

    /// Data as a terminal may have it, and an end of line.
    fn put(self, text: &str) -> Result<()> {
        if let Some(log) = log::running() {
            log.print(Stream::Out, format!("{text}\n"));
            return Ok(());
        }
        let mut out = anstream::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Error::unwritten(&error))
    }

    /// Data as it is, without an end of line.
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<()> {
        let mut out = self.data();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Error::unwritten(&error))
    }

    /// Returns where a command writes data that comes in portions.
    pub(crate) fn data(self) -> impl std::io::Write {
        std::io::stdout().lock()
    }

    /// Returns true if data is read by a person in a terminal, and not by a program.
    pub(crate) fn is_read_in_a_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// A JSON document.
    pub(crate) fn json(self, value: &Value) -> Result<()> {
        self.put_json(&format!("{:#}", self.picked(value, &BTreeSet::new())))
    }

    /// A JSON document of a type, whose fields may be asked for though none is there.
    pub(crate) fn json_of<T: JsonSchema>(self, value: &Value) -> Result<()> {
        let fields = if self.fields.is_empty() { BTreeSet::new() } else { fields_of::<T>() };
        self.put_json(&format!("{:#}", self.picked(value, &fields)))
    }

    /// The answer of a server, as it came.
    pub(crate) fn answer<T: JsonSchema>(self, answer: &Answer<T>) -> Result<()> {
        self.json_of::<T>(&answer.to_json())
    }

    /// A JSON document on one line.
    pub(crate) fn json_line(self, value: &Value) -> Result<()> {
        self.put_json(&self.picked(value, &BTreeSet::new()).to_string())
    }

    /// The fields that are asked for.
    fn picked(self, value: &Value, typed: &BTreeSet<String>) -> Value {
        if self.fields.is_empty() {
            return value.clone();
        }
        let (picked, warning) = picked(value, self.fields, typed);
        if let Some(warning) = warning {
            self.warn(format_args!("--json={}: {warning}", self.fields));
        }
        picked
    }

    /// A table that fits the terminal. The columns in `whole` are never
    /// broken: an id in two lines cannot be copied. Others are broken between
    /// words, the last one also within them. Where that leaves too little room,
    /// each row is a block with a line for each value.
    pub(crate) fn table(self, header: &[&str], rows: Vec<Vec<String>>, whole: &[usize]) -> Result<()> {
        self.styled_table(header, rows, whole, |_, _| None)
    }

    /// The same, with a style for each value that has one, by its column.
    pub(crate) fn styled_table(
        self,
        header: &[&str],
        rows: Vec<Vec<String>>,
        whole: &[usize],
        style: impl Fn(usize, &str) -> Option<Style>,
    ) -> Result<()> {
        let rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect();
        let width = terminal_width();
        let least = least_widths(header, &rows, whole);
        if width
            .is_some_and(|width| least.iter().map(|least| least + PADDING).sum::<usize>() + 1 > width.into())
        {
            return self.blocks(header, &rows);
        }
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header(header.iter().copied());
        table.add_rows(rows);
        if let Some(width) = width {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            for (index, least) in least.into_iter().enumerate() {
                // comfy-table counts the blanks beside a text, and not the line.
                let least = u16::try_from(least + PADDING - 1).unwrap_or(u16::MAX);
                if let Some(column) = table.column_mut(index) {
                    column.set_constraint(match whole.contains(&index) {
                        true => ColumnConstraint::ContentWidth,
                        false => ColumnConstraint::LowerBoundary(ComfyWidth::Fixed(least)),
                    });
                }
            }
        }
        let drawn = table.trim_fmt();
        // The first two lines are the heads and what is above them.
        let lines = drawn.lines().enumerate().map(|(at, line)| match at {
            0..=2 => line.to_owned(),
            _ => styled(line, &style),
        });
        self.line(lines.collect::<Vec<_>>().join("\n"))
    }

    /// The rows of a table that does not fit, a block each: the first value as
    /// its heading, below it the others that are there.
    fn blocks(self, header: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let names = header.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        for row in rows {
            for (index, (name, value)) in header.iter().zip(row).enumerate() {
                match index {
                    0 => self.line(paint(HEADING, value))?,
                    _ if value.is_empty() || value == "-" => {}
                    _ => self.line(format_args!("  {name:<names$}  {value}"))?,
                }
            }
        }
        Ok(())
    }

    /// A remark for the person at the terminal.
    pub(crate) fn note(self, text: impl Display) {
        if !entry(Level::INFO, &text, None) {
            self.say(text);
        }
    }

    /// A question to the person at the terminal, who answers on its line.
    pub(crate) fn ask(self, text: impl Display) {
        let mut err = anstream::stderr().lock();
        let _ = write!(err, "{}", for_terminal(text));
        let _ = err.flush();
    }

    /// Shows how far something is, in a line of its own that the next one replaces.
    /// Only for a person at a terminal; an empty text takes the line away.
    pub(crate) fn progress(self, text: impl Display) {
        if !self.json && std::io::stderr().is_terminal() {
            let mut err = anstream::stderr().lock();
            let _ = write!(err, "\r\x1b[K{}", for_terminal(text));
            let _ = err.flush();
        }
    }

    /// Returns whether a person reads the data: stdout is a terminal, and it is not JSON.
    pub(crate) fn is_for_people(self) -> bool {
        !self.json && std::io::stdout().is_terminal()
    }

    /// The width of a terminal on which a part can be drawn anew: stdout and
    /// stderr are one, and people are there to see it.
    pub(crate) fn live_width(self) -> Option<u16> {
        let is_dumb = || std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        (!self.json && std::io::stderr().is_terminal() && !is_dumb()).then(terminal_width).flatten()
    }

    /// Takes away the last so many lines that were noted on a terminal.
    pub(crate) fn erase(self, lines: usize) {
        if lines > 0 {
            let mut err = std::io::stderr().lock();
            let _ = write!(err, "\x1b[{lines}A\r\x1b[J");
            let _ = err.flush();
        }
    }

    /// A warning.
    pub(crate) fn warn(self, text: impl Display) {
        if !entry(Level::WARN, &text, None) {
            self.say(format_args!("{}: {text}", paint(WARNING, "Warning")));
        }
    }

    /// An error, as text or as JSON.
    pub(crate) fn error(self, error: &Error) {
        if error.kind == Kind::Unread {
            return;
        }
        if self.json {
            return self.tell(&error.to_json().to_string());
        }
        if entry(Level::ERROR, &error.message, error.hint.as_deref()) {
            return;
        }
        let message = if error.is_foreign { shown(&error.message) } else { error.message.clone() };
        self.say(format_args!("{}: {message}", paint(ERROR, "Error")));
        if let Some(hint) = &error.hint {
            self.say(format_args!("{}: {hint}", paint(HINT, "Hint")));
        } else if let Some(code) = error.details.get("code").and_then(serde_json::Value::as_str) {
            self.say(format_args!("{}: `px explain {code}` says more", paint(HINT, "Hint")));
        }
    }

    /// clap's own texts: help as data, complaints as what else is said.
    pub(crate) fn help(self, text: &clap::builder::StyledStr, is_data: bool) -> Result<()> {
        let text = text.ansi().to_string();
        let text = text.trim_end_matches('\n');
        if is_data {
            return self.put(text);
        }
        self.tell(text);
        Ok(())
    }

    fn say(self, text: impl Display) {
        self.tell(&for_terminal(text));
    }

    /// Nobody can be told that stderr is gone.
    fn tell(self, text: &str) {
        if let Some(log) = log::running() {
            return log.print(Stream::Err, format!("{text}\n"));
        }
        let _ = writeln!(anstream::stderr().lock(), "{text}");
    }
}

/// Says it as an entry of a log in JSON, where each line is a document; `false`
/// if there is no such log.
fn entry(level: Level, text: &dyn Display, hint: Option<&str>) -> bool {
    let Some(log) = log::running().filter(|log| log.is_json()) else { return false };
    let fields: Map<String, Value> = hint.map(|hint| ("hint".to_owned(), hint.into())).into_iter().collect();
    let text = anstream::adapter::strip_str(&for_terminal(text)).to_string();
    log.say(Stream::Err, level, text, fields);
    true
}

/// Resolves when nobody reads stdout any more.
#[cfg(unix)]
pub(crate) async fn reader_gone() {
    use std::os::fd::AsFd as _;
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;
    // Nothing is written through the copy, so it stays a blocking one, as stdout is.
    let copy = std::io::stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    // What is no pipe cannot be waited for, and has no reader that goes.
    if let Ok(out) = copy.and_then(Sender::from_file_unchecked) {
        while let Ok(ready) = out.ready(Interest::ERROR).await {
            if ready.is_error() {
                return;
            }
        }
    }
    std::future::pending().await
}

/// Resolves never: whoever writes to a pipe without a reader finds out then.
#[cfg(not(unix))]
pub(crate) async fn reader_gone() {
    std::future::pending().await
}

/// A line of a table with the values that have a style in it. Styles come last: the width of
/// a column is that of its text.
fn styled(line: &str, style: &impl Fn(usize, &str) -> Option<Style>) -> String {
    let Some(inside) = line.strip_prefix('│').and_then(|line| line.strip_suffix('│')) else {
        return line.to_owned();
    };
    let cells = inside.split('┆').enumerate().map(|(column, cell)| {
        let text = cell.trim();
        match style(column, text).filter(|_| !text.is_empty()) {
            Some(style) => cell.replacen(text, &paint(style, text), 1),
            None => cell.to_owned(),
        }
    });
    format!("│{}│", cells.collect::<Vec<_>>().join("┆"))
}

/// The blanks and the line that stand beside a value in a table.
const PADDING: usize = 3;

/// Minimum width of the last column of a table: what stands there is told, not
/// copied.
const LAST_COLUMN: usize = 16;

/// Returns how narrow each column may be: as its longest value, or as its longest word.
fn least_widths(header: &[&str], rows: &[Vec<String>], whole: &[usize]) -> Vec<usize> {
    let longest = |text: &str, is_whole: bool| {
        let parts = text.split(|letter: char| if is_whole { letter == '\n' } else { letter.is_whitespace() });
        parts.map(|part| part.chars().count()).max().unwrap_or_default()
    };
    let widths = header.iter().enumerate().map(|(index, name)| {
        let is_whole = whole.contains(&index);
        let values = rows.iter().filter_map(|row| row.get(index)).map(String::as_str);
        let least = values.chain([*name]).map(|text| longest(text, is_whole)).max().unwrap_or_default();
        if index + 1 == header.len() && !is_whole { least.min(LAST_COLUMN) } else { least }
    });
    widths.collect()
}

/// The terminal's width in columns; `None` if stdout is none, and lines may be
/// as long as they are.
fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0)
}
