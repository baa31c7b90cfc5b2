//! A world for users: the process runs without being asked after everything that
//! happens, and a death in the middle of something is followed by another
//! process and another try, as the sender of a webhook or a client would.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use px_core::{KvId, RunId, Timestamp};
use px_sdk::{Brain, Registry};
use px_store_rows::{Embedded, MemoryRows};
use rustls::crypto::CryptoProvider;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Handle};

use super::kv::Kv;
use super::process::{Inner, Request};
use super::run::Run;
use crate::fault::Fault;
use crate::project::Project;
use crate::{Answer, world};

/// Maximum number of times that are gone to one after the other where time passes; from there on it is skipped.
const MAX_RINGS: usize = 10_000;

/// A world with all brains and webhooks of this test's binary, as in
/// `let world = px::test::world();`. Each test has one of its own.
///
/// # Panics
/// Two brains or webhooks have one name, or there are none: then the test does
/// not name the crate that holds them (`use app as _;`).
#[must_use]
#[track_caller]
pub fn world() -> World {
    match Registry::collect() {
        Ok(registry) => World::of(registry),
        Err(error) => panic!("the project cannot run: {error}"),
    }
}

/// Brains and webhooks in virtual time. Clones are the same world.
///
/// Whatever is ready has run when a method returns. Time stands still but for
/// [`World::skip`]. Webhooks have no secrets here and take every request.
#[derive(Clone)]
pub struct World {
    pub(super) inner: Rc<Inner>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// Answer of a webhook.
#[derive(Debug, Clone)]
pub struct Answered {
    pub(super) slug: String,
    pub(super) answer: Answer,
}

impl Answered {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// Returns the outcome of the request: `resumed`, `triggered`, `queued`, `late`, `duplicate`,
    /// `ignored`, …; empty where nothing was taken in.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.answer.action.unwrap_or_default()
    }

    /// The run that it resumed, started or waits for.
    #[must_use]
    pub fn run(&self) -> Option<RunId> {
        self.answer.run
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// Expects this action.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn expect(&self, action: &str) -> &Self {
        let found = self.action();
        assert!(
            found == action,
            "webhook '{}' was to answer '{action}', and answered {} '{found}': {}",
            self.slug,
            self.answer.status,
            self.answer.body
        );
        self
    }
}

impl World {
    /// A world with these brains and webhooks.
    ///
    /// # Panics
    /// A webhook is not usable, or this is called from asynchronous code.
    #[must_use]
    #[track_caller]
    pub fn of(registry: Registry) -> Self {
        match Project::new(registry) {
            Ok(project) => Self::ready(&project, Vec::new()),
            Err(error) => panic!("the project cannot run: {error}"),
        }
    }

    #[track_caller]
    pub(super) fn ready(project: &Project, deaths: Vec<(u64, Fault)>) -> Self {
        assert!(
            Handle::try_current().is_err(),
            "px::test waits for what it calls: use it in a plain #[test], not in #[tokio::test]"
        );
        // As where px serves: steps' clients may have been built without a provider.
        // One that the test has installed before stays.
        if CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime can be made: {error}"),
        };
        let rows = Arc::new(Embedded::new(MemoryRows::new()));
        let inner = Inner::new(runtime, world::World::of(project, rows, 0), deaths);
        Self { inner: Rc::new(inner) }
    }

    /// Starts a run, and runs it as far as it goes.
    ///
    /// # Panics
    /// The brain is not in the registry, or the input is no JSON object.
    #[track_caller]
    pub fn start<I: Serialize, O>(&self, brain: impl FnOnce() -> Brain<I, O>, input: I) -> Run {
        self.start_with(brain, input, Map::<String, Value>::new())
    }

    /// Starts a run with these options, and runs it as far as it goes. Options
    /// that the brain does not take end the run with an error (docs/rules.md#30).
    ///
    /// # Panics
    /// The brain is not in the registry, or the input or the options are no
    /// JSON object.
    #[track_caller]
    pub fn start_with<I: Serialize, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        input: I,
        options: impl Serialize,
    ) -> Run {
        let run = self.inner.start(brain, input, options);
        self.inner.settle();
        Run::new(Rc::clone(&self.inner), run)
    }

    /// Sends JSON to a webhook, and runs what follows.
    ///
    /// # Panics
    /// The payload cannot be written as JSON.
    #[track_caller]
    pub fn post<P: Serialize>(&self, slug: &str, payload: P) -> Answered {
        self.post_with(slug, &[], payload)
    }

    /// Sends JSON with these headers to a webhook, as
    /// `&[("X-GitHub-Delivery", "1")]`, and runs what follows.
    ///
    /// # Panics
    /// The payload cannot be written as JSON, or a header is none.
    #[track_caller]
    pub fn post_with<P: Serialize>(&self, slug: &str, headers: &[(&str, &str)], payload: P) -> Answered {
        let answer = self.inner.post(&Request::json(slug, headers, payload));
        self.inner.settle();
        answer
    }

    /// Sends a urlencoded form to a webhook, and runs what follows.
    #[track_caller]
    pub fn post_form(&self, slug: &str, form: &str) -> Answered {
        let answer = self.inner.post(&Request::form(slug, form));
        self.inner.settle();
        answer
    }

    /// Lets time pass: what falls due rings at its time, and what follows runs.
    #[track_caller]
    pub fn skip(&self, time: Duration) {
        let until = self.now().after(time);
        for _ in 0..MAX_RINGS {
            let Some(due) = self.inner.next_due(until) else { break };
            self.inner.advance(due.since(self.now()));
            self.inner.ring();
            self.inner.settle();
        }
        self.inner.advance(until.since(self.now()));
        self.inner.ring();
        self.inner.settle();
    }

    /// The process dies, and another one takes over.
    pub fn crash(&self) {
        self.inner.restart("is killed");
        self.inner.settle();
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.world.borrow().now()
    }

    /// A run that a webhook has started, or any other.
    ///
    /// # Panics
    /// There is no such run.
    #[must_use]
    #[track_caller]
    pub fn run(&self, id: impl Into<Option<RunId>>) -> Run {
        let Some(id) = id.into() else { panic!("the webhook resumed and started no run") };
        let run = Run::new(Rc::clone(&self.inner), id);
        let _ = run.now();
        run
    }

    /// The runs of a brain, oldest first.
    #[must_use]
    #[track_caller]
    pub fn runs_of<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>) -> Vec<Run> {
        self.inner.settle();
        let title = brain().title().to_owned();
        let runs = self.inner.live(async |world| world.runs_of(&title).await);
        runs.into_iter().map(|run| Run::new(Rc::clone(&self.inner), run)).collect()
    }

    /// A value that outlives runs of a brain, as [`Cx::kv`](px_sdk::Cx::kv) has it in a step.
    #[must_use]
    pub fn kv<I, O>(&self, brain: impl FnOnce() -> Brain<I, O>, key: impl Into<String>) -> Kv {
        Kv::new(Rc::clone(&self.inner), KvId::shared(brain().title(), key))
    }

    /// Expects the ledger to add up: every delivery in one state, every event
    /// with one effect at most, waits, keys, queues and timers in agreement.
    ///
    /// # Panics
    /// The audit finds something that is wrong; the message names it.
    #[track_caller]
    pub fn expect_sound(&self) {
        let report = self.inner.live(async |world| world.audit().await);
        assert!(report.is_clean(), "the ledger does not add up: {:#?}", report.violations);
    }
}
