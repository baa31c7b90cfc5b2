//! Brains whose waits are reminded of, and what their reminders have done on this thread.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared by several tests")]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use px_core::RunId;
use px_core::event::EventBody;
use px_core::reminder::ReminderTurn;
use px_sdk::{
    Again, All, Brain, Collecting, Cx, Error, MayWait, More, Next, Result, Retry, Streaming, Timed, Waiting,
    brain, stream, wait_for, wait_for_count,
};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::project::{Ask, Text, event, mail, registry};

pub const HOUR: Duration = Duration::from_secs(3600);
pub const MINUTE: Duration = Duration::from_secs(60);

thread_local! {
    /// Keys of the effects of this thread.
    static MADE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Holds reminders up that ask for it.
    static GATE: Arc<Semaphore> = Arc::new(Semaphore::new(0));
    /// Contexts of reminders that were begun.
    static CONTEXTS: RefCell<Vec<Cx>> = const { RefCell::new(Vec::new()) };
}

/// The effects of this thread since the last call, without the run's id in front of them.
pub fn take_made() -> Vec<String> {
    let without_run = |key: String| key.split_once(':').map(|(_, rest)| rest.to_owned()).unwrap();
    MADE.take().into_iter().map(without_run).collect()
}

/// Lets so many reminders go on that are held up, or will be.
pub fn open_gate(reminders: usize) {
    GATE.with(|gate| gate.add_permits(reminders));
}

/// The context of the reminder that was begun last.
pub fn last_context() -> Cx {
    CONTEXTS.with_borrow(|contexts| contexts.last().cloned()).unwrap()
}

/// Resolves once so many effects have been made since they were last taken.
pub async fn made(effects: usize) {
    while MADE.with_borrow(Vec::len) < effects {
        tokio::task::yield_now().await;
    }
}

async fn make(cx: &Cx, name: &str) -> Result<()> {
    cx.effect(name, async |key| {
        MADE.with_borrow_mut(|made| made.push(key.to_owned()));
        Ok(())
    })
    .await
}

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn ask_for_a_day(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Timed<Text>>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on).timeout(HOUR * 24))
}

async fn take(_cx: Cx, ask: Ask, _text: Text) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

async fn take_in_time(_cx: Cx, ask: Ask, _text: Timed<Text>) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

async fn nudge(cx: Cx, _ask: Ask) -> Result<()> {
    make(&cx, "mail").await
}

/// Reminded once, after an hour.
pub fn payment() -> Brain<Ask, Ask> {
    brain("payment").step("ask", ask).remind("nudge", HOUR, nudge).step("take", take).build()
}
px_sdk::brain!(payment);

/// Reminded each hour, three times, for a day at most.
pub fn hourly() -> Brain<Ask, Ask> {
    brain("hourly")
        .step("ask", ask_for_a_day)
        .remind_every("nudge", HOUR, 3, nudge)
        .step("take", take_in_time)
        .build()
}
px_sdk::brain!(hourly);

/// Two reminders of one wait, the second of which is due first.
pub fn both() -> Brain<Ask> {
    brain("two reminders")
        .step("ask", ask)
        .remind("late", HOUR * 2, nudge)
        .remind("early", HOUR, nudge)
        .step("take", take)
        .build()
}
px_sdk::brain!(both);

/// A reminder that fails after an effect; the key says how.
pub fn failing() -> Brain<Ask> {
    brain("failing reminder")
        .step("ask", ask)
        .remind_every("nudge", HOUR, 2, fail)
        .retry(Retry::attempts(3).base(MINUTE).cap(MINUTE))
        .timeout(Duration::from_millis(30))
        .step("take", take)
        .build()
}
px_sdk::brain!(failing);

async fn fail(cx: Cx, ask: Ask) -> Result<()> {
    make(&cx, "mail").await?;
    match ask.key.as_str() {
        "permanent" => Err(Error::permanent("for good")),
        "panics" => panic!("asked to panic"),
        "slow" => std::future::pending().await,
        "third time" if cx.attempt() == 3 => Ok(()),
        _ => Err(Error::msg(format!("attempt {}", cx.attempt()))),
    }
}

/// A reminder that is held up between two effects.
pub fn held() -> Brain<Ask> {
    brain("held reminder")
        .step("ask", ask_for_a_day)
        .remind("nudge", HOUR, hold)
        .step("take", take_in_time)
        .build()
}
px_sdk::brain!(held);

async fn hold(cx: Cx, _ask: Ask) -> Result<()> {
    CONTEXTS.with_borrow_mut(|contexts| contexts.push(cx.clone()));
    make(&cx, "before").await?;
    let gate = GATE.with(Arc::clone);
    gate.acquire().await.map_err(Error::msg)?.forget();
    make(&cx, "after").await
}

/// A wait that is reminded of, and whose answer has an effect.
pub fn receipt() -> Brain<Ask> {
    brain("reminded receipt").step("ask", ask).remind("nudge", HOUR, nudge).step("take", thank).build()
}
px_sdk::brain!(receipt);

async fn thank(cx: Cx, ask: Ask, _text: Text) -> Result<Next<Ask>> {
    make(&cx, "thank").await?;
    Ok(Next(ask))
}

/// Two texts are needed, and the reminder is held up.
pub fn votes() -> Brain<Ask> {
    brain("reminded votes").step("ask", ask_two).remind("nudge", HOUR, hold).step("take", take_two).build()
}
px_sdk::brain!(votes);

