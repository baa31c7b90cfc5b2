//! Responses of waits as values: kept in a state, given without a wait, and told apart by the key
//! that they came for. In virtual time, over restarts, in all weathers; the logs are golden ones.
//!
//! `PX_BLESS=1 cargo test -p px-testkit --test plain_responses` writes these anew.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod blessed;

use std::time::Duration;

use blessed::compare;
use px_core::{RunId, RunStatus};
use px_sdk::{
    Again, All, Brain, Collecting, Cx, Either, Inbound, Next, Partly, Picked, Registry, Result, Timed,
    Waiting, brain, wait_for, wait_for_all, wait_for_count,
};
use px_testkit::World;
use px_testkit::test::{Windy, weather};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(3600);

/// Votes on forms, each of which has an identifier of its own.
mod votes {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Vote {
        pub(crate) id: String,
        pub(crate) form: String,
        pub(crate) text: String,
    }

    px_sdk::webhook! {
        slug = "votes",
        payload = Vote,
        response = Vote,
        verify = px_sdk::verify::unverified().dedup_pointer("/id"),
        handler = receive,
    }

    async fn receive(vote: Vote) -> Result<Inbound<Vote>> {
        Ok(Inbound::resume(vote.form.clone(), vote))
    }
}
use votes::Vote;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Forms {
    forms: Vec<String>,
}

type Came = Partly<Vec<Picked<Vote>>, Vec<Picked<Vote>>>;

/// A state with a response in it, as the step after a wait may keep it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept<R> {
    response: R,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Names {
    names: Vec<String>,
}

fn named(picked: &Picked<Vote>) -> String {
    format!("{} {} {} {}", picked.index, picked.slug, picked.identifier, picked.response.text)
}

/// Counts one vote a form.
fn council() -> Brain<Forms> {
    brain("council").step("ask", ask).step("keep", keep::<Came>).step("read", read).build()
}
px_sdk::brain!(council);

async fn ask(_cx: Cx, forms: Forms) -> Result<Collecting<Forms, Came>> {
    let on: Vec<_> = forms.forms.iter().map(votes::on).collect();
    Ok(wait_for_count(forms, 2, on).distinct_by_registration().picked().timeout(TIMEOUT))
}

async fn keep<R>(_cx: Cx, _forms: Forms, response: R) -> Result<Next<Kept<R>>> {
    Ok(Next(Kept { response }))
}

async fn read(_cx: Cx, kept: Kept<Came>) -> Result<Next<Names>> {
    let (Partly::Complete(came) | Partly::TimedOut(came)) = kept.response;
    Ok(Next(Names { names: came.iter().map(named).collect() }))
}

/// Wants a vote on each of two forms.
fn both() -> Brain<Forms> {
    brain("both").step("ask", ask_both).step("keep", keep).step("read", read_both).build()
}
px_sdk::brain!(both);

type Pair = All<(Picked<Vote>, Picked<Vote>)>;

async fn ask_both(_cx: Cx, forms: Forms) -> Result<Collecting<Forms, Pair>> {
    Ok(wait_for_all(forms, (votes::on("a"), votes::on("b"))).picked())
}

async fn read_both(_cx: Cx, kept: Kept<Pair>) -> Result<Next<Names>> {
    let All((first, second)) = kept.response;
    Ok(Next(Names { names: vec![named(&first), named(&second)] }))
}

/// Wants a vote on the first form that brings one.
fn first() -> Brain<Forms> {
    brain("first").step("ask", ask_first).step("keep", keep).step("read", read_first).build()
}
px_sdk::brain!(first);

async fn ask_first(_cx: Cx, forms: Forms) -> Result<Waiting<Forms, Picked<Vote>>> {
    let on: Vec<_> = forms.forms.iter().map(votes::on).collect();
    Ok(wait_for(forms, on))
}

async fn read_first(_cx: Cx, kept: Kept<Picked<Vote>>) -> Result<Next<Names>> {
    Ok(Next(Names { names: vec![named(&kept.response)] }))
}

type Reply = Timed<Either<Vote, Vote>>;

/// Gives its responses itself: `answered`, `timed_out`, `given`, and `given` with a timeout.
fn given() -> Brain<Forms> {
    brain("given").step("begin", begin).step("keep", keep).step("read", read_reply).build()
}
px_sdk::brain!(given);

fn vote(text: &str) -> Vote {
    Vote { id: text.into(), form: "a".into(), text: text.into() }
}

async fn begin(_cx: Cx, forms: Forms) -> Result<Waiting<Forms, Reply>> {
    let how = forms.forms.concat();
    Ok(match how.as_str() {
        "answered" => Waiting::answered(forms, Either::Right(vote("right"))),
        "timed out" => Waiting::timed_out(forms),
        "too late" => Waiting::given(forms, Timed::TimedOut),
        "in time" => Waiting::given(forms, Either::Right(vote("in time"))).timeout(TIMEOUT),
        _ => Waiting::given(forms, Timed::Answered(Either::Left(vote("left")))),
    })
}

