//! Names of executions: for logs, figures and answers, and for telling kinds of
//! work apart.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher as _};
use std::time::Duration;

use px_core::RunId;

/// The code that an execution runs, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A step of a run, with what belongs to it: its items, its migration,
    /// entering and leaving a brain in it.
    Step {
        /// The run.
        run: RunId,
        /// The title of the innermost brain.
        brain: String,
        /// The step's title.
        step: String,
    },
    /// The handler of a webhook, with its own verifier and middleware.
    Handler {
        /// The webhook's slug.
        webhook: String,
    },
    /// The beginning or the end of what steps and handlers share.
    Resource {
        /// Its type; `resources` where it is about all of them.
        name: String,
    },
}

/// The two families of work, each with threads of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Steps,
    Handlers,
}

/// A number for a kind of work: all runs of one step are one kind, and all
/// requests of one webhook.
pub(crate) type Kind = u64;

impl Subject {
    pub(crate) fn family(&self) -> Family {
        match self {
            // They run when no step does.
            Self::Step { .. } | Self::Resource { .. } => Family::Steps,
            Self::Handler { .. } => Family::Handlers,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        let mut hasher = foldhash::fast::FixedState::default().build_hasher();
        match self {
            Self::Step { brain, step, .. } => (0_u8, brain, step).hash(&mut hasher),
            Self::Handler { webhook } => (1_u8, webhook).hash(&mut hasher),
            Self::Resource { name } => (2_u8, name).hash(&mut hasher),
        }
        hasher.finish()
    }

    /// Tells the operator that it has not yielded for so long.
    pub(crate) fn warn(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        match self {
            Self::Step { run, brain, step } => tracing::warn!(
                %run, brain, step,
                "the step has not yielded for {seconds:.1} s: code that computes or blocks belongs in \
                 `px::blocking`"
            ),
            Self::Handler { webhook } => tracing::warn!(
                slug = webhook,
                "the handler of the webhook has not yielded for {seconds:.1} s: its work belongs in a step, or in `px::blocking`"
            ),
            Self::Resource { name } => tracing::warn!(
                name,
                "the provider of the resource, or its end, has not yielded for {seconds:.1} s"
            ),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { run, brain, step } => write!(f, "step '{step}' of brain '{brain}' ({run})"),
            Self::Handler { webhook } => write!(f, "the handler of webhook '{webhook}'"),
            Self::Resource { name } => write!(f, "the provider of {name}"),
        }
    }
}

/// An execution that has not yielded for [`STALLED`](crate::STALLED) or longer.
#[derive(Debug, Clone)]
pub struct Stalled {
    /// Its name.
    pub subject: Subject,
    /// The time since its poll began.
    pub time: Duration,
    /// Nobody waits for it any more: its timeout, a cancel or the shutdown has
    /// taken the execution, and its thread is left to it.
    pub is_abandoned: bool,
}
