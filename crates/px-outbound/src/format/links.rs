//! Links into the API, for receivers that heal what they lost. Left out where
//! no API listens (docs/rules.md#48).

use px_core::lifecycle::Envelope;
use serde::Serialize;
use url::{Host, Url};

/// Base of the API's URLs, as a receiver would reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(Option<String>);

/// The `api` field.
#[derive(Serialize)]
pub(super) struct Api {
    #[serde(rename = "runUrl")]
    run_url: String,
    #[serde(rename = "eventsUrl")]
    events_url: String,
}

impl Links {
    /// No API listens.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Below `base`, a public URL or the address that px is bound to. A
    /// wildcard address (`0.0.0.0`, `::`) is one that nobody can connect to
    /// and becomes `127.0.0.1`. `None` if it is no http or https URL.
    #[must_use]
    pub fn below(base: &str) -> Option<Self> {
        let mut url = Url::parse(base).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let wildcard = match url.host()? {
            Host::Ipv4(address) => address.is_unspecified(),
            Host::Ipv6(address) => address.is_unspecified(),
            Host::Domain(_) => false,
        };
        if wildcard {
            url.set_host(Some("127.0.0.1")).ok()?;
        }
        // Links go to third parties; a password in the configuration must not.
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(Self(Some(url.as_str().trim_end_matches('/').to_owned())))
    }

    fn run(&self, envelope: &Envelope) -> Option<String> {
        Some(format!("{}/brains/runs/{}", self.0.as_ref()?, envelope.run.as_ref()?.id))
    }

    /// The run, and the log after this event.
    pub(super) fn api(&self, envelope: &Envelope) -> Option<Api> {
        let run_url = self.run(envelope)?;
        let events_url = format!("{run_url}/events?after={}", envelope.log_seq);
        Some(Api { run_url, events_url })
    }

    /// The entry of the log that this event follows from.
    pub(super) fn data(&self, envelope: &Envelope) -> Option<String> {
        let run_url = self.run(envelope)?;
        Some(format!("{run_url}/events?after={}&limit=1", envelope.log_seq.saturating_sub(1)))
    }
}
