//! The outbox in the damaged store: a hook that listens to everything, a run
//! with a hook of its own, and a delivery that was tried.

use px_core::event::{Cause, StepInfo, StepKind};
use px_core::hook::{Hook, Source};
use px_core::run::{BrainInfo, Catalog, Start};
use px_core::{HookId, Ids, Scope, Timestamp};
use px_store::audit::Rule;
use px_store::outbox::{
    Attempt, AttemptBrief, CallbackFilter, CallbackState, CallbackWrite, HookWrite, OutboxBatch, Timing,
};
use px_store::{Admission, Batch, Draft, Outcome, Store};
use px_testkit::World;
use serde_json::{Value, json};

use super::deeds::{Damage, edit, nobody, put, remove};
use super::{Parts, Rig};

const SCOPE: Scope = Scope(0);
const URL: &str = "https://receiver.example/hook";

async fn commit(store: &dyn Store, batch: Batch) {
    let done = store.commit(batch, Admission::Wait).await.unwrap();
    assert!(matches!(done, Outcome::Committed { .. }), "{done:?}");
}

/// A brain that no engine runs.
struct Hooked;

impl Catalog for Hooked {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        let step = StepInfo { title: "step".into(), kind: StepKind::Step };
        Some(BrainInfo { title: title.into(), description: None, version: 1, steps: vec![step] })
    }

    fn early(&self, _slug: &str) -> Option<std::time::Duration> {
        None
    }
}

fn hook(now: Timestamp) -> Hook {
    let mut hook = Hook::new(HookId::from_bytes([7; 16]), URL, Source::Api, now);
    hook.events = vec!["run.*".into()];
    hook
}

/// Adds a hook, before anything happens.
pub async fn listen(world: &World) {
    let write = HookWrite { hook: hook(Timestamp::from_millis(1)), expected: 0, version: 1 };
    let outbox = OutboxBatch { hooks: vec![write], ..OutboxBatch::default() };
    commit(&**world.rows(), Batch { outbox, ..Batch::default() }).await;
}

/// Gives a run a hook of its own, and tries deliveries with every end.
pub async fn send(world: &World) {
    let store = world.rows();
    let (ids, now) = (Ids::counted(1 << 40), Timestamp::from_millis(2_000_000_000_000));
    let mut draft = Draft::new(&**store, &Hooked, &ids, SCOPE, now);
    draft.hook_next_run(hook(now));
    let info = Hooked.brain("hooked").expect("the brain");
    let start = Start::of(info, json!({"key": "hooked"}), Cause::Api);
    draft.start(start).await.unwrap();
    let batch = draft.into_batch();
    commit(&**store, batch).await;
    let page = store.outbox().callbacks(SCOPE, &CallbackFilter::default(), None, 10).await.unwrap();
    let ends = [
        CallbackState::Pending,
        CallbackState::Delivered,
        CallbackState::Dead,
        CallbackState::Held,
        CallbackState::Discarded,
    ];
    for (callback, end) in page.items.iter().zip(ends) {
        let write = CallbackWrite::change(callback, |callback| {
            callback.note(AttemptBrief { at: now, status: Some(500), error: None, duration_ms: 1 });
            callback.state = end;
            callback.due = callback.due.filter(|_| end == CallbackState::Pending);
        });
        let attempt = Attempt {
            number: 1,
            at: now,
            status: Some(500),
            error: None,
            message: None,
            timing: Timing::default(),
            headers: Vec::new(),
            body: String::new(),
            retry_after: None,
        };
        let attempts = vec![(callback.id, attempt)];
        let outbox = OutboxBatch { callback: vec![write], attempts, ..OutboxBatch::default() };
        commit(&**store, Batch { outbox, ..Batch::default() }).await;
    }
}

/// A delivery of the outbox that is in this state.
fn callback(rig: &Rig, state: &str) -> Parts {
    rig.find(b'o', |callback| callback["state"] == state && callback["run"].is_string())
}

pub const OUTBOX: &[Damage] = &[
    (Rule::HookWithoutRun, |rig| {
        let hook = rig.find(b'h', |hook| hook["source"]["kind"] == "run");
        edit(hook.text("/id"), hook, |hook| hook["source"]["run"] = json!(nobody("run")))
    }),
    (Rule::CallbackWithoutHook, |rig| {
        let hook = rig.find(b'h', |hook| hook["source"]["kind"] == "api");
        remove(hook.text("/id"), hook)
    }),
    (Rule::CallbackWithoutRun, |rig| {
        let callback = callback(rig, "pending");
        edit(callback.text("/id"), callback, |callback| callback["run"] = json!(nobody("run")))
    }),
    (Rule::CallbackUndue, |rig| {
        let due = rig.table(b'e').remove(0);
        remove(due.text("/id"), due)
    }),
    (Rule::CallbackUndue, |rig| {
        let dead = callback(rig, "dead");
        edit(dead.text("/id"), dead, |dead| dead["state"] = json!("pending"))
    }),
    (Rule::CallbackGap, |rig| {
        let later = rig.find(b'o', |callback| callback["prev"].is_string());
        edit(later.text("/prev"), later, |later| later["seq"] = json!(7))
    }),
    (Rule::CallbackGap, |rig| {
        let later = rig.find(b'o', |callback| callback["prev"].is_string());
        edit(later.text("/id"), later, |later| later["prev"] = Value::Null)
    }),
    (Rule::CallbackUnlisted, |rig| {
        let other = rig.find(b'h', |hook| hook["source"]["kind"] == "run").text("/id");
        let callback = rig.find(b'o', |callback| !callback["own"].is_boolean());
        edit(callback.text("/id"), callback, |callback| callback["hook"] = json!(other))
    }),
    (Rule::StrayDue, |rig| {
        let mut due = rig.table(b'e').remove(0);
        due.key[12] = 1;
        put(due.text("/id"), due)
    }),
    (Rule::AttemptMissing, |rig| {
        let dead = callback(rig, "dead").text("/id");
        remove(dead, rig.table(b'a').remove(2))
    }),
    (Rule::StrayAttempt, |rig| {
        let mut attempt = rig.table(b'a').remove(0);
        attempt.key[3..19].fill(0xff);
        put(format!("dlv_{}", "ff".repeat(16)), attempt)
    }),
];
