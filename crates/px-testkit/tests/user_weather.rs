//! What `px::test::weather` finds: brains and webhooks that are wrong on
//! purpose, each with the smallest schedule that it prints; and their right
//! twins, which pass. And what a failed expectation says.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use px_sdk::{Again, Brain, Cx, Inbound, Next, Result, Timed, Waiting, brain, verify, wait_for};
use px_testkit::test::{Trouble, Weather, Windy, weather, world};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// An hour.
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Coin {
    id: String,
    till: String,
}

/// Takes each delivery for a new one.
mod careless {
    use super::*;
    px_sdk::webhook! {
        slug = "careless",
        payload = Coin,
        response = Coin,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(coin: Coin) -> Result<Inbound<Coin>> {
        Ok(Inbound::resume(coin.till.clone(), coin))
    }
}

/// Knows a delivery again by its id.
mod careful {
    use super::*;
    px_sdk::webhook! {
        slug = "careful",
        payload = Coin,
        response = Coin,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(coin: Coin) -> Result<Inbound<Coin>> {
        Ok(Inbound::resume(coin.till.clone(), coin))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Till {
    name: String,
    coins: u32,
}

fn careless_till() -> Brain<Till> {
    brain("careless till").step("open", open_careless).each("take", take_careless).build()
}
px_sdk::brain!(careless_till);

async fn open_careless(_cx: Cx, till: Till) -> Result<Waiting<Till, Timed<Coin>>> {
    let on = careless::on(&till.name);
    Ok(wait_for(till, on).timeout(HOUR))
}

async fn take_careless(_cx: Cx, mut till: Till, coin: Timed<Coin>) -> Result<Again<Till, Timed<Coin>, Till>> {
    let Timed::Answered(_) = coin else { return Ok(Again::done(till)) };
    till.coins += 1;
    let on = careless::on(&till.name);
    Ok(wait_for(till, on).timeout(HOUR).into())
}

fn careful_till() -> Brain<Till> {
    brain("careful till").step("open", open_careful).each("take", take_careful).build()
}
px_sdk::brain!(careful_till);

async fn open_careful(_cx: Cx, till: Till) -> Result<Waiting<Till, Timed<Coin>>> {
    let on = careful::on(&till.name);
    Ok(wait_for(till, on).timeout(HOUR))
}

async fn take_careful(_cx: Cx, mut till: Till, coin: Timed<Coin>) -> Result<Again<Till, Timed<Coin>, Till>> {
    let Timed::Answered(_) = coin else { return Ok(Again::done(till)) };
    till.coins += 1;
    let on = careful::on(&till.name);
    Ok(wait_for(till, on).timeout(HOUR).into())
}

fn till(name: &str) -> Till {
    Till { name: name.into(), coins: 0 }
}

thread_local! {
    /// What was charged in the world outside, by whatever the charge was called.
    static CHARGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn hasty() -> Brain<Till> {
    brain("hasty").step("charge", charge_at_once).step("end", end).build()
}
px_sdk::brain!(hasty);

/// Charges, whatever has been charged before: no `once`, no key.
async fn charge_at_once(cx: Cx, till: Till) -> Result<Next<Till>> {
    CHARGED.with_borrow_mut(|charged| charged.push(cx.idempotency_key()));
    Ok(Next(till))
}

fn prudent() -> Brain<Till> {
    brain("prudent").step("charge", charge_once).step("end", end).build()
}
px_sdk::brain!(prudent);

/// Charges under a key that is the same however often the step runs, and only
/// once the outside has not seen it.
async fn charge_once(cx: Cx, till: Till) -> Result<Next<Till>> {
    let key = cx.idempotency_key();
    cx.once("charge", || async {
        CHARGED.with_borrow_mut(|charged| {
            if !charged.contains(&key) {
                charged.push(key.clone());
            }
        });
        Ok(())
    })
    .await?;
    Ok(Next(till))
}

async fn end(_cx: Cx, till: Till) -> Result<Next<Till>> {
    Ok(Next(till))
}

/// What a weather that fails says.
fn message(scenario: impl Fn(&Windy)) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| weather(scenario))).unwrap_err();
    failed.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_webhook_that_knows_no_duplicates_counts_twice_and_is_caught() {
    let message = message(|w| {
        let run = w.start(careless_till, till("t"));
        w.post("careless", json!({"id": "c1", "till": "t"}));
        w.post("careless", json!({"id": "c2", "till": "t"}));
        w.calm();
        assert_eq!(run.state::<Till>().coins, 2, "two coins were sent");
    });
    eprintln!("{message}");
    assert!(
        message.contains("1. start careless till\n2. post careless\n  200 resumed\n  and again\n"),
        "{message}"
    );
    assert!(message.contains("two coins were sent"), "{message}");
    assert!(message.contains("under(&[Twice(2)], scenario)"), "{message}");
}

#[test]
fn one_that_knows_them_passes() {
    weather(|w| {
        let run = w.start(careful_till, till("t"));
        w.post("careful", json!({"id": "c1", "till": "t"}));
        w.post("careful", json!({"id": "c2", "till": "t"}));
        w.calm();
        assert_eq!(run.state::<Till>().coins, 2);
    });
}

#[test]
fn a_side_effect_without_once_is_caught_by_a_death() {
    let message = message(|w| {
        CHARGED.take();
        w.start(hasty, till("t"));
        w.calm();
        assert_eq!(CHARGED.with_borrow(Vec::len), 1, "charged once");
    });
    eprintln!("{message}");
    assert!(message.contains("the process dies before commit "), "{message}");
    assert!(message.contains("charged once") && message.contains("under(&[DiesBefore("), "{message}");
    assert_eq!(message.matches("the process").count(), 1, "one death is enough: {message}");
}

#[test]
fn one_with_once_and_a_key_passes() {
    weather(|w| {
        CHARGED.take();
        w.start(prudent, till("t")).expect_complete();
        w.calm();
        assert_eq!(CHARGED.with_borrow(Vec::len), 1);
    });
}

#[test]
fn troubles_that_were_printed_can_be_pasted() {
    let scenario = |w: &Windy| {
        let run = w.start(careful_till, till("t"));
        w.post("careful", json!({"id": "c1", "till": "t"}));
        w.skip(HOUR);
        w.calm();
        run.expect_complete();
    };
    // The coin comes when the till is closed.
    Weather::default().under(&[Trouble::Late(2), Trouble::DiesAfter(2)], scenario);
    // It comes before anybody has noticed that the hour is over: a coin more, and an hour more.
    let tie = [Trouble::Late(2), Trouble::Unnoticed(3), Trouble::DiesAfter(2)];
    let failed = catch_unwind(|| Weather::default().under(&tie, scenario)).unwrap_err();
    assert!(failed.downcast_ref::<String>().unwrap().contains("was to be complete, and is waiting"));
}

#[test]
fn a_failed_expectation_tells_the_runs_story() {
    let world = world();
    let run = world.start(careful_till, till("t"));
    run.expect_waiting_on(careful::on("t"));
    let said = catch_unwind(AssertUnwindSafe(|| run.expect_complete().id())).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    for part in
        ["was to be complete, and is waiting", "waits on careful 't'", "until 2026-01-01T01:00", "webhook"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    let said = catch_unwind(AssertUnwindSafe(|| run.expect_waiting_on(careful::on("u")).id())).unwrap_err();
    assert!(said.downcast_ref::<String>().unwrap().contains("was to wait on careful 'u'"));
}

#[test]
fn a_world_does_what_it_is_told() {
    let world = world();
    let run = world.start(careful_till, till("t"));
    run.pause();
    world.post("careful", json!({"id": "c1", "till": "t"})).expect("queued");
    world.crash();
    run.expect_status("paused").resume();
    assert_eq!(run.state::<Till>().coins, 1);
    world.post("careful", json!({"id": "c1", "till": "t"})).expect("duplicate");
    world.skip(HOUR);
    run.expect_complete();
    let other = world.start(careful_till, till("u"));
    other.cancel();
    other.expect_status("cancelled");
    let late = world.post("careful", json!({"id": "c2", "till": "u"}));
    assert_eq!(world.run(late.expect("late").run()).id(), other.id());
    let ids: BTreeSet<_> = world.runs_of(careful_till).iter().map(px_testkit::test::Run::id).collect();
    assert_eq!(ids, BTreeSet::from([run.id(), other.id()]));
    assert!(run.log().iter().any(|entry| entry["type"] == "brain:complete"));
    world.expect_sound();
}
