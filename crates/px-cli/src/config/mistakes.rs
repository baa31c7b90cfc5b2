//! What is wrong in the file, in words. A value that cannot be read may be a secret
//! in the wrong place, so no text of a value is repeated: line and column say where
//! it stands.

use std::path::Path;

use crate::error::Error;
use crate::suggest;

/// Returns why a file cannot be read as TOML, or as a configuration.
pub(super) fn of_file(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let (line, column) = place(text, error.span().map_or(0, |span| span.start));
    let (mut what, hint) = reworded(error.message());
    if let Some(key) = error.span().and_then(|span| text.get(span)).filter(|_| what == "duplicate key") {
        what = format!("{what} '{key}'");
    }
    Error::usage(format!("{}:{line}:{column}: {what}", path.display())).maybe_hint(hint)
}

/// Line and column of a byte, from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
    (line, column)
}

/// serde's "unknown field `a`, expected one of `b`, `c`" with a suggestion, and other
/// messages without the value that they are about: only a number that is out of
/// range, and a word that is nearly one of those that fit, cannot be a secret.
pub(crate) fn reworded(message: &str) -> (String, Option<String>) {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (wrong, known) = named(rest);
        let meant = meant(wrong, &known);
        return (
            format!("unknown key '{wrong}'"),
            Some(format!("{}the keys here are: {}", meant.unwrap_or_default(), known.join(", "))),
        );
    }
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        // The value itself may hold a quotation mark: the words come last.
        let (words, tail) = rest.rsplit_once("`, expected ").unwrap_or((rest, ""));
        let known: Vec<&str> = tail.split('`').skip(1).step_by(2).collect();
        let wrong = words.trim_start_matches('`');
        let hint = |meant: &str| Some(format!("{meant}the words here are: {}", known.join(", ")));
        return match meant(wrong, &known) {
            Some(meant) => (format!("unknown word '{wrong}'"), hint(&meant)),
            None => ("unknown word".to_owned(), hint("")),
        };
    }
    for prefix in ["invalid type: ", "invalid value: "] {
        let Some(rest) = message.strip_prefix(prefix) else { continue };
        let is_number = rest.starts_with("integer ") || rest.starts_with("floating point ");
        if is_number && prefix == "invalid value: " {
            break;
        }
        let (found, expected) = rest.rsplit_once(", expected ").unwrap_or((rest, "something else"));
        // `string "…"`, `integer `…``, and without a value `map`.
        let kind = found.split(['"', '`']).next().unwrap_or_default().trim_end();
        return (format!("{prefix}{kind}, expected {expected}"), None);
    }
    (message.to_owned(), None)
}

/// The words between backticks: the first, and the others.
fn named(text: &str) -> (&str, Vec<&str>) {
    let mut names = text.split('`').skip(1).step_by(2);
    (names.next().unwrap_or_default(), names.collect())
}

fn meant(wrong: &str, known: &[&str]) -> Option<String> {
    suggest::nearest(wrong, known.iter().copied()).map(|name| format!("did you mean '{name}'? "))
}

#[cfg(test)]
mod tests {
    use super::super::{Config, reworded};
    use std::path::Path;

    #[test]
    fn no_secret_that_stands_in_the_wrong_place_is_repeated() {
        let hook = |line: &str| {
            format!("[[hooks]]\nname = 'a'\nurl = 'https://a.example'\nsecret = 'whsec_x'\n{line}\n")
        };
        for text in [
            "[webhooks.x]\nsecrets = 'hunter2'\n",
            "[webhooks.x]\nsecrets = ['hunter2']\n",
            "[webhooks.x]\nsecrets = ['hunter2, expected \"` nothing']\n",
            "[webhooks.x]\nsecrets = [{ value = 'hunter2', expires = 'hunter2' }]\n",
            "[webhooks.x]\nsecrets = [{ value = 4815162342 }]\n",
            "[webhooks.x]\non_invalid = 'hunter2'\n",
            "[webhooks.x]\nsecrets = [{ env = 'hunter2 whsec/+=' }]\n",
            "[providers.x]\nsecret = ['hunter2']\n",
            "[providers.x.scheme]\ntoken = 'hunter2'\n",
            "[providers.x]\nscheme = 'hunter2'\n",
            "[[hooks]]\nname = 'a'\nsecret = 4815162342\n",
            "[[hooks]]\nname = 'a'\nsecret_env = 'hunter2 whsec/+='\n",
            "hooks = 'hunter2'\n",
            &hook("headers = 'hunter2'"),
            &hook("headers = { authorization = 4815162342 }"),
            &hook("signature = 'hunter2'"),
            &hook("signature = { secret = 'hunter2' }"),
            "[[hooks]]\nname = 'a'\nsecret = 'hunter2\n",
            "[[hooks]]\nname = 'a'\nsecret = hunter2\n",
        ] {
            let said = match Config::parse(text, Path::new("px.toml")) {
                Err(error) => vec![format!("{error:?}")],
                Ok(config) => {
                    let policy = px_outbound::guard::Policy::public();
                    let mut said = config.hooks.problems(&|_| None, &policy, &|_| None);
                    let of_webhooks = config.each_webhook(&|_| None).filter_map(|(_, options)| options.err());
                    said.extend(of_webhooks.map(|error| format!("{error:?}")));
                    said
                }
            };
            assert!(!said.is_empty(), "{text}");
            let said = said.join("\n");
            assert!(!said.contains("hunter2") && !said.contains("4815162342"), "{text}: {said}");
        }
    }

    #[test]
    fn what_was_found_is_named_by_its_type_and_what_is_out_of_range_by_itself() {
        for (message, expected) in [
            ("invalid type: string \"x\", expected a sequence", "invalid type: string, expected a sequence"),
            ("invalid type: integer `1`, expected a string", "invalid type: integer, expected a string"),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
            ("invalid value: integer `99999`, expected u16", "invalid value: integer `99999`, expected u16"),
            ("invalid value: string \"a, expected b\", expected c", "invalid value: string, expected c"),
            ("unknown variant `acept`, expected `reject` or `accept`", "unknown word 'acept'"),
            ("unknown variant `hunter2`, expected `reject` or `accept`", "unknown word"),
        ] {
            assert_eq!(reworded(message).0, expected);
        }
        let (_, hint) = reworded("unknown variant `acept`, expected `reject` or `accept`");
        assert_eq!(hint.as_deref(), Some("did you mean 'accept'? the words here are: reject, accept"));
    }
}
