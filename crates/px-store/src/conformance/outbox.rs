//! The outbox in the suite of every store: what is told lies in the commit of
//! what happened, is numbered without a gap, and is due by lane and time.

use std::sync::Arc;

use px_core::event::Cause;
use px_core::lifecycle::Kind;
use px_core::run::{Catalog as _, Command, Start};
use px_core::{CallbackId, HookId, RunId, Timestamp};
use serde_json::{Value, json};

use super::{AnyBrain, Driver, SCOPE, block_on, key};
use crate::Batch;
use crate::batch::{Conflict, Outcome};
use crate::outbox::{
    Attempt, AttemptBrief, Breaker, Callback, CallbackFilter, CallbackState, CallbackWrite, Due, Endpoint,
    HookWrite, OutboxBatch, OutboxConflict, Timing, lane_of,
};
use crate::store::Store;
use px_core::hook::{Hook, Source};

const URL: &str = "https://receiver.example/hook";

impl Driver {
    /// Adds a hook that listens to these types of events.
    pub fn hook(&mut self, url: &str, events: &[&str]) -> HookId {
        self.now += 1;
        let now = Timestamp::from_millis(self.now);
        let mut hook = Hook::new(self.ids.hook(now), url, Source::Api, now);
        hook.events = events.iter().map(|&glob| glob.into()).collect();
        let id = hook.id;
        let version = self.ids.version(now);
        let outbox =
            OutboxBatch { hooks: vec![HookWrite { hook, expected: 0, version }], ..OutboxBatch::default() };
        let outcome = self.commit(Batch { outbox, ..Batch::default() });
        assert!(matches!(outcome, Outcome::Committed { .. }));
        id
    }

    /// Starts a run that has a hook of its own.
    fn start_hooked(&mut self, url: &str) -> RunId {
        let mut draft = self.draft();
        let info = AnyBrain.brain("own").expect("any brain");
        let mut hook = Hook::new(HookId::from_bytes([0; 16]), url, Source::Api, draft.now());
        hook.ordered = true;
        draft.hook_next_run(hook);
        let run = block_on(draft.start(Start::of(info, json!({}), Cause::Api))).expect("a start");
        let batch = draft.into_batch();
        assert!(matches!(self.commit(batch), Outcome::Committed { .. }));
        run
    }

    fn first_due(&self) -> Option<Due> {
        block_on(self.store.outbox().next_lane(SCOPE, None)).expect("a lane")
    }

    /// Tries the first due delivery of the first lane, with this end.
    pub(super) fn try_first(&mut self, end: u64) -> Option<Outcome> {
        let due = self.first_due()?;
        self.now += 1;
        let now = Timestamp::from_millis(self.now);
        let callback = block_on(self.store.outbox().callback(SCOPE, due.id)).expect("a read")?;
        let number = callback.attempts + 1;
        let write = CallbackWrite::change(&callback, |callback| {
            callback.note(AttemptBrief { at: now, status: Some(200), error: None, duration_ms: 1 });
            callback.since = now;
            (callback.state, callback.due) = match end {
                0 => (CallbackState::Delivered, None),
                1 => (CallbackState::Dead, None),
                2 => (CallbackState::Held, None),
                _ => (CallbackState::Pending, Some(now.after(std::time::Duration::from_millis(50)))),
            };
        });
        let attempt = attempt(number, now);
        let lane = callback.lane;
        let endpoint = Endpoint { lane, url: URL.into(), failures: number, breaker: Breaker::Closed };
        let outbox = OutboxBatch {
            callback: vec![write],
            attempts: vec![(callback.id, attempt)],
            endpoints: vec![endpoint],
            ..OutboxBatch::default()
        };
        Some(self.commit(Batch { outbox, ..Batch::default() }))
    }

    fn callbacks(&self, filter: &CallbackFilter) -> Vec<Callback> {
        let mut out = Vec::new();
        let mut before = None;
        loop {
            let page = block_on(self.store.outbox().callbacks(SCOPE, filter, before, 7)).expect("a list");
            out.extend(page.items);
            before = page.next;
            if before.is_none() {
                return out;
            }
        }
    }
}

fn attempt(number: u32, at: Timestamp) -> Attempt {
    Attempt {
        number,
        at,
        status: Some(200),
        error: None,
        message: None,
        timing: Timing { resolved_ms: None, head_ms: Some(1), total_ms: 1 },
        headers: Vec::new(),
        body: "ok".into(),
        retry_after: None,
    }
}

