//! A form that was refused: what is wrong, and what was typed, to be mended and sent again.

use maud::{Markup, html};
use px_api::{Error, Violation, pages};
use serde_json::Value;

use super::refusal::{again, depth, place, title};
use crate::flat::flat_fields;
use crate::route::field;
use crate::schema_form::SchemaForm;
use crate::shell::{Frame, heading, shell};
use crate::text::{outsider, visible};
use crate::{Session, form, prose, route};

/// Fields that somebody types, with their labels. The others are carried on as they are.
const TYPED: [(&str, &str); 9] = [
    (field::STATE, "State, as JSON"),
    ("response", "Response, as JSON"),
    ("payload", "Payload, as JSON"),
    ("identifier", "Identifier"),
    ("idempotencyKey", "Idempotency key"),
    ("since", "Since"),
    ("name", "Name"),
    ("scope", "Scope"),
    (field::RUN, "Run"),
];

/// Fields whose texts have several lines.
const LONG: [&str; 3] = [field::STATE, "response", "payload"];

/// A form that was refused.
#[derive(Debug, Clone)]
pub struct RetryView<'a> {
    /// Status of the answer.
    pub status: u16,
    /// The error, as the API answers it.
    pub error: &'a Error,
    /// Path that the form was sent to, below the root of the dashboard.
    pub path: &'a str,
    /// Names and values of its fields, without the proof of its origin.
    pub fields: &'a [(String, String)],
    /// Schema of what it asks for, if it has one.
    pub schema: Option<&'a Value>,
}

impl RetryView<'_> {
    /// Returns whether there is a text that would be lost with the form.
    #[must_use]
    pub fn has_text(fields: &[(String, String)], path: &str) -> bool {
        fields.iter().any(|(name, value)| !value.trim().is_empty() && is_typed(name, path))
    }
}

/// Fields that a schema names.
fn is_schemas(name: &str) -> bool {
    name.starts_with(field::OF_SCHEMA)
}

/// What a job was shown for is no text of anybody's: it is previewed anew, and not edited.
fn is_typed(name: &str, path: &str) -> bool {
    let is_of_job = path == "bulk" || path.starts_with("bulk/");
    !is_of_job && (is_schemas(name) || TYPED.iter().any(|(typed, _)| *typed == name))
}

/// The run whose question is over that was to be answered: no mending would make the form fit another one.
fn answered<'a>(view: &RetryView<'a>) -> Option<&'a str> {
    let is_of_wait = view.status == 409 && view.fields.iter().any(|(name, _)| name == field::WAIT);
    let run = view.path.strip_prefix("runs/")?.strip_suffix("/answer")?;
    is_of_wait.then_some(run)
}

/// The form, as it was sent, and what is wrong with it.
#[must_use]
pub fn retry(view: &RetryView<'_>, who: &Session) -> Markup {
    let title = title(view.status);
    let frame = Frame::new(route::OVERVIEW, title).place(place(view.path)).at_depth(depth(view.path));
    let violations = view.error.violations.as_deref().unwrap_or_default();
    let is_flat = view.schema.and_then(flat_fields).is_some();
    let is_of_schema = is_flat && view.fields.iter().any(|(name, _)| is_schemas(name));
    let asked = SchemaForm {
        id: "f-",
        schema: view.schema,
        example: &Value::Null,
        json: ("", ""),
        rows: 8,
        typed: view.fields,
        violations,
    };
    let elsewhere: Vec<&Violation> =
        if is_of_schema { asked.elsewhere() } else { violations.iter().collect() };
    let run = answered(view);
    let about = html! {
        span.s.s-bad { "✕ " (view.status) }
        @if !view.error.code.is_empty() { " · " code { (visible(&view.error.code)) } }
    };
    let body = html! {
        (heading(&html! { (title) }, &about, &html! {}))
        div.box role="alert" {
            p.lead { (outsider(&view.error.error)) }
            @if !elsewhere.is_empty() {
                ul.prose { @for one in elsewhere {
                    li { code { (visible(if one.path.is_empty() { "/" } else { &one.path })) } ": " (outsider(&one.message)) }
                } }
            }
        }
        @match run {
            Some(_) => p { "What you typed is below, to be copied. The run shows what it waits for now, if for anything." },
            None => p { "What you typed is below. Mend it and send it again; px sends nothing by itself." },
        }
        form.stack action=(again(view.path)) method="post" {
            (form::proof(&who.csrf))
            @for (name, value) in view.fields.iter().filter(|(name, _)| !is_of_schema || !is_schemas(name)) {
                (control(name, value, view.path))
            }
            @if is_of_schema { (asked.controls()) }
            div.row {
                @match run {
                    Some(run) => a.button href=(frame.href().to(route::RUN, &[run])) { "Open the run" },
                    None => button.primary type="submit" { "Send it again" },
                }
                a href=(frame.href().to(route::OVERVIEW, &[])) { "Discard it" }
            }
        }
        @if let Some(code) = view.error.code() {
            details.section { summary { "What to do" } (prose::markdown(pages::advice(code), frame.href())) (form::command(&format!("px explain {code}"))) }
        }
    };
    shell(&frame, who, &body)
}

fn control(name: &str, value: &str, path: &str) -> Markup {
    let label = TYPED.iter().find(|(typed, _)| *typed == name).map_or(name, |(_, label)| label);
    let id = format!("t-{name}");
    html! {
        @if !is_typed(name, path) { (form::hidden(name, value)) }
        @else if LONG.contains(&name) || value.contains('\n') { (form::area_as(&id, name, label, value, 16)) }
        @else {
            div.field.wide {
                label for=(id) { (label) }
                input #(id) type="text" name=(name) value=(value) spellcheck="false" autocomplete="off";
            }
        }
    }
}
