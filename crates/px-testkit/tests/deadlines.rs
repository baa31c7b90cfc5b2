//! Waits until a point in time: alone, and beside a time after which they end.

mod project;

use std::time::Duration;

use project::{Ask, Text, event, mail, phone, registry};
use px_core::event::EventBody;
use px_core::{RunStatus, Timestamp};
use px_sdk::{
    All, Brain, Collecting, Cx, Either, MayWait, More, Next, Partly, Picked, Result, Streaming, Timed,
    Waiting, brain, stream, wait_for, wait_for_all, wait_for_count,
};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

/// Limits of a wait, as hours after `base`; the one that `first` names is said first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Limits {
    key: String,
    base: Timestamp,
    until: u32,
    after: Option<u32>,
    until_first: bool,
}

impl Limits {
    fn until(&self) -> Timestamp {
        self.base.after(HOUR * self.until)
    }

    fn after(&self) -> Option<Duration> {
        self.after.map(|hours| HOUR * hours)
    }
}

/// Says both limits in either order, or one of them.
macro_rules! limited {
    ($limits:expr, $wait:expr) => {
        match ($limits.after(), $limits.until_first) {
            (None, _) => $wait.deadline($limits.until()),
            (Some(after), true) => $wait.deadline($limits.until()).no_longer_than(after),
            (Some(after), false) => $wait.timeout(after).no_later_than($limits.until()),
        }
    };
}

/// One kind of wait after the other.
fn all_kinds() -> Brain<Limits> {
    brain("all kinds")
        .step("one", one)
        .step("of two", of_two)
        .step("list", list)
        .step("count", count)
        .step("both", both)
        .step("maybe", maybe)
        .step("open", open)
        .for_each("hear", hear)
        .build()
}
px_sdk::brain!(all_kinds);

async fn one(_cx: Cx, limits: Limits) -> Result<Waiting<Limits, Timed<Text>>> {
    let said = limits.clone();
    Ok(limited!(said, wait_for(limits, mail::on(&said.key))))
}

async fn of_two(
    _cx: Cx,
    limits: Limits,
    _text: Timed<Text>,
) -> Result<Waiting<Limits, Timed<Either<Text, Text>>>> {
    let said = later(limits);
    Ok(limited!(said, wait_for(said.clone(), (mail::on(&said.key), phone::on(&said.key)))))
}

async fn list(
    _cx: Cx,
    limits: Limits,
    _text: Timed<Either<Text, Text>>,
) -> Result<Waiting<Limits, Timed<Picked<Text>>>> {
    let said = later(limits);
    Ok(limited!(said, wait_for(said.clone(), vec![mail::on(&said.key), mail::on("other")])))
}

async fn count(
    _cx: Cx,
    limits: Limits,
    _text: Timed<Picked<Text>>,
) -> Result<Collecting<Limits, Partly<Vec<Text>, Vec<Text>>>> {
    let said = later(limits);
    Ok(limited!(said, wait_for_count(said.clone(), 2, mail::on(&said.key))))
}

type Two = Partly<(Text, Text), (Option<Text>, Option<Text>)>;

async fn both(
    _cx: Cx,
    limits: Limits,
    _texts: Partly<Vec<Text>, Vec<Text>>,
) -> Result<Collecting<Limits, Two>> {
    let said = later(limits);
    let on = (mail::on(&said.key), phone::on(&said.key));
    let wait: Collecting<Limits, All<(Text, Text)>> = wait_for_all(said.clone(), on);
    Ok(limited!(said, wait))
}

async fn maybe(_cx: Cx, limits: Limits, _texts: Two) -> Result<MayWait<Limits, Timed<Text>>> {
    let said = later(limits);
    Ok(limited!(said, MayWait::wait(said.clone(), mail::on(&said.key))))
}

async fn open(_cx: Cx, limits: Limits, _text: Option<Timed<Text>>) -> Result<Streaming<Limits, Timed<Text>>> {
    let said = later(limits);
    Ok(limited!(said, stream(said.clone(), mail::on(&said.key))))
}

async fn hear(_cx: Cx, limits: Limits, text: Timed<Text>) -> Result<More<Limits, Limits>> {
    Ok(match text {
        Timed::Answered(_) => More::Next(limits),
        Timed::TimedOut => More::Done(limits),
    })
}

/// The limits of the next wait, which begins when the earlier one of these is over.
fn later(limits: Limits) -> Limits {
    let hours = limits.after.map_or(limits.until, |after| after.min(limits.until));
    Limits { base: limits.base.after(HOUR * hours), ..limits }
}

#[tokio::test]
async fn the_earlier_of_a_time_and_a_point_in_time_ends_every_kind_of_wait_in_whatever_order_they_are_said() {
    for (until, after, hours) in [(2, None, 2), (2, Some(5), 2), (5, Some(2), 2), (3, Some(3), 3)] {
        for until_first in [true, false] {
            let world = World::new(registry()).unwrap();
            let limits = Limits { key: "k".into(), base: world.now(), until, after, until_first };
            let run = world.start(all_kinds, limits).await.unwrap();
            world.settle().await.unwrap();
            for kind in 0..7 {
                world.advance(HOUR * hours - Duration::from_millis(1)).await.unwrap();
                assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting, "{kind}");
                world.advance(Duration::from_millis(1)).await.unwrap();
            }
            assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
            let log = world.log(run).await.unwrap();
            let timed_out = log.iter().filter(|event| matches!(event.event, EventBody::WaitTimedOut { .. }));
            assert_eq!(timed_out.count(), 7);
            assert!(world.audit().await.unwrap().is_clean());
        }
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_takes_what_is_there_and_else_ends_the_wait_at_once() {
    let world = World::new(registry()).unwrap();
    let limits = |key: &str| Limits {
        key: key.into(),
        base: world.now().before(HOUR * 9),
        until: 1,
        after: None,
        until_first: true,
    };
    world.post("mail", &event("1", "early", "text", "resume")).await.unwrap();
    let early = world.start(taken, limits("early")).await.unwrap();
    let late = world.start(taken, limits("late")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(early).await.unwrap()["key"], "text");
    assert_eq!(world.status(late).await.unwrap(), RunStatus::Waiting);
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(late).await.unwrap()["key"], "nothing came");
}

fn taken() -> Brain<Limits> {
    brain("taken").step("one", one).step("take", take).build()
}
px_sdk::brain!(taken);

async fn take(_cx: Cx, limits: Limits, text: Timed<Text>) -> Result<Next<Ask>> {
    drop(limits);
    Ok(Next(Ask {
        key: match text {
            Timed::Answered(text) => text.text,
            Timed::TimedOut => "nothing came".into(),
        },
    }))
}

/// A response that a step gives is what it was, with a limit or without.
#[tokio::test]
async fn a_response_that_is_given_is_no_later_for_a_deadline() {
    let world = World::new(registry()).unwrap();
    let run = world.start(given, Ask { key: "given".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["key"], "Answered(Text { text: \"given\" })");
}

fn given() -> Brain<Ask> {
    brain("given in time").step("give", give).step("show", show).build()
}
px_sdk::brain!(given);

async fn give(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Timed<Text>>> {
    let text = Text { text: ask.key.clone() };
    Ok(Waiting::given(ask, text).deadline(Timestamp::EPOCH).no_longer_than(Duration::ZERO))
}

async fn show(_cx: Cx, _ask: Ask, text: Timed<Text>) -> Result<Next<Ask>> {
    Ok(Next(Ask { key: format!("{text:?}") }))
}
