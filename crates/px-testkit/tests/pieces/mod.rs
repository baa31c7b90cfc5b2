//! Brains with branches, with loops of their own, and with steps that may wait.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "shared by several tests")]

use std::cell::{Cell, RefCell};

use px_derive::Choice;
use px_sdk::{Brain, Cx, Guarded, MayWait, Next, Picked, Result, Timed, Waiting, brain, wait_for};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::project::{TIMEOUT, Text, mail};

thread_local! {
    /// Effects in the world outside, by their idempotency keys: one that is known is not made again.
    static MADE: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    /// Calls that reached the world outside, those that it knew already among them.
    static CALLS: Cell<u32> = const { Cell::new(0) };
    /// The answer that predicates give in place of their own, if there is one.
    static OVERRIDDEN: Cell<Option<bool>> = const { Cell::new(None) };
    /// Number of times that a predicate was asked.
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// The effects of this thread since the last call.
pub fn take_made() -> Vec<String> {
    MADE.take()
}

/// Lets predicates of this thread give this answer.
pub fn override_with(answer: Option<bool>) {
    OVERRIDDEN.set(answer);
}

pub fn take_asked() -> u32 {
    ASKED.take()
}

fn answer(own: bool) -> bool {
    ASKED.set(ASKED.get() + 1);
    OVERRIDDEN.get().unwrap_or(own)
}

/// An effect as a careful provider makes it: one key, one effect.
async fn make(cx: &Cx) -> Result<()> {
    let key = cx.idempotency_key();
    cx.once("make", || async {
        CALLS.set(CALLS.get() + 1);
        MADE.with_borrow_mut(|made| {
            if !made.contains(&key) {
                made.push(key.clone());
            }
        });
        Ok(())
    })
    .await
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bill {
    pub key: String,
    pub open: u32,
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Bill {
    pub fn and(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

pub fn bill(key: &str, open: u32) -> Bill {
    Bill { key: key.into(), open, notes: Vec::new() }
}

/// Two effects in each turn.
pub fn rates() -> Brain<Bill, Bill> {
    brain("rates")
        .repeat_until("pay", |bill: &Bill| bill.open == 0, |b| b.step("book", book).step("send", send))
        .step("close", close)
        .build()
}
px_sdk::brain!(rates);

async fn book(cx: Cx, mut bill: Bill) -> Result<Next<Bill>> {
    make(&cx).await?;
    bill.open -= 1;
    Ok(Next(bill))
}

async fn send(cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    make(&cx).await?;
    Ok(Next(bill))
}

async fn close(_cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    Ok(Next(bill.and("closed")))
}

/// Asks if the bill is large, and is sent in one of two ways.
pub fn desk() -> Brain<Bill> {
    brain("desk")
        .when("is large", |bill: &Bill| answer(bill.open > 10), |b| b.step("ask", ask).step("hear", hear))
        .when_else(
            "by mail",
            |bill: &Bill| bill.key.contains('@'),
            |b| b.step("send", send_mail),
            |b| b.step("print", print).step("send", send_letter),
        )
        .step("close", close)
        .build()
}
px_sdk::brain!(desk);

async fn ask(_cx: Cx, bill: Bill) -> Result<Waiting<Bill, Text>> {
    let on = mail::on(&bill.key);
    Ok(wait_for(bill, on))
}

async fn hear(_cx: Cx, bill: Bill, text: Text) -> Result<Next<Bill>> {
    Ok(Next(bill.and(text.text)))
}

async fn send_mail(cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    make(&cx).await?;
    Ok(Next(bill.and("mailed")))
}

async fn print(_cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    Ok(Next(bill.and("printed")))
}

async fn send_letter(cx: Cx, bill: Bill) -> Result<Next<Bill>> {
    make(&cx).await?;
    Ok(Next(bill.and("posted")))
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Card {
    pub key: String,
    pub number: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct Invoice {
    pub address: String,
}

#[derive(Debug, Serialize, Deserialize, Choice)]
pub enum Way {
    Card(Card),
    ByInvoice(Invoice),
    Nothing(Bill),
}

/// Goes on by what a step found out.
pub fn ways() -> Brain<Bill, Bill> {
    brain("ways")
        .step("find out", find_out)
        .choose(
            "how",
            Way::ways()
                .by_invoice(|b| b.step("print", print_invoice))
                .card(|b| b.step("charge", charge))
                .nothing(|b| b),
        )
        .step("close", close)
        .build()
}
px_sdk::brain!(ways);

async fn find_out(_cx: Cx, bill: Bill) -> Result<Next<Way>> {
    Ok(Next(match bill.open {
        0 => Way::Nothing(bill),
        1 => Way::ByInvoice(Invoice { address: bill.key }),
        _ => Way::Card(Card { key: bill.key, number: "4242".into() }),
    }))
}

async fn charge(cx: Cx, card: Card) -> Result<Next<Bill>> {
    make(&cx).await?;
    Ok(Next(bill(&card.key, 0).and(format!("charged {}", card.number))))
}

async fn print_invoice(cx: Cx, invoice: Invoice) -> Result<Next<Bill>> {
    make(&cx).await?;
    Ok(Next(bill(&invoice.address, 0).and("printed")))
}

/// A guard in an arm, in a loop: it ends the brain, and not the loop.
pub fn limited() -> Brain<Bill, Guarded<Bill>> {
    brain("limited")
        .repeat_until(
            "pay",
            |bill: &Bill| bill.open == 0,
            |b| {
                b.when(
                    "is last",
                    |bill: &Bill| bill.open == 1,
                    |b| b.guard("may be paid", |bill: &Bill| bill.key != "never").step("thank", close),
                )
                .step("book", book)
            },
        )
        .step("close", close)
        .build()
}
px_sdk::brain!(limited);

/// A brain inside a turn, and a brain around all of it.
pub fn around() -> Brain<Bill, Bill> {
    brain("around")
        .brain("inside", rates, Clone::clone, |_: Bill, paid: Bill| paid)
        .repeat_until(
            "again",
            |bill: &Bill| bill.notes.len() > 2,
            |b| {
                b.brain(
                    "rates",
                    rates,
                    |bill: &Bill| Bill { open: 1, ..bill.clone() },
                    |_: Bill, paid: Bill| paid,
                )
            },
        )
        .build()
}
px_sdk::brain!(around);

/// Waits in some cases, in each form that an `Option` can hold.
pub fn perhaps() -> Brain<Bill, Bill> {
    brain("perhaps")
        .step("ask", may_ask)
        .step("hear", may_hear)
        .step("pick", may_pick)
        .step("picked", may_have_picked)
        .build()
}
px_sdk::brain!(perhaps);

async fn may_ask(_cx: Cx, bill: Bill) -> Result<MayWait<Bill, Timed<Text>>> {
    if bill.open == 0 {
        return Ok(MayWait::go(bill));
    }
    let on = mail::on(&bill.key);
    Ok(MayWait::wait(bill, on).timeout(TIMEOUT))
}

async fn may_hear(_cx: Cx, bill: Bill, text: Option<Timed<Text>>) -> Result<Next<Bill>> {
    Ok(Next(match text {
        None => bill.and("not asked"),
        Some(Timed::Answered(text)) => bill.and(text.text),
        Some(Timed::TimedOut) => bill.and("no answer"),
    }))
}

async fn may_pick(_cx: Cx, bill: Bill) -> Result<MayWait<Bill, Picked<Text>>> {
    if bill.open < 2 {
        return Ok(MayWait::go(bill));
    }
    let on = vec![mail::on("first"), mail::on(format!("second {}", bill.key))];
    Ok(wait_for(bill, on).into())
}

async fn may_have_picked(_cx: Cx, bill: Bill, picked: Option<Picked<Text>>) -> Result<Next<Bill>> {
    Ok(Next(match picked {
        None => bill.and("nothing to pick"),
        Some(picked) => bill.and(format!("{}: {}", picked.index, picked.response.text)),
    }))
}

/// Waits in each turn, and in an arm of it.
pub fn reminders() -> Brain<Bill, Bill> {
    brain("reminders")
        .repeat_until(
            "remind",
            |bill: &Bill| bill.open == 0,
            |b| {
                b.step("ask", ask).step("hear", hear).when_else(
                    "is late",
                    |bill: &Bill| answer(bill.open > 1),
                    |b| b.step("book", book).step("may ask", may_ask).step("may hear", may_hear),
                    |b| b.step("book", book),
                )
            },
        )
        .build()
}
px_sdk::brain!(reminders);
