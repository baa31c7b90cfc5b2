//! `[webhooks.<slug>]` and `[providers.<name>]` of the configuration: what an
//! operator says about a webhook beside the code.
//!
//! ```toml
//! [webhooks.github]
//! max_in_flight = 512                  # requests at once, default 2048
//! max_per_second = 200                 # default: no bound
//! max_per_second_per_address = 50      # default: no bound
//! allow = ["192.30.252.0/22", "::1"]   # who may send, default: everybody
//! secrets = [                          # beside those of the environment
//!     { env = "GITHUB_OLD_SECRET", expires = 2030-01-01T00:00:00Z },
//!     { file = "/run/secrets/github" },
//!     { env = "TWILIO_KEY", id = "SK…" },   # where requests name the key that signed them
//! ]
//! on_invalid = "accept"                # 202 for a payload that does not fit, default "reject": 422
//! provider = "acme"                    # verifies by the record below instead of the code's
//!
//! [providers.acme]                     # a provider that px does not know, in ten lines
//! secret = "ACME_WEBHOOK_SECRET"
//! dedup = [{ header = "acme-delivery" }]
//! event_type = [{ pointer = "/type" }]
//! [providers.acme.scheme.signature]
//! header = "acme-signature"
//! layout = { plain = { prefix = "v1=" } }
//! signed = ["timestamp", { literal = "." }, "body"]
//! algorithm = "hmac-sha256"
//! window = { source = { header = "acme-timestamp" }, tolerance_secs = 300 }
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;

use px_core::{Date, Timestamp};
use px_inbound::verify::Network;
use px_inbound::{Policy, Setup};
use px_sdk::verify::{Handshake, Key, Verification};
use px_server::WebhookOptions;
use secrecy::SecretString;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The providers of the configuration, by name.
pub(crate) type Providers = BTreeMap<String, Verification>;

/// `[webhooks.<slug>]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhook {
    max_in_flight: Option<usize>,
    max_per_second: Option<u32>,
    max_per_second_per_address: Option<u32>,
    allow: Vec<String>,
    secrets: Vec<Secret>,
    provider: Option<String>,
    on_invalid: Option<OnInvalid>,
}

/// Answer to a payload that does not fit. It is quarantined all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnInvalid {
    /// 422.
    Reject,
    /// 202, for senders that stop sending after a 422.
    Accept,
}

/// One of several secrets: by variable, by file, or as it is.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Secret {
    env: Option<String>,
    file: Option<PathBuf>,
    value: Option<String>,
    expires: Option<toml::value::Datetime>,
    id: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("env", &self.env).field("file", &self.file).finish_non_exhaustive()
    }
}

impl Webhook {
    /// Returns what the server is told.
    pub(crate) fn options(
        &self,
        slug: &str,
        providers: &Providers,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<WebhookOptions> {
        let bad = |what: String| Error::usage(format!("[webhooks.{slug}]: {what}"));
        let verification = match &self.provider {
            None => None,
            Some(name) => {
                let mut record = providers.get(name).cloned().ok_or_else(|| {
                    bad(format!("there is no provider '{name}'"))
                        .hint(format!("add a table [providers.{name}]"))
                })?;
                if !variables(&record).all(px_inbound::is_variable) {
                    // Not repeated: it may be the secret itself.
                    let hint = "it names the variable that holds the secret, such as ACME_WEBHOOK_SECRET";
                    return Err(
                        bad(format!("a secret of provider '{name}' is no name of a variable")).hint(hint)
                    );
                }
                name.clone_into(&mut record.provider);
                Some(record)
            }
        };
        let allow = self.allow.iter().map(|text| network(text).map_err(|error| bad(error.message)));
        let defaults = Policy::default();
        let policy = Policy {
            in_flight: self.max_in_flight.unwrap_or(defaults.in_flight),
            per_second: self.max_per_second,
            per_second_per_address: self.max_per_second_per_address,
            allow: allow.collect::<Result<_>>()?,
            ..defaults
        };
        let accepts_invalid = self.on_invalid.map(|on_invalid| on_invalid == OnInvalid::Accept);
        let mut keys = Vec::new();
        for secret in &self.secrets {
            let text = secret.text(env).map_err(bad)?;
            let Some(text) = text else { continue };
            let expires = match secret.expires {
                Some(at) => Some(moment(at).ok_or_else(|| bad(format!("{at} is no moment")))?),
                None => None,
            };
            keys.push(Key { expires, id: secret.id.clone(), ..Key::new(text) });
        }
        Ok(WebhookOptions { setup: Setup { verification, keys, accepts_invalid }, policy })
    }
}

impl Webhook {
    /// The files that its secrets are in.
    pub(crate) fn secret_files(&self) -> impl Iterator<Item = PathBuf> {
        self.secrets.iter().filter_map(|secret| secret.file.clone())
    }

