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

use crate::config;
use crate::error::{Error, Result};

/// The file of the key that encrypts secrets, in the data directory.
const KEY_FILE: &str = "secret.key";

/// Advice about a key that is missing or another one.
pub(crate) const LOST_KEY: &str = "put the store's key back, as that file or as PX_SECRET_KEY; where it is lost, \
                                   `px serve --new-secret-key` goes on with another one, and hooks need new secrets";

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
    /// Returns whether private addresses are open, if that is said.
    pub(crate) fn allow_private(&self) -> Option<bool> {
        self.allow_private
    }

    /// Returns what the environment says counts more.
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

    /// Returns what the server is started with. Makes the key of secrets if there is
    /// none, and `may_make_key` says that nothing is sealed yet.
    pub(crate) fn options(
        &self,
        data_dir: &Path,
        env: &dyn Fn(&str) -> Option<String>,
        may_make_key: bool,
    ) -> Result<HookOptions> {
        let ranges = self
            .allow
            .iter()
            .map(|text| text.parse::<Range>().map_err(|error| Error::usage(format!("hooks.allow: {error}"))));
        let vault = match env("PX_SECRET_KEY").filter(|text| !text.is_empty()) {
            Some(text) => Vault::from_text(&text).map_err(|error| {
                Error::usage(format!("PX_SECRET_KEY: {error}")).hint("make one with `openssl rand -hex 32`")
            })?,
            None => vault_in(&data_dir.join(KEY_FILE), may_make_key)?,
        };
        Ok(HookOptions {
            allow_private: self.allow_private,
            ranges: ranges.collect::<Result<_>>()?,
            vault,
            hooks: self.specs(env)?,
            ..HookOptions::default()
        })
    }

    /// Returns what would keep the server from starting, and what is to be known: a
    /// secret that is not in the environment may be there where px serves.
    pub(crate) fn problems(&self, env: &dyn Fn(&str) -> Option<String>) -> (Vec<String>, Vec<String>) {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        for (place, table) in self.hooks.iter().enumerate() {
            let variable = table.get("secret_env").and_then(toml::Value::as_str).unwrap_or_default();
            let is_set = |name: &str| env(name).is_some_and(|secret| !secret.is_empty());
            let is_missing = !variable.is_empty() && !table.contains_key("secret") && !is_set(variable);
            let read = if is_missing {
                warnings.push(format!(
                    "{} has no secret here: set {variable}, or px does not serve",
                    named(place, table)
                ));
                // Everything else can be looked at without it.
                read(place, table, &|_| Some(String::from("not known here"))).map(|_| ())
            } else {
                spec(place, table, env).map(|_| ())
            };
            problems.extend(read.err().map(|error| match error.hint {
                Some(hint) => format!("{}; {hint}", error.message),
                None => error.message,
            }));
        }
        (problems, warnings)
    }

    /// The hooks, with their secrets.
    pub(crate) fn specs(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Spec>> {
        self.hooks.iter().enumerate().map(|(place, table)| spec(place, table, env)).collect()
    }
}

/// The key's file, which is made where nothing is sealed yet.
fn vault_in(file: &Path, may_make: bool) -> Result<Vault> {
    let failed = |error: px_outbound::vault::Error| Error::failed(error.to_string());
    if may_make {
        return Vault::from_file(file).map_err(failed);
    }
    Vault::read_file(file).map_err(failed)?.ok_or_else(|| {
        Error::failed(format!(
            "the key that the secrets of this store are sealed under is missing: {}",
            file.display()
        ))
        .hint(LOST_KEY)
    })
}

/// Returns how a hook is called: by its name, else by its place.
fn named(place: usize, table: &toml::Table) -> String {
    match table.get("name").and_then(toml::Value::as_str).unwrap_or_default() {
        "" => format!("hook {}", place + 1),
        name => format!("hook '{name}'"),
    }
}

fn spec(place: usize, table: &toml::Table, env: &dyn Fn(&str) -> Option<String>) -> Result<Spec> {
    let which = named(place, table);
    read(place, table, env)?.spec().map_err(|error| Error::usage(format!("px.toml, {which}: {error}")))
}

/// A hook as it is written, with its secret.
fn read(place: usize, table: &toml::Table, env: &dyn Fn(&str) -> Option<String>) -> Result<Input> {
    let mut table = table.clone();
    let which = named(place, &table);
    let wrong = |why: String| Error::usage(format!("px.toml, {which}: {why}"));
    if table.get("name").and_then(toml::Value::as_str).unwrap_or_default().is_empty() {
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
    table.try_into().map_err(|error: toml::de::Error| {
        let (what, hint) = config::reworded(error.message());
        wrong(what).maybe_hint(hint)
    })
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
    fn px_check_sees_what_is_wrong_without_the_secret() {
        let look = |text: &str| hooks(text).problems(&|_| None);
        let (problems, warnings) =
            look("[[hooks]]\nname = 'a'\nurl = 'https://a.example'\nsecret_env = 'NOPE'\n");
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(warnings, ["hook 'a' has no secret here: set NOPE, or px does not serve"]);
        let (problems, _) = look("[[hooks]]\nname = 'a'\nevnets = ['x']\nsecret_env = 'NOPE'\n");
        assert!(
            problems[0].starts_with("px.toml, hook 'a': unknown key 'evnets'; did you mean 'events'?"),
            "{problems:?}"
        );
        let (problems, _) = look("[[hooks]]\nurl = 'https://a.example'\n");
        assert_eq!(problems, ["px.toml, hook 1: it has no name; px knows a configured hook by its name"]);
    }

    #[test]
    fn what_is_wrong_names_the_hook() {
        let said = |text: &str| hooks(text).specs(&|_| None).unwrap_err().message;
        assert_eq!(said("[[hooks]]\nurl = 'x'\n"), "px.toml, hook 1: it has no name");
        assert_eq!(
            said("[[hooks]]\nname = 'a'\nsecret_env = 'NOPE'\n"),
            "px.toml, hook 'a': the variable NOPE, which secret_env names, is not set"
        );
        assert!(said("[[hooks]]\nname = 'a'\nsecret = 's'\nevent = 1\n").contains("unknown key 'event'"));
        assert!(said("[[hooks]]\nname = 'a'\nsecret = 's'\n").contains("needs a url"));
        let mut policy = Hooks::default();
        assert!(policy.overlay(&|_| Some("maybe".into())).is_err());
        policy.overlay(&|_| Some("true".into())).unwrap();
        assert_eq!(policy.allow_private, Some(true));
    }
}
