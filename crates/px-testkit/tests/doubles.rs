//! Effects, stubs and resources as a user's test meets them: an effect is stubbed
//! or refused, what was called can be asked, keys are one an effect, and a
//! resource is a fake.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use px_sdk::{Brain, Cx, Error, Inbound, Next, Received, Resources, Result, Retry, brain, items, verify};
use px_testkit::test::{Weather, weather, world};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Trip {
    guest: String,
    room: u32,
}

fn trip() -> Trip {
    Trip { guest: "Ada".into(), room: 0 }
}

/// The hotel's side: a call that no test may make.
async fn call_the_hotel(_key: &str, _trip: &Trip) -> Result<u32> {
    panic!("a test has called the hotel")
}

fn hotel() -> Brain<Trip, Trip> {
    brain("hotel").step("book", book).retry(Retry::attempts(3)).step("confirm", confirm).build()
}
px_sdk::brain!(hotel);

async fn book(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    let room = cx.effect("book", async |key| call_the_hotel(key, &trip).await).await?;
    Ok(Next(Trip { room, ..trip }))
}

async fn confirm(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    cx.effect("mail", async |key| call_the_hotel(key, &trip).await).await?;
    Ok(Next(trip))
}

/// The hotel inside of a journey, and a list with an effect an item.
fn journey() -> Brain<Trip> {
    brain("journey")
        .brain("stay", hotel, Trip::clone, |_, stay| stay)
        .map(
            "tickets",
            items(|_: &Trip| vec!["out".to_owned(), "back".to_owned()], ticket),
            |trip, tickets| Trip { room: trip.room + u32::try_from(tickets.len()).unwrap_or(0), ..trip },
        )
        .build()
}
px_sdk::brain!(journey);

async fn ticket(cx: Cx, way: String) -> Result<String> {
    cx.effect("ticket", async |_key| -> Result<String> { px_sdk::bail!("no test buys the ticket {way}") })
        .await
}

#[test]
fn a_stub_answers_and_what_it_was_asked_can_be_seen() {
    let world = world();
    world.stub(hotel, "book", 7).stub(hotel, "mail", 0);
    let run = world.start(hotel, trip());
    assert_eq!(run.expect_complete().state::<Trip>(), Trip { room: 7, ..trip() });
    let calls = world.calls(hotel, "book");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls.first().unwrap().key, format!("{}:book:0/book", run.id()));
    assert_eq!(calls.first().unwrap().input, json!({"guest": "Ada", "room": 0}));
    assert_eq!(calls.first().unwrap().step, "book");
    assert!(world.calls(journey, "book").is_empty());
}

#[test]
fn an_effect_without_a_stub_fails_for_good_and_is_named() {
    let world = world();
    let run = world.start(hotel, trip());
    run.expect_error("effect 'book' in step 'book' of brain 'hotel' has no stub");
    run.expect_error("`world.stub(.., \"book\", value)`");
    assert_eq!(run.status(), "error", "no retry is due, though the step has some");
    // The stub of another brain is none.
    world.stub(journey, "book", 7);
    world.start(hotel, trip()).expect_error("has no stub");
}

