//! The flags that say what a hook is, for those commands that make or change one.

use std::collections::BTreeMap;

use px_api::CreateHook;
use serde_json::Value;

use crate::error::{Error, Result};

/// Specification of a hook.
#[derive(Debug, clap::Args)]
pub(super) struct HookArgs {
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Types of events, or patterns; may be repeated, all by default
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,

    /// Titles of brains, or patterns; may be repeated, all by default
    #[arg(long = "brain", value_name = "BRAIN")]
    brains: Vec<String>,

    /// Format of the bodies
    #[arg(long, value_name = "FORMAT", value_parser = ["px", "cloudevents", "forge", "rdev"])]
    format: Option<String>,

    /// Signature scheme of the requests
    #[arg(long, value_name = "MODE",
          value_parser = ["standard", "standard-asymmetric", "github", "timestamped", "stripe"])]
    signature: Option<String>,

    /// A schedule's name, or delays such as 0,5s,5m,1h
    #[arg(long, value_name = "SCHEDULE")]
    retry: Option<String>,

    /// A header of every request, as 'Name: value'; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// Time that an attempt may take, such as 10s
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,

    /// Maximum number of requests under way at once
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,

    /// Maximum number of requests a second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,

    /// Send one delivery of a run at a time, in order
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    ordered: Option<bool>,

    /// Let it go to private addresses
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_private: Option<bool>,
}

impl HookArgs {
    /// Returns whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        let Self { name, events, brains, format, signature, retry, headers, .. } = self;
        let Self { timeout, max_in_flight, rate, ordered, allow_private, .. } = self;
        [name, format, signature, retry, timeout].iter().all(|text| text.is_none())
            && [events, brains, headers].iter().all(|list| list.is_empty())
            && [max_in_flight, rate].iter().all(|number| number.is_none())
            && [ordered, allow_private].iter().all(|flag| flag.is_none())
    }

    /// The hook that a request says.
    pub(super) fn hook(self) -> Result<CreateHook> {
        let list = |list: Vec<String>| (!list.is_empty()).then_some(list);
        // A schedule that begins with a digit is a list of delays.
        let delays = |text: &str| text.split(',').map(|delay| delay_of(delay.trim())).collect::<Value>();
        let is_list = |text: &String| text.starts_with(|letter: char| letter.is_ascii_digit());
        let mut headers = BTreeMap::new();
        for header in &self.headers {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Error::usage("a header has no colon").hint("write it like --header 'Authorization: Bearer …'")
            })?;
            headers.insert(name.trim().to_owned(), value.trim().into());
        }
        Ok(CreateHook {
            name: self.name,
            events: list(self.events),
            brains: list(self.brains),
            format: self.format,
            signature: self.signature.map(Value::from),
            timeout: self.timeout.map(Value::from),
            max_in_flight: self.max_in_flight,
            rate: self.rate,
            ordered: self.ordered,
            allow_private: self.allow_private,
            retry: self.retry.map(|text| if is_list(&text) { delays(&text) } else { text.into() }),
            headers: (!headers.is_empty()).then_some(headers),
            ..CreateHook::default()
        })
    }
}

/// A plain number counts seconds.
fn delay_of(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}
