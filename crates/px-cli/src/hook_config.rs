//! Outbound hooks in `px.toml`: who is told what happens to runs.
//!
//! ```toml
//! [[hooks]]
//! name = "billing"
//! url = "https://billing.example/px"
//! events = ["run.*"]
//! secret_env = "BILLING_SECRET"
//! ```
//!
//! `[hooks] allow_private` opens private addresses for all of them; a file that
//! has both writes its hooks as `[[hooks.hook]]`, for TOML knows one shape a key.
//!
//! | key | variable | default |
//! |---|---|---|
//! | `hooks.allow_private` | `PX_HOOKS_ALLOW_PRIVATE` | this machine, if px listens there only |
//! | `hooks.allow` | | none: ranges of addresses that are open besides |
//! | the key of secrets at rest | `PX_SECRET_KEY` | the file `secret.key` in the data directory |

use std::path::Path;

use px_outbound::guard::Range;
use px_outbound::operate::{Input, Spec};
use px_outbound::vault::Vault;
use px_server::HookOptions;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::{Error, Result};

/// The file of the key that encrypts secrets, in the data directory.
const KEY_FILE: &str = "secret.key";

/// `[[hooks]]`, or `[hooks]` with `[[hooks.hook]]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Hooks {
    allow_private: Option<bool>,
    allow: Vec<String>,
    hooks: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    allow_private: Option<bool>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    hook: Vec<toml::Table>,
}

impl<'de> Deserialize<'de> for Hooks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Hooks;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("[[hooks]], or [hooks] with [[hooks.hook]]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Hooks, A::Error> {
                let hooks = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
                Ok(Hooks { hooks, ..Hooks::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Hooks, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Hooks { allow_private: table.allow_private, allow: table.allow, hooks: table.hook })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Hooks {
    /// Whether private addresses are open, if that is said.
    pub(crate) fn allow_private(&self) -> Option<bool> {
        self.allow_private
    }

    /// What the environment says counts more.
    pub(crate) fn overlay(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
        if let Some(text) = env("PX_HOOKS_ALLOW_PRIVATE").filter(|text| !text.is_empty()) {
            self.allow_private = Some(match text.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => {
                    return Err(Error::usage(format!(
                        "PX_HOOKS_ALLOW_PRIVATE is '{text}', which is neither true nor false"
                    )));
                }
            });
        }
        Ok(())
    }

    /// What the server is started with. Makes the key of secrets if there is none.
    pub(crate) fn options(
        &self,
        data_dir: &Path,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<HookOptions> {
        let ranges = self
            .allow
            .iter()
            .map(|text| text.parse::<Range>().map_err(|error| Error::usage(format!("hooks.allow: {error}"))));
        let vault = match env("PX_SECRET_KEY").filter(|text| !text.is_empty()) {
            Some(text) => Vault::from_text(&text).map_err(|error| {
                Error::usage(format!("PX_SECRET_KEY: {error}")).hint("make one with `openssl rand -hex 32`")
            })?,
            None => Vault::from_file(&data_dir.join(KEY_FILE))
                .map_err(|error| Error::failed(error.to_string()))?,
        };
        Ok(HookOptions {
            allow_private: self.allow_private,
            ranges: ranges.collect::<Result<_>>()?,
            vault,
            hooks: self.specs(env)?,
            ..HookOptions::default()
        })
    }

    /// The hooks, with their secrets.
    pub(crate) fn specs(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Spec>> {
        self.hooks.iter().enumerate().map(|(place, table)| spec(place, table, env)).collect()
    }
}

fn spec(place: usize, table: &toml::Table, env: &dyn Fn(&str) -> Option<String>) -> Result<Spec> {
    let mut table = table.clone();
    let name = table.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
    let which = if name.is_empty() { format!("hook {}", place + 1) } else { format!("hook '{name}'") };
    let wrong = |why: String| Error::usage(format!("px.toml, {which}: {why}"));
    if name.is_empty() {
        return Err(wrong("it has no name".into()).hint("px knows a configured hook by its name"));
    }
    if let Some(variable) = table.remove("secret_env") {
        let variable = variable.as_str().unwrap_or_default().to_owned();
        if table.contains_key("secret") {
            return Err(wrong("it has both secret and secret_env".into()));
        }
        let secret = env(&variable)
            .filter(|secret| !secret.is_empty())
            .ok_or_else(|| wrong(format!("the variable {variable}, which secret_env names, is not set")))?;
        table.insert("secret".into(), secret.into());
    }
    if !table.contains_key("secret") {
        return Err(wrong("it has no secret".into()).hint(
            "set secret_env to the variable that holds it; `openssl rand -base64 32` makes one, after whsec_",
        ));
    }
    let input: Input =
        table.try_into().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    input.spec().map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        hooks: Hooks,
    }

    fn hooks(text: &str) -> Hooks {
        toml::from_str::<File>(text).unwrap().hooks
    }

    #[test]
    fn hooks_are_an_array_or_a_table_with_a_policy() {
        let short =
            hooks("[[hooks]]\nname = 'a'\nurl = 'https://a.example'\nsecret_env = 'S'\ntimeout = '3s'\n");
        let long = hooks(
            "[hooks]\nallow_private = true\n[[hooks.hook]]\nname = 'a'\nurl = 'https://a.example'\nsecret = 's'\n",
        );
        let env = |name: &str| (name == "S").then(|| "whsec_x".to_owned());
        let spec = short.specs(&env).unwrap().remove(0);
        assert_eq!((spec.name.as_str(), spec.timeout), ("a", Duration::from_secs(3)));
        assert_eq!((long.allow_private, long.hooks.len()), (Some(true), 1));
        assert_eq!(hooks("").hooks.len(), 0);
    }

    #[test]
    fn what_is_wrong_names_the_hook() {
        let said = |text: &str| hooks(text).specs(&|_| None).unwrap_err().message;
        assert_eq!(said("[[hooks]]\nurl = 'x'\n"), "px.toml, hook 1: it has no name");
        assert_eq!(
            said("[[hooks]]\nname = 'a'\nsecret_env = 'NOPE'\n"),
            "px.toml, hook 'a': the variable NOPE, which secret_env names, is not set"
        );
        assert!(said("[[hooks]]\nname = 'a'\nsecret = 's'\nevent = 1\n").contains("unknown field `event`"));
        assert!(said("[[hooks]]\nname = 'a'\nsecret = 's'\n").contains("needs a url"));
        let mut policy = Hooks::default();
        assert!(policy.overlay(&|_| Some("maybe".into())).is_err());
        policy.overlay(&|_| Some("true".into())).unwrap();
        assert_eq!(policy.allow_private, Some(true));
    }
}
