//! Lists and tables in the suite of every store: each row once, in order, in
//! pages of any size.

use std::sync::Arc;
use std::time::Duration;

use px_core::event::{Failure, FailureKind};
use px_core::run::Command;
use px_core::{RunId, RunStatus, Timestamp};
use serde_json::json;

use super::driver::{Driver, key};
use super::{SCOPE, block_on};
use crate::batch::Outcome;
use crate::model::{InboxState, Timer};
use crate::scan::{Row, Table};
use crate::store::{DeliveryFilter, RunFilter, Store};

/// Lists are filtered, newest first, and page without gap or repetition.
pub fn lists_are_filtered_and_page(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let mut runs: Vec<RunId> =
        (0..25).map(|n| driver.start(if n % 2 == 0 { "even" } else { "odd" })).collect();
    let ended: Vec<RunId> = runs.iter().copied().filter(|run| run.to_bytes()[15] % 3 == 0).collect();
    for run in &ended {
        driver.command(*run, Command::Cancel { reason: None }).unwrap();
    }
    runs.reverse();
    let list = |filter: &RunFilter| {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = block_on(store.runs(SCOPE, filter, before, 4)).unwrap();
            assert!(page.items.len() <= 4);
            found.extend(page.items.iter().map(|record| record.run.id));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    };
    assert_eq!(list(&RunFilter::default()), runs);
    let even = list(&RunFilter { brain: Some("even".into()), ..RunFilter::default() });
    assert_eq!(even, runs.iter().copied().rev().step_by(2).rev().collect::<Vec<_>>());
    let cancelled = list(&RunFilter { statuses: vec![RunStatus::Cancelled], ..RunFilter::default() });
    assert_eq!(cancelled, ended.iter().copied().rev().collect::<Vec<_>>());
    let both = RunFilter { statuses: vec![RunStatus::Cancelled, RunStatus::Running], ..RunFilter::default() };
    assert_eq!(list(&both), runs);
    for n in 0..6 {
        driver.deliver(&key(n % 2), &format!("p{n}"));
    }
    let filter = DeliveryFilter { identifier: Some("k1".into()), ..DeliveryFilter::default() };
    let page = block_on(store.deliveries(SCOPE, &filter, None, 10)).unwrap();
    assert_eq!(page.items.len(), 3);
    assert!(page.items.iter().all(|delivery| delivery.body.as_ref() == b"{\"raw\":1}"));
    let queued = DeliveryFilter {
        state: Some(InboxState::Queued),
        slug: Some("hub".into()),
        ..DeliveryFilter::default()
    };
    assert_eq!(block_on(store.deliveries(SCOPE, &queued, None, 10)).unwrap().items.len(), 6);
    let none = DeliveryFilter { slug: Some("other".into()), ..DeliveryFilter::default() };
    assert!(block_on(store.deliveries(SCOPE, &none, None, 10)).unwrap().items.is_empty());
}

/// A run that waits for its next attempt is running, though nobody works on it.
pub fn a_run_between_two_attempts_is_listed_as_running(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let (first, failed, last) = (driver.start("one"), driver.start("one"), driver.start("other"));
    let error = Failure { kind: FailureKind::Step, name: "Error".into(), message: "no".into(), stack: None };
    let retry_at = Some(Timestamp::from_millis(u64::from(u32::MAX)));
    driver.command(failed, Command::BeginStep { index: 0 }).unwrap();
    driver.command(failed, Command::FailStep { error, retry_at }).unwrap();
    let list = |statuses: &[RunStatus], brain: Option<&str>| -> Vec<RunId> {
        let brain = brain.map(str::to_owned);
        let filter = RunFilter { statuses: statuses.to_vec(), brain, ..RunFilter::default() };
        let page = block_on(store.runs(SCOPE, &filter, None, 10)).unwrap();
        page.items.iter().map(|record| record.run.id).collect()
    };
    assert_eq!(list(&[RunStatus::Running], None), [last, failed, first]);
    assert_eq!(list(&[RunStatus::Running], Some("one")), [failed, first]);
    assert_eq!(list(&[RunStatus::Waiting, RunStatus::Running], Some("one")), [failed, first]);
    driver.command(failed, Command::Cancel { reason: None }).unwrap();
    assert_eq!(list(&[RunStatus::Running], None), [last, first]);
    assert_eq!(list(&[RunStatus::Cancelled], Some("one")), [failed]);
}

