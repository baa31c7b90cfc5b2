//! A world for users: the process runs by itself after everything that
//! happens, and a death in the middle of something is followed by another
//! process and another try, as the sender of a webhook or a client would.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use px_core::{RunId, Timestamp};
use px_engine::StartRequest;
use px_sdk::{Brain, Registry};
use px_store::{Embedded, MemoryRows};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Handle, Runtime};

use super::run::Run;
use crate::faults::Fault;
use crate::project::Project;
use crate::world::WorldError;
use crate::{Answer, world};

/// How often something is tried again after the process died of it.
const MAX_TRIES: usize = 100;

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

pub(super) struct Inner {
    runtime: Runtime,
    pub(super) world: RefCell<world::World>,
    /// At which commits the process dies, counted over all processes.
    deaths: RefCell<Vec<(u64, Fault)>>,
    /// Commits of the processes before this one.
    commits_before: Cell<u64>,
    starts: Cell<u64>,
    /// What has happened, in words.
    pub(super) story: RefCell<Vec<String>>,
}

/// What a webhook answered.
#[derive(Debug, Clone)]
pub struct Answered {
    slug: String,
    answer: Answer,
}

impl Answered {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status
    }

    /// What became of it: `resumed`, `triggered`, `queued`, `late`, `duplicate`,
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
        let runtime = match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("no runtime can be made: {error}"),
        };
        let rows = Arc::new(Embedded::new(MemoryRows::new()));
        let inner = Inner {
            runtime,
            world: RefCell::new(world::World::of(project, rows, 0)),
            deaths: RefCell::new(deaths),
            commits_before: Cell::new(0),
            starts: Cell::new(0),
            story: RefCell::default(),
        };
        inner.arm();
        Self { inner: Rc::new(inner) }
    }

    /// Starts a run, and runs it as far as it goes.
    ///
    /// # Panics
    /// The brain is not in the registry, or the input is no JSON object.
    #[track_caller]
    pub fn start<I: Serialize, O>(&self, brain: impl FnOnce() -> Brain<I, O>, input: I) -> Run {
        let run = self.inner.start(brain, input);
        self.inner.settle();
        Run::new(Rc::clone(&self.inner), run)
    }

    /// Sends JSON to a webhook, and runs what follows.
    ///
    /// # Panics
    /// The payload cannot be written as JSON.
    #[track_caller]
    pub fn post<P: Serialize>(&self, slug: &str, payload: P) -> Answered {
        let answer = self.inner.post(&Request::json(slug, payload));
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

    /// Lets time pass: what falls due rings, and what follows runs.
    #[track_caller]
    pub fn skip(&self, time: Duration) {
        self.inner.advance(time);
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

    /// Expects the ledger to add up: every delivery in one state, every event
    /// with one effect at most, waits, keys, queues and timers in agreement.
    ///
    /// # Panics
    /// It does not.
    #[track_caller]
    pub fn expect_sound(&self) {
        let report = self.inner.live(async |world| world.audit().await);
        assert!(report.is_clean(), "the ledger does not add up: {:#?}", report.violations);
    }
}

/// What is sent to a webhook.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) slug: String,
    content_type: &'static str,
    body: bytes::Bytes,
}

impl Request {
    #[track_caller]
    pub(super) fn json<P: Serialize>(slug: &str, payload: P) -> Self {
        match serde_json::to_vec(&payload) {
            Ok(body) => Self { slug: slug.to_owned(), content_type: "application/json", body: body.into() },
            Err(error) => panic!("the payload cannot be written as JSON: {error}"),
        }
    }

    pub(super) fn form(slug: &str, form: &str) -> Self {
        let body = bytes::Bytes::copy_from_slice(form.as_bytes());
        Self { slug: slug.to_owned(), content_type: "application/x-www-form-urlencoded", body }
    }
}

