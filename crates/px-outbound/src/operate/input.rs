//! A hook as people write it, in `px.toml` and in the API: names, durations
//! and schedules become a [`Spec`]. One reading for both, so that they cannot
//! differ.

use std::collections::BTreeMap;
use std::time::Duration;

use px_core::hook::{Format, Hook, RetryPolicy, Signing};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Error, Spec};

/// A hook as people write it. What is left out stays as it is, or at its default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// A name for people; hooks of the configuration are known by it.
    pub name: Option<String>,
    /// URL that requests go to.
    pub url: Option<String>,
    /// Types of events, or patterns such as `run.*`.
    pub events: Option<Vec<String>>,
    /// Titles of brains, or patterns.
    pub brains: Option<Vec<String>>,
    /// `px`, `cloudevents`, `forge` or `rdev`.
    pub format: Option<String>,
    /// A mode, or a table with `mode` and the names of headers.
    pub signature: Option<Value>,
    /// The secret; a new one is made if there is none.
    pub secret: Option<SecretString>,
    /// A preset, a list of delays, or `{base, factor, max, attempts}`.
    pub retry: Option<Value>,
    /// Headers that every request carries.
    pub headers: Option<BTreeMap<String, SecretString>>,
    /// Time that an attempt may take: `10s`, or seconds.
    pub timeout: Option<Value>,
    /// Number of requests that may be under way at once.
    #[serde(alias = "maxInFlight")]
    pub max_in_flight: Option<u32>,
    /// Number of requests a second.
    pub rate: Option<u32>,
    /// One delivery of a run at a time.
    pub ordered: Option<bool>,
    /// True if private addresses are open.
    #[serde(alias = "allowPrivate")]
    pub allow_private: Option<bool>,
}

/// Names and ids are asked for in the same place, so no name looks like an id.
fn check_name(name: &str) -> Result<(), Error> {
    let refused =
        |why: &str| Err(Error::Invalid(format!("a hook cannot be named '{}': {why}", name.escape_debug())));
    match name {
        _ if name.trim().is_empty() => refused("a name that is given is not blank"),
        _ if name.chars().any(char::is_control) => refused("it has a control character"),
        _ if name.to_ascii_lowercase().starts_with("hok_") => refused("that is how ids begin"),
        _ => Ok(()),
    }
}

impl Input {
    /// A new hook.
    ///
    /// # Errors
    /// There is no URL, or a value is not what it should be.
    pub fn spec(self) -> Result<Spec, Error> {
        let url = self.url.clone().ok_or_else(|| Error::Invalid("a hook needs a url".into()))?;
        self.onto(Spec::to(url))
    }

