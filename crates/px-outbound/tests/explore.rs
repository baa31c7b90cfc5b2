//! The sender under random outcomes and deaths: whatever receivers do and
//! whenever the process dies, every delivery is in exactly one state, every
//! event reaches its receiver or is dead for a reason, in order where order was
//! asked for, and twice only if it was under way at a death.
//!
//! `PX_SEEDS=10000` explores more.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod rig;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use px_core::hook::{Hook, RetryPolicy, Source};
use px_core::{Clock as _, HookId, RunId};
use px_outbound::operate::{self, Spec};
use px_outbound::transport::{Answer, Class, Failure, Request, Transport};
use px_outbound::{Job, Scheduler};
use px_store::BoxFuture;
use px_store::outbox::{Callback, CallbackState, Timing};
use rig::{BEGIN, Rig, SCOPE, header, status};

/// Seeds of the normal test run.
const SEEDS: u64 = 40;
/// What happens in one story.
const STEPS: u64 = 120;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// A receiver that takes the request and is never heard of: the process dies
/// while it is under way.
struct Silent;

impl Transport for Silent {
    fn send(&self, _request: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        Box::pin(std::future::pending())
    }
}

fn outcome(n: u64) -> Result<Answer, Failure> {
    let failed = |class| Err(Failure { class, message: "no".into(), timing: Timing::default() });
    match n {
        0..=4 => status(200),
        5 => status(500),
        6 => status(429),
        7 => status(404),
        8 => failed(Class::Timeout),
        _ => failed(Class::Refused),
    }
}

struct Story {
    rig: Rig,
    dice: Dice,
    hooks: Vec<Hook>,
    own: Hook,
    runs: Vec<RunId>,
    /// Deliveries that were under way when the process died.
    lost: BTreeMap<String, u64>,
    /// Deliveries that receivers took, in order.
    taken: Vec<String>,
}

impl Story {
    async fn new(seed: u64) -> Self {
        let rig = Rig::new();
        let ordered = rig.hook(|spec| spec.ordered = true).await;
        let short = rig
            .hook(|spec| {
                spec.url = "https://short.example/".into();
                spec.events = vec!["run.*".into()];
                spec.retry = RetryPolicy::preset("rdev").unwrap();
                spec.max_in_flight = 2;
            })
            .await;
        let spec = Spec::of_run("https://own.example/", None);
        let own = operate::validate(&rig.parts, &spec, HookId::from_bytes([0; 16]), Source::Api, BEGIN);
        let dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let (own, hooks) = (own.unwrap(), vec![ordered, short]);
        Self { rig, dice, hooks, own, runs: Vec::new(), lost: BTreeMap::new(), taken: Vec::new() }
    }

    async fn live(&mut self) {
        for _ in 0..STEPS {
            match self.dice.below(8) {
                0 | 1 => {
                    let own = (self.dice.below(2) == 0).then(|| self.own.clone());
                    self.runs.push(self.rig.start_with(own).await);
                }
                2 => {
                    if !self.runs.is_empty() {
                        let at = usize::try_from(self.dice.below(self.runs.len() as u64)).unwrap();
                        let run = self.runs.swap_remove(at);
                        self.rig.cancel(run).await;
                    }
                }
                3 => self.rig.advance(Duration::from_secs(self.dice.below(400))),
                4 => self.die().await,
                _ => {
                    let salt = AtomicU64::new(self.dice.below(1_000));
                    self.rig.receive(move |_| outcome(salt.fetch_add(7, Ordering::Relaxed) * 13 % 10));
                    self.send_some().await;
                }
            }
        }
    }

    async fn send_some(&mut self) -> usize {
        let mut jobs = self.rig.next_jobs().await;
        let many = jobs.len();
        // They end in any order.
        while !jobs.is_empty() {
            let at = usize::try_from(self.dice.below(jobs.len() as u64)).unwrap();
            self.finish(jobs.swap_remove(at)).await;
        }
        many
    }

    async fn finish(&mut self, job: Job) {
        let id = job.delivery();
        let before = self.read(id).await;
        let report = job.run(&self.rig.parts).await;
        let after = self.read(id).await;
        if before.state != CallbackState::Delivered && after.state == CallbackState::Delivered {
            self.taken.push(id.to_string());
        }
        self.rig.scheduler.done(report);
    }

