//! Operations of people on hooks and callbacks: create, change, rotate, enable,
//! delete; try, deliver again, recover, look at figures. The API and the
//! command line say how it is asked; this says what may be asked.

mod config;
mod hooks;
mod input;
mod redeliver;
mod spec;
mod stats;

use std::sync::Arc;

use px_core::hook::Hook;
use px_core::{CallbackId, HookId};
use px_store::{Bound, Contended, RoundError};
use tokio::sync::Mutex;

pub use config::{
    Configured, can_sign, configure, delete_unnamed, digest, is_held, renew_secret, signs_with,
};
pub use input::{Input, duration};
pub use px_secrets::key::{Sealing, holds_sealed, is_unreadable, name_of, sealing};
pub use redeliver::{Recovered, Recovery};
pub use spec::{Spec, check, validate};
pub use stats::Stats;

use crate::guard::Refused;
use crate::send::SenderContext;

/// Reason that an operation was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such hook.
    #[error("hook '{0}' not found")]
    NoHook(HookId),
    /// There is no such delivery.
    #[error("delivery '{0}' not found")]
    NoDelivery(CallbackId),
    /// The URL is none that can be sent to.
    #[error("the URL cannot be used: {0}")]
    Url(Refused),
    /// The URL's address may not be sent to.
    #[error("the URL cannot be used: {0}")]
    Egress(Refused),
    /// A value is out of its bounds, or does not fit.
    #[error("{0}")]
    Invalid(String),
    /// The request contradicts a hook, or a callback, as it is stored.
    #[error("{0}")]
    Conflict(String),
    /// There are as many hooks as there may be.
    #[error("there are {0} hooks, which is as many as there may be")]
    TooMany(usize),
    /// Others changed the same rows again and again.
    #[error("the hook changed {0} times meanwhile; try again")]
    TooManyRounds(u32),
    /// This process cannot use its key with the store.
    #[error(transparent)]
    Key(#[from] px_secrets::key::Error),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] px_store::Error),
}

impl From<Contended> for Error {
    fn from(contended: Contended) -> Self {
        Self::TooManyRounds(contended.rounds)
    }
}

impl RoundError for Error {}

/// Rounds for a change that is made anew when rows changed meanwhile.
const ROUNDS: Bound = Bound::waiting(16);

/// Proves that this process has the store's key: see [`px_secrets::key::prove_key`].
///
/// # Errors
/// Something is sealed that the key does not open.
pub async fn prove_key(parts: &SenderContext, replace: bool) -> Result<(), Error> {
    Ok(px_secrets::key::prove_key(&parts.key_parts(), replace).await?)
}

/// Does what people ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Operator {
    parts: SenderContext,
    /// Held while a name is looked for and taken.
    naming: Arc<Mutex<()>>,
}

impl Operator {
    /// An operator of these parts.
    #[must_use]
    pub fn new(parts: SenderContext) -> Self {
        Self { parts, naming: Arc::default() }
    }

    /// Returns why the callbacks of a hook are held, if they are: it goes to this
    /// machine, which is closed to callbacks.
    #[must_use]
    pub fn closed(&self, hook: &Hook) -> Option<Refused> {
        crate::send::closed(&self.parts, hook)
    }

    /// Returns what it works with.
    #[must_use]
    pub const fn parts(&self) -> &SenderContext {
        &self.parts
    }
}
