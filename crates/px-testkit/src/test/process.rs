//! The process of a user's world: it runs until nothing is ready, dies where a
//! list of deaths says, and is followed by another one that is asked again, as
//! the sender of a webhook or a client would.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use px_core::{RunId, Timestamp};
use px_engine::StartRequest;
use px_sdk::Brain;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::doubles::{Doubles, TestSecrets};
use super::world::Answered;
use crate::error::WorldError;
use crate::fault::Fault;
use crate::world;

/// Maximum number of times that an act is tried again after the process died of it.
const MAX_TRIES: usize = 100;

pub(super) struct Inner {
    runtime: Runtime,
    pub(super) world: RefCell<world::World>,
    /// Answers for effects, whatever process makes them.
    pub(super) doubles: Arc<Doubles>,
    pub(super) secrets: Arc<TestSecrets>,
    /// Commits at which the process dies, counted over all processes.
    deaths: RefCell<Vec<(u64, Fault)>>,
    /// Commits of the processes before this one.
    commits_before: Cell<u64>,
    starts: Cell<u64>,
    /// Everything that has happened, in words.
    pub(super) story: RefCell<Vec<String>>,
}

/// Request to a webhook.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) slug: String,
    headers: HeaderMap,
    body: bytes::Bytes,
}

impl Request {
    #[track_caller]
    pub(super) fn json<P: Serialize>(slug: &str, with: &[(&str, &str)], payload: P) -> Self {
        let mut headers = typed("application/json");
        for (name, value) in with {
            match (HeaderName::try_from(*name), HeaderValue::try_from(*value)) {
                (Ok(name), Ok(value)) => headers.insert(name, value),
                _ => panic!("'{name}: {value}' is no header"),
            };
        }
        match serde_json::to_vec(&payload) {
            Ok(body) => Self { slug: slug.to_owned(), headers, body: body.into() },
            Err(error) => panic!("the payload cannot be written as JSON: {error}"),
        }
    }

    pub(super) fn form(slug: &str, form: &str) -> Self {
        let body = bytes::Bytes::copy_from_slice(form.as_bytes());
        Self { slug: slug.to_owned(), headers: typed("application/x-www-form-urlencoded"), body }
    }
}

fn typed(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

impl Inner {
    pub(super) fn new(runtime: Runtime, world: world::World, deaths: Vec<(u64, Fault)>) -> Self {
        let doubles = Arc::<Doubles>::default();
        let inner = Self {
            runtime,
            world: RefCell::new(world.answered_by(Arc::clone(&doubles) as _)),
            doubles,
            secrets: Arc::default(),
            deaths: RefCell::new(deaths),
            commits_before: Cell::new(0),
            starts: Cell::new(0),
            story: RefCell::default(),
        };
        inner.arm();
        inner
    }

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
    pub(super) fn start<I: Serialize, O>(
        &self,
        brain: impl FnOnce() -> Brain<I, O>,
        input: I,
        options: impl Serialize,
    ) -> RunId {
        self.starts.set(self.starts.get() + 1);
        let (initial_state, options) = match (serde_json::to_value(input), serde_json::to_value(options)) {
            (Ok(state), Ok(options)) => (state, options),
            (Err(error), _) => panic!("the input cannot be written as JSON: {error}"),
            (_, Err(error)) => panic!("the options cannot be written as JSON: {error}"),
        };
        let request = StartRequest {
            brain: brain().title().to_owned(),
            initial_state,
            options,
            request_id: None,
            traceparent: None,
            // A client that heard nothing asks again with the same key.
            idempotency_key: Some(format!("start {}", self.starts.get())),
            callback: None,
            hook: None,
        };
        self.live(async |world| world.start_request(request.clone()).await)
    }

    /// Sends a request, and again while nobody has answered it.
    #[track_caller]
    pub(super) fn post(&self, request: &Request) -> Answered {
        let answer = self.live(async |world| {
            world.send(&request.slug, request.headers.clone(), request.body.clone()).await
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

    /// The first time up to this one at which something is due that has not rung.
    #[track_caller]
    pub(super) fn next_due(&self, until: Timestamp) -> Option<Timestamp> {
        self.live(async |world| world.next_due(until).await)
    }

    pub(super) fn advance(&self, time: Duration) {
        self.world.borrow().clock().advance(time);
    }
}
