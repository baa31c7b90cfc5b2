//! Styles of the terminal, and what comes before a text gets there: everything
//! in it that a terminal would obey is escaped, but for the styles that
//! [`paint`] put there itself (docs/rules.md#56).
//!
//! A style cannot be told from one that an outsider wrote by what it looks like.
//! So [`paint`] marks its own with a word that is drawn anew in each process, and
//! [`for_terminal`] makes escape sequences of the marked ones only.

use std::fmt::{Display, Write as _};
use std::sync::LazyLock;

use anstyle::{AnsiColor, Style};

use crate::log::escape::Escaped;

/// Of an error.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Of advice.
pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
/// Of a warning, and of what waits.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Of what went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Of a heading.
pub(crate) const HEADING: Style = Style::new().bold();
/// Of what is beside the point.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// The character that escape sequences begin with.
const ESCAPE: char = '\x1b';

/// Stands for [`ESCAPE`] in texts of px's own. It begins with a noncharacter,
/// which no text that is exchanged has, and goes on with what nobody can guess.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let mut bytes = [0; 16];
    px_core::random_bytes(&mut bytes);
    bytes.iter().fold(String::from('\u{fdd0}'), |mut mark, byte| {
        // Writing into a text cannot fail.
        let _ = write!(mark, "{byte:02x}");
        mark
    })
});

/// Text in a style, for [`for_terminal`].
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    let marked = |sequence: String| sequence.replace(ESCAPE, &MARK);
    format!("{}{text}{}", marked(style.to_string()), marked(format!("{style:#}")))
}

/// Text behind which a terminal opens a page (OSC 8), for [`for_terminal`]. The URL is px's own.
pub(crate) fn linked(url: &str, text: impl Display) -> String {
    let mark = &*MARK;
    format!("{mark}]8;;{url}{mark}\\{text}{mark}]8;;{mark}\\")
}

/// Returns whether a terminal with these variables is known to make links of such text: others
/// may show it.
pub(crate) fn knows_links(variable: impl Fn(&str) -> Option<String>) -> bool {
    let term = variable("TERM").unwrap_or_default();
    let is_off =
        term.is_empty() || term == "dumb" || variable("NO_COLOR").is_some_and(|text| !text.is_empty());
    let by_term = ["kitty", "alacritty", "foot", "ghostty", "wezterm", "contour"];
    let by_program = ["iTerm.app", "WezTerm", "vscode", "ghostty", "Hyper", "Tabby"];
    let program = variable("TERM_PROGRAM").unwrap_or_default();
    let vte = variable("VTE_VERSION").and_then(|version| version.parse::<u32>().ok());
    !is_off
        && (vte.is_some_and(|version| version >= 5_000)
            || by_term.iter().any(|name| term.contains(name))
            || by_program.contains(&&*program)
            || ["WT_SESSION", "KONSOLE_VERSION", "DOMTERM"].iter().any(|name| variable(name).is_some()))
}

/// The style of the status of a run, and of the state of a delivery.
pub(crate) fn style_of(status: &str) -> Style {
    match status {
        "complete" | "resumed" | "started" | "delivered" => GOOD,
        "error" | "cancelled" | "rejected" | "quarantined" | "dead" => ERROR,
        "waiting" | "paused" | "queued" | "late" | "parked" | "held" => WARNING,
        _ => HEADING,
    }
}

/// A text of others as a part of one line: its ends of lines are escaped, too.
pub(crate) fn shown(text: impl Display) -> String {
    let mut out = String::new();
    // Writing into a text cannot fail.
    let _ = write!(Escaped(&mut out), "{text}");
    out
}

/// A text as a terminal may have it: lines and px's own styles, and nothing else
/// that a terminal obeys.
pub(crate) fn for_terminal(text: impl Display) -> String {
    let lines = text.to_string();
    let mut out = String::with_capacity(lines.len());
    for (index, line) in lines.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let _ = Escaped(&mut out).write_str(line);
    }
    if out.contains(&*MARK) { out.replace(&*MARK, "\x1b") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_56_only_styles_of_px_itself_reach_a_terminal() {
        let painted = for_terminal(paint(ERROR, "A\x1b[31mB\x1b]0;owned\x07"));
        assert_eq!(painted, "\u{1b}[1m\u{1b}[31mA\\x1b[31mB\\x1b]0;owned\\x07\u{1b}[0m");
        for (text, expected) in [
            ("plain: Grüße 👋", "plain: Grüße 👋"),
            ("two\nlines", "two\nlines"),
            ("\x1b[8mhidden", "\\x1b[8mhidden"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("over\rwritten\x08\x7f", "over\\rwritten\\x08\\x7f"),
            ("\u{202e}drawkcab", "\\u{202e}drawkcab"),
            ("\u{fdd0}[31m", "\u{fdd0}[31m"),
        ] {
            assert_eq!(for_terminal(text), expected);
        }
    }

    #[test]
    fn a_link_is_around_its_text_and_the_text_is_escaped() {
        let link =
            for_terminal(linked("http://127.0.0.1:8787/ui/runs/run_1", paint(HEADING, "…67c0\x1b]8;;")));
        assert_eq!(
            link,
            "\u{1b}]8;;http://127.0.0.1:8787/ui/runs/run_1\u{1b}\\\u{1b}[1m…67c0\\x1b]8;;\u{1b}[0m\u{1b}]8;;\u{1b}\\"
        );
        assert_eq!(anstream::adapter::strip_str(&link).to_string(), "…67c0\\x1b]8;;");
    }

    #[test]
    fn only_terminals_that_are_known_to_make_links_get_some() {
        let is_linked = |variables: &[(&str, &str)]| {
            knows_links(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
            })
        };
        assert!(is_linked(&[("TERM", "xterm-kitty")]));
        assert!(is_linked(&[("TERM", "xterm-256color"), ("VTE_VERSION", "7200")]));
        assert!(is_linked(&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "iTerm.app"), ("NO_COLOR", "")]));
        for plain in [
            &[("TERM", "xterm-256color")][..],
            &[("TERM", "dumb"), ("VTE_VERSION", "7200")],
            &[("TERM", "xterm-256color"), ("VTE_VERSION", "3400")],
            &[("TERM", "xterm-kitty"), ("NO_COLOR", "1")],
            &[("VTE_VERSION", "7200")],
        ] {
            assert!(!is_linked(plain), "{plain:?}");
        }
    }

    #[test]
    fn rules_56_a_value_is_one_line() {
        assert_eq!(shown("a\nError: b"), "a\\nError: b");
        assert_eq!(for_terminal(shown(paint(GOOD, "a\nb"))), "\u{1b}[1m\u{1b}[32ma\\nb\u{1b}[0m");
    }
}