/// Everything that can be read of the outbox.
pub(super) fn snapshot(driver: &Driver) -> Vec<Value> {
    let all = driver.callbacks(&CallbackFilter::default());
    let mut out: Vec<Value> = all
        .iter()
        .map(|one| {
            let attempts = block_on(driver.store.outbox().attempts(SCOPE, one.id, 0, 100)).expect("attempts");
            json!([one, one.version, String::from_utf8_lossy(&one.body), attempts])
        })
        .collect();
    for hook in block_on(async { driver.store.outbox().hook_set(SCOPE) }).expect("a hook_set").hooks() {
        let filter = CallbackFilter { hook: Some(hook.record.id), ..CallbackFilter::default() };
        let of_hook: Vec<CallbackId> = driver.callbacks(&filter).iter().map(|one| one.id).collect();
        let held = CallbackFilter { state: Some(CallbackState::Held), ..filter.clone() };
        let held: Vec<CallbackId> = driver.callbacks(&held).iter().map(|one| one.id).collect();
        out.push(json!([hook.record, hook.version, of_hook, held]));
    }
    let mut lane = None;
    while let Some(first) = block_on(driver.store.outbox().next_lane(SCOPE, lane)).expect("a lane") {
        let all = Timestamp::from_millis(u64::MAX - 1);
        let due = block_on(driver.store.outbox().due_in_lane(SCOPE, first.lane, None, all, 1_000));
        let endpoint = block_on(driver.store.outbox().endpoint(SCOPE, first.lane)).expect("an endpoint");
        out.push(json!([
            first.lane,
            due.expect("due rows").iter().map(|d| json!([d.due, d])).collect::<Vec<_>>(),
            endpoint
        ]));
        lane = Some(first.lane);
    }
    out
}

/// Hooks are told of what happened in its own commit.
pub fn what_happens_is_told_in_its_commit(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    driver.start("unheard");
    assert!(driver.callbacks(&CallbackFilter::default()).is_empty(), "nobody listens");
    let (all, ends) = (driver.hook(URL, &[]), driver.hook("https://other.example/", &["run.c*"]));
    let run = driver.start("one");
    driver.wait_on(run, &[key(1)], None).unwrap();
    driver.deliver(&key(1), "p1");
    driver.command(run, Command::Cancel { reason: None }).unwrap();
    let told = |hook: HookId| {
        let filter = CallbackFilter { hook: Some(hook), run: Some(run), ..CallbackFilter::default() };
        let mut told = driver.callbacks(&filter);
        told.reverse();
        told
    };
    let heard = told(all);
    let kinds: Vec<&str> = heard.iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["run.started", "step.started", "step.completed", "run.waiting", "run.resumed", "run.cancelled"]
    );
    assert_eq!(heard.iter().map(|one| one.seq).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    let ended = told(ends);
    assert_eq!(ended.iter().map(|one| (one.kind, one.seq)).collect::<Vec<_>>(), [(Kind::RunCancelled, 1)]);
    assert_eq!(ended.first().map(|one| one.event), heard.last().map(|one| one.event), "one event");
    for (one, next) in heard.iter().zip(heard.iter().skip(1)) {
        assert_eq!(next.prev, Some(one.id), "each knows the one before it");
    }
    let bodies: Vec<Value> =
        heard.iter().map(|one| serde_json::from_slice(&one.body).expect("JSON")).collect();
    assert_eq!(bodies.first().map(|body| body["type"].clone()), Some(json!("run.started")));
    let filter = CallbackFilter { hook: Some(all), ..CallbackFilter::default() };
    let others = driver.callbacks(&filter).into_iter().filter(|one| one.run.is_none()).map(|one| one.kind);
    assert_eq!(others.collect::<Vec<_>>(), [Kind::WebhookReceived]);
}

/// A run's own hook, which is told of this run and of no other.
pub fn a_run_has_a_hook_of_its_own(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let run = driver.start_hooked(URL);
    driver.start("other");
    driver.command(run, Command::Cancel { reason: None }).unwrap();
    let told = driver.callbacks(&CallbackFilter { run: Some(run), ..CallbackFilter::default() });
    let kinds: Vec<(u64, &str)> = told.iter().map(|one| (one.seq, one.kind.as_str())).collect();
    assert_eq!(kinds, [(2, "run.cancelled"), (1, "run.started")]);
    assert!(told.iter().all(|one| one.own && one.ordered && one.lane == lane_of(URL).0));
    let hook = told.first().expect("a delivery").hook;
    let kept = block_on(store.outbox().hook(SCOPE, hook)).unwrap().expect("its hook");
    assert_eq!(kept.record.source, Source::Run(run));
    assert_eq!(driver.callbacks(&CallbackFilter { hook: Some(hook), ..CallbackFilter::default() }), told);
    assert!(store.outbox().hook_set(SCOPE).unwrap().hooks().is_empty());
    assert_eq!(driver.callbacks(&CallbackFilter::default()).len(), 2);
}

