//! The guard of where a callback may go.
//!
//! Anybody who may start a run may name a URL, so px must not be talked into
//! posting to the machine it runs on, to its neighbours or to a cloud's
//! metadata service. Three places decide, and all of them ask [`Policy`]:
//!
//! 1. [`Target::parse`]: http or https, a host, no credentials.
//! 2. [`Client::post`]: a host that is an address literal, after the
//!    normalisation of the URL standard, since HTTP clients do not ask the
//!    resolver for those (docs/rules.md#49).
//! 3. [`Guarded`], the resolver that the connector itself asks: every address
//!    that a name has at the moment of the connection. A name that was public
//!    when somebody looked and is private now gains nothing.
//!
//! Redirects are not followed and no proxy is used, so nothing else chooses an
//! address. Every refusal names its [`Rule`]. It reads no clock and no
//! environment, and knows neither hooks nor deliveries.
//!
//! Tests: the tables in `address.rs`, and `tests/guard.rs`, through the real
//! connector, with listeners that must see no connection.

mod address;
mod client;
mod policy;
mod resolve;
mod target;

pub use address::Rule;
pub use client::{CONNECT_TIMEOUT, Client, Error, refusal};
pub use policy::{ParseRangeError, Policy, Range};
pub(crate) use resolve::Lookup;
pub use resolve::{Guarded, System};
pub use target::{Target, redacted};

use std::net::IpAddr;

/// Something that a callback may not do, and the rule that says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// The rule.
    pub rule: Rule,
    /// The host as it was written, if it came so far.
    pub host: Option<String>,
    /// The address that the rule is about.
    pub address: Option<IpAddr>,
}

impl Refused {
    const fn url(rule: Rule) -> Self {
        Self { rule, host: None, address: None }
    }

    fn host(rule: Rule, host: &str) -> Self {
        Self { rule, host: Some(host.to_owned()), address: None }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.host, &self.address) {
            (Some(host), Some(address)) if *host != address.to_string() => {
                write!(f, "{host} is {address}, {}", self.rule.why())?;
            }
            (_, Some(address)) => write!(f, "{address} is {}", self.rule.why())?,
            (Some(host), None) => write!(f, "{host}: {}", self.rule.why())?,
            (None, None) => f.write_str(self.rule.why())?,
        }
        write!(f, " (rule {})", self.rule)?;
        match self.rule.remedy() {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}
