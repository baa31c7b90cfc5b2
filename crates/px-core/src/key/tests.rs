//! Routes of events over the line of a key, and what a line knows of itself.

use super::*;
use crate::id::WaitId;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn run(n: u8) -> RunId {
    RunId::from_bytes([n; 16])
}

fn wait(n: u8, token: Option<&str>) -> KeyWait {
    KeyWait {
        wait: WaitId::from_bytes([n; 16]),
        run: run(n),
        index: 0,
        token: token.map(str::to_owned),
        opened_at: NOW,
    }
}

/// A key with these waits, each as it entered, and what a draft reads of them.
#[derive(Default)]
struct Model {
    key: KeyRecord,
    line: Vec<(u64, KeyWait)>,
}

impl Model {
    fn open(&mut self, wait: KeyWait) {
        let place = self.key.open(&Waiter::Wait(wait.clone()));
        self.line.push((place, wait));
    }

    fn close(&mut self, id: WaitId, by: EndedBy) {
        let at = self.line.iter().position(|(_, wait)| wait.wait == id).expect("an open wait");
        let (place, wait) = self.line.remove(at);
        self.key.line.leave(place, &Waiter::Wait(wait.clone()));
        self.key.ended(wait.run, by, NOW);
    }

    fn route(&self, arrival: &Arrival<'_>) -> Route {
        let oldest = |is: &dyn Fn(&KeyWait) -> bool| self.line.iter().find(|(_, wait)| is(wait)).cloned();
        let candidates = Candidates {
            oldest: oldest(&|_| true).map(|(_, wait)| wait),
            free: oldest(&|wait| wait.token.is_none()),
            bearing: oldest(&|wait| wait.token.is_some() && wait.token.as_deref() == arrival.token),
        };
        self.key.route(&candidates, arrival)
    }
}

fn arrival(starts: bool) -> Arrival<'static> {
    Arrival { token: None, starts, early: Some(Duration::from_secs(60)), queue_limit: 2, at: NOW }
}

#[test]
fn rule_3_an_open_wait_comes_before_an_owner_and_a_start() {
    let key = KeyRecord { owner: Some(run(9)), ..KeyRecord::default() };
    let mut key = Model { key, ..Model::default() };
    key.open(wait(1, None));
    assert_eq!(key.route(&arrival(true)), Route::Resume(wait(1, None)));
}

#[test]
fn rule_3_a_live_owner_comes_before_a_start() {
    let key = KeyRecord { owner: Some(run(9)), ..KeyRecord::default() };
    let key = Model { key, ..Model::default() };
    assert_eq!(key.route(&arrival(true)), Route::Queue { owner: Some(run(9)) });
}

#[test]
fn rule_3_a_start_comes_before_the_queue() {
    assert_eq!(Model::default().route(&arrival(true)), Route::Start);
    assert_eq!(Model::default().route(&arrival(false)), Route::Queue { owner: None });
}

#[test]
fn rule_5_an_event_after_a_timeout_is_late_within_the_window_only() {
    let mut key = Model::default();
    key.open(wait(1, None));
    key.close(WaitId::from_bytes([1; 16]), EndedBy::Timeout);
    assert!(matches!(key.route(&arrival(false)), Route::Late(end) if end.by == EndedBy::Timeout));
    assert_eq!(key.route(&arrival(true)), Route::Start, "a start comes before late");
    let later = Arrival { at: NOW.after(Duration::from_secs(61)), ..arrival(false) };
    assert_eq!(key.route(&later), Route::Queue { owner: None });
}

#[test]
fn rule_5_an_event_after_an_answered_wait_is_queued() {
    let mut key = Model::default();
    key.open(wait(1, None));
    key.close(WaitId::from_bytes([1; 16]), EndedBy::Event);
    assert_eq!(key.route(&arrival(false)), Route::Queue { owner: None });
    assert!(key.key.is_idle());
}

#[test]
fn rule_6_a_full_queue_and_a_webhook_that_keeps_nothing() {
    let key = KeyRecord { queued: 2, next: 2, ..KeyRecord::default() };
    let key = Model { key, ..Model::default() };
    assert_eq!(key.route(&arrival(false)), Route::Full);
    let off = Arrival { early: None, ..arrival(false) };
    assert_eq!(Model::default().route(&off), Route::NotKept);
}

#[test]
fn rule_10_a_token_is_part_of_the_match() {
    let mut key = Model::default();
    key.open(wait(1, Some("a")));
    key.open(wait(2, Some("b")));
    let with = |token| key.route(&Arrival { token, ..arrival(true) });
    assert_eq!(with(Some("b")), Route::Resume(wait(2, Some("b"))));
    assert_eq!(with(Some("x")), Route::WrongToken { run: run(1) });
    assert_eq!(with(None), Route::WrongToken { run: run(1) });
}