async fn read_reply(_cx: Cx, kept: Kept<Reply>) -> Result<Next<Names>> {
    let name = match kept.response {
        Timed::Answered(Either::Left(vote)) => format!("left {}", vote.text),
        Timed::Answered(Either::Right(vote)) => format!("right {}", vote.text),
        Timed::TimedOut => "nobody".to_owned(),
    };
    Ok(Next(Names { names: vec![name] }))
}

/// Takes two turns at once, then waits for a vote.
fn turns() -> Brain<Forms> {
    brain("turns").step("begin", begin_turns).each("turn", turn).build()
}
px_sdk::brain!(turns);

async fn begin_turns(_cx: Cx, _forms: Forms) -> Result<Waiting<Names, Timed<Vote>>> {
    Ok(Waiting::answered(Names { names: Vec::new() }, vote("first")))
}

async fn turn(_cx: Cx, mut state: Names, reply: Timed<Vote>) -> Result<Again<Names, Timed<Vote>, Names>> {
    let name = match reply {
        Timed::Answered(vote) => vote.text,
        Timed::TimedOut => "nobody".to_owned(),
    };
    state.names.push(name);
    Ok(match state.names.len() {
        1 | 2 => Again::now(state),
        3 => wait_for(state, votes::on("a")).timeout(TIMEOUT).into(),
        _ => Again::done(state),
    })
}

/// Asks for more votes than there are forms.
fn too_few() -> Brain<Forms> {
    brain("too few").step("ask", ask).step("keep", keep::<Came>).build()
}
px_sdk::brain!(too_few);

/// Gives a list of responses itself, which is written as a list.
fn listed() -> Brain<Forms> {
    brain("listed")
        .step("begin", begin_listed)
        .step("keep", keep::<All<Vec<Vote>>>)
        .step("read", read_all)
        .build()
}
px_sdk::brain!(listed);

async fn begin_listed(_cx: Cx, forms: Forms) -> Result<Waiting<Forms, All<Vec<Vote>>>> {
    Ok(Waiting::given(forms, All(vec![vote("one"), vote("two")])))
}

async fn read_all(_cx: Cx, kept: Kept<All<Vec<Vote>>>) -> Result<Next<Names>> {
    Ok(Next(Names { names: kept.response.0.into_iter().map(|vote| vote.text).collect() }))
}

/// Gives a response that no webhook's handler could give.
fn bare() -> Brain<Forms> {
    brain("bare").step("begin", begin_bare).step("keep", keep::<u32>).build()
}
px_sdk::brain!(bare);

async fn begin_bare(_cx: Cx, forms: Forms) -> Result<Waiting<Forms, u32>> {
    Ok(Waiting::given(forms, 7))
}

/// Wants a vote on one form twice.
fn same_twice() -> Brain<Forms> {
    brain("same twice").step("ask", ask_same).step("keep", keep).step("read", read_both).build()
}
px_sdk::brain!(same_twice);

async fn ask_same(_cx: Cx, _forms: Forms) -> Result<Collecting<Forms, Pair>> {
    Ok(wait_for_all(Forms { forms: Vec::new() }, (votes::on("a"), votes::on("a"))).picked())
}

fn world() -> World {
    World::new(Registry::collect().unwrap()).unwrap()
}

async fn started(world: &World, brain: fn() -> Brain<Forms>, forms: &[&str]) -> RunId {
    let forms = forms.iter().map(|form| (*form).to_owned()).collect();
    let run = world.start(brain, Forms { forms }).await.unwrap();
    world.settle().await.unwrap();
    run
}

async fn post(world: &World, id: &str, form: &str, text: &str) -> Value {
    let vote = Vote { id: id.into(), form: form.into(), text: text.into() };
    let answer = world.post("votes", &vote).await.unwrap();
    world.settle().await.unwrap();
    serde_json::from_str(&answer.body).unwrap()
}

async fn names(world: &World, run: RunId) -> Vec<String> {
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "{:#?}", world.log(run).await.unwrap());
    assert!(world.audit().await.unwrap().is_clean());
    let names: Names = serde_json::from_value(world.state(run).await.unwrap()).unwrap();
    names.names
}

#[tokio::test]
async fn one_vote_a_form_counts_and_says_which_form_it_was_over_a_restart() {
    let mut world = world();
    let run = started(&world, council, &["a", "b", "c"]).await;
    assert_eq!(post(&world, "1", "b", "yes").await["action"], "collected");
    world.restart().unwrap();
    let again = post(&world, "2", "b", "yes, yes").await;
    assert_eq!((&again["action"], &again["reason"]), (&json!("ignored"), &json!("not distinct")));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(post(&world, "3", "a", "no").await["action"], "resumed");
    assert_eq!(names(&world, run).await, ["1 votes b yes", "0 votes a no"]);
    compare(&world, run, "picked.jsonl").await;
}