    /// A hook as it is, with what is written here.
    ///
    /// # Errors
    /// A value is not what it should be.
    pub fn onto(self, mut spec: Spec) -> Result<Spec, Error> {
        if let Some(name) = &self.name {
            check_name(name)?;
        }
        set(&mut spec.name, self.name);
        set(&mut spec.url, self.url);
        set(&mut spec.events, self.events);
        set(&mut spec.brains, self.brains);
        set(&mut spec.max_in_flight, self.max_in_flight);
        set(&mut spec.ordered, self.ordered);
        set(&mut spec.allow_private, self.allow_private);
        if let Some(name) = self.format {
            let known = Format::ALL.map(Format::as_str).join(", ");
            spec.format = Format::parse(&name)
                .ok_or_else(|| Error::Invalid(format!("'{name}' is no format; there are {known}")))?;
        }
        if let Some(value) = self.signature {
            spec.signing = signing(&value)?;
        }
        if let Some(value) = self.retry {
            spec.retry = retry(&value)?;
        }
        if let Some(value) = self.timeout {
            spec.timeout = duration("timeout", &value)?;
        }
        if let Some(headers) = self.headers {
            spec.headers = headers.into_iter().collect();
        }
        spec.secret = self.secret.or(spec.secret);
        spec.rate_per_second = self.rate.or(spec.rate_per_second);
        Ok(spec)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl Spec {
    /// Returns what a hook is, but for its secret and the values of its headers, which
    /// nobody gets to see.
    #[must_use]
    pub fn of(hook: &Hook) -> Self {
        Self {
            name: hook.name.clone(),
            events: hook.events.clone(),
            brains: hook.brains.clone(),
            format: hook.format,
            signing: hook.signing.clone(),
            retry: hook.retry.clone(),
            timeout: Duration::from_millis(hook.timeout_ms),
            max_in_flight: hook.max_in_flight,
            rate_per_second: hook.rate_per_second,
            ordered: hook.ordered,
            allow_private: hook.allow_private,
            ..Self::to(hook.url.clone())
        }
    }
}

/// A duration: a number of seconds, or a number and `ms`, `s`, `m`, `h` or `d`.
///
/// # Errors
/// It is neither.
pub fn duration(what: &str, value: &Value) -> Result<Duration, Error> {
    let wrong = || Error::Invalid(format!("{what} is {value}: write it like 500ms, 10s, 5m, 2h or 1d"));
    if let Some(seconds) = value.as_u64() {
        return Ok(Duration::from_secs(seconds));
    }
    let text = value.as_str().ok_or_else(wrong)?.trim();
    let split = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at_checked(split).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(millis).map(Duration::from_millis).ok_or_else(wrong)
}

fn millis(what: &str, value: &Value) -> Result<u64, Error> {
    Ok(u64::try_from(duration(what, value)?.as_millis()).unwrap_or(u64::MAX))
}

fn retry(value: &Value) -> Result<RetryPolicy, Error> {
    match value {
        Value::String(name) => RetryPolicy::preset(name).ok_or_else(|| {
            let known = RetryPolicy::PRESETS.join(", ");
            Error::Invalid(format!("'{name}' is no schedule; there are {known}, or a list of delays"))
        }),
        Value::Array(delays) if !delays.is_empty() => {
            let delays_ms = delays.iter().map(|delay| millis("retry", delay)).collect::<Result<_, _>>()?;
            Ok(RetryPolicy::List { delays_ms })
        }
        Value::Object(fields) => {
            let known = ["base", "factor", "max", "attempts"];
            if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
                return Err(Error::Invalid(format!(
                    "retry has no '{unknown}'; it takes {}",
                    known.join(", ")
                )));
            }
            let field = |name: &str, default: Value| fields.get(name).cloned().unwrap_or(default);
            let number = |name: &str, default: f64| {
                let value = field(name, default.into());
                value.as_f64().ok_or_else(|| Error::Invalid(format!("retry.{name} is {value}, no number")))
            };
            let attempts = field("attempts", 10.into());
            let attempts = attempts.as_u64().and_then(|attempts| u32::try_from(attempts).ok());
            Ok(RetryPolicy::Exponential {
                base_ms: millis("retry.base", &field("base", "5s".into()))?,
                factor: number("factor", 2.0)?,
                max_ms: millis("retry.max", &field("max", "1h".into()))?,
                attempts: attempts
                    .ok_or_else(|| Error::Invalid("retry.attempts is no number of tries".into()))?,
            })
        }
        _ => {
            Err(Error::Invalid("retry is a name, a list of delays, or {base, factor, max, attempts}".into()))
        }
    }
}

fn signing(value: &Value) -> Result<Signing, Error> {
    let field = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| value.get(*name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let name = value.as_str().map(str::to_owned).or_else(|| field(["mode", "mode"]));
    let mut signing = name.as_deref().and_then(Signing::parse).ok_or_else(|| {
        // What is there is not repeated: it may be a secret in the wrong place.
        let modes = "there are standard, standard-asymmetric, github, timestamped, stripe";
        Error::Invalid(match name {
            Some(_) => format!("signature is none of the modes; {modes}"),
            None => format!("signature has no mode; {modes}"),
        })
    })?;
    let known: &[&str] = match &signing {
        Signing::Timestamped { .. } => {
            &["mode", "timestampHeader", "signatureHeader", "timestamp_header", "signature_header"]
        }
        Signing::Stripe { .. } => &["mode", "header"],
        _ => &["mode"],
    };
    let fields = value.as_object().into_iter().flat_map(Map::keys);
    if let Some(unknown) = fields.into_iter().find(|field| !known.contains(&field.as_str())) {
        let of_mode: Vec<&str> = known.iter().copied().filter(|name| !name.contains('_')).collect();
        return Err(Error::Invalid(format!(
            "signature '{}' has no '{unknown}'; it takes {}",
            signing.as_str(),
            of_mode.join(", ")
        )));
    }
    match &mut signing {
        Signing::Timestamped { timestamp_header, signature_header } => {
            set(timestamp_header, field(["timestamp_header", "timestampHeader"]));
            set(signature_header, field(["signature_header", "signatureHeader"]));
        }
        Signing::Stripe { header } => set(header, field(["header", "header"])),
        _ => {}
    }
    Ok(signing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(value: Value) -> Result<Spec, String> {
        serde_json::from_value::<Input>(value)
            .map_err(|error| error.to_string())
            .and_then(|input| input.spec().map_err(|error| error.to_string()))
    }

    #[test]
    fn hooks_4_schedules_are_names_lists_or_exponential() {
        let retry = |value: Value| spec(json!({"url": "https://a.example", "retry": value})).map(|s| s.retry);
        assert_eq!(retry(json!("forge")).unwrap(), RetryPolicy::preset("forge").unwrap());
        assert_eq!(
            retry(json!([0, "500ms", "5m", "1d"])).unwrap(),
            RetryPolicy::List { delays_ms: vec![0, 500, 300_000, 86_400_000] }
        );
        assert_eq!(
            retry(json!({"base": "2s", "factor": 3, "attempts": 4})).unwrap(),
            RetryPolicy::Exponential { base_ms: 2_000, factor: 3.0, max_ms: 3_600_000, attempts: 4 }
        );
        assert!(retry(json!("often")).unwrap_err().contains("standard, forge"));
        assert!(retry(json!({"bass": 1})).unwrap_err().contains("bass"));
        assert!(retry(json!(["soon"])).unwrap_err().contains("500ms"));
        assert!(retry(json!([])).is_err());
    }

    #[test]
    fn hooks_3_signatures_have_default_names_or_ones_of_ones_own() {
        let signed =
            |value: Value| spec(json!({"url": "https://a.example", "signature": value})).unwrap().signing;
        assert_eq!(signed(json!("github")), Signing::Github);
        assert_eq!(
            signed(json!({"mode": "timestamped", "timestampHeader": "X-Forge-Timestamp"})),
            Signing::Timestamped {
                timestamp_header: "X-Forge-Timestamp".into(),
                signature_header: "X-Px-Signature".into()
            }
        );
        assert!(
            spec(json!({"url": "https://a.example", "signature": "md5"})).unwrap_err().contains("github")
        );
    }

    #[test]
    fn unknown_fields_and_a_missing_url_are_told() {
        assert!(spec(json!({"url": "https://a.example", "event": []})).unwrap_err().contains("`event`"));
        assert!(spec(json!({})).unwrap_err().contains("url"));
    }
}
