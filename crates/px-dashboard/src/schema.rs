//! A JSON Schema as a table of fields: name, type, and what it is.

use maud::{Markup, html};
use serde_json::Value;

use crate::json_tree;
use crate::table::{Column, table};
use crate::text::outsider;

/// Fields that a table lists.
const MAX_FIELDS: usize = 50;

/// The fields of an object; any other schema is shown as it is.
pub(crate) fn fields(schema: &Value) -> Markup {
    let Some(fields) =
        schema.get("properties").and_then(Value::as_object).filter(|fields| !fields.is_empty())
    else {
        return html! { details.section { summary { "Schema" } (json_tree::tree(schema)) } };
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let columns =
        [Column("Field", ""), Column("Type", ""), Column("Needed", "o"), Column("Description", "grow")];
    let row = |(name, field): (&String, &Value)| {
        html! {
            tr {
                td { code { (outsider(name)) } }
                td { (kind(field)) }
                td.o { @if required.contains(&name.as_str()) { "yes" } @else { span.m { "no" } } }
                td.grow { @if let Some(text) = field.get("description").and_then(Value::as_str) { (outsider(text)) } }
            }
        }
    };
    let rows: Vec<Markup> = fields.iter().take(MAX_FIELDS).map(row).collect();
    html! {
        (table("Fields", &columns, &rows))
        details.section { summary { "Schema" } (json_tree::tree(schema)) }
    }
}

fn kind(field: &Value) -> Markup {
    let kind = field.get("type");
    let named = field.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    let text = match kind {
        Some(Value::String(kind)) => kind.clone(),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => named.unwrap_or("any").to_owned(),
    };
    outsider(&text)
}