#[tokio::test]
async fn what_was_picked_by_the_timeout_says_which_form_it_was() {
    let world = world();
    let run = started(&world, council, &["a", "b", "c"]).await;
    post(&world, "1", "c", "yes").await;
    world.advance(TIMEOUT).await.unwrap();
    assert_eq!(names(&world, run).await, ["2 votes c yes"]);
    compare(&world, run, "picked-partly.jsonl").await;
}

#[tokio::test]
async fn an_answer_by_hand_is_picked_at_the_first_form_without_a_vote() {
    let world = world();
    let run = started(&world, council, &["a", "b", "c"]).await;
    post(&world, "1", "a", "yes").await;
    world.answer(run, json!({"id": "2", "form": "?", "text": "by hand"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(names(&world, run).await, ["0 votes a yes", "1 votes b by hand"]);
}

#[tokio::test]
async fn more_votes_than_forms_is_an_error_that_says_so() {
    let world = world();
    let run = started(&world, too_few, &["a"]).await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Error);
    let error = world.run(run).await.unwrap().unwrap().error.unwrap();
    assert!(
        error.message.contains("needs 2 responses") && error.message.contains("there are 1"),
        "{error:?}"
    );
}

#[tokio::test]
async fn two_forms_that_are_one_are_no_two_forms() {
    let world = world();
    for (brain, forms, says) in [
        (
            too_few as fn() -> Brain<Forms>,
            &["a", "a"][..],
            "needs 2 responses and counts one for each registration",
        ),
        (same_twice, &[], "a response for each of 2 registrations, and 1 of them are the same webhook"),
    ] {
        let run = started(&world, brain, forms).await;
        assert_eq!(world.status(run).await.unwrap(), RunStatus::Error);
        let error = world.run(run).await.unwrap().unwrap().error.unwrap();
        assert!(error.message.contains(says), "{error:?}");
    }
}

#[tokio::test]
async fn a_list_of_responses_can_be_given_and_a_bare_number_fails_with_words() {
    let world = world();
    let run = started(&world, listed, &[]).await;
    assert_eq!(names(&world, run).await, ["one", "two"]);
    let run = started(&world, bare, &[]).await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Error);
    let error = world.run(run).await.unwrap().unwrap().error.unwrap();
    assert_eq!(
        error.message,
        "the response that a step gives must be written as a JSON object, and u32 is not"
    );
}

#[tokio::test]
async fn all_of_a_tuple_are_picked_in_its_order() {
    let world = world();
    let run = started(&world, both, &[]).await;
    post(&world, "1", "b", "second").await;
    post(&world, "2", "a", "first").await;
    assert_eq!(names(&world, run).await, ["0 votes a first", "1 votes b second"]);
}

#[tokio::test]
async fn the_first_of_a_list_says_its_key_by_hand_too() {
    let world = world();
    let run = started(&world, first, &["a", "b"]).await;
    post(&world, "1", "b", "posted").await;
    assert_eq!(names(&world, run).await, ["1 votes b posted"]);
    let run = started(&world, first, &["a", "b"]).await;
    world.answer(run, json!({"id": "2", "form": "?", "text": "by hand"})).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(names(&world, run).await, ["0 votes a by hand"]);
    compare(&world, run, "first-by-hand.jsonl").await;
}

#[tokio::test]
async fn responses_are_given_as_they_are_written() {
    let world = world();
    for (how, name) in [
        ("answered", "right right"),
        ("timed out", "nobody"),
        ("too late", "nobody"),
        ("given", "left left"),
        ("in time", "right in time"),
    ] {
        let run = started(&world, given, &[how]).await;
        assert_eq!(names(&world, run).await, [name]);
        compare(&world, run, &format!("given-{}.jsonl", how.replace(' ', "-"))).await;
    }
}

#[tokio::test]
async fn a_turn_without_a_response_is_told_so() {
    let world = world();
    let run = started(&world, turns, &[]).await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    post(&world, "1", "a", "last").await;
    assert_eq!(names(&world, run).await, ["first", "nobody", "nobody", "last"]);
    compare(&world, run, "loop-now.jsonl").await;
}

#[test]
fn one_vote_a_form_counts_in_all_weathers() {
    let vote = |id: &str, form: &str| Vote { id: id.into(), form: form.into(), text: id.into() };
    weather(|w: &Windy| {
        let run = w.start(council, Forms { forms: vec!["a".into(), "b".into()] });
        w.post("votes", vote("1", "a"));
        w.post("votes", vote("2", "a"));
        w.post("votes", vote("3", "b"));
        w.calm();
        let mut names = run.expect_complete().state::<Names>().names;
        names.sort();
        assert_eq!(names.len(), 2);
        assert!(names[0].starts_with("0 votes a ") && names[1] == "1 votes b 3", "{names:?}");
    });
}
