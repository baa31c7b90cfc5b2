//! Entries of the log and their two forms: a line of text for people, and a
//! document for programs. Whatever is in an entry, it comes out as one line.

use std::fmt::{self, Debug, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::Level;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

use super::Format;
use super::escape::Escaped;
use super::queue::MAX_BYTES;

/// The field that holds an event's sentence.
const MESSAGE: &str = "message";

/// One entry.
pub(super) struct Entry<'a> {
    pub(super) level: Level,
    pub(super) target: &'a str,
    /// The spans around it, the outermost first.
    pub(super) spans: Vec<Span>,
    pub(super) fields: Fields,
}

/// A span around an entry.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) name: &'static str,
    pub(super) fields: Fields,
}

/// Fields of an event or a span, in the form in which they are written.
#[derive(Debug, Clone)]
pub(super) enum Fields {
    Text(String),
    Json(Map<String, Value>),
}

/// A line of px's own.
pub(super) fn own(format: Format, level: Level, message: String, fields: Map<String, Value>) -> String {
    let fields = Fields::of(format, message, fields);
    Entry { level, target: "px", spans: Vec::new(), fields }.line(format)
}

impl Fields {
    pub(super) fn none(format: Format) -> Self {
        match format {
            Format::Text { .. } => Self::Text(String::new()),
            Format::Json => Self::Json(Map::new()),
        }
    }

    /// A sentence and fields beside it.
    pub(super) fn of(format: Format, message: String, mut fields: Map<String, Value>) -> Self {
        match format {
            Format::Json => {
                fields.insert(MESSAGE.to_owned(), message.into());
                Self::Json(fields)
            }
            Format::Text { .. } => {
                let mut text = String::new();
                let mut out = Escaped(&mut text);
                // Writing into a text cannot fail.
                let _ = out.write_str(&message);
                for (name, value) in &fields {
                    let _ = write!(out, " {name}={value}");
                }
                Self::Text(text)
            }
        }
    }
}

impl Entry<'_> {
    /// The entry as a line, with its end.
    pub(super) fn line(&self, format: Format) -> String {
        let mut timestamp = String::new();
        // A clock that cannot be shown leaves an entry without a time.
        let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
        let mut line = match format {
            Format::Text { colours } => self.text(&timestamp, colours),
            Format::Json => self.json(&timestamp),
        };
        line.push('\n');
        line
    }

    fn text(&self, timestamp: &str, colours: bool) -> String {
        let paint = |style: Style| if colours { style } else { Style::new() };
        let (dim, bold) = (paint(Style::new().dimmed()), paint(Style::new().bold()));
        let level = paint(level_style(self.level));
        let mut line = format!("{dim}{timestamp}{dim:#} {level}{:>5}{level:#} ", self.level);
        for span in &self.spans {
            let _ = write!(line, "{bold}{}{bold:#}", span.name);
            if let Fields::Text(fields) = &span.fields
                && !fields.is_empty()
            {
                let _ = write!(line, "{bold}{{{bold:#}{fields}{bold}}}{bold:#}");
            }
            let _ = write!(line, "{dim}:{dim:#}");
        }
        if !self.spans.is_empty() {
            line.push(' ');
        }
        let _ = write!(line, "{dim}{}:{dim:#} ", self.target);
        if let Fields::Text(fields) = &self.fields {
            line.push_str(fields);
        }
        line
    }

    /// Each span is there once: the innermost as `span`, those around it as `spans`.
    fn json(&self, timestamp: &str) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            timestamp: &'a str,
            level: &'a str,
            fields: &'a Map<String, Value>,
            target: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            span: Option<Map<String, Value>>,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            spans: Vec<Map<String, Value>>,
        }
        let Fields::Json(fields) = &self.fields else { return String::new() };
        let mut spans: Vec<_> = self.spans.iter().map(Span::document).collect();
        let document = Document {
            timestamp,
            level: self.level.as_str(),
            fields,
            target: self.target,
            span: spans.pop(),
            spans,
        };
        // Texts, numbers and maps with texts as keys are always JSON.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl Span {
    fn document(&self) -> Map<String, Value> {
        let mut fields = match &self.fields {
            Fields::Json(fields) => fields.clone(),
            Fields::Text(_) => Map::new(),
        };
        fields.insert("name".to_owned(), self.name.into());
        fields
    }
}

fn level_style(level: Level) -> Style {
    let colour = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    colour.on_default()
}

/// Takes down the fields of an event or a span. An entry that would be longer
/// than the queue is not put together.
pub(super) struct Recorder {
    pub(super) fields: Fields,
    pub(super) is_too_long: bool,
}

impl Recorder {
    pub(super) fn new(fields: Fields) -> Self {
        Self { fields, is_too_long: false }
    }

    fn value<V: Into<Value>>(&mut self, field: &Field, value: V, text: fmt::Arguments<'_>) {
        let name = field.name().trim_start_matches("r#");
        match &mut self.fields {
            Fields::Json(fields) => {
                fields.insert(name.to_owned(), value.into());
            }
            Fields::Text(out) => {
                let first = if out.is_empty() { "" } else { " " };
                let mut out = Escaped(&mut *out);
                // An entry of nothing but long fields is refused by the queue.
                let _ = match name {
                    MESSAGE => write!(out, "{first}{text}"),
                    _ => write!(out, "{first}{name}={text}"),
                };
            }
        }
    }
}

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = Bounded(String::new());
        self.is_too_long |= write!(text, "{value:?}").is_err();
        self.value(field, text.0.as_str(), format_args!("{}", text.0));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() > MAX_BYTES {
            self.is_too_long = true;
        } else if field.name() == MESSAGE {
            self.value(field, value, format_args!("{value}"));
        } else {
            self.value(field, value, format_args!("{value:?}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, value, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, value, format_args!("{value}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, value, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, value, format_args!("{value}"));
    }
}

/// A text that refuses to grow beyond the queue.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > MAX_BYTES {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
