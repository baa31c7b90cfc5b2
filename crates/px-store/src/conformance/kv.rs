//! Values that outlive runs: each is written over the version that was read, and counted in its brain.

use std::sync::Arc;

use px_core::run::{After, Command, StepOutcome, Then};
use px_core::{KvChange, KvId};
use serde_json::{Value, json};

use super::driver::Driver;
use super::{SCOPE, block_on};
use crate::audit::audit;
use crate::batch::{Conflict, Outcome};
use crate::kv::KvFull;
use crate::scan::{Row, Table};
use crate::store::Store;

impl Driver {
    /// Changes values, as a step that returns does.
    pub(super) fn put_kv(
        &mut self,
        most: u64,
        writes: impl IntoIterator<Item = (KvId, u64, KvChange)>,
    ) -> Result<Outcome, KvFull> {
        let mut draft = self.draft();
        for (id, expected, change) in writes {
            draft.write_kv(id, expected, change);
        }
        block_on(draft.count_kv(most)).expect("the record of a brain")?;
        let batch = draft.into_batch();
        Ok(self.commit(batch))
    }

    /// The version of a value, and the value; 0 and null if there is none.
    pub(super) fn kv(&self, id: &KvId) -> (u64, Value) {
        let read = block_on(self.store.kv().value(SCOPE, id)).expect("a value");
        read.map_or((0, Value::Null), |read| (read.version, read.record.value))
    }

    fn keys_of(&self, brain: &str) -> u64 {
        block_on(self.store.kv().brain(SCOPE, brain)).expect("a brain").map_or(0, |read| read.record.keys)
    }
}

fn put(value: impl Into<Value>) -> KvChange {
    KvChange::Put(value.into())
}

fn is_committed(outcome: &Result<Outcome, KvFull>) -> bool {
    matches!(outcome, Ok(Outcome::Committed { .. }))
}

/// Whoever read an older version of a value writes nothing, neither the value nor what comes with it.
pub fn a_value_is_written_over_the_version_that_was_read(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let (one, two) = (KvId::shared("b", "one"), KvId::shared("b", "two"));
    assert!(is_committed(&driver.put_kv(9, [(one.clone(), 0, put(1))])));
    let (first, value) = driver.kv(&one);
    assert_eq!(value, json!(1));
    let there = driver.put_kv(9, [(two.clone(), 0, put(2)), (one.clone(), 0, put(2))]);
    assert_eq!(there, Ok(Outcome::Conflict(Conflict::Kv(one.clone()))), "there is one already");
    assert_eq!(driver.kv(&two), (0, Value::Null), "nothing of the commit is there");
    assert!(is_committed(&driver.put_kv(9, [(one.clone(), first, put(json!({"n": null})))])));
    let (second, value) = driver.kv(&one);
    assert_eq!(value, json!({"n": null}));
    assert_ne!(first, second);
    for change in [put(3), KvChange::Remove, KvChange::Keep] {
        let stale = driver.put_kv(9, [(one.clone(), first, change)]);
        assert_eq!(stale, Ok(Outcome::Conflict(Conflict::Kv(one.clone()))));
    }
    assert!(is_committed(
        &driver.put_kv(9, [(one.clone(), second, KvChange::Keep), (two.clone(), 0, put(2))])
    ));
    assert_eq!(driver.kv(&one).0, second, "what is kept has its version");
    assert!(is_committed(&driver.put_kv(9, [(one.clone(), second, KvChange::Remove)])));
    let gone = driver.put_kv(9, [(one.clone(), second, put(4))]);
    assert_eq!(gone, Ok(Outcome::Conflict(Conflict::Kv(one.clone()))), "it is gone");
    assert!(is_committed(&driver.put_kv(9, [(one.clone(), 0, put(5))])));
    assert!(driver.kv(&one).0 > second, "a value that was removed and made again is another");

    // A step that returns writes its value in the same commit, and neither without the other.
    let run = driver.start("b");
    driver.command(run, Command::BeginStep { index: 0 }).expect("a step");
    let returns = || {
        let (after, then) = (After::End, Then::Go);
        Command::ReturnStep(Box::new(StepOutcome {
            state: json!({"n": 1}),
            after,
            then,
            takes_kept: None,
            labels: px_core::Labels::new(),
        }))
    };
    for (expected, is_written) in [(driver.kv(&two).0 + 1, false), (driver.kv(&two).0, true)] {
        let mut draft = driver.draft();
        block_on(draft.command(run, returns())).expect("a step that returns");
        draft.write_kv(two.clone(), expected, put("with the step"));
        block_on(draft.count_kv(9)).expect("a count").expect("room");
        let batch = draft.into_batch();
        assert_eq!(matches!(driver.commit(batch), Outcome::Committed { .. }), is_written);
        let found = block_on(store.run(SCOPE, run)).expect("a run").expect("the run").run;
        assert_eq!(
            (found.status.is_terminal(), driver.kv(&two).1 == json!("with the step")),
            (is_written, is_written)
        );
    }
}

