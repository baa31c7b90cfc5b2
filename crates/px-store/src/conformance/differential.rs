//! One random stream of operations over two stores: the same replies, and in
//! the end the same that can be read.

use std::sync::Arc;

use px_core::reminder::ReminderEnd;
use px_core::run::Command;
use px_core::{KeyId, KvChange, KvId, RunId, RunStatus, Timestamp};
use serde_json::{Value, json};

use super::driver::{Driver, key};
use super::{SCOPE, block_on, outbox};
use crate::model::TimerKind;
use crate::store::{DeliveryFilter, RunFilter, Store};

/// A small random number generator (xorshift64*), so that a seed is a whole story.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n.max(1)
    }
}

/// Drives two stores with one stream of `steps` operations, compares every
/// reply, and at the end everything that can be read. `shake` is called now
/// and then with the second store's driver, to let it be reopened.
///
/// # Panics
/// If the stores differ; the message holds the seed.
pub fn differential(
    seed: u64,
    steps: u64,
    left: Arc<dyn Store>,
    right: Arc<dyn Store>,
    mut shake: impl FnMut(Arc<dyn Store>) -> Arc<dyn Store>,
) {
    let mut dice = Dice::new(seed);
    let (mut left, mut right) = (Driver::new(left), Driver::new(right));
    let mut runs: Vec<RunId> = Vec::new();
    for step in 0..steps {
        let pick = |dice: &mut Dice, runs: &[RunId]| {
            let at = dice.below(runs.len() as u64);
            runs.get(usize::try_from(at).unwrap_or(0)).copied()
        };
        let replies = match dice.below(16) {
            10 => {
                // Half of the histories begin without anybody who listens.
                let events: &[&str] = if dice.below(2) == 0 { &[] } else { &["run.*"] };
                let url = format!("https://r{}.example/", dice.below(3));
                if dice.below(steps / 20 + 1) > 0 {
                    continue;
                }
                (format!("{}", left.hook(&url, events)), format!("{}", right.hook(&url, events)))
            }
            14 => {
                let id = KvId::shared(format!("b{}", dice.below(2)), format!("k{}", dice.below(4)));
                let change = if dice.below(4) == 0 { KvChange::Remove } else { KvChange::Put(json!(step)) };
                // Now and then over a version that is not there.
                let expected = if dice.below(5) == 0 { step } else { left.kv(&id).0 };
                let put = |driver: &mut Driver| driver.put_kv(3, [(id.clone(), expected, change.clone())]);
                (format!("{:?}", put(&mut left)), format!("{:?}", put(&mut right)))
            }
            15 => {
                let name = format!("S{}", dice.below(3));
                let sealed = (dice.below(4) > 0).then(|| step.to_be_bytes().to_vec());
                // Now and then over a version that is not there.
                let expected = if dice.below(5) == 0 { Some(step) } else { left.secret_version(&name) };
                let put = |driver: &mut Driver| driver.put_secret(&name, expected, sealed.clone());
                (format!("{:?}", put(&mut left)), format!("{:?}", put(&mut right)))
            }
            13 => {
                let most = usize::try_from(dice.below(4)).unwrap_or(0);
                (format!("{:?}", left.forget_oldest(most)), format!("{:?}", right.forget_oldest(most)))
            }
            11 | 12 => {
                let end = dice.below(5);
                (format!("{:?}", left.try_first(end)), format!("{:?}", right.try_first(end)))
            }
            0 | 1 => {
                let brain = format!("b{}", dice.below(3));
                let (a, b) = (left.start(&brain), right.start(&brain));
                runs.push(a);
                (format!("{a}"), format!("{b}"))
            }
            2..=4 => {
                let keys: Vec<KeyId> = (0..=dice.below(2)).map(|_| key(dice.below(6))).collect();
                let timeout = (dice.below(2) == 0).then(|| dice.below(40));
                let Some(run) = pick(&mut dice, &runs) else { continue };
                let both = (left.wait_on(run, &keys, timeout), right.wait_on(run, &keys, timeout));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            5..=7 => {
                let (key, id) = (key(dice.below(6)), format!("p{}", dice.below(steps)));
                let lays_apart = dice.below(2) == 0;
                (left.lays_apart, right.lays_apart) = (lays_apart, lays_apart);
                let both = (left.deliver(&key, &id), right.deliver(&key, &id));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            8 => {
                let Some(run) = pick(&mut dice, &runs) else { continue };
                let cancel = || Command::Cancel { reason: None };
                let both = (left.command(run, cancel()), right.command(run, cancel()));
                (format!("{:?}", both.0), format!("{:?}", both.1))
            }
            _ => {
                let until = Timestamp::from_millis(left.now);
                let due = block_on(left.store.due(SCOPE, until, None, 3)).expect("timers");
                let other = block_on(right.store.due(SCOPE, until, None, 3)).expect("timers");
                assert_eq!(due, other, "seed {seed}, step {step}: due timers");
                let mut said = (String::new(), String::new());
                for timer in due {
                    said.0 += &format!("{:?}", left.ring(&timer));
                    said.1 += &format!("{:?}", right.ring(&timer));
                    // Half of the reminders that begin are under way for longer.
                    if let (TimerKind::Remind { run, .. }, 0) = (timer.kind, dice.below(2)) {
                        let end = || Command::EndReminder(ReminderEnd::Complete);
                        said.0 += &format!("{:?}", left.command(run, end()));
                        said.1 += &format!("{:?}", right.command(run, end()));
                    }
                }
                said
            }
        };
        assert_eq!(replies.0, replies.1, "seed {seed}, step {step}");
        if dice.below(40) == 0 {
            right.store = shake(right.store);
        }
    }
    assert_eq!(snapshot(&left), snapshot(&right), "seed {seed}: the final snapshots");
    for driver in [&left, &right] {
        let report = block_on(crate::audit::audit(&*driver.store, SCOPE, &mut |_| {})).expect("an audit");
        assert!(report.is_clean(), "seed {seed}: {:?}", report.violations);
    }
}

/// Everything that can be read of a store that a [`Driver`] filled.
fn snapshot(driver: &Driver) -> Vec<Value> {
    let store = &driver.store;
    let mut out = Vec::new();
    let mut before = None;
    loop {
        let page = block_on(store.runs(SCOPE, &RunFilter::default(), before, 100)).expect("runs");
        for record in page.items {
            let log = block_on(store.events(SCOPE, record.run.id, 0, 10_000)).expect("a log");
            assert_eq!(px_core::Run::replay(record.run.id, &log).expect("a legal log"), *record.run);
            out.push(json!([record.run, log]));
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    let mut before = None;
    loop {
        let page =
            block_on(store.deliveries(SCOPE, &DeliveryFilter::default(), before, 100)).expect("deliveries");
        out.extend(page.items.iter().map(|delivery| json!([delivery, delivery.body.len()])));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    for status in RunStatus::ALL {
        let filter = RunFilter { statuses: vec![status], ..RunFilter::default() };
        let page = block_on(store.runs(SCOPE, &filter, None, 10_000)).expect("runs");
        out.push(page.items.iter().map(|record| json!(record.run.id)).collect());
    }
    for n in 0..6 {
        let record = block_on(store.key(SCOPE, &key(n))).expect("a key");
        let queued = block_on(store.queued(SCOPE, &key(n), 0, 1_000)).expect("a queue");
        out.push(json!([record.version, record.record, queued]));
    }
    out.extend(outbox::snapshot(driver));
    for n in 0..2 {
        let values = block_on(store.kv().values(SCOPE, &format!("b{n}"), None, 100)).expect("values");
        out.push(values.iter().map(|(id, read)| json!([id, read.version, read.record])).collect());
    }
    let secrets = block_on(crate::secrets::rows(&**store, SCOPE)).expect("secrets");
    out.push(secrets.iter().map(|row| json!([row.version, row.record])).collect());
    let work = block_on(store.work(SCOPE, None, 10_000)).expect("work");
    out.push(work.iter().map(|(run, work)| json!([run, work.version, work.record])).collect());
    out
}
