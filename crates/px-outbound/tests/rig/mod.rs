//! A sender in virtual time: a store in memory, a clock that moves by hand,
//! receivers that are a function, and runs that only start, wait and end.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by several tests, none of which uses all of it"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use px_core::event::{Cause, StepInfo, StepKind};
use px_core::hook::{Hook, Source};
use px_core::run::{BrainInfo, Catalog, Command, Start};
use px_core::{Clock, HookId, Ids, ManualClock, RunId, Scope, Timestamp};
use px_outbound::format::Links;
use px_outbound::guard::Policy;
use px_outbound::operate::Spec;
use px_outbound::transport::{Answer, Failure, Request, Simulated};
use px_outbound::vault::Vault;
use px_outbound::{Bodies, Job, Operator, Scheduler, SenderContext};
use px_store::cluster::{Cluster, OneMember};
use px_store::outbox::{Callback, CallbackFilter, CallbackState};
use px_store::{Admission, Draft, Outcome, Store};
use px_store_rows::{Embedded, MemoryRows};
use serde_json::json;

pub const SCOPE: Scope = Scope(0);
pub const URL: &str = "https://receiver.example/hook";
/// When every story begins.
pub const BEGIN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub struct AnyBrain;

impl Catalog for AnyBrain {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        let step = StepInfo { title: "step".into(), kind: StepKind::Step };
        Some(BrainInfo { title: title.into(), description: None, version: 1, steps: vec![step] })
    }

    fn early(&self, _slug: &str) -> Option<Duration> {
        None
    }
}

type Receiver = Box<dyn Fn(&Request) -> Result<Answer, Failure> + Send + Sync>;

pub struct Rig {
    pub store: Arc<dyn Store>,
    pub clock: ManualClock,
    pub parts: SenderContext,
    pub operator: Operator,
    pub scheduler: Scheduler,
    transport: Simulated,
    receiver: Arc<Mutex<Receiver>>,
}

pub fn status(status: u16) -> Result<Answer, Failure> {
    Ok(Answer { status, ..Answer::default() })
}

impl Rig {
    pub fn new() -> Self {
        Self::over(Arc::new(Embedded::new(MemoryRows::new())), BEGIN)
    }

    pub fn over(store: Arc<dyn Store>, at: Timestamp) -> Self {
        Self::in_cluster(store, ManualClock::at(at), Arc::new(OneMember::new(1)))
    }

    /// One sender of several over a store.
    pub fn in_cluster(store: Arc<dyn Store>, clock: ManualClock, cluster: Arc<dyn Cluster>) -> Self {
        let receiver: Arc<Mutex<Receiver>> = Arc::new(Mutex::new(Box::new(|_| status(200))));
        let told = Arc::clone(&receiver);
        let transport = Simulated::new(move |request| (told.lock().unwrap())(request));
        store.outbox().render_with(Arc::new(Bodies::new(Links::none())));
        let parts = SenderContext {
            store: Arc::clone(&store),
            clock: Arc::new(clock.clone()),
            ids: Arc::new(Ids::new()),
            scope: SCOPE,
            cluster,
            vault: Vault::from_text(&"7f".repeat(32)).unwrap(),
            redaction: px_secrets::Redaction::default(),
            transport: Arc::new(transport.clone()),
            policy: Policy::public(),
        };
        let operator = Operator::new(parts.clone());
        let scheduler = Scheduler::new(parts.clone(), 1_024);
        Self { store, clock, parts, operator, scheduler, transport, receiver }
    }

    /// The next process, which lets callbacks go where this policy says.
    pub fn restart_with(&mut self, policy: Policy) {
        self.parts.policy = policy;
        self.operator = Operator::new(self.parts.clone());
        self.scheduler = Scheduler::new(self.parts.clone(), 1_024);
    }

    /// What every receiver does from here on.
    pub fn receive(&self, receiver: impl Fn(&Request) -> Result<Answer, Failure> + Send + Sync + 'static) {
        *self.receiver.lock().unwrap() = Box::new(receiver);
    }

    pub async fn hook(&self, change: impl FnOnce(&mut Spec)) -> Hook {
        let mut spec = Spec::to(URL);
        change(&mut spec);
        self.operator.create(spec, Source::Api).await.unwrap().0
    }

    async fn commit(&self, draft: Draft<'_>) {
        let batch = draft.into_batch();
        let done = self.store.commit(batch, Admission::Wait).await.unwrap();
        assert!(matches!(done, Outcome::Committed { .. }), "{done:?}");
    }

    fn draft(&self) -> Draft<'_> {
        Draft::new(&*self.store, &AnyBrain, &self.parts.ids, SCOPE, self.clock.now())
    }

    pub async fn start(&self) -> RunId {
        self.start_with(None).await
    }

    /// Starts a run, which may have a hook of its own.
    pub async fn start_with(&self, own: Option<Hook>) -> RunId {
        let mut draft = self.draft();
        if let Some(hook) = own {
            draft.hook_next_run(hook);
        }
        let start = Start::of(AnyBrain.brain("brain").unwrap(), json!({}), Cause::Api);
        let run = draft.start(start).await.unwrap();
        self.commit(draft).await;
        run
    }

    pub async fn command(&self, run: RunId, command: Command) {
        let mut draft = self.draft();
        draft.command(run, command).await.unwrap();
        self.commit(draft).await;
    }

    pub async fn cancel(&self, run: RunId) {
        self.command(run, Command::Cancel { reason: None }).await;
    }

    /// The jobs that may be taken up now.
    pub async fn next_jobs(&mut self) -> Vec<Job> {
        self.scheduler.saved().await;
        while !self.scheduler.poll(1_000).await.unwrap() {}
        let mut jobs = Vec::new();
        self.scheduler.next_jobs(&mut jobs).await.unwrap();
        jobs
    }

    /// Sends everything that may go now, one after the other, until nothing may.
    pub async fn drain(&mut self) -> Vec<Request> {
        for _ in 0..100_000 {
            let jobs = self.next_jobs().await;
            if jobs.is_empty() {
                return self.transport.sent();
            }
            for job in jobs {
                let report = job.run(&self.parts).await;
                self.scheduler.done(report);
            }
        }
        panic!("it goes on and on");
    }

    /// Moves the clock to when there is something to do; false if there never is.
    pub async fn wait(&mut self) -> bool {
        assert!(self.next_jobs().await.is_empty(), "something may go now");
        let Some(at) = self.scheduler.next_wake() else { return false };
        assert!(at > self.clock.now());
        self.clock.set(at);
        true
    }

    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub async fn all(&self) -> Vec<Callback> {
        let filter = CallbackFilter::default();
        let mut all = self.store.outbox().callbacks(SCOPE, &filter, None, 2_000).await.unwrap().items;
        all.reverse();
        all
    }

    pub async fn of(&self, hook: HookId) -> Vec<Callback> {
        self.all().await.into_iter().filter(|callback| callback.hook == hook).collect()
    }

    pub async fn states(&self, hook: HookId) -> Vec<CallbackState> {
        self.of(hook).await.into_iter().map(|callback| callback.state).collect()
    }

    pub async fn audit(&self) {
        let report = px_store::audit::audit(&*self.store, SCOPE, &mut |_| {}).await.unwrap();
        assert!(report.is_clean(), "{:#?}", report.violations);
    }
}

pub fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

pub fn body(request: &Request) -> serde_json::Value {
    serde_json::from_slice(&request.body).unwrap()
}

pub fn kinds(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| header(request, "x-px-event").to_owned()).collect()
}
