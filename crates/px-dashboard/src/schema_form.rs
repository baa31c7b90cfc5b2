//! A value of a schema as the part of a form: fields where the schema is flat, else JSON in an
//! editor. What was typed comes back as it was, and what is wrong stands at its field.

use std::borrow::Cow;

use maud::{Markup, html};
use px_api::Violation;
use serde_json::Value;

use crate::flat::{FlatField, FlatKind, flat_fields};
use crate::form;
use crate::text::{editable, outsider, visible};

/// A value that a form asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemaForm<'a> {
    /// Beginning of the ids of its controls, where a page has several.
    pub(crate) id: &'a str,
    /// Its schema, if it has one.
    pub(crate) schema: Option<&'a Value>,
    /// Value to begin with.
    pub(crate) example: &'a Value,
    /// Name and label of the field with the JSON, where that is edited.
    pub(crate) json: (&'static str, &'a str),
    /// Lines of the editor.
    pub(crate) rows: u8,
    /// Fields that were sent already.
    pub(crate) typed: &'a [(String, String)],
    /// Parts of it that do not fit.
    pub(crate) violations: &'a [Violation],
}

impl SchemaForm<'_> {
    /// The controls.
    pub(crate) fn controls(&self) -> Markup {
        let was_json = self.typed.iter().any(|(name, _)| name == self.json.0);
        match self.schema.and_then(flat_fields).filter(|_| !was_json) {
            Some(fields) => html! { @for field in &fields { (self.field(field)) } },
            None => {
                let typed = self.typed.iter().find(|(name, _)| name == self.json.0);
                let text = typed.map_or_else(|| editable(self.example), |(_, text)| text.clone());
                let (name, label) = self.json;
                html! {
                    (form::area_as(&format!("{}{name}", self.id), name, label, &text, self.rows))
                }
            }
        }
    }

    fn value(&self, field: &FlatField) -> String {
        let name = field.field();
        if !self.typed.is_empty() {
            let typed = self.typed.iter().find(|(typed, _)| *typed == name);
            return typed.map(|(_, text)| text.clone()).unwrap_or_default();
        }
        match self.example.get(&field.name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    fn field(&self, field: &FlatField) -> Markup {
        let (name, id) = (field.field(), format!("{}in-{}", self.id, id_of(&field.name)));
        let value = self.value(field);
        // Somebody's own text comes back as it was.
        let shown = if self.typed.is_empty() { visible(&value) } else { Cow::Borrowed(&*value) };
        let wrong: Vec<&Violation> = self.violations.iter().filter(|one| is_at(one, &field.name)).collect();
        let (about, why) = (format!("{id}-about"), format!("{id}-why"));
        let described = match (field.description.is_some(), !wrong.is_empty()) {
            (true, true) => Some(format!("{about} {why}")),
            (true, false) => Some(about.clone()),
            (false, true) => Some(why.clone()),
            (false, false) => None,
        };
        let invalid = (!wrong.is_empty()).then_some("true");
        html! {
            div.field.wide {
                label for=(id) { (outsider(&field.name)) @if !field.is_required { " (optional)" } }
                @match &field.kind {
                    FlatKind::Boolean => (choice(&id, &name, &value, &["true".to_owned(), "false".to_owned()], field, described.as_deref())),
                    FlatKind::Choice(of) => (choice(&id, &name, &value, of, field, described.as_deref())),
                    kind => input #(id) type="text" name=(name) value=(shown) spellcheck="false" autocomplete="off"
                        inputmode=[(*kind != FlatKind::Text).then_some("decimal")] required[field.is_required && !field.is_nullable]
                        aria-describedby=[described.as_deref()] aria-invalid=[invalid];
                }
                @if let Some(text) = &field.description { p.m #(about) { (outsider(text)) } }
                @if !wrong.is_empty() { p.s-bad #(why) { "✕ " @for one in &wrong { (outsider(&one.message)) " " } } }
            }
        }
    }

    /// The violations that stand at no field.
    pub(crate) fn elsewhere(&self) -> Vec<&Violation> {
        let was_json = self.typed.iter().any(|(name, _)| name == self.json.0);
        let fields = self.schema.and_then(flat_fields).filter(|_| !was_json).unwrap_or_default();
        let is_elsewhere = |one: &&Violation| !fields.iter().any(|field| is_at(one, &field.name));
        self.violations.iter().filter(is_elsewhere).collect()
    }
}

fn choice(
    id: &str,
    name: &str,
    value: &str,
    of: &[String],
    field: &FlatField,
    described: Option<&str>,
) -> Markup {
    html! {
        select #(id) name=(name) aria-describedby=[described] {
            @if !field.is_required || field.is_nullable || !of.iter().any(|one| one == value) { option value="" selected[value.is_empty()] { "–" } }
            @for one in of { option value=(visible(one)) selected[one == value] { (visible(one)) } }
        }
    }
}

/// Returns whether something is wrong with a property, or with its absence.
fn is_at(violation: &Violation, name: &str) -> bool {
    let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
    violation.path == pointer
        || violation.path.is_empty() && violation.message == format!("\"{name}\" is a required property")
}

/// A name as a part of an id, in which there is no space.
fn id_of(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let plain = |letter: char| {
        if is_plain(letter) { letter.to_string() } else { format!("_{:x}", u32::from(letter)) }
    };
    name.chars().map(plain).collect()
}
