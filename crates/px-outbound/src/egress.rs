//! Files at addresses that strangers have named: a message says where its picture is, and
//! a step wants it. A stranger's URL may lead to this machine or to a neighbour of it, and
//! what answers there may lead on; so a fetch goes where callbacks may go, with every
//! redirect looked at anew, and its credentials go to one host.
//!
//! This file refuses to know what a file is for. Tests: `tests/egress.rs`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, StatusCode};
use reqwest::Response;
use reqwest::dns::Resolve;

use crate::guard::{self, Client, Policy, Refused, System, Target, refusal};

/// Maximum number of redirects that are followed.
const MAX_REDIRECTS: usize = 5;

/// Bytes of a file, if nothing is said.
const USUAL_BYTES: usize = 16 * 1024 * 1024;

/// Time of a whole fetch, if nothing is said.
const USUAL_TIME: Duration = Duration::from_secs(30);

/// Maximum length of a content type that is kept, bytes.
const MAX_TYPE: usize = 255;

/// Fetches files from the public internet. Make one a resource, by
/// `px::app().provide(..)`, and steps share it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    client: Client,
}

/// A fetch in the making.
#[derive(Debug)]
#[must_use = "a file is fetched by `send`"]
pub struct Fetch<'a> {
    egress: &'a Egress,
    url: String,
    /// The one host that is told who asks, and how.
    credentials: Option<(String, Result<HeaderValue, Error>)>,
    most: usize,
    time: Duration,
}

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its bytes.
    pub bytes: Bytes,
    /// The content type that its server says it has. Nothing has checked it.
    pub claimed_type: Option<String>,
}

/// The cause for which a file was not fetched. Its text never has the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL, or one that it leads to, is none that a fetch may go to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It leads on too often, or to nowhere.
    #[error("{0}")]
    Redirect(&'static str),
    /// Credentials that no header can carry, or that would go out in the clear.
    #[error("{0}")]
    Credentials(&'static str),
    /// The server does not give it.
    #[error("the server answered {0}")]
    Status(u16),
    /// It is larger than the step takes.
    #[error("the file has more than {0} bytes")]
    TooLarge(usize),
    /// The network, or the server, failed; another try may do.
    #[error("{0}")]
    Failed(String),
}

impl Egress {
    /// Fetches from the public internet: never from this machine, private networks or
    /// metadata services.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new() -> Result<Self, guard::Error> {
        Self::with(Policy::public(), Arc::new(System))
    }

    /// Fetches from where a policy lets it, with names from `resolver`.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn with(policy: Policy, resolver: Arc<dyn Resolve>) -> Result<Self, guard::Error> {
        Ok(Self { client: Client::new(policy, resolver)? })
    }

    /// Begins to fetch what is at a URL.
    pub fn get(&self, url: impl Into<String>) -> Fetch<'_> {
        Fetch { egress: self, url: url.into(), credentials: None, most: USUAL_BYTES, time: USUAL_TIME }
    }
}

impl Fetch<'_> {
    /// Tells this one host who asks (`Authorization: Basic`), over TLS only. No other
    /// host is told, wherever the URL is or leads to.
    pub fn basic(self, host: &str, user: &str, password: &str) -> Self {
        let text = STANDARD.encode(format!("{user}:{password}"));
        self.authorized(host, &format!("Basic {text}"))
    }

    /// As [`Fetch::basic`], with a token (`Authorization: Bearer`).
    pub fn bearer(self, host: &str, token: &str) -> Self {
        self.authorized(host, &format!("Bearer {token}"))
    }

    fn authorized(mut self, host: &str, text: &str) -> Self {
        let value = HeaderValue::from_str(text).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        let value = value.map_err(|_| Error::Credentials("the credentials are no text for a header"));
        self.credentials = Some((host.to_ascii_lowercase(), value));
        self
    }

    /// Takes a file of at most so many bytes; 16 MiB if not said.
    pub fn at_most(self, bytes: usize) -> Self {
        Self { most: bytes, ..self }
    }

    /// Gives it so much time as a whole; 30 seconds if not said.
    pub fn timeout(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Fetches the file.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn send(self) -> Result<Fetched, Error> {
        let time = self.time;
        match tokio::time::timeout(time, self.follow()).await {
            Ok(fetched) => fetched,
            Err(_) => Err(Error::Failed(format!("it took longer than {time:?}"))),
        }
    }

    async fn follow(self) -> Result<Fetched, Error> {
        let mut target = Target::parse(&self.url)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.ask(&target).await?;
            if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
                return self.read(response).await;
            }
            target = next(&target, &response)?;
        }
        Err(Error::Redirect("the URL leads on and on"))
    }

    async fn ask(&self, target: &Target) -> Result<Response, Error> {
        let mut request = self.egress.client.get(target)?;
        let is_for = |host: &str| target.url().host_str().is_some_and(|own| own == host);
        if let Some((_, value)) = self.credentials.as_ref().filter(|(host, _)| is_for(host)) {
            let is_here = target.literal().is_some_and(|address| address.is_loopback());
            if target.url().scheme() != "https" && !is_here {
                return Err(Error::Credentials("credentials are sent over https only"));
            }
            request = request.header(AUTHORIZATION, value.clone()?);
        }
        request.send().await.map_err(|error| match refusal(&error) {
            Some(refused) => Error::Refused(refused.clone()),
            None => failed(&error),
        })
    }

    async fn read(&self, mut response: Response) -> Result<Fetched, Error> {
        if !response.status().is_success() {
            return Err(Error::Status(response.status().as_u16()));
        }
        let claimed = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let claimed_type = claimed.filter(|text| text.len() <= MAX_TYPE).map(str::to_owned);
        let too_large = Error::TooLarge(self.most);
        if response.content_length().is_some_and(|bytes| bytes > self.most as u64) {
            return Err(too_large);
        }
        let mut bytes = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| failed(&error))? {
            if bytes.len() + part.len() > self.most {
                return Err(too_large);
            }
            bytes.extend_from_slice(&part);
        }
        Ok(Fetched { bytes: bytes.freeze(), claimed_type })
    }
}

/// The target that an answer leads to. It may be on another host, and never without the
/// TLS that the one before had.
fn next(target: &Target, response: &Response) -> Result<Target, Error> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let location = location.and_then(|text| target.url().join(text).ok());
    let location = location.ok_or(Error::Redirect("the URL leads on to nowhere"))?;
    if target.url().scheme() == "https" && location.scheme() == "http" {
        return Err(Error::Redirect("the URL leads on to one without TLS"));
    }
    Ok(Target::parse(location.as_str())?)
}

/// An error of the client without the URL, which may hold a secret.
fn failed(error: &reqwest::Error) -> Error {
    let mut root: &dyn std::error::Error = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    let text =
        if root.is::<reqwest::Error>() { "the file could not be fetched".into() } else { root.to_string() };
    Error::Failed(text)
}
