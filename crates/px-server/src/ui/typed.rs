//! What was typed into a form: JSON of fields that a schema names, and the form once more
//! where it was refused, so that nothing of it is lost.

use axum::response::Response;
use http::request::Parts;
use px_api::Violation;
use px_core::Code;
use px_core::run::Place as WaitPlace;
use px_dashboard::page::{self, RetryView};
use px_dashboard::route::field;
use px_dashboard::{FlatField, FlatKind, flat_fields};
use serde_json::{Map, Number, Value};

use super::answers::{self, html};
use super::guard::{Form, Who};
use super::place::Place;
use crate::app::App;
use crate::error::ApiError;

/// Returns whether a form has fields that a schema names.
pub(super) fn has_fields(form: &Form) -> bool {
    form.0.iter().any(|(name, _)| name.starts_with(field::OF_SCHEMA))
}

/// The object that the fields of a flat schema say. What is left empty is absent, or null where the schema
/// demands it and allows that.
pub(super) fn object(schema: &Value, form: &Form) -> Result<Value, Vec<Violation>> {
    let (mut object, mut wrong) = (Map::new(), Vec::new());
    for one in flat_fields(schema).unwrap_or_default() {
        match value(&one, form.get(&one.field())) {
            Ok(None) => {}
            Ok(Some(value)) => drop(object.insert(one.name, value)),
            Err(message) => {
                let path = format!("/{}", one.name.replace('~', "~0").replace('/', "~1"));
                wrong.push(Violation { path, message });
            }
        }
    }
    if wrong.is_empty() { Ok(Value::Object(object)) } else { Err(wrong) }
}

fn value(field: &FlatField, text: Option<&str>) -> Result<Option<Value>, String> {
    let Some(text) = text else {
        return Ok((field.is_required && field.is_nullable).then_some(Value::Null));
    };
    let number = || text.trim().parse::<Number>().map_err(|_| format!("'{text}' is no number"));
    Ok(Some(match field.kind {
        FlatKind::Text | FlatKind::Choice(_) => text.into(),
        FlatKind::Number => number()?.into(),
        FlatKind::Integer => match number()? {
            whole if whole.is_i64() || whole.is_u64() => whole.into(),
            other => return Err(format!("{other} is no whole number")),
        },
        FlatKind::Boolean => match text {
            "true" => true.into(),
            "false" => false.into(),
            _ => return Err(format!("'{text}' is neither true nor false")),
        },
    }))
}

/// The place in a wait that a form names: its id, a dot, and the index of what it waits for.
pub(super) fn place_of(text: &str) -> Result<WaitPlace, ApiError> {
    let parts =
        text.split_once('.').and_then(|(wait, index)| Some((wait.parse().ok()?, index.parse().ok()?)));
    let place = parts.map(|(wait, index)| WaitPlace { wait, index });
    place.ok_or_else(|| {
        ApiError::bad_request(format!("'{text}' names no wait; open the page of the run again"))
    })
}

/// Schema of what the form at a place asks for: an input, a response, a payload.
pub(super) fn schema_of(app: &App, place: &Place, form: &Form) -> Option<Value> {
    let path = place.as_str().split('?').next().unwrap_or_default();
    let parts: Vec<String> = path
        .split('/')
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["brains", title, "start"] => app.registry().brain(title).map(|brain| brain.input_schema.clone()),
        ["runs", _, "answer"] => response_schema(app, form.get("slug")?),
        ["webhooks", slug, "test"] => {
            app.registry().webhook(slug).map(|webhook| webhook.payload_schema.clone())
        }
        _ => None,
    }
}

/// Schema of the responses that a webhook gives to runs.
pub(super) fn response_schema(app: &App, slug: &str) -> Option<Value> {
    app.registry().webhook(slug).map(|webhook| webhook.response_schema.clone())
}

/// The form that was refused, as it was sent, on a page that says what is wrong; `None` if there is no text in it
/// that would be lost, or if nobody may send it.
pub(super) fn again(app: &App, who: &Who, head: &Parts, form: &Form, error: &ApiError) -> Option<Response> {
    let place = Place::of(&head.uri);
    let status = error.status();
    // Whoever may not send it has no use for it.
    let is_final = error.body().code() == Some(Code::ScopeMissing);
    if head.method != http::Method::POST || is_final || !RetryView::has_text(&form.0, place.as_str()) {
        return None;
    }
    let fields: Vec<(String, String)> =
        form.0.iter().filter(|(name, _)| name != field::CSRF).cloned().collect();
    let body = answers::cleaned(app, error);
    let schema = schema_of(app, &place, form);
    let view = RetryView {
        status: status.as_u16(),
        error: &body,
        path: place.as_str(),
        fields: &fields,
        schema: schema.as_ref(),
    };
    let session = answers::session(app, who, &head.uri, &head.headers);
    let mut response = html(status, page::retry(&view, &session));
    answers::note_retry(error, &mut response);
    Some(response)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn form(fields: &[(&str, &str)]) -> Form {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Form(Arc::new(fields.collect()))
    }

    #[test]
    fn fields_become_json_of_their_kinds_and_what_is_empty_is_absent() {
        let schema = json!({
            "type": "object",
            "required": ["name", "note"],
            "properties": {
                "name": { "type": "string" },
                "size": { "type": "integer" },
                "share": { "type": "number" },
                "sure": { "type": "boolean" },
                "note": { "type": ["string", "null"] },
                "mood": { "enum": ["good", "bad"] },
            },
        });
        let sent = form(&[
            ("in:name", "+15550100"),
            ("in:size", "12345678901234567890"),
            ("in:share", " 0.5 "),
            ("in:sure", "false"),
            ("in:note", ""),
            ("in:mood", ""),
            ("in:unknown", "x"),
        ]);
        assert!(has_fields(&sent));
        let made = object(&schema, &sent).unwrap();
        assert_eq!(
            made,
            json!({
                "name": "+15550100", "size": 12_345_678_901_234_567_890_u64, "share": 0.5, "sure": false, "note": null,
            })
        );
        let wrong = form(&[("in:size", "1.5"), ("in:share", "much"), ("in:sure", "maybe")]);
        let paths: Vec<String> =
            object(&schema, &wrong).unwrap_err().into_iter().map(|one| one.path).collect();
        assert_eq!(paths.len(), 3, "{paths:?}");
        for path in ["/size", "/share", "/sure"] {
            assert!(paths.iter().any(|one| one == path), "{paths:?}");
        }
        assert!(!has_fields(&form(&[("state", "{}")])));
    }

    #[test]
    fn a_form_names_a_place_in_a_wait_or_is_refused() {
        let wait = "wat_019a2f0c4b7a7f3b8c1d2e3f4a5b6c7d";
        let place = place_of(&format!("{wait}.3")).unwrap();
        assert_eq!((place.wait.to_string().as_str(), place.index), (wait, 3));
        for odd in
            ["", wait, "x.1", &format!("{wait}.-1"), &format!("{wait}.4294967296"), &format!("{wait}.1.1")]
        {
            assert!(place_of(odd).is_err(), "{odd}");
        }
    }
}