impl Inner {
    /// Lets the next deaths happen in this process.
    fn arm(&self) {
        let (before, deaths) = (self.commits_before.get(), self.deaths.borrow().clone());
        self.world.borrow().store().plan(move |number, _| {
            deaths.iter().find(|(at, _)| *at == before + number).map(|(_, fault)| *fault)
        });
    }

    /// No process dies from here on.
    pub(super) fn disarm(&self) {
        self.deaths.borrow_mut().clear();
        self.arm();
    }

    /// Commits so far, of all processes.
    pub(super) fn commits(&self) -> u64 {
        self.commits_before.get() + self.world.borrow().store().commits()
    }

    #[track_caller]
    pub(super) fn restart(&self, how: &str) {
        self.tell(format!("  the process {how}, and another one starts"));
        self.commits_before.set(self.commits());
        let restarted = self.world.borrow_mut().restart();
        if let Err(error) = restarted {
            panic!("the project cannot run again: {error}");
        }
        self.arm();
    }

    pub(super) fn tell(&self, what: String) {
        self.story.borrow_mut().push(what);
    }

    /// Does something; again, if the process dies of it.
    #[track_caller]
    pub(super) fn live<T>(&self, act: impl AsyncFn(&world::World) -> Result<T, WorldError>) -> T {
        for _ in 0..MAX_TRIES {
            let (done, is_dead) = {
                let world = self.world.borrow();
                let done = self.runtime.block_on(act(&world));
                (done, world.store().is_dead())
            };
            if is_dead {
                let last = self.commits().saturating_sub(1);
                let fault = self.deaths.borrow().iter().find(|(at, _)| *at == last).map(|(_, fault)| *fault);
                let when = if fault == Some(Fault::DiesAfter) { "after" } else { "before" };
                self.restart(&format!("dies {when} commit {last}"));
            }
            match done {
                Ok(done) => return done,
                Err(WorldError::Died) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the process dies of this each time");
    }

    #[track_caller]
    pub(super) fn start<I: Serialize, O>(&self, brain: impl FnOnce() -> Brain<I, O>, input: I) -> RunId {
        self.starts.set(self.starts.get() + 1);
        let initial_state = match serde_json::to_value(input) {
            Ok(state) => state,
            Err(error) => panic!("the input cannot be written as JSON: {error}"),
        };
        let request = StartRequest {
            brain: brain().title().to_owned(),
            initial_state,
            options: Value::Object(Map::new()),
            request_id: None,
            // A client that heard nothing asks again with the same key.
            idempotency_key: Some(format!("start {}", self.starts.get())),
            hook: None,
        };
        self.live(async |world| world.start_request(request.clone()).await)
    }

    /// Sends a request, and again while nobody has answered it.
    #[track_caller]
    pub(super) fn post(&self, request: &Request) -> Answered {
        let answer = self.live(async |world| {
            let mut headers = http::HeaderMap::new();
            let content_type = http::HeaderValue::from_static(request.content_type);
            headers.insert(http::header::CONTENT_TYPE, content_type);
            world.send(&request.slug, headers, request.body.clone()).await
        });
        Answered { slug: request.slug.clone(), answer }
    }

    /// Asks something of a run. Whoever asks again since the process died may
    /// be told that it is done.
    #[track_caller]
    pub(super) fn control(&self, what: &str, act: impl AsyncFn(&world::World) -> Result<(), WorldError>) {
        self.tell(what.to_owned());
        let before = self.commits_before.get();
        self.live(async |world| match act(world).await {
            Err(WorldError::Control(_)) if self.commits_before.get() > before => Ok(()),
            done => done,
        });
    }

    #[track_caller]
    pub(super) fn settle(&self) {
        self.live(async |world| world.settle().await);
    }

    #[track_caller]
    pub(super) fn ring(&self) {
        self.live(async |world| world.ring().await);
    }

    pub(super) fn advance(&self, time: Duration) {
        self.world.borrow().clock().advance(time);
    }
}