    /// The variables that its secrets are in.
    pub(crate) fn secret_variables(&self) -> impl Iterator<Item = String> {
        self.secrets.iter().filter_map(|secret| secret.env.clone())
    }

    /// Returns which of its secrets are there and blank: a server does not start
    /// with them.
    pub(crate) fn blank_secrets(&self, env: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
        let blank = |secret: &Secret| match (&secret.env, &secret.file) {
            (Some(variable), _) => {
                let is_blank = env(variable).is_some_and(|text| text.trim().is_empty());
                is_blank.then(|| format!("{variable} is set and empty"))
            }
            (_, Some(file)) => {
                let is_blank = from_file(file).is_ok_and(|text| text.trim().is_empty());
                is_blank.then(|| format!("{} is empty", file.display()))
            }
            _ => None,
        };
        self.secrets.iter().filter_map(blank).collect()
    }
}

/// The variables that a provider's record names.
fn variables(record: &Verification) -> impl Iterator<Item = &str> {
    let token = match &record.handshake {
        Some(Handshake::Subscribe { verify_token, .. }) => Some(verify_token.as_str()),
        _ => None,
    };
    let also = record.also.iter().filter_map(|other| other.secret.as_deref());
    record.secret.as_deref().into_iter().chain(also).chain(token)
}

impl Secret {
    /// The secret; `None` if its variable is not set.
    fn text(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<SecretString>, String> {
        match (&self.env, &self.file, &self.value) {
            (Some(variable), None, None) if !px_inbound::is_variable(variable) => {
                // Not repeated: it may be the secret itself.
                Err("env of a secret is no name of a variable".into())
            }
            (Some(variable), None, None) => Ok(env(variable).filter(|text| !text.is_empty()).map(Into::into)),
            (None, Some(file), None) => from_file(file).map(|text| Some(text.into())),
            (None, None, Some(value)) if !value.trim().is_empty() => Ok(Some(value.clone().into())),
            _ => Err("a secret has exactly one of env, file and value".into()),
        }
    }
}

/// Maximum length of a secret in a file, bytes. It is looked for in everything that leaves px.
const MAX_SECRET_FILE: u64 = 1024 * 1024;

/// A secret in a file: its text without the line break that editors put at the end.
pub(crate) fn from_file(file: &std::path::Path) -> Result<String, String> {
    let cannot = |why: &dyn fmt::Display| format!("cannot read {}: {why}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).map_err(|error| cannot(&error))?;
    opened.take(MAX_SECRET_FILE + 1).read_to_string(&mut text).map_err(|error| cannot(&error))?;
    if text.len() as u64 > MAX_SECRET_FILE {
        return Err(cannot(&format_args!("it has more than {MAX_SECRET_FILE} bytes")));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// An address range of this text.
pub(crate) fn network(text: &str) -> Result<Network> {
    text.parse().map_err(|error| Error::usage(format!("'{text}' is {error}")))
}

/// Milliseconds since 1970; a moment without an offset is UTC.
fn moment(at: toml::value::Datetime) -> Option<Timestamp> {
    let date = at.date?;
    let (hour, minute, second) =
        at.time.map_or((0, 0, 0), |time| (time.hour, time.minute, time.second.unwrap_or(0)));
    let offset_minutes = match at.offset {
        Some(toml::value::Offset::Custom { minutes }) => i64::from(minutes),
        _ => 0,
    };
    let days = Date { year: date.year.into(), month: date.month.into(), day: date.day.into() }.days();
    let seconds = ((days * 24 + i64::from(hour)) * 60 + i64::from(minute) - offset_minutes) * 60;
    u64::try_from((seconds + i64::from(second)) * 1_000).ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const EXAMPLE: &str = r#"
        [webhooks.github]
        max_in_flight = 5
        allow = ["192.30.252.0/22"]
        provider = "acme"
        secrets = [{ env = "OLD", expires = 2026-01-15T11:30:00.007+01:00 }, { env = "GONE" }]

        [providers.acme]
        secret = "ACME_WEBHOOK_SECRET"
        dedup = [{ header = "acme-delivery" }]
        event_type = [{ pointer = "/type" }]
        [providers.acme.scheme.signature]
        header = "acme-signature"
        layout = { plain = { prefix = "v1=" } }
        signed = ["timestamp", { literal = "." }, "body"]
        algorithm = "hmac-sha256"
        window = { source = { header = "acme-timestamp" }, tolerance_secs = 300 }
    "#;

    #[test]
    fn a_provider_is_ten_lines_and_a_secret_expires() {
        let config: Config = toml::from_str(EXAMPLE).unwrap();
        let env = |name: &str| (name == "OLD").then(|| "hunter2".to_owned());
        let options = config.webhook_options(&env).unwrap();
        let github = &options["github"];
        assert_eq!(github.policy.in_flight, 5);
        assert_eq!(github.setup.verification.as_ref().unwrap().provider, "acme");
        let expires = github.setup.keys[0].expires.unwrap();
        assert_eq!(expires.to_string(), "2026-01-15T10:30:00.000Z");
        assert_eq!(github.setup.keys.len(), 1, "a variable that is not set is no secret");
        assert!(!format!("{config:?}{options:?}").contains("hunter2"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| {
            let config: Config = toml::from_str(text).unwrap();
            config.webhook_options(&|_| None).unwrap_err().message
        };
        assert_eq!(error("[webhooks.x]\nprovider = 'y'"), "[webhooks.x]: there is no provider 'y'");
        assert!(
            error("[webhooks.x]\nallow = ['home']").starts_with("[webhooks.x]: 'home' is not an address")
        );
        assert!(error("[webhooks.x]\nsecrets = [{}]").contains("exactly one of env, file and value"));
        assert!(error("[webhooks.x]\nsecrets = [{file = '/nowhere/x'}]").contains("cannot read /nowhere/x"));
    }

    #[test]
    fn rules_62_a_secret_that_is_there_and_blank_is_a_mistake() {
        let dir = tempfile::tempdir().unwrap();
        for blank in ["", " ", "\n", "\t\r\n"] {
            let file = dir.path().join("secret");
            std::fs::write(&file, blank).unwrap();
            for (secret, says) in [
                ("env = 'S'".to_owned(), "[webhooks.x]: S is set and empty"),
                (format!("file = '{}'", file.display()), "secret is empty"),
            ] {
                let config: Config =
                    toml::from_str(&format!("[webhooks.x]\nsecrets = [{{{secret}}}]")).unwrap();
                let problems = config.blank_secrets(&|_| Some(blank.to_owned()));
                assert!(problems.len() == 1 && problems[0].contains(says), "{secret}: {problems:?}");
            }
            let value = format!("[webhooks.x]\nsecrets = [{{value = {blank:?}}}]");
            let config: Config = toml::from_str(&value).unwrap();
            let error = config.webhook_options(&|_| None).unwrap_err().message;
            assert!(error.contains("exactly one of env, file and value"), "{error}");
        }
    }

    #[test]
    fn a_secret_in_a_file_ends_before_the_line_break() {
        let dir = std::env::temp_dir().join(format!("px-secret-{}", std::process::id()));
        std::fs::write(&dir, "a b \r\n").unwrap();
        assert_eq!(from_file(&dir).unwrap(), "a b ");
        std::fs::remove_file(&dir).unwrap();
    }
}
