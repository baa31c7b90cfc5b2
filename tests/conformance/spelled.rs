//! The ways in which a value is spelled where it travels.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// A value that is JSON, as JSON; a list of numbers as such.
pub fn parsed(value: &str) -> Vec<Value> {
    let list = value.split(',').map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<u64>>>();
    let pair = list.filter(|list| list.len() > 1).map(|list| json!([0, list[0], list[1], 9]));
    serde_json::from_str(value).ok().filter(Value::is_object).into_iter().chain(pair).collect()
}

/// The value, what is left of it without the blanks at its ends, and the texts within it.
pub fn parts(value: &str) -> Vec<String> {
    let mut parts = vec![value.to_owned(), value.trim().to_owned()];
    if let Some(parsed) = serde_json::from_str::<Value>(value).ok().filter(Value::is_object) {
        let texts = [&parsed["z_type"], &parsed["private_key"], &parsed["list"][0]];
        parts.extend(texts.map(|text| text.as_str().unwrap().trim().to_owned()));
        parts.push(parsed.to_string());
    }
    parts
}

/// Forms in which a value travels, made without px.
pub fn forms(value: &str) -> Vec<String> {
    let json = Value::from(value).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let twice = Value::from(json.as_str()).to_string();
    let twice = twice[1..twice.len() - 1].to_owned();
    let escaped = |text: &str, letters: &str, as_what: &dyn Fn(u32) -> String| -> String {
        let escape = |letter: char| match letters.contains(letter) {
            true => as_what(letter.into()),
            false => letter.to_string(),
        };
        text.chars().map(escape).collect()
    };
    // As encoders do it whose JSON may stand in a page, in either case; and pages themselves.
    let html_safe = escaped(&json, "<>&'+/äöü\u{202e}", &|code| format!("\\u{code:04x}"));
    let html_upper = escaped(&json, "<>&'+/äöü\u{202e}", &|code| format!("\\u{code:04X}"));
    let entities = escaped(value, "<>&'\"", &|code| format!("&#{code};"));
    // The userinfo of a URL: fewer letters are escaped than elsewhere.
    let userinfo = value.bytes().map(|byte| match byte {
        b'/' | b'"' | b'<' | b'>' | b'@' | b'%' | b' ' | b'\\' | b'[' | 0..32 | 127.. => {
            format!("%{byte:02x}")
        }
        byte => char::from(byte).to_string(),
    });
    let hexadecimal = |upper: bool| -> String {
        let digits = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        value.bytes().map(digits).collect()
    };
    let url: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    vec![
        value.to_owned(),
        json,
        twice,
        html_safe,
        html_upper,
        entities,
        userinfo.collect(),
        format!("{value:?}").trim_matches('"').to_owned(),
        // On a terminal, whose lines end nowhere else.
        value
            .replace('\n', "\\n")
            .replace('\t', "\\t")
            .replace('\u{1b}', "\\x1b")
            .replace('\u{202e}', "\\u{202e}"),
        STANDARD.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        hexadecimal(false),
        hexadecimal(true),
        url,
    ]
}
