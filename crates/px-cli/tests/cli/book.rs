//! A book of commands: what each prints, where, and its exit code, with what differs
//! from run to run replaced.

use regex::Regex;

use crate::support::{Done, Project};
use crate::terminal;

/// What was done so far.
pub(crate) struct Book {
    pub(crate) project: Project,
    pub(crate) text: String,
}

impl Book {
    pub(crate) fn new(project: Project) -> Self {
        Self { project, text: String::new() }
    }

    /// Runs a command and writes down what it did.
    pub(crate) fn px(&mut self, words: &str) -> Done {
        let done = self.project.px(&split(words));
        self.write("", words, &done);
        done
    }

    /// The same, of whose stdout the first lines are enough.
    pub(crate) fn head(&mut self, words: &str, lines: usize) {
        let mut done = self.project.px(&split(words));
        done.stdout = done.stdout.lines().take(lines).flat_map(|line| [line, "\n"]).collect();
        self.write(" | head", words, &done);
    }

    /// The same, and at a terminal.
    pub(crate) fn both(&mut self, words: &str) -> Done {
        let at = terminal::px(&self.project, &split(words));
        self.write(" (at a terminal)", words, &at);
        self.px(words)
    }

    /// The same at a terminal of 160 columns: a table with texts beside times of any length
    /// is broken into the same lines however long these are.
    pub(crate) fn both_wide(&mut self, words: &str) -> Done {
        let at = terminal::of_width(&self.project, &split(words), 160);
        self.write(" (at a wide terminal)", words, &at);
        self.px(words)
    }

    pub(crate) fn write(&mut self, how: &str, words: &str, done: &Done) {
        self.text += &format!("$ px {words}{how}\n");
        for (name, text) in [("", &done.stdout), ("stderr: ", &done.stderr)] {
            for line in text.lines() {
                self.text += &format!("  {name}{line}\n");
            }
        }
        self.text += &format!("  exit {}\n\n", done.code);
    }

    /// The text with what is only so this time replaced.
    pub(crate) fn settled(&self, also: &[(&str, &str)]) -> String {
        let mut text = self.text.clone();
        for (what, name) in also {
            text = text.replace(what, name);
        }
        for (pattern, name) in [
            (r"(run|whd|evt|hok|dlv|tok)_[0-9a-f]{32}", "${1}_ID"),
            (r"…[0-9a-f]{6}\b", "…TAIL"),
            (r"\b[0-9a-f]{32}\b", "HEX"),
            (r"whsec_[A-Za-z0-9+/=]+", "whsec_SECRET"),
            (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?", "TIME"),
            (r"\d\d:\d\d:\d\d\.\d{3}", "TIME"),
            (r"(?m)^( *)\d\d:\d\d:\d\d ", "${1}TIME "),
            (r"\b1[78]\d{11}\b", "MILLIS"),
            (r"\bpx( |/)0\.\d+\.\d+\b", "px${1}VERSION"),
            (r"127\.0\.0\.1:\d{5}\b", "ADDRESS"),
            (r"\d[\d.]* ((milli)?seconds?|minutes?( \d+ seconds?)?)( ago| left)?", "AGO"),
            (r"\b[\d.]+ (ms|µs)", "AGO"),
            (r"┆ \d+[smhd]( +)│", "┆ AGE${1}│"),
            (r"oldest \d+[smhd]", "oldest AGE"),
            (r"in \d+[smhd]\b", "in AGE"),
            (r"\d+d \d+h left", "LEFT"),
            (r"parked \d+[smhd]", "parked AGE"),
            (r"\bpid \d+", "pid N"),
            (r"t=\d{10},v1=[0-9a-f]+|v0=[0-9a-f]{64}|sha256=[0-9a-f]{64}|\b[0-9a-f]{64}\b", "SIGNATURE"),
            (r"(?i)signature: [A-Za-z0-9+/]{27}=", "signature: SIGNATURE"),
            (r"(?i)timestamp: \d{10}", "timestamp: SECONDS"),
            (r"\b\d+ (rows|KiB)", "N ${1}"),
            // What goes on beside the commands, at its own pace.
            (r"(?m)^( *│) (Attempts|Outbound deliveries|Log entries)( +┆ *\w* *┆) \d+", "${1} ${2}${3} N"),
        ] {
            text = Regex::new(pattern).unwrap().replace_all(&text, name).into_owned();
        }
        // Columns are as wide as what was replaced; a terminal's colours are kept, readably.
        let text = text.replace('\u{1b}', "␛");
        let lines = text.lines().map(|line| {
            let boxed = line.contains(['│', '┌', '╞', '└', '├']);
            let line = if boxed {
                Regex::new(r"([ ─═╌])[ ─═╌]+").unwrap().replace_all(line.trim_start(), "$1").into_owned()
            } else {
                line.to_owned()
            };
            line.trim_end().to_owned() + "\n"
        });
        lines.collect()
    }
}

/// Words as a shell splits them, with single quotes.
pub(crate) fn split(words: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = words.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted.split_once('\'').unwrap(),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        out.push(word);
        rest = after.trim_start();
    }
    out
}