/// Pending deliveries are due, others are not, and a stale change is a conflict.
pub fn what_is_due_is_found_by_lane_and_time(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    driver.hook(URL, &["run.*"]);
    driver.hook("https://other.example/", &["run.*"]);
    for _ in 0..3 {
        driver.start("one");
    }
    let mut lanes = Vec::new();
    let mut lane = None;
    while let Some(first) = block_on(store.outbox().next_lane(SCOPE, lane)).unwrap() {
        lanes.push(first.lane);
        lane = Some(first.lane);
    }
    assert_eq!(lanes.len(), 2);
    let first = driver.first_due().expect("something due");
    let due = |after: Option<Due>, until: u64, limit: usize| {
        block_on(store.outbox().due_in_lane(SCOPE, first.lane, after, Timestamp::from_millis(until), limit))
            .unwrap()
    };
    assert_eq!(due(None, driver.now, 10).len(), 3);
    assert_eq!(due(Some(first), driver.now, 1).first().map(|due| due.id > first.id), Some(true));
    assert!(due(None, first.due.as_millis() - 1, 10).is_empty());
    let stale = block_on(store.outbox().callback(SCOPE, first.id)).unwrap().expect("the delivery");
    driver.try_first(9);
    assert_eq!(due(None, driver.now, 10).len(), 2, "tried again later");
    assert_eq!(due(None, driver.now + 100, 10).len(), 3);
    let write = CallbackWrite::change(&stale, |callback| callback.state = CallbackState::Discarded);
    let outbox = OutboxBatch { callback: vec![write], ..OutboxBatch::default() };
    let conflict = Conflict::Outbox(OutboxConflict::Callback(first.id));
    assert_eq!(driver.commit(Batch { outbox, ..Batch::default() }), Outcome::Conflict(conflict));
    for end in [0, 1, 2] {
        assert!(matches!(driver.try_first(end), Some(Outcome::Committed { .. })));
    }
    assert!(due(None, u64::MAX - 1, 10).is_empty(), "nothing of this lane is pending");
    let dead = CallbackFilter { state: Some(CallbackState::Dead), ..CallbackFilter::default() };
    assert_eq!(driver.callbacks(&dead).len(), 1);
    let attempts = block_on(store.outbox().attempts(SCOPE, first.id, 0, 10)).unwrap();
    assert!(!attempts.is_empty());
    let endpoint = block_on(store.outbox().endpoint(SCOPE, first.lane)).unwrap();
    assert_eq!(endpoint.map(|endpoint| endpoint.lane), Some(first.lane));
    let removed = driver.callbacks(&dead);
    let outbox = OutboxBatch { removed, ..OutboxBatch::default() };
    assert!(matches!(driver.commit(Batch { outbox, ..Batch::default() }), Outcome::Committed { .. }));
    assert!(driver.callbacks(&dead).is_empty());
    let report = block_on(crate::audit::audit(&*store, SCOPE, &mut |_| {})).expect("an audit");
    assert!(report.is_clean(), "{:?}", report.violations);
}

/// A hook that changes is told of what comes after, and a stale change is a conflict.
pub fn hooks_change_under_a_precondition(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let id = driver.hook(URL, &[]);
    let read = block_on(store.outbox().hook(SCOPE, id)).unwrap().expect("the hook");
    assert_eq!(store.outbox().hook_set(SCOPE).unwrap().hooks().len(), 1);
    let write = |events: &str, version: u64| {
        let mut hook = read.record.clone();
        hook.events = vec![events.into()];
        let hooks = vec![HookWrite { hook, expected: read.version, version }];
        Batch { outbox: OutboxBatch { hooks, ..OutboxBatch::default() }, ..Batch::default() }
    };
    assert!(matches!(driver.commit(write("step.*", 8)), Outcome::Committed { .. }));
    let conflict = Conflict::Outbox(OutboxConflict::Hook(id));
    assert_eq!(driver.commit(write("run.*", 9)), Outcome::Conflict(conflict));
    driver.start("one");
    assert!(driver.callbacks(&CallbackFilter::default()).is_empty(), "it listens to steps now");
    assert_eq!(store.outbox().hook_set(SCOPE).unwrap().hook(id).map(|hook| hook.version), Some(8));
}