async fn ask_two(_cx: Cx, ask: Ask) -> Result<Collecting<Ask, All<Vec<Text>>>> {
    let on = mail::on(&ask.key);
    Ok(wait_for_count(ask, 2, on))
}

async fn take_two(_cx: Cx, ask: Ask, _texts: All<Vec<Text>>) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Heard {
    pub key: String,
    pub texts: u32,
}

/// A stream whose reminder is held up.
pub fn listening() -> Brain<Heard> {
    brain("reminded stream")
        .step("open", open)
        .remind_every("nudge", HOUR, 2, hold_stream)
        .for_each("hear", hear)
        .build()
}
px_sdk::brain!(listening);

async fn open(_cx: Cx, heard: Heard) -> Result<Streaming<Heard, Text>> {
    let on = mail::on(&heard.key);
    Ok(stream(heard, on))
}

async fn hold_stream(cx: Cx, heard: Heard) -> Result<()> {
    hold(cx, Ask { key: heard.key }).await
}

async fn hear(_cx: Cx, heard: Heard, text: Text) -> Result<More<Heard, Heard>> {
    let heard = Heard { texts: heard.texts + 1, ..heard };
    Ok(if text.text == "bye" { More::Done(heard) } else { More::Next(heard) })
}

/// Waits in each turn of a loop, inside another brain.
pub fn outer() -> Brain<Heard> {
    brain("reminded outside").brain("inside", inner, Heard::clone, |_: Heard, inner: Heard| inner).build()
}
px_sdk::brain!(outer);

fn inner() -> Brain<Heard, Heard> {
    brain("reminded inside")
        .repeat_until(
            "turn",
            |heard: &Heard| heard.texts > 1,
            |b| b.step("ask", ask_heard).remind("nudge", HOUR, nudge_heard).step("take", take_heard),
        )
        .build()
}
px_sdk::brain!(inner);

async fn ask_heard(_cx: Cx, heard: Heard) -> Result<Waiting<Heard, Text>> {
    let on = mail::on(&heard.key);
    Ok(wait_for(heard, on))
}

async fn nudge_heard(cx: Cx, _heard: Heard) -> Result<()> {
    make(&cx, "mail").await
}

async fn take_heard(_cx: Cx, heard: Heard, _text: Text) -> Result<Next<Heard>> {
    Ok(Next(Heard { texts: heard.texts + 1, ..heard }))
}

/// Keeps values, starts a run, and reports; and a loop whose first wait alone is reminded of.
pub fn busy() -> Brain<Ask> {
    brain("busy reminder")
        .step("ask", may_ask)
        .remind_every("nudge", HOUR, 5, work)
        .step("take", take_perhaps)
        .build()
}
px_sdk::brain!(busy);

async fn may_ask(_cx: Cx, ask: Ask) -> Result<MayWait<Ask, Timed<Text>>> {
    let on = mail::on(&ask.key);
    Ok(MayWait::wait(ask, on).timeout(HOUR * 24))
}

async fn work(cx: Cx, ask: Ask) -> Result<()> {
    let nudges = cx.kv::<u64>("nudges");
    let before = nudges.get().await?.unwrap_or(0);
    nudges.set(before + 1).await?;
    cx.emit("nudged", serde_json::json!({ "nth": cx.nth() })).await?;
    cx.start("other", payment, Ask { key: format!("{} {}", ask.key, cx.nth()) }).await?;
    Ok(())
}

async fn take_perhaps(_cx: Cx, ask: Ask, _text: Option<Timed<Text>>) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

/// A conversation: only the wait of the step before the loop is reminded of.
pub fn talk() -> Brain<Ask> {
    brain("reminded talk").step("ask", ask).remind("nudge", HOUR, nudge).each("talk", talk_on).build()
}
px_sdk::brain!(talk);

async fn talk_on(_cx: Cx, ask: Ask, text: Text) -> Result<Again<Ask, Text, Ask>> {
    if text.text == "bye" {
        return Ok(Again::done(ask));
    }
    let on = mail::on(&ask.key);
    Ok(Again::wait(ask, on))
}

pub fn asked(key: &str) -> Ask {
    Ask { key: key.into() }
}

pub fn world() -> World {
    World::new(registry()).unwrap()
}

/// A run of this brain that waits.
pub async fn waiting<O>(world: &World, brain: fn() -> Brain<Ask, O>, key: &str) -> RunId {
    let run = world.start(brain, asked(key)).await.unwrap();
    world.settle().await.unwrap();
    run
}

/// Posts a text and lets the run go on.
pub async fn post(world: &World, id: &str, key: &str, text: &str) {
    world.post("mail", &event(id, key, text, "resume")).await.unwrap();
    world.settle().await.unwrap();
}

/// The turns of reminders in a run's log: name, number, attempt and progress.
pub async fn turns(world: &World, run: RunId) -> Vec<String> {
    let shown = |turn: &ReminderTurn| {
        format!("{} {}.{} {}", turn.name, turn.nth, turn.attempt, turn.progress.as_str())
    };
    let turn = |event: px_core::Event| match event.event {
        EventBody::Reminder(turn) => Some(shown(&turn)),
        _ => None,
    };
    world.log(run).await.unwrap().into_iter().filter_map(turn).collect()
}

/// Fails unless this ends within a minute of virtual time.
pub async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(MINUTE, work).await.unwrap()
}

/// The store adds up, and no timer is left of runs that have ended.
pub async fn is_sound(world: &World) {
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}