#[test]
fn a_failed_expectation_has_the_whole_error_on_a_line_of_its_own() {
    let said = |check: &dyn Fn()| {
        let panic = catch_unwind(AssertUnwindSafe(check)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    let has_line =
        |text: &str, line: &str| assert!(text.lines().any(|other| other == line), "{line}: {text}");
    let world = world();
    let run = world.start(hotel, trip());
    let line = "error: effect 'book' in step 'book' of brain 'hotel' has no stub, and a test makes no effects: say \
                what it returns by `world.stub(.., \"book\", value)` with the function that makes the brain, before the \
                run starts";
    has_line(
        &said(&|| {
            run.expect_complete();
        }),
        line,
    );
    has_line(
        &said(&|| {
            run.expect_status("waiting");
        }),
        line,
    );
    has_line(
        &said(&|| {
            run.expect_error("another");
        }),
        line,
    );

    // So is the error of an attempt that is about to be made again.
    let why = "the hotel does not answer: ".repeat(20);
    world.stub_error(hotel, "book", Error::msg(&why));
    let run = world.start(hotel, trip());
    has_line(
        &said(&|| {
            run.expect_complete();
        }),
        &format!("error: {why}"),
    );
}

#[test]
fn a_value_that_the_step_cannot_read_is_the_stubs_fault() {
    let world = world();
    world.stub(hotel, "book", "seven");
    world
        .start(hotel, trip())
        .expect_error("the stub of effect 'book' returns what step 'book' of brain 'hotel' cannot");
}

#[test]
fn an_error_is_tried_again_and_a_permanent_one_is_not() {
    let world = world();
    world.stub_error(hotel, "book", Error::msg("no room")).stub(hotel, "mail", 0);
    let run = world.start(hotel, trip());
    for _ in 0..5 {
        world.skip(Duration::from_secs(3600));
    }
    run.expect_error("no room");
    assert_eq!(world.calls(hotel, "book").len(), 3);
    let keys: BTreeSet<_> = world.calls(hotel, "book").into_iter().map(|call| call.key).collect();
    assert_eq!(keys.len(), 1, "each attempt asks for the same booking");

    world.stub_error(hotel, "book", Error::permanent("closed"));
    world.start(hotel, trip()).expect_error("closed");
    assert_eq!(world.calls(hotel, "book").len(), 4);
}

#[test]
fn a_stub_may_answer_each_call_in_its_own_way() {
    let world = world();
    world.stub(hotel, "mail", 0).stub_with(hotel, "book", |call| {
        if call.nth == 1 {
            px_sdk::bail!("the hotel does not answer")
        }
        Ok(call.nth
            + usize::from(call.input["guest"] == "Ada") * 10
            + usize::from(call.key.ends_with("/book")) * 100)
    });
    let run = world.start(hotel, trip());
    world.skip(Duration::from_secs(3600));
    assert_eq!(run.expect_complete().state::<Trip>().room, 112);
}

#[test]
fn effects_of_inner_brains_and_of_items_are_known_by_their_name() {
    let world = world();
    world.stub(journey, "book", 1).stub(journey, "mail", 0).stub(journey, "ticket", "paper");
    assert_eq!(world.start(journey, trip()).expect_complete().state::<Trip>().room, 3);
    let tickets = world.calls(journey, "ticket");
    let inputs: Vec<_> = tickets.iter().map(|call| call.input.clone()).collect();
    assert_eq!(inputs, [json!("out"), json!("back")]);
    let keys: BTreeSet<_> = tickets.into_iter().map(|call| call.key).collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    // Of two, the one of the inner brain answers; both see the call.
    world.stub(hotel, "book", 5);
    assert_eq!(world.start(journey, trip()).expect_complete().state::<Trip>().room, 7);
    assert_eq!((world.calls(journey, "book").len(), world.calls(hotel, "book").len()), (2, 2));
}

#[test]
fn in_all_weathers_each_effect_has_one_key_and_its_call_is_remembered() {
    weather(|w| {
        w.stub(journey, "book", 1).stub(journey, "mail", 0).stub(journey, "ticket", "paper");
        let run = w.start(journey, trip());
        w.calm();
        assert_eq!(run.expect_complete().state::<Trip>().room, 3);
        let mut keys = BTreeSet::new();
        for (name, count) in [("book", 1), ("mail", 1), ("ticket", 2)] {
            let calls = w.calls(journey, name);
            let of_name: BTreeSet<_> = calls.iter().map(|call| call.key.clone()).collect();
            assert_eq!(of_name.len(), count, "{name}: {calls:?}");
            assert!(of_name.iter().all(|key| key.ends_with(&format!("/{name}"))), "{of_name:?}");
            keys.extend(of_name);
        }
        assert_eq!(keys.len(), 4);
    });
}

/// Books in each turn of a loop, inside an arm.
fn tour() -> Brain<Trip> {
    let has_guest = |trip: &Trip| !trip.guest.is_empty();
    brain("tour")
        .repeat_until(
            "legs",
            |trip: &Trip| trip.room == 3,
            |b| b.when("has guest", has_guest, |b| b.step("book", book_one)),
        )
        .build()
}
px_sdk::brain!(tour);

async fn book_one(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    let more = cx.effect("book", async |key| call_the_hotel(key, &trip).await).await?;
    Ok(Next(Trip { room: trip.room + more, ..trip }))
}

#[test]
fn effects_in_arms_and_loops_are_stubbed_by_their_name_and_have_a_key_a_turn() {
    weather(|w| {
        w.stub(tour, "book", 1);
        let run = w.start(tour, trip());
        w.calm();
        assert_eq!(run.expect_complete().state::<Trip>().room, 3);
        let keys: BTreeSet<_> = w.calls(tour, "book").into_iter().map(|call| call.key).collect();
        let key = |turn| format!("{}:legs[{turn}]/has guest/yes/book:0/book", run.id());
        assert_eq!(keys, [key(0), key(1), key(2)].into());
    });
}

#[test]
fn an_effect_in_an_arm_without_a_stub_is_named() {
    world().start(tour, trip()).expect_error("effect 'book' in step 'book' of brain 'tour' has no stub");
}

fn forms() -> Brain<Trip> {
    brain("forms").step("all", all_forms).build()
}
px_sdk::brain!(forms);

async fn number(key: &str) -> Result<usize> {
    Ok(key.len())
}

struct Client {
    base: String,
}

impl Client {
    async fn get(&self, path: &str) -> Result<u32> {
        Ok(u32::try_from(self.base.len() + path.len())?)
    }
}

/// Each way to write the work of `once` and `effect`.
async fn all_forms(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    let client = Client { base: "b".into() };
    let mut sum = cx.once("a block", || async { Ok(1) }).await?;
    sum += cx.once("a block that owns", || async move { Ok(1) }).await?;
    sum += cx.once("a future", || client.get("g")).await?;
    sum += cx.once("an async closure", async || Ok(1)).await?;
    sum += cx.once("a temporary", async || client.get(&format!("{}{}", "g", trip.guest)).await).await?;
    sum += cx.once("an error", async || Ok("1".parse::<u32>()?)).await?;
    sum += cx
        .once("in a box", || -> std::pin::Pin<Box<dyn Future<Output = Result<u32>> + Send>> {
            Box::pin(async { Ok(1) })
        })
        .await?;
    cx.effect("a function", number).await?;
    let once_more: Result<u32> = cx.once("a function", async || Ok(1)).await;
    assert!(once_more.unwrap_err().message().contains("called twice with the name 'a function'"));
    Ok(Next(Trip { room: sum, ..trip }))
}

#[test]
fn once_runs_as_ever_and_takes_every_form_of_work() {
    let world = world();
    world.stub(forms, "a function", 3);
    assert_eq!(world.start(forms, trip()).expect_complete().state::<Trip>().room, 12);
}

/// A resource: what a desk counts on.
#[derive(Default)]
struct Counter(AtomicU32);
struct Bell(Arc<AtomicU32>);

fn desk() -> Brain<Trip> {
    brain("desk").needs::<Counter>().step("count", count).needs::<Bell>().build()
}
px_sdk::brain!(desk);

async fn count(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    cx.get::<Bell>().0.fetch_add(1, Ordering::SeqCst);
    let room = cx.get::<Counter>().0.fetch_add(1, Ordering::SeqCst) + 1;
    Ok(Next(Trip { room, ..trip }))
}

fn forgetful() -> Brain<Trip> {
    brain("forgetful").needs::<Counter>().step("ring", ring).retry(Retry::attempts(5)).build()
}
px_sdk::brain!(forgetful);

async fn ring(cx: Cx, trip: Trip) -> Result<Next<Trip>> {
    cx.get::<Bell>().0.fetch_add(1, Ordering::SeqCst);
    Ok(Next(trip))
}

/// A webhook whose handler uses resources, and one that forgot to say so.
mod rings {
    use super::*;
    px_sdk::webhook! {
        /// Rings
        slug = "rings",
        payload = Trip,
        response = Trip,
        verify = verify::unverified(),
        handler = receive,
        needs = (Counter, Bell),
        early = Duration::from_secs(60),
    }
    async fn receive(resources: &Resources, received: &Received, trip: Trip) -> Result<Inbound<Trip>> {
        resources.get::<Bell>().0.fetch_add(1, Ordering::SeqCst);
        resources.get::<Counter>().0.fetch_add(10, Ordering::SeqCst);
        Ok(Inbound::ignore(format!("{} rang at {}", trip.guest, received.path)))
    }
}

mod rings_in_secret {
    use super::*;
    px_sdk::webhook! {
        slug = "rings-in-secret",
        payload = Trip,
        response = Trip,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(resources: &Resources, _trip: Trip) -> Result<Inbound<Trip>> {
        resources.get::<Bell>().0.fetch_add(1, Ordering::SeqCst);
        Ok(Inbound::ignore("rang"))
    }
}

#[test]
fn a_fake_stands_for_a_resource_also_after_a_crash() {
    let rung = Arc::new(AtomicU32::new(0));
    let world = world().provide(Counter::default()).provide(Bell(Arc::clone(&rung)));
    assert_eq!(world.start(desk, trip()).expect_complete().state::<Trip>().room, 1);
    world.crash();
    assert_eq!(world.start(desk, trip()).expect_complete().state::<Trip>().room, 2);
    assert_eq!(rung.load(Ordering::SeqCst), 2);
    world.post("rings", trip()).expect("ignored");
    assert_eq!(world.start(desk, trip()).expect_complete().state::<Trip>().room, 13);
    world.provide(Counter::default());
    assert_eq!(world.start(desk, trip()).expect_complete().state::<Trip>().room, 1);
}

#[test]
fn a_resource_that_was_not_declared_fails_the_run_for_good_with_the_line_to_add() {
    let world = world().provide(Counter::default()).provide(Bell(Arc::default()));
    let run = world.start(forgetful, trip());
    run.expect_error(
        "step 'ring' of brain 'forgetful' asks for the resource `Bell` without declaring it: \
         add `.needs::<Bell>()` to `brain(\"forgetful\")`",
    );
    let answer = world.post("rings-in-secret", trip());
    assert_eq!(answer.status(), 500, "{answer:?}");
}

#[test]
fn a_resource_that_nobody_provides_fails_the_run_and_says_how_to() {
    let world = world();
    let run = world.start(desk, trip());
    run.expect_error("step 'count' of brain 'desk' needs the resource `Bell`, and nobody provides it");
    run.expect_error("`world.provide(..)`");
}

#[test]
fn resources_serve_steps_in_bad_weather() {
    Weather::default().seeds(20).check(|w| {
        w.provide(Counter::default()).provide(Bell(Arc::default()));
        let run = w.start(desk, trip());
        w.calm();
        assert!(run.expect_complete().state::<Trip>().room >= 1);
    });
}