/// Runs are found by a label that they have now, newest first, whatever else is asked for.
pub fn runs_are_found_by_label(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let runs: Vec<RunId> = (0..9).map(|n| driver.start(if n % 2 == 0 { "even" } else { "odd" })).collect();
    for (n, run) in (0..).zip(&runs) {
        driver.label(*run, &[("order", if n % 3 == 0 { "o=0" } else { "o1" }), ("n", &format!("{n}"))]);
    }
    let at = |places: &[usize]| -> Vec<RunId> {
        places.iter().filter_map(|place| runs.get(*place).copied()).collect()
    };
    let [_, _, _, third, fourth, ..] = *runs.as_slice() else { panic!("nine runs") };
    let list_all = |labels: &[(&str, &str)], filter: RunFilter| {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let filter = RunFilter { labels, ..filter };
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = block_on(store.runs(SCOPE, &filter, before, 1)).unwrap();
            found.extend(page.items.iter().map(|record| record.run.id));
            before = page.next;
            if before.is_none() {
                return found;
            }
        }
    };
    let list = |name: &str, value: &str, filter: RunFilter| list_all(&[(name, value)], filter);
    let any = RunFilter::default;
    assert_eq!(list("order", "o=0", any()), at(&[6, 3, 0]));
    assert_eq!(list("n", "4", any()), at(&[4]));
    for (name, value) in [("order", "o"), ("order", "o=0\0"), ("orde", "r"), ("other", "o1"), ("n", "44")] {
        assert_eq!(list(name, value, any()), at(&[]), "{name}={value}");
    }
    // Several: a run has all of them, and the answer says how many were looked at.
    assert_eq!(list_all(&[("order", "o1"), ("n", "4")], any()), at(&[4]));
    assert_eq!(list_all(&[("n", "4"), ("order", "o1")], any()), at(&[4]));
    for labels in [
        &[("order", "o=0"), ("n", "4")][..],
        &[("order", "o1"), ("order", "o=0")],
        &[("order", "o1"), ("other", "o1")],
    ] {
        assert_eq!(list_all(labels, any()), at(&[]), "{labels:?}");
    }
    assert_eq!(list_all(&[("order", "o1"), ("order", "o1")], any()), at(&[8, 7, 5, 4, 2, 1]));
    let oldest = RunFilter { oldest_first: true, ..any() };
    assert_eq!(list_all(&[("order", "o1"), ("order", "o1")], oldest), at(&[1, 2, 4, 5, 7, 8]));
    let labels = vec![("order".into(), "o1".into()), ("n".into(), "4".into())];
    let looked = block_on(store.runs(SCOPE, &RunFilter { labels, ..any() }, None, 10)).unwrap().looked;
    assert!((1..=runs.len()).contains(&looked), "{looked}");
    // In place of one of the same name; the others stay.
    driver.label(third, &[("order", "o1")]);
    assert_eq!(list("order", "o=0", any()), at(&[6, 0]));
    assert_eq!(list("order", "o1", any()), at(&[8, 7, 5, 4, 3, 2, 1]));
    assert_eq!(list("n", "3", any()), at(&[3]));
    driver.command(fourth, Command::Cancel { reason: None }).unwrap();
    let odd = || RunFilter { brain: Some("odd".into()), ..RunFilter::default() };
    assert_eq!(list("order", "o1", odd()), at(&[7, 5, 3, 1]));
    let cancelled = || RunFilter { statuses: vec![RunStatus::Cancelled], ..RunFilter::default() };
    assert_eq!(list("order", "o1", cancelled()), at(&[4]));
    let going_on = || RunFilter { statuses: vec![RunStatus::Running], ..RunFilter::default() };
    assert_eq!(list("order", "o1", going_on()), at(&[8, 7, 5, 3, 2, 1]));
}

