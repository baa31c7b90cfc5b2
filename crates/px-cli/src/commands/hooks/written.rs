//! The flags that say what a hook is, for those commands that make or change one.

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// What a hook is to be.
#[derive(Debug, clap::Args)]
pub(super) struct Written {
    /// A name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Types of events, or patterns; may be repeated, all by default
    #[arg(long = "event", value_name = "TYPE")]
    events: Vec<String>,

    /// Titles of brains, or patterns; may be repeated, all by default
    #[arg(long = "brain", value_name = "BRAIN")]
    brains: Vec<String>,

    /// How bodies look
    #[arg(long, value_name = "FORMAT", value_parser = ["px", "cloudevents", "forge", "rdev"])]
    format: Option<String>,

    /// How requests are signed
    #[arg(long, value_name = "MODE",
          value_parser = ["standard", "standard-asymmetric", "github", "timestamped", "stripe"])]
    signature: Option<String>,

    /// A schedule's name, or delays such as 0,5s,5m,1h
    #[arg(long, value_name = "SCHEDULE")]
    retry: Option<String>,

    /// A header of every request, as 'Name: value'; may be repeated
    #[arg(long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// How long an attempt may take, such as 10s
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,

    /// How many requests may be under way at once
    #[arg(long, value_name = "N")]
    max_in_flight: Option<u32>,

    /// How many requests a second
    #[arg(long, value_name = "N")]
    rate: Option<u32>,

    /// Send one delivery of a run at a time, in order
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    ordered: Option<bool>,

    /// Let it go to private addresses
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    allow_private: Option<bool>,
}

impl Written {
    /// The fields of the request.
    pub(super) fn fields(self) -> Result<Map<String, Value>> {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let list = |list: Vec<String>| (!list.is_empty()).then(|| list.into());
        set("name", self.name.map(Value::from));
        set("events", list(self.events));
        set("brains", list(self.brains));
        set("format", self.format.map(Value::from));
        set("signature", self.signature.map(Value::from));
        set("timeout", self.timeout.map(Value::from));
        set("maxInFlight", self.max_in_flight.map(Value::from));
        set("rate", self.rate.map(Value::from));
        set("ordered", self.ordered.map(Value::from));
        set("allowPrivate", self.allow_private.map(Value::from));
        // A schedule that begins with a digit is a list of delays.
        let delays = |text: &str| text.split(',').map(|delay| delay_of(delay.trim())).collect::<Value>();
        let is_list = |text: &String| text.starts_with(|letter: char| letter.is_ascii_digit());
        set("retry", self.retry.map(|text| if is_list(&text) { delays(&text) } else { text.into() }));
        let mut headers = Map::new();
        for header in self.headers {
            let (name, value) = header.split_once(':').ok_or_else(|| {
                Error::usage("a header has no colon").hint("write it like --header 'Authorization: Bearer …'")
            })?;
            headers.insert(name.trim().to_owned(), value.trim().into());
        }
        set("headers", (!headers.is_empty()).then(|| headers.into()));
        Ok(fields)
    }
}

/// A plain number counts seconds.
fn delay_of(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| text.into(), Value::from)
}
