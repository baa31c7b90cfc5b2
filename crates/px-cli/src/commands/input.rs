//! The input of a run as somebody types it: what is missing, the line to type, and an
//! editor with an example in it.

use std::io::{IsTerminal as _, Write as _};
use std::process::Command;

use px_api::Violation;
use serde_json::{Map, Value};

use crate::error::{Error, Kind, Result};
use crate::sample::{follow, samples};
use crate::show::curl::quoted;
use crate::show::words;

/// Beginning of a sample's text that nobody gave an example for.
const MADE_UP: &str = "sample-";

/// Characters of a field's description that are shown.
const MAX_WORDS: usize = 60;

/// The refusal of an input that does not fit, as what is missing and the line to type.
pub(super) fn misfit(error: Error, schema: &Value, brain: &str, set: &[String]) -> Error {
    let violations: Vec<Violation> = error
        .details
        .get("violations")
        .and_then(|violations| serde_json::from_value(violations.clone()).ok())
        .unwrap_or_default();
    if violations.is_empty() {
        return error;
    }
    let root = follow(schema, schema);
    let given: Vec<&str> = set.iter().filter_map(|text| text.split_once('=')).map(|(key, _)| key).collect();
    let missing: Vec<String> = names(root.get("required"))
        .filter(|name| !given.contains(name))
        .map(|name| described(schema, root, name))
        .collect();
    let others = violations.iter().filter(|violation| !violation.message.contains("is a required property"));
    let mut lines: Vec<String> = others
        .map(|violation| {
            let path = if violation.path.is_empty() { "/" } else { &violation.path };
            format!("{path}: {}", violation.message)
        })
        .collect();
    if !missing.is_empty() && !set.is_empty() {
        lines.push(format!("missing: {}", missing.join(", ")));
    } else if lines.is_empty() {
        lines.extend(violations.iter().map(|violation| violation.message.clone()));
    }
    let message = format!("the input does not fit brain '{brain}'\n  {}", lines.join("\n  "));
    let mut said = Error::new(Kind::Usage, message).hint(format!("try: {}", line(schema, root, brain, set)));
    said.details = error.details;
    said
}

fn names(required: Option<&Value>) -> impl Iterator<Item = &str> {
    required.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// A field with what its description says of it.
fn described(schema: &Value, root: &Value, name: &str) -> String {
    let property = root.get("properties").and_then(|properties| properties.get(name));
    let words = property.and_then(|property| {
        property.get("description").or_else(|| follow(schema, property).get("description"))
    });
    match words.and_then(Value::as_str) {
        Some(text) => {
            let text = text.split(['\n', '.']).next().unwrap_or(text);
            format!("{name} ({})", words::cut(text, MAX_WORDS))
        }
        None => name.to_owned(),
    }
}

/// The line that starts a run with everything that it needs.
fn line(schema: &Value, root: &Value, brain: &str, set: &[String]) -> String {
    let sample = samples(schema).into_iter().next().unwrap_or_default();
    let given = |name: &str| {
        set.iter().filter_map(|text| text.split_once('=')).find(|(key, _)| *key == name).map(|(_, text)| text)
    };
    let mut line = format!("px run {}", quoted(brain));
    for name in names(root.get("required")) {
        let text = given(name).map_or_else(
            || match sample.get(name) {
                Some(Value::String(text)) if !text.starts_with(MADE_UP) => text.clone(),
                Some(Value::String(_)) | None => "…".to_owned(),
                Some(other) => other.to_string(),
            },
            str::to_owned,
        );
        line.push_str(&format!(" -s {}", quoted(&format!("{name}={text}"))));
    }
    line
}

/// Opens an editor with an input to start from, and returns what was saved.
pub(super) fn edited(schema: &Value, given: Option<Map<String, Value>>) -> Result<Map<String, Value>> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::usage("--edit needs a terminal").hint("give the input with --state @FILE"));
    }
    let editor =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
    let editor = editor.ok_or_else(|| {
        Error::usage("--edit does not know your editor").hint("set EDITOR, such as EDITOR=vi")
    })?;
    let mut start = match samples(schema).into_iter().next() {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    start.extend(given.unwrap_or_default());
    let failed = |what: &str, error: std::io::Error| Error::failed(format!("cannot {what}: {error}"));
    let name = format!("px-input-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    let text = format!("{:#}\n", Value::Object(start));
    crate::private::create_new(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| failed(&format!("write {}", path.display()), error))?;
    // As a shell reads it: an editor may come with flags.
    let status = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&path).status();
    let status = status.map_err(|error| failed(&format!("start {editor}"), error))?;
    // What was typed is kept until it can be read: --state takes it from there.
    let kept = format!("what was saved is in {0}; `--state @{0}` takes it, once it is right", path.display());
    if !status.success() {
        return Err(Error::failed(format!("{editor} ended with {status}; nothing was started")).hint(kept));
    }
    let saved = std::fs::read_to_string(&path).map_err(|error| failed("read what was saved", error))?;
    let input =
        crate::typed::object("--edit", &saved).map_err(|error| Error { hint: Some(kept), ..error })?;
    let _ = std::fs::remove_file(&path);
    Ok(input)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_misfit_says_what_is_missing_and_the_line_to_type() {
        let schema = json!({
            "type": "object",
            "required": ["name", "slackChannel", "phoneNumber"],
            "properties": {
                "name": {"type": "string"},
                "slackChannel": {"type": "string", "description": "the Slack channel to ask in"},
                "phoneNumber": {"type": "string", "examples": ["+15550100"]},
            },
        });
        let mut refused = Error::failed("The state does not fit");
        let required =
            |name: &str| json!({"path": "", "message": format!("\"{name}\" is a required property")});
        refused
            .details
            .insert("violations".into(), json!([required("slackChannel"), required("phoneNumber")]));
        let said = misfit(refused, &schema, "customer-feedback", &["name=Ada".to_owned()]);
        assert_eq!(said.kind, Kind::Usage);
        assert_eq!(
            said.message,
            "the input does not fit brain 'customer-feedback'\n  missing: slackChannel (the Slack channel to ask in), \
             phoneNumber"
        );
        assert_eq!(
            said.hint.as_deref(),
            Some("try: px run customer-feedback -s name=Ada -s 'slackChannel=…' -s phoneNumber=+15550100")
        );
    }
}
