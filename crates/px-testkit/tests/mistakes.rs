//! Mistakes that no compiler finds: what px says of each when the run meets it,
//! where it was made, and what to do. `docs/mistakes.md` lists them.

use px_sdk::{Brain, Cx, Inbound, Next, Picked, Result, RunEnd, Waiting, brain, end_of, verify, wait_for};
use px_testkit::test::world;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Word {
    word: String,
}

fn word() -> Word {
    Word { word: "word".into() }
}

mod votes {
    use super::*;
    px_sdk::webhook! {
        slug = "votes",
        payload = Word,
        response = Word,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(word: Word) -> Result<Inbound<Word>> {
        Ok(Inbound::resume("all", word))
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Words(Vec<String>);

fn listed() -> Brain<Word> {
    brain("listed").step("list", list).step("end", end).build()
}
px_sdk::brain!(listed);

async fn list(_cx: Cx, word: Word) -> Result<Next<Words>> {
    Ok(Next(Words(vec![word.word])))
}

async fn end(_cx: Cx, words: Words) -> Result<Next<Words>> {
    Ok(Next(words))
}

/// Written without what it cannot be read without.
#[derive(Debug, Serialize, Deserialize)]
struct Card {
    holder: String,
    #[serde(skip_serializing)]
    number: String,
}

fn forgetful() -> Brain<Word> {
    brain("forgetful").step("order", order).step("charge", charge).build()
}
px_sdk::brain!(forgetful);

async fn order(_cx: Cx, word: Word) -> Result<Next<Card>> {
    Ok(Next(Card { holder: word.word, number: "4242".into() }))
}

async fn charge(_cx: Cx, card: Card) -> Result<Next<Word>> {
    Ok(Next(Word { word: format!("{} {}", card.holder, card.number) }))
}

fn of_nobody() -> Brain<Word> {
    brain("of nobody").step("ask", ask_nobody).step("hear", hear).build()
}
px_sdk::brain!(of_nobody);

async fn ask_nobody(_cx: Cx, word: Word) -> Result<Waiting<Word, Picked<Word>>> {
    let nobody: [&str; 0] = [];
    Ok(wait_for(word, nobody.map(votes::on).into_iter().collect::<Vec<_>>()))
}

async fn hear(_cx: Cx, _word: Word, picked: Picked<Word>) -> Result<Next<Word>> {
    Ok(Next(picked.response))
}

fn of_itself() -> Brain<Word, Word> {
    brain("of itself").step("ask", ask_itself).step("hear", hear_itself).build()
}
px_sdk::brain!(of_itself);

async fn ask_itself(cx: Cx, word: Word) -> Result<Waiting<Word, RunEnd<Word>>> {
    Ok(wait_for(word, end_of(of_itself, cx.run_id())))
}

async fn hear_itself(_cx: Cx, word: Word, _end: RunEnd<Word>) -> Result<Next<Word>> {
    Ok(Next(word))
}

#[test]
fn a_state_that_is_no_object_fails_the_step_that_made_it_with_its_type() {
    let run = world().start(listed, word());
    run.expect_error("a state must be written as a JSON object, and mistakes::Words is written as a list");
    assert_eq!(run.state::<Word>().word, "word", "nothing of it is kept");
}

#[test]
fn a_state_that_cannot_be_read_back_pauses_the_run_before_the_step_that_takes_it() {
    let run = world().start(forgetful, word());
    run.expect_status("paused");
    let paused = run.log().into_iter().find(|event| event["type"] == "brain:paused").unwrap();
    assert_eq!(paused["reason"], "the stored state does not fit step 'charge': missing field `number`");
}

#[test]
fn a_wait_that_nothing_could_end_fails_the_step_with_what_to_write() {
    world().start(of_nobody, word()).expect_error(
        "step 'ask' waits for an empty list without a timeout, and nothing could end that: give it a `.timeout(..)`, \
         or return `MayWait::go(state)` where there is nobody to ask",
    );
    world().start(of_itself, word()).expect_error(
        "step 'ask' waits for the end of its own run, and nothing could end that: wait for a run that `cx.start` \
         has started",
    );
}