/// Runs are found by what they hold, in either order, and a page says how far it looked.
pub fn runs_are_found_by_what_they_hold(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let runs: Vec<RunId> = (0..9).map(|n| driver.start(if n % 2 == 0 { "even" } else { "odd" })).collect();
    for (n, run) in (0..).zip(&runs) {
        if n % 3 == 0 {
            driver.wait_on(*run, &[key(n)], None).unwrap();
        }
    }
    let list = |filter: RunFilter| {
        let (mut found, mut beyond) = (Vec::new(), None);
        loop {
            let page = block_on(store.runs(SCOPE, &filter, beyond, 2)).unwrap();
            assert!(page.items.len() <= 2 && page.looked >= page.items.len());
            found.extend(page.items.iter().map(|record| record.run.id));
            beyond = page.next;
            if beyond.is_none() {
                return found;
            }
        }
    };
    let of = |place: &str, value| RunFilter { state: vec![(place.into(), value)], ..RunFilter::default() };
    let oldest = |filter: RunFilter| RunFilter { oldest_first: true, ..filter };
    let newest: Vec<RunId> = runs.iter().copied().rev().collect();
    let (waiting, running): (Vec<RunId>, Vec<RunId>) = {
        let waits = |run: &RunId| runs.iter().position(|known| known == run).is_some_and(|n| n % 3 == 0);
        runs.iter().copied().partition(waits)
    };
    let down = |runs: &[RunId]| runs.iter().copied().rev().collect::<Vec<_>>();
    // The step of those that wait has put another state in place of it.
    assert_eq!(list(of("/n", json!(0))), down(&running));
    assert_eq!(list(of("/n", json!("0"))), []);
    assert_eq!(list(of("/m", json!(0))), []);
    assert_eq!(list(oldest(RunFilter::default())), runs);
    assert_eq!(list(oldest(of("/n", json!(0)))), running);
    let even = RunFilter { brain: Some("even".into()), ..RunFilter::default() };
    assert_eq!(list(oldest(even)), runs.iter().copied().step_by(2).collect::<Vec<_>>());
    let by_status = |status| RunFilter { statuses: vec![status], ..RunFilter::default() };
    assert_eq!(list(oldest(by_status(RunStatus::Waiting))), waiting);
    assert_eq!(list(oldest(by_status(RunStatus::Running))), running);
    let [_, second, ..] = *runs.as_slice() else { panic!("nine runs") };
    let young = block_on(store.run(SCOPE, second)).unwrap().unwrap().run.created_at;
    let since = RunFilter { since: Some(young), ..RunFilter::default() };
    assert_eq!(list(oldest(since)), runs.iter().copied().skip(1).collect::<Vec<_>>());
    assert_eq!(list(RunFilter { step: Some("step".into()), ..RunFilter::default() }), newest);
    assert_eq!(list(RunFilter { step: Some("other".into()), ..RunFilter::default() }), []);
    assert_eq!(list(RunFilter { request_id: Some("r".into()), ..RunFilter::default() }), []);
    // None of them has ended, and so none at any time.
    assert_eq!(list(RunFilter { ended_since: Some(Timestamp::EPOCH), ..RunFilter::default() }), []);

    // The ids alone.
    let ids = |status, before, limit| block_on(store.run_ids(SCOPE, status, before, limit)).unwrap();
    assert_eq!(ids(RunStatus::Waiting, None, 9), down(&waiting));
    let [_, middle, last] = *waiting.as_slice() else { panic!("three that wait") };
    assert_eq!(ids(RunStatus::Waiting, Some(last), 1), [middle]);
    assert_eq!(ids(RunStatus::Running, None, 9), down(&running));
    assert_eq!(ids(RunStatus::Complete, None, 9), []);
}

