//! A small project for the rule tests: one brain of each shape, two webhooks.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "shared by several tests, none of which uses all of it"
)]

pub mod counter;
pub mod forms;
pub mod reminded;

use std::cell::RefCell;
use std::time::Duration;

use px_core::RunId;
use px_sdk::{
    Again, Brain, Cx, Either, Error, Inbound, More, Next, Registry, Result, Streaming, Timed, Waiting, brain,
    stream, verify, wait_for,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub const TIMEOUT: Duration = Duration::from_secs(3 * 3600);

/// How long a listener listens: longer than fair weather lasts in any harness,
/// so that it is still open when that is judged.
pub const LISTENS: Duration = Duration::from_secs(10 * 3600);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    pub key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    pub key: String,
    pub posted: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    pub answer: String,
    pub from: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    pub id: String,
    pub key: String,
    pub text: String,
    /// What the handler does: `resume`, `start`, `or_start`, `ignore`, `fail`, `panic`.
    pub then: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Text {
    pub text: String,
}

/// Texts by one channel.
pub mod mail {
    use super::*;

    px_sdk::webhook! {
        slug = "mail",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }

    async fn receive(note: Note) -> Result<Inbound<Text>> {
        let text = Text { text: note.text.clone() };
        Ok(match note.then.as_str() {
            "resume" => Inbound::resume(note.key, text),
            "or_start" => Inbound::resume(note.key.clone(), text).or_start(thread, note),
            "start" => Inbound::start(thread, note),
            "ignore" => Inbound::ignore("asked to"),
            "panic" => panic!("asked to"),
            _ => return Err(Error::msg("asked to fail")),
        })
    }
}

/// Texts by another channel.
pub mod phone {
    use super::*;

    px_sdk::webhook! {
        slug = "phone",
        payload = Note,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }

    async fn receive(note: Note) -> Result<Inbound<Text>> {
        Ok(Inbound::resume(note.key, Text { text: note.text }))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    pub id: String,
    pub keys: (String, String),
}

/// Two texts in one delivery, for two keys.
pub mod pair {
    use super::*;

    px_sdk::webhook! {
        slug = "pair",
        payload = Pair,
        response = Text,
        verify = verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }

    async fn receive(pair: Pair) -> Result<Vec<Inbound<Text>>> {
        let text = |text: &str| Text { text: text.into() };
        Ok(vec![Inbound::resume(pair.keys.0, text("one")), Inbound::resume(pair.keys.1, text("two"))])
    }
}

/// Waits once for half of a pair, without a timeout.
pub fn half() -> Brain<Ask> {
    brain("half").step("ask", ask_half).step("take", take).build()
}
px_sdk::brain!(half);

async fn ask_half(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = pair::on(&ask.key);
    Ok(wait_for(ask, on))
}

thread_local! {
    /// The runs whose first step has begun on this thread, as often as it has.
    static BEGUN: RefCell<Vec<RunId>> = const { RefCell::new(Vec::new()) };
}

/// The runs of surveys and questions whose first step has begun on this thread
/// since the last call, as often as it has.
pub fn take_begun() -> Vec<RunId> {
    BEGUN.take()
}

/// Asks, waits for either channel, ends.
pub fn survey() -> Brain<Ask> {
    brain("survey").step("ask", ask).step("note", note).build()
}
px_sdk::brain!(survey);

async fn ask(cx: Cx, ask: Ask) -> Result<Waiting<Asked, Timed<Either<Text, Text>>>> {
    BEGUN.with_borrow_mut(|begun| begun.push(cx.run_id()));
    let posted = cx.once("post", || async { Ok(1) }).await?;
    let state = Asked { key: ask.key.clone(), posted };
    Ok(wait_for(state, (mail::on(&ask.key), phone::on(&ask.key))).timeout(TIMEOUT))
}

async fn note(_cx: Cx, _asked: Asked, reply: Timed<Either<Text, Text>>) -> Result<Next<Answered>> {
    let (answer, from) = match reply {
        Timed::Answered(Either::Left(text)) => (text.text, "mail"),
        Timed::Answered(Either::Right(text)) => (text.text, "phone"),
        Timed::TimedOut => (String::new(), "nobody"),
    };
    Ok(Next(Answered { answer, from: from.to_owned() }))
}

/// Waits once, by mail only, without a timeout.
pub fn question() -> Brain<Ask> {
    brain("question").step("ask", ask_mail).step("take", take).build()
}
px_sdk::brain!(question);

async fn ask_mail(cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    BEGUN.with_borrow_mut(|begun| begun.push(cx.run_id()));
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn take(_cx: Cx, _ask: Ask, text: Text) -> Result<Next<Answered>> {
    Ok(Next(Answered { answer: text.text, from: "mail".into() }))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Thread {
    pub key: String,
    pub texts: Vec<String>,
}

/// Owns a thread: takes every text of it until one says `bye`.
pub fn thread() -> Brain<Note> {
    brain("thread").step("open", open).each("listen", listen).build()
}
px_sdk::brain!(thread);

async fn open(_cx: Cx, first: Note) -> Result<Waiting<Thread, Text>> {
    Ok(Waiting::given(Thread { key: first.key, texts: Vec::new() }, Text { text: first.text }))
}

async fn listen(_cx: Cx, mut thread: Thread, text: Text) -> Result<Again<Thread, Text, Thread>> {
    thread.texts.push(text.text.clone());
    if text.text == "bye" {
        return Ok(Again::done(thread));
    }
    let on = mail::on(&thread.key);
    Ok(Again::wait(thread, on))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Heard {
    pub key: String,
    pub texts: Vec<String>,
    pub timed_out: bool,
}

/// Takes every text from either channel by one wait, until one says `bye` or
/// the time is up.
pub fn listener() -> Brain<Ask> {
    brain("listener").step("open", open_stream).for_each("hear", hear).build()
}
px_sdk::brain!(listener);

async fn open_stream(_cx: Cx, ask: Ask) -> Result<Streaming<Heard, Timed<Either<Text, Text>>>> {
    let on = (mail::on(&ask.key), phone::on(&ask.key));
    let heard = Heard { key: ask.key, texts: Vec::new(), timed_out: false };
    Ok(stream(heard, on).timeout(LISTENS))
}

async fn hear(_cx: Cx, mut heard: Heard, reply: Timed<Either<Text, Text>>) -> Result<More<Heard, Heard>> {
    let text = match reply {
        Timed::Answered(Either::Left(text) | Either::Right(text)) => text.text,
        Timed::TimedOut => {
            heard.timed_out = true;
            return Ok(More::Done(heard));
        }
    };
    let is_last = text == "bye";
    heard.texts.push(text);
    Ok(if is_last { More::Done(heard) } else { More::Next(heard) })
}

/// Fails by error or by panic.
pub fn broken() -> Brain<Ask> {
    brain("broken").step("break", break_it).build()
}
px_sdk::brain!(broken);

async fn break_it(_cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    assert!(ask.key != "panic", "asked to panic");
    Err(Error::msg("asked to fail"))
}

pub fn registry() -> Registry {
    Registry::collect().expect("the project is sound")
}

pub fn event(id: &str, key: &str, text: &str, then: &str) -> Note {
    Note { id: id.into(), key: key.into(), text: text.into(), then: then.into() }
}

/// Fails so many times, then is done. `key` says how: `retries`, `permanent`, `slow`.
pub fn flaky() -> Brain<Ask> {
    brain("flaky")
        .step("try", flaky_try)
        .retry(px_sdk::Retry::attempts(3).base(Duration::from_secs(10)).cap(Duration::from_secs(15)))
        .timeout(Duration::from_millis(30))
        .step("end", flaky_end)
        .build()
}
px_sdk::brain!(flaky);

async fn flaky_try(cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    cx.once("effect", || async { Ok(cx.attempt()) }).await?;
    match ask.key.as_str() {
        "permanent" => Err(Error::permanent("for good")),
        "slow" => std::future::pending().await,
        "never" => Err(Error::msg("always")),
        _ if cx.attempt() < 3 => Err(Error::msg(format!("attempt {}", cx.attempt()))),
        _ => Ok(Next(ask)),
    }
}

async fn flaky_end(_cx: Cx, ask: Ask) -> Result<Next<Ask>> {
    Ok(Next(ask))
}

/// Sleeps for an hour.
pub fn sleeper() -> Brain<Ask> {
    brain("sleeper").step("rest", rest).step("wake", flaky_end).build()
}
px_sdk::brain!(sleeper);

async fn rest(_cx: Cx, ask: Ask) -> Result<px_sdk::Sleeping<Ask>> {
    Ok(px_sdk::sleep(ask, Duration::from_secs(3600)))
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Texts {
    pub texts: Vec<String>,
    pub complete: bool,
}

/// Waits for two different texts by mail, for three hours at most.
pub fn approval() -> Brain<Ask> {
    brain("approval").step("ask", ask_two).step("count", count).build()
}
px_sdk::brain!(approval);

async fn ask_two(_cx: Cx, ask: Ask) -> Result<px_sdk::Collecting<Ask, px_sdk::Partly<Vec<Text>, Vec<Text>>>> {
    let on = mail::on(&ask.key);
    Ok(px_sdk::wait_for_count(ask, 2, on).distinct_by("/text").timeout(TIMEOUT))
}

async fn count(_cx: Cx, _ask: Ask, texts: px_sdk::Partly<Vec<Text>, Vec<Text>>) -> Result<Next<Texts>> {
    let (texts, complete) = match texts {
        px_sdk::Partly::Complete(texts) => (texts, true),
        px_sdk::Partly::TimedOut(texts) => (texts, false),
    };
    Ok(Next(Texts { texts: texts.into_iter().map(|text| text.text).collect(), complete }))
}

/// Waits for one text by mail and one by phone.
pub fn both() -> Brain<Ask> {
    brain("both").step("ask", ask_both).step("join", join).build()
}
px_sdk::brain!(both);

async fn ask_both(_cx: Cx, ask: Ask) -> Result<px_sdk::Collecting<Ask, px_sdk::All<(Text, Text)>>> {
    let on = (mail::on(&ask.key), phone::on(&ask.key));
    Ok(px_sdk::wait_for_all(ask, on))
}

async fn join(_cx: Cx, _ask: Ask, texts: px_sdk::All<(Text, Text)>) -> Result<Next<Texts>> {
    let px_sdk::All((mail, phone)) = texts;
    Ok(Next(Texts { texts: vec![mail.text, phone.text], complete: true }))
}
