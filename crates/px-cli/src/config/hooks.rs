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
//! | `hooks.allow_private` | `PX_HOOKS_ALLOW_PRIVATE` | this machine, if px serves it only |
//! | `hooks.allow` | | none: ranges of addresses that are open besides |
//! | `hooks.redact_paths` | | false: paths of hooks' URLs are shown below `admin` |
//! | the key of secrets at rest | `PX_SECRET_KEY` | the file `secret.key` in the data directory |

use std::net::SocketAddr;

use px_outbound::guard::{Policy, Range};
use px_outbound::operate::{self, Input, Spec};
use px_secrets::vault::Vault;
use px_server::HookOptions;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use crate::config;
use crate::error::{Error, Result};

/// `[[hooks]]`, or `[hooks]` with `[[hooks.hook]]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Hooks {
    allow_private: Option<bool>,
    redact_paths: bool,
    allow: Vec<String>,
    hooks: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    allow_private: Option<bool>,
    #[serde(default)]
    redact_paths: bool,
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
                let Table { allow_private, redact_paths, allow, hook: hooks } = table;
                Ok(Hooks { allow_private, redact_paths, allow, hooks })
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

    /// Returns what the server is started with, under the store's key.
    pub(crate) fn options(&self, vault: Vault, env: &dyn Fn(&str) -> Option<String>) -> Result<HookOptions> {
        let ranges = self.ranges().into_iter().collect::<Result<_>>()?;
        let (hooks, secret_names) = (self.specs(env)?, self.secret_names());
        Ok(HookOptions { vault, ranges, hooks, secret_names, ..self.policy_options() })
    }

    /// The options that say where callbacks may go, but for the ranges.
    fn policy_options(&self) -> HookOptions {
        let (allow_private, redact_paths) = (self.allow_private, self.redact_paths);
        HookOptions { allow_private, redact_paths, ..HookOptions::default() }
    }

    /// Returns whether paths of URLs are hidden, too.
    pub(crate) fn redacts_paths(&self) -> bool {
        self.redact_paths
    }

    fn ranges(&self) -> Vec<Result<Range>> {
        let parse = |text: &String| {
            text.parse::<Range>().map_err(|error| Error::usage(format!("hooks.allow: {error}")))
        };
        self.allow.iter().map(parse).collect()
    }

    /// Returns where callbacks may go, as far as the ranges can be read.
    pub(crate) fn policy(&self, address: SocketAddr, is_fronted: bool) -> Policy {
        let ranges = self.ranges().into_iter().flatten().collect();
        HookOptions { ranges, ..self.policy_options() }.policy(address, is_fronted)
    }

    /// Returns everything that would keep the server from starting. `stored` is the
    /// URL of the configured hook of a name that the store has: with the same target,
    /// which was closed since, it stays.
    pub(crate) fn problems(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
        policy: &Policy,
        stored: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<String> {
        let said = |error: Error| match error.hint {
            Some(hint) => format!("{}; {hint}", error.message),
            None => error.message,
        };
        let mut problems: Vec<String> = self.ranges().into_iter().filter_map(Result::err).map(said).collect();
        let mut names = Vec::new();
        for (place, table) in self.hooks.iter().enumerate() {
            let which = named(place, table);
            let wrong = |why: &dyn std::fmt::Display| format!("px.toml, {which}: {why}");
            if names.contains(&which) {
                problems.push(wrong(&"another hook of the configuration has the same name"));
            }
            match spec(place, table, env) {
                Ok(spec) => match operate::check(policy, &spec) {
                    Err(operate::Error::Egress(refused))
                        if stored(&spec.name).is_some_and(|url| operate::is_held(&url, &spec, &refused)) => {}
                    checked => problems.extend(checked.err().map(|error| wrong(&error))),
                },
                Err(error) => problems.push(said(error)),
            }
            names.push(which);
        }
        problems
    }

    /// The variables that hold secrets of hooks.
    pub(crate) fn secret_variables(&self) -> impl Iterator<Item = String> {
        let named = self.hooks.iter().filter_map(|table| table.get("secret_env")?.as_str());
        named.map(str::to_owned)
    }

    /// The names of hooks whose secret has a name, each with that name.
    fn secret_names(&self) -> Vec<(String, String)> {
        let text = |table: &toml::Table, key| table.get(key)?.as_str().map(str::to_owned);
        self.hooks
            .iter()
            .filter_map(|table| Some((text(table, "name")?, text(table, "secret_env")?)))
            .collect()
    }

    /// The hooks, with their secrets.
    pub(crate) fn specs(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Spec>> {
        self.hooks.iter().enumerate().map(|(place, table)| spec(place, table, env)).collect()
    }
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
        if !px_inbound::is_variable(&variable) {
            // Not repeated: it may be the secret itself.
            return Err(wrong("secret_env is no name of a variable".into())
                .hint("it names the variable that holds the secret, such as BILLING_SECRET"));
        }
        let secret = env(&variable)
            .filter(|secret| !secret.trim().is_empty())
            .ok_or_else(|| wrong(format!("the variable {variable}, which secret_env names, is not set")))?;
        table.insert("secret".into(), secret.into());
    }
    if !table.contains_key("secret") {
        return Err(wrong("it has no secret".into()).hint(
            "set secret_env to the variable that holds it; `openssl rand -base64 32` makes one, after whsec_",
        ));
    }
    if table.get("secret").and_then(toml::Value::as_str).is_some_and(|secret| secret.trim().is_empty()) {
        return Err(wrong("its secret is empty".into()));
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
    fn px_check_sees_all_that_serve_would_refuse() {
        let closed = Policy::public();
        let look = |text: &str| hooks(text).problems(&|_| None, &closed, &|_| None);
        let hook = |more: &str| format!("[[hooks]]\nname = 'a'\n{more}\n");
        for (text, says) in [
            (
                hook("url = 'https://a.example'\nsecret_env = 'NOPE'"),
                "NOPE, which secret_env names, is not set",
            ),
            (hook("url = 'https://a.example'\nsecret = ' '"), "its secret is empty"),
            (hook("url = 'https://a.example'\nsecret = 'whsec_AAAA!!'"), "cannot sign as standard"),
            (
                hook("url = 'ftp://a.example'\nsecret = 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'"),
                "rule scheme",
            ),
            (
                hook("url = 'http://127.0.0.1:9'\nsecret = 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'"),
                "rule loopback",
            ),
            (
                hook(
                    "url = 'https://a.example'\nevents = ['run.begun']\nsecret = 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'",
                ),
                "fits no type of event",
            ),
            (hook("evnets = ['x']\nsecret = 's'"), "unknown key 'evnets'; did you mean 'events'?"),
            (
                "[[hooks]]\nurl = 'https://a.example'\n".to_owned(),
                "px.toml, hook 1: it has no name; px knows",
            ),
            ("[hooks]\nallow = ['10.0.0.0/99']\n".to_owned(), "hooks.allow: '10.0.0.0/99' is no range"),
        ] {
            let problems = look(&text);
            assert!(problems.len() == 1 && problems[0].contains(says), "{text}: {problems:?}");
        }
        let several =
            [hook("evnets = 1\nsecret = 's'"), hook("url = 'ftp://x'\nsecret_env = 'NOPE'")].concat();
        assert_eq!(look(&several).len(), 3, "all at once, and the name that is there twice");
        // One that was there before its target was closed stays, and no other one.
        let stays = |url: &str, stored: &str| {
            let text = hook(&format!("url = '{url}'\nsecret = 'whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'"));
            let stored = |name: &str| (name == "a").then(|| stored.to_owned());
            hooks(&text).problems(&|_| None, &closed, &stored).is_empty()
        };
        assert!(stays("http://127.0.0.1:9", "http://127.0.0.1:9/"));
        assert!(!stays("http://127.0.0.1:9", "http://127.0.0.1:8/"));
        assert!(!stays("http://10.0.0.1", "http://10.0.0.1/"), "only this machine is opened again");
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
