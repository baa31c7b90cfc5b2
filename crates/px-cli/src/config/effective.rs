//! The effective configuration, key by key, and where each value comes from: a
//! flag, a variable, a line of the file, or the default. Secrets that stand in
//! the file are not repeated.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use crate::config::{self, Config, mistakes};
use crate::error::Result;

/// The variables that count more than the file, with the keys that they set.
pub(crate) const VARIABLES: &[(&str, &str)] = &[
    ("server.bind", "PX_BIND"),
    ("server.port", "PX_PORT"),
    ("server.public_url", "PX_PUBLIC_URL"),
    ("store.data_dir", "PX_DATA_DIR"),
    ("hooks.allow_private", "PX_HOOKS_ALLOW_PRIVATE"),
];

/// Keys whose values are shown to nobody.
const HIDDEN: &[&str] = &["secret", "value", "headers"];

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Value,
    /// `default`, `px.toml:12`, `PX_PORT`, `--port`.
    pub(crate) from: String,
}

/// Every key of a configuration: those that always have a value, and of the
/// others those that the file sets. `flags` are keys that a flag has set, with
/// the flag.
pub(crate) fn entries(
    config: &Config,
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    flags: &[(&str, &str)],
) -> Result<Vec<Entry>> {
    let lines = lines(text).map_err(|error| mistakes::of_file(Path::new(file), text, &error))?;
    let from = |key: &str| {
        let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let flag = flags.iter().find(|(known, _)| *known == key).map(|(_, flag)| (*flag).to_owned());
        let variable = || {
            VARIABLES
                .iter()
                .find(|(known, name)| *known == key && is_set(name))
                .map(|(_, name)| (*name).to_owned())
        };
        let line = || lines.get(key).map(|line| format!("{file}:{line}"));
        flag.or_else(variable).or_else(line).unwrap_or_else(|| "default".to_owned())
    };
    let mut found = BTreeMap::new();
    flatten("", &config.fixed(), &mut found);
    let mut order: Vec<String> = Vec::new();
    for section in config::FIXED {
        order.extend(found.keys().filter(|key| key.starts_with(&format!("{section}."))).cloned());
    }
    // What is in the file only: hooks, webhooks, providers.
    let written: toml::Table =
        text.parse().map_err(|error| mistakes::of_file(Path::new(file), text, &error))?;
    let mut open = BTreeMap::new();
    flatten("", &serde_json::to_value(&written).unwrap_or_default(), &mut open);
    for (key, value) in open {
        let is_fixed = config::FIXED.iter().any(|section| key.starts_with(&format!("{section}.")));
        if !is_fixed {
            let hide =
                key.split('.').skip(1).any(|part| HIDDEN.contains(&part)) && !key.starts_with("providers.");
            let is_url = key.starts_with("hooks.") && key.ends_with(".url");
            let shown = match value {
                _ if hide => "(hidden)".into(),
                Value::String(url) if is_url => {
                    px_outbound::guard::redacted(&url, config.hooks.redacts_paths()).into()
                }
                value => value,
            };
            found.insert(key.clone(), shown);
            order.push(key);
        }
    }
    if from("hooks.allow_private") != "default" && !found.contains_key("hooks.allow_private") {
        found.insert("hooks.allow_private".into(), config.hooks.allow_private().into());
        order.push("hooks.allow_private".into());
    }
    Ok(order
        .into_iter()
        .map(|key| {
            let (value, from) = (found.remove(&key).unwrap_or_default(), from(&key));
            Entry { key, value, from }
        })
        .collect())
}

/// Leaves by their dotted path; a list of anything but tables is a leaf.
fn flatten(path: &str, value: &Value, out: &mut BTreeMap<String, Value>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, value)| flatten(&below(name), value, out));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(at, item)| flatten(&below(&at.to_string()), item, out));
        }
        _ if path.is_empty() => {}
        leaf => {
            out.insert(path.to_owned(), leaf.clone());
        }
    }
}

/// The line of each key of a file, by its dotted path.
fn lines(text: &str) -> Result<BTreeMap<String, usize>, toml::de::Error> {
    let mut out = BTreeMap::new();
    let table = DeTable::parse(text)?;
    walk("", &DeValue::Table(table.into_inner()), &mut |path, byte| {
        let before = text.get(..byte).unwrap_or(text);
        out.insert(path, before.matches('\n').count() + 1);
    });
    Ok(out)
}

fn walk(path: &str, value: &DeValue<'_>, tell: &mut impl FnMut(String, usize)) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        DeValue::Table(table) => {
            for (key, value) in table {
                let path = below(key.get_ref());
                walk(&path, value.get_ref(), tell);
                tell(path, key.span().start);
            }
        }
        DeValue::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(&below(&at.to_string()), item.get_ref(), tell);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_says_where_it_comes_from() {
        let text = "[server]\nport = 9000\nbind = '::1'\n\n[[hooks]]\nurl = 'https://a.example/x?sig=hunter2'\nsecret = 'whsec_x'\n\n\
                    [webhooks.github]\nallow = ['10.0.0.0/8']\n";
        let mut config = Config::parse(text, std::path::Path::new("px.toml")).unwrap();
        config.server.port = 7;
        let env = |name: &str| (name == "PX_BIND").then(|| "::1".to_owned());
        let found = entries(&config, "px.toml", text, &env, &[("server.port", "--port")]).unwrap();
        let of = |key: &str| {
            let entry = found.iter().find(|entry| entry.key == key).unwrap_or_else(|| panic!("{key}"));
            (entry.value.to_string(), entry.from.clone())
        };
        assert_eq!(of("server.port"), ("7".into(), "--port".into()));
        assert_eq!(of("server.bind"), ("\"::1\"".into(), "PX_BIND".into()));
        assert_eq!(of("limits.max_headers"), ("80".into(), "default".into()));
        assert_eq!(of("hooks.0.url"), ("\"https://a.example/x?(hidden)\"".into(), "px.toml:6".into()));
        assert_eq!(of("hooks.0.secret"), ("\"(hidden)\"".into(), "px.toml:7".into()));
        assert_eq!(of("webhooks.github.allow"), ("[\"10.0.0.0/8\"]".into(), "px.toml:10".into()));
    }
}