    async fn read(&self, id: px_core::CallbackId) -> Callback {
        self.rig.store.outbox().callback(SCOPE, id).await.unwrap().unwrap()
    }

    /// The process dies with some requests under way, and another one starts.
    async fn die(&mut self) {
        let jobs = self.rig.next_jobs().await;
        let mut parts = self.rig.parts.clone();
        parts.transport = Arc::new(Silent);
        for job in jobs {
            let id = job.delivery();
            let mut attempt = Box::pin(job.run(&parts));
            let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(attempt.as_mut().poll(cx))).await;
            if polled.is_pending() {
                *self.lost.entry(id.to_string()).or_default() += 1;
            }
        }
        self.rig.scheduler = Scheduler::new(self.rig.parts.clone(), 1_024);
    }

    /// Everybody is well again: what is left goes out.
    async fn heal(&mut self) {
        self.rig.receive(|_| status(200));
        while self.send_some().await > 0 || self.rig.wait().await {}
    }

    async fn judge(&mut self, seed: u64) {
        self.rig.audit().await;
        let all = self.rig.all().await;
        let mut last: BTreeMap<(HookId, Option<RunId>), u64> = BTreeMap::new();
        let places: BTreeMap<&String, usize> =
            self.taken.iter().enumerate().map(|(place, id)| (id, place)).collect();
        assert_eq!(places.len(), self.taken.len(), "seed {seed}: delivered twice");
        let mut order: BTreeMap<(HookId, Option<RunId>), usize> = BTreeMap::new();
        for callback in &all {
            let pair = (callback.hook, callback.run);
            let seq = last.entry(pair).or_insert(0);
            *seq += 1;
            assert_eq!(callback.seq, *seq, "seed {seed}: gap-free");
            match callback.state {
                CallbackState::Delivered => {
                    if callback.ordered {
                        let place = places[&callback.id.to_string()];
                        let before = order.insert(pair, place);
                        assert!(before.is_none_or(|before| before < place), "seed {seed}: in order");
                    }
                }
                CallbackState::Dead => assert!(callback.reason.is_some(), "seed {seed}"),
                state => panic!("seed {seed}: {} is {state:?}", callback.id),
            }
            let attempts = self.rig.store.outbox().attempts(SCOPE, callback.id, 0, 100).await.unwrap();
            assert_eq!(attempts.len() as u64, u64::from(callback.attempts), "seed {seed}");
            assert!(!attempts.is_empty(), "seed {seed}: {} was never sent", callback.id);
        }
        let sent: BTreeSet<HookId> = all.iter().map(|callback| callback.hook).collect();
        assert!(self.hooks.iter().all(|hook| sent.contains(&hook.id)) || self.taken.is_empty());
    }
}

#[tokio::test]
async fn hooks_4_whatever_happens_nothing_is_lost_and_nothing_is_out_of_order() {
    let seeds = std::env::var("PX_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let (mut deliveries, mut deaths) = (0, 0);
    for seed in 0..seeds {
        let mut story = Story::new(seed).await;
        story.live().await;
        story.heal().await;
        story.judge(seed).await;
        deliveries += story.taken.len();
        deaths += story.lost.len();
    }
    assert!(deliveries > 1_000 && deaths > 20, "{deliveries} deliveries, {deaths} under way at a death");
}

#[tokio::test]
async fn hooks_4_what_was_under_way_at_a_death_goes_out_again_at_once_and_nothing_else_does() {
    let mut story = Story::new(1).await;
    for _ in 0..40 {
        story.rig.start().await;
    }
    story.send_some().await;
    let before = story.taken.len();
    story.rig.start().await;
    story.die().await;
    assert!(!story.lost.is_empty(), "something was under way");
    let sent = story.rig.drain().await;
    let ids: BTreeSet<&str> = sent.iter().map(|request| header(request, "x-px-delivery")).collect();
    let again = |id: &String| ids.contains(id.as_str());
    assert!(story.lost.keys().all(again), "what was under way goes out again");
    assert_eq!(story.rig.clock.now(), BEGIN, "at once");
    // `drain` gives everything since the story began: each of what was recorded once.
    let times = |id: &String| sent.iter().filter(|request| header(request, "x-px-delivery") == id).count();
    assert!(story.taken.iter().take(before).all(|id| times(id) == 1), "and nothing that was recorded");
}