#[test]
fn rule_11_the_oldest_wait_takes_the_event() {
    let mut key = Model::default();
    key.open(wait(1, None));
    key.open(wait(2, None));
    assert_eq!(key.route(&arrival(false)), Route::Resume(wait(1, None)));
}

#[test]
fn places_of_the_queue_grow_and_empty_out() {
    let mut key = KeyRecord::default();
    assert_eq!((key.enqueue(), key.enqueue()), (0, 1));
    key.dequeue(1);
    assert_eq!((key.head, key.queued), (1, 1));
    key.dequeue(2);
    assert!(key.is_idle());
    assert_eq!(key.enqueue(), 2);
}

#[test]
fn rule_10_of_a_wait_with_the_token_and_one_without_the_older_takes_the_event() {
    let mut key = Model::default();
    key.open(wait(1, Some("a")));
    key.open(wait(2, None));
    key.open(wait(3, Some("b")));
    let with = |key: &Model, token| key.route(&Arrival { token, ..arrival(false) });
    assert_eq!(with(&key, Some("a")), Route::Resume(wait(1, Some("a"))));
    assert_eq!(with(&key, Some("b")), Route::Resume(wait(2, None)));
    assert_eq!(with(&key, None), Route::Resume(wait(2, None)));
    key.close(WaitId::from_bytes([2; 16]), EndedBy::Event);
    assert_eq!(with(&key, Some("b")), Route::Resume(wait(3, Some("b"))));
    assert_eq!(with(&key, None), Route::WrongToken { run: run(1) });
}

#[test]
fn a_line_knows_its_heads_whoever_leaves_it() {
    let mut line = Line::default();
    let waiters = [wait(1, Some("a")), wait(2, None), wait(3, None), wait(4, Some("b"))].map(Waiter::Wait);
    let places: Vec<_> = waiters.iter().map(|waiter| line.enter(waiter)).collect();
    assert_eq!(places, [0, 1, 2, 3]);
    assert_eq!((line.count, line.tokens, line.head, line.free_head), (4, 2, 0, 1));
    line.leave(1, &waiters[1]);
    assert!(line.head == 0 && line.free_head <= 2, "{line:?}");
    line.leave(0, &waiters[0]);
    assert!(line.head <= 2 && line.free_head <= 2, "{line:?}");
    line.leave(2, &waiters[2]);
    assert_eq!((line.count, line.free()), (1, 0));
    assert_eq!(line.enter(&waiters[1]), 4);
    assert_eq!((line.free(), line.free_head), (1, 4));
    line.leave(3, &waiters[3]);
    line.leave(4, &waiters[1]);
    assert!(line.is_empty() && line.tokens == 0);
    assert_eq!(line.enter(&waiters[0]), 5, "a place is not given twice");
    assert_eq!((line.head, line.free_head), (5, 5));
}

#[test]
fn a_record_of_the_first_form_is_read_with_its_waiters() {
    let old = serde_json::json!({
        "waits": [wait(1, None), wait(2, Some("a"))],
        "head": 3, "next": 5, "queued": 1, "owner": run(7)
    });
    let key: KeyRecord = serde_json::from_value(old).unwrap();
    assert_eq!(key.within, [(0, Waiter::Wait(wait(1, None))), (1, Waiter::Wait(wait(2, Some("a"))))]);
    assert_eq!(key.line, Line { count: 2, next: 2, tokens: 1, ..Line::default() });
    assert_eq!((key.head, key.next, key.queued, key.owner), (3, 5, 1, Some(run(7))));
    let turns =
        serde_json::json!({"head": 0, "next": 0, "queued": 0, "holders": [run(1)], "pending": [run(2)]});
    let key: KeyRecord = serde_json::from_value(turns).unwrap();
    assert_eq!(key.within, [(0, Waiter::Turn(run(1))), (1, Waiter::Turn(run(2)))]);
    assert_eq!((key.line.holding, key.line.pending(), key.line.admitted), (1, 1, 1));
    let alone = KeyRecord { within: vec![(7, Waiter::Wait(wait(1, Some("a"))))], ..KeyRecord::default() };
    for written in [KeyRecord { within: Vec::new(), ..key.clone() }, key, alone] {
        let read: KeyRecord = serde_json::from_value(serde_json::to_value(&written).unwrap()).unwrap();
        assert_eq!(read, written, "what is written is read back");
    }
}