/// Keys of a webhook and timers are looked through in pages, each once.
pub fn keys_and_timers_are_looked_through_in_pages(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    for n in 0..7 {
        let run = driver.start("one");
        driver.wait_on(run, &[key(n)], Some(1_000 * n)).unwrap();
    }
    let slug = key(0).slug;
    let keys = |limit| {
        let (mut found, mut after): (Vec<_>, Option<String>) = (Vec::new(), None);
        loop {
            let page = block_on(store.keys(SCOPE, &slug, after.as_deref(), limit)).unwrap();
            assert!(page.len() <= limit);
            let Some((last, _)) = page.last() else { return found };
            after = Some(last.identifier.to_string());
            found.extend(page);
        }
    };
    let all = keys(100);
    assert_eq!(all.len(), 7);
    assert_eq!((keys(1), keys(3)), (all.clone(), all.clone()));
    for (key, record) in &all {
        assert_eq!(block_on(store.key(SCOPE, key)).unwrap(), *record);
    }
    assert!(block_on(store.keys(SCOPE, "other", None, 9)).unwrap().is_empty());
    let end = px_core::Timestamp::from_millis(u64::MAX - 1);
    let due = block_on(store.due(SCOPE, end, None, 100)).unwrap();
    assert!(due.len() >= 7 && due.iter().map(|timer| timer.due).is_sorted());
    let (mut paged, mut after): (Vec<Timer>, Option<Timer>) = (Vec::new(), None);
    loop {
        let page = block_on(store.due(SCOPE, end, after.as_ref(), 1)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        paged.extend(page);
    }
    assert_eq!(paged, due);
}

/// Every table is scanned in pages of any size, each row once, and agrees
/// with what is read by point.
pub fn tables_are_scanned_in_pages(store: Arc<dyn Store>) {
    let mut driver = Driver::new(Arc::clone(&store));
    let runs: Vec<RunId> = (0..5).map(|_| driver.start("one")).collect();
    for (n, run) in (0..).zip(runs.iter().take(3)) {
        driver.wait_on(*run, &[key(n), key(n + 1)], Some(1_000)).unwrap();
    }
    for n in 0..7 {
        driver.deliver(&key(n), &format!("p{n}"));
    }
    let value = json!({"filler": "x".repeat(20_000)});
    driver.command(*runs.last().unwrap(), Command::BeginStep { index: 0 }).unwrap();
    driver
        .command(*runs.last().unwrap(), Command::RecordOnce { name: "o".into(), value, item: None })
        .unwrap();
    let scan = |table, limit| {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = block_on(store.scan(SCOPE, table, after.as_ref(), limit)).unwrap();
            assert!(page.rows.len() <= limit);
            rows.extend(page.rows);
            after = page.next;
            if after.is_none() {
                return rows;
            }
        }
    };
    for table in crate::audit::TABLES {
        let all = scan(table, 1_000);
        assert_eq!(scan(table, 1), all, "{table:?} in pages of one");
        assert_eq!(scan(table, 3), all, "{table:?} in pages of three");
    }
    let found: Vec<RunId> = scan(Table::Run, 2)
        .iter()
        .map(|row| match row {
            Row::Run(record) => {
                assert_eq!(block_on(store.run(SCOPE, record.run.id)).unwrap().as_ref(), Some(&**record));
                if let Some(inspect) = store.inspect() {
                    assert!(block_on(inspect.unlisted(SCOPE, row)).unwrap().is_empty());
                }
                record.run.id
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, runs);
    for row in scan(Table::Key, 2) {
        match row {
            Row::Key(key, record) => assert_eq!(block_on(store.key(SCOPE, &key)).unwrap(), record),
            other => panic!("{other:?}"),
        }
    }
    let timers = scan(Table::Timer, 2);
    assert!(!timers.is_empty());
    for row in timers {
        match row {
            Row::Timer(timer) => {
                assert!(block_on(store.is_armed(SCOPE, &timer)).unwrap());
                let later = Timer { due: timer.due.after(Duration::from_millis(1)), ..timer };
                assert!(!block_on(store.is_armed(SCOPE, &later)).unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    // Stores of rows keep a long log in pieces; others may do so, or not.
    let pieces = scan(Table::Log, 9);
    let is_in_pieces = matches!(pieces.as_slice(), [Row::Log(_, 1, 4..)]);
    assert!(is_in_pieces || (pieces.is_empty() && store.inspect().is_none()), "{pieces:?}");
    for (table, rows) in [(Table::Queue, 4), (Table::Delivery, 7), (Table::Dedup, 7), (Table::Start, 0)] {
        assert_eq!(scan(table, 5).len(), rows, "{table:?}");
    }
    let report = block_on(crate::audit::audit(&*store, SCOPE, &mut |_| {})).unwrap();
    assert!(report.is_clean(), "{:?}", report.violations);
}

/// Every commit has a number of its own, and they grow.
pub fn commits_are_numbered(store: Arc<dyn Store>) {
    let mut driver = Driver::new(store);
    let mut last = 0;
    for n in 0..5 {
        match driver.deliver(&key(n), &n.to_string()) {
            Outcome::Committed { sequence } => {
                assert!(sequence > last);
                last = sequence;
            }
            other => panic!("{other:?}"),
        }
    }
}
