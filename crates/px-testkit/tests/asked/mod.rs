//! Brains that ask by signed links.

#![allow(dead_code, reason = "each test binary has its own copy, and none needs all of it")]

use std::cell::RefCell;
use std::time::Duration;

use px_sdk::link::{self, Answered, Link, LinkHandle};
use px_sdk::{
    All, Brain, Collecting, Cx, Error, More, Next, Picked, Result, Retry, Streaming, Timed, Waiting, brain,
    items, stream, wait_for, wait_for_count,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// The origin of the pages of a world.
pub(crate) const OWN: &str = "http://127.0.0.1:8787";

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decision {
    Approve,
    Refuse,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Refund {
    pub(crate) words: String,
    /// Hours after which the links are worth nothing.
    #[serde(default)]
    pub(crate) hours: Option<u32>,
    #[serde(default)]
    pub(crate) decided: Vec<String>,
    #[serde(default)]
    pub(crate) link: Option<LinkHandle>,
}

pub(crate) fn refund(words: &str) -> Refund {
    Refund { words: words.into(), hours: None, decided: Vec::new(), link: None }
}

async fn make(cx: &Cx, refund: &Refund, who: &str) -> Result<Link<Decision>> {
    let asking = link::ask(cx, who, &refund.words)
        .answer(Decision::Approve, "Approve")
        .answer(Decision::Refuse, "Refuse")
        .approver(who);
    match refund.hours {
        Some(hours) => asking.expires(HOUR * hours).await,
        None => asking.await,
    }
}

fn decided(refund: Refund, answered: &Answered<Decision>) -> Refund {
    let by = answered.by.as_deref().unwrap_or("nobody");
    let decided = [refund.decided, vec![format!("{by}: {:?}", answered.answer)]].concat();
    Refund { decided, ..refund }
}

/// One person decides, and then once more.
pub(crate) fn single() -> Brain<Refund> {
    brain("single").step("ask", ask).step("ask again", ask_again).step("decide", decide).build()
}
px_sdk::brain!(single);

async fn ask(cx: Cx, refund: Refund) -> Result<Waiting<Refund, Timed<Answered<Decision>>>> {
    let link = make(&cx, &refund, "anna").await?;
    Ok(wait_for(refund, link.on()).timeout(HOUR * 48))
}

async fn ask_again(
    cx: Cx,
    refund: Refund,
    answer: Timed<Answered<Decision>>,
) -> Result<Waiting<Refund, Answered<Decision>>> {
    let link = make(&cx, &refund, "anna").await?;
    let refund = match answer {
        Timed::Answered(answered) => decided(refund, &answered),
        Timed::TimedOut => Refund { decided: vec!["late".into()], ..refund },
    };
    Ok(wait_for(refund, link.on()))
}

async fn decide(_: Cx, refund: Refund, answered: Answered<Decision>) -> Result<Next<Refund>> {
    Ok(Next(decided(refund, &answered)))
}

/// Two of three decide.
pub(crate) fn board() -> Brain<Refund> {
    brain("board").step("ask", ask_all).step("count", count).build()
}
px_sdk::brain!(board);

async fn ask_all(cx: Cx, refund: Refund) -> Result<Collecting<Refund, All<Vec<Answered<Decision>>>>> {
    let mut links = Vec::new();
    for who in ["anna", "ben", "eve"] {
        links.push(make(&cx, &refund, who).await?.on());
    }
    Ok(wait_for_count(refund, 2, links))
}

async fn count(_: Cx, refund: Refund, All(answers): All<Vec<Answered<Decision>>>) -> Result<Next<Refund>> {
    Ok(Next(answers.iter().fold(refund, decided)))
}

/// Sends its link, fails, and sends it again an hour later.
pub(crate) fn flaky() -> Brain<Refund> {
    brain("flaky").step("ask", ask_twice).retry(Retry::attempts(2)).step("decide", decide).build()
}
px_sdk::brain!(flaky);

async fn ask_twice(cx: Cx, refund: Refund) -> Result<Waiting<Refund, Answered<Decision>>> {
    let link = make(&cx, &refund, "anna").await?;
    cx.emit("sent", link.url()).await?;
    if cx.attempt() == 1 {
        return Err(Error::msg("the mail was not taken"));
    }
    Ok(wait_for(refund, link.on()))
}

/// Sends its link again after an hour without an answer.
pub(crate) fn nudged() -> Brain<Refund> {
    brain("nudged").step("ask", ask_once).remind("nudge", HOUR, nudge).step("decide", decide).build()
}
px_sdk::brain!(nudged);

async fn ask_once(cx: Cx, refund: Refund) -> Result<Waiting<Refund, Answered<Decision>>> {
    let link = make(&cx, &refund, "anna").await?;
    Ok(wait_for(Refund { link: Some(link.handle()), ..refund }, link.on()))
}

async fn nudge(cx: Cx, refund: Refund) -> Result<()> {
    let link = refund.link.ok_or_else(|| Error::permanent("no link was sent"))?;
    let url = link.url(&cx)?;
    NUDGED.with_borrow_mut(|nudged| nudged.push(url));
    Ok(())
}

thread_local! {
    static NUDGED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// The links that reminders of this thread have sent since the last call.
pub(crate) fn take_nudged() -> Vec<String> {
    NUDGED.take()
}

/// A stream of the votes of two.
pub(crate) fn votes() -> Brain<Refund> {
    brain("votes").step("open", open_votes).for_each("hear", hear).build()
}
px_sdk::brain!(votes);

async fn open_votes(cx: Cx, refund: Refund) -> Result<Streaming<Refund, Picked<Answered<Decision>>>> {
    let links = vec![make(&cx, &refund, "anna").await?.on(), make(&cx, &refund, "ben").await?.on()];
    Ok(stream(refund, links))
}

async fn hear(_: Cx, refund: Refund, answered: Picked<Answered<Decision>>) -> Result<More<Refund, Refund>> {
    let refund = decided(refund, &answered.response);
    Ok(if refund.decided.len() == 2 { More::Done(refund) } else { More::Next(refund) })
}

/// Makes links that its waits cannot have: in a reminder, and in the work on an item.
pub(crate) fn misplaced() -> Brain<Refund> {
    brain("misplaced")
        .step("ask", ask_once)
        .remind("nudge", HOUR, ask_in_reminder)
        .step("decide", decide)
        .build()
}
px_sdk::brain!(misplaced);

async fn ask_in_reminder(cx: Cx, refund: Refund) -> Result<()> {
    make(&cx, &refund, "ben").await.map(drop)
}

pub(crate) fn of_items() -> Brain<Refund> {
    let ask = async |cx: Cx, who: String| make(&cx, &refund("?"), &who).await.map(|_| who);
    let listed = items(|_: &Refund| vec!["anna".to_owned()], ask);
    brain("of items").map("ask", listed, |refund: Refund, _: Vec<String>| refund).build()
}
px_sdk::brain!(of_items);

/// Asks what cannot be asked.
pub(crate) fn wrong() -> Brain<Refund> {
    brain("wrong").step("ask", ask_wrong).step("decide", decide).build()
}
px_sdk::brain!(wrong);

async fn ask_wrong(cx: Cx, refund: Refund) -> Result<Waiting<Refund, Answered<Decision>>> {
    let asking = link::ask(&cx, "anna", &refund.words);
    let asking = match refund.words.as_str() {
        "none" => asking,
        "twice" => asking.answer(Decision::Approve, "Yes").answer(Decision::Approve, "No"),
        _ => asking.answer(Decision::Approve, "Yes"),
    };
    Ok(wait_for(refund, asking.await?.on()))
}