/// Values are counted in the commits that make and remove them, whoever is first.
pub fn a_brain_has_no_more_values_than_it_may(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let id = |key: &str| KvId::shared("b", key);
    assert!(is_committed(&driver.put_kv(2, [(id("1"), 0, put(1)), (id("2"), 0, put(2))])));
    assert_eq!(driver.put_kv(2, [(id("3"), 0, put(3))]), Err(KvFull { brain: "b".into(), most: 2 }));
    let other = KvId { brain: "other".into(), ..id("1") };
    assert!(is_committed(&driver.put_kv(2, [(other.clone(), 0, put(1))])), "another brain counts apart");
    let (second, _) = driver.kv(&id("2"));
    assert!(is_committed(&driver.put_kv(2, [(id("2"), second, put(0))])), "what is there is written over");
    let (second, _) = driver.kv(&id("2"));
    let instead = [(id("2"), second, KvChange::Remove), (id("3"), 0, put(3))];
    assert!(is_committed(&driver.put_kv(2, instead)), "one for another");
    assert_eq!((driver.keys_of("b"), driver.keys_of("other")), (2, 1));

    // Two that make different values both count: the second one reads the number anew.
    let mut drafts: Vec<_> = Vec::new();
    for key in ["4", "5"] {
        let mut draft = driver.draft();
        draft.write_kv(id(key), 0, put(1));
        block_on(draft.count_kv(3)).expect("a count").expect("room for one");
        drafts.push(draft.into_batch());
    }
    let outcomes: Vec<Outcome> = drafts.into_iter().map(|batch| driver.commit(batch)).collect();
    assert!(matches!(outcomes.first(), Some(Outcome::Committed { .. })));
    assert_eq!(outcomes.last(), Some(&Outcome::Conflict(Conflict::KvBrain("b".into()))));
    assert_eq!(driver.keys_of("b"), 3);
    let over = driver.put_kv(1, [(id("1"), driver.kv(&id("1")).0, KvChange::Remove)]);
    assert!(is_committed(&over), "a brain over its bound may lose values");
    for key in ["3", "4"] {
        let (version, _) = driver.kv(&id(key));
        assert!(is_committed(&driver.put_kv(1, [(id(key), version, KvChange::Remove)])));
    }
    assert_eq!(
        block_on(store.kv().brain(SCOPE, "b")).expect("a read"),
        None,
        "a brain without values is none"
    );
    let report = block_on(audit(&*store, SCOPE, &mut |_| {})).expect("an audit");
    assert!(report.is_clean(), "{:?}", report.violations);
    assert_eq!(report.counts.kv, 1);
}

/// Values are listed by scope and key, page by page, and their brains by title.
pub fn values_are_listed_in_the_order_of_their_names(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let mut ids = Vec::new();
    for brain in ["b", "ba", "a b", "\u{e9}"] {
        for (scope, key) in [("shared", "k"), ("shared", "k2"), ("a", "zz"), ("ab", "a"), ("shared", "a/b")] {
            ids.push(KvId { brain: brain.into(), scope: scope.into(), key: key.into() });
        }
    }
    for id in &ids {
        assert!(is_committed(&driver.put_kv(9, [(id.clone(), 0, put(id.key.clone()))])));
    }
    ids.sort();
    let kv = store.kv();
    for brain in ["b", "ba", "a b", "\u{e9}", "none"] {
        let wanted: Vec<&KvId> = ids.iter().filter(|id| id.brain == brain).collect();
        for limit in [1, 2, 100] {
            let mut found: Vec<KvId> = Vec::new();
            loop {
                let after = found.last().map(|id| (&*id.scope, &*id.key));
                let page = block_on(kv.values(SCOPE, brain, after, limit)).expect("values");
                assert!(page.len() <= limit);
                if page.is_empty() {
                    break;
                }
                assert!(page.iter().all(|(id, read)| driver.kv(id) == (read.version, json!(id.key))));
                found.extend(page.into_iter().map(|(id, _)| id));
            }
            assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "{brain} in pages of {limit}");
        }
    }
    let titles = |after: Option<&str>, limit| {
        let page = block_on(kv.brains(SCOPE, after, limit)).expect("brains");
        page.into_iter().map(|(title, read)| (title, read.record.keys)).collect::<Vec<_>>()
    };
    let five = |title: &str| (title.to_owned(), 5);
    assert_eq!(titles(None, 9), ["a b", "b", "ba", "\u{e9}"].map(five));
    assert_eq!(titles(Some("a b"), 2), ["b", "ba"].map(five));
    assert_eq!(titles(Some("bb"), 2), ["\u{e9}"].map(five));
    let rows = block_on(store.scan(SCOPE, Table::Kv, None, 100)).expect("a scan").rows;
    let scanned: Vec<_> =
        rows.iter().filter_map(|row| if let Row::Kv(id, _) = row { Some(id) } else { None }).collect();
    assert_eq!(scanned, ids.iter().collect::<Vec<_>>(), "tables are in that order too");
}
