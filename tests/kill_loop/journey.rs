//! A run that goes through every kind of wait and every form of a pipeline,
//! while it is killed: options, a guard, any of two, all of two, two of
//! several, a stream, reminders of three of them, a nested brain, a list, retries, a
//! sleep, a timeout that passes, another run that is waited for, and one that takes turns.

use std::io::Write as _;
use std::time::Duration;

use px::prelude::*;
use px::{More, RunEnd, Streaming, end_of, items, stream};
use serde_json::{Value, json};

use super::EFFECTS;
use super::ledger::{Note, notes};

/// How many events a journey takes.
pub(super) const EVENTS: usize = 10;

/// What each of them is for.
const PURPOSES: [&str; EVENTS] =
    ["any", "left", "right", "count", "count", "stream", "stream", "stream", "nested", "child"];

/// How long what is waited for by the clock takes.
const SHORT: Duration = Duration::from_millis(100);

/// What is posted as this event of a job.
pub(super) fn body(job: &str, number: usize) -> Value {
    let key = format!("{job}:{}", PURPOSES[number]);
    json!({"key": key, "event": format!("{job}-{number}"), "last": number == 7})
}

/// What a journey has seen when it is through: nothing less, and nothing twice.
pub(super) fn expected(job: &str) -> Vec<String> {
    let event = |number: usize| format!("{job}-{number}");
    let between = ["A", "B", "C", "D", "E", "retried", "slept", "timed out"].map(str::to_owned);
    (0..9).map(event).chain(between).chain([event(9), "turn".to_owned()]).collect()
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct Journey {
    key: String,
    #[serde(default)]
    events: Vec<String>,
}

impl Journey {
    fn on(&self, purpose: &str) -> px::On<Note> {
        notes::on(format!("{}:{purpose}", self.key))
    }

    /// Takes an event, and leaves a trace of it outside of px.
    fn take(&mut self, cx: &Cx, note: Note) -> Result<()> {
        effect(cx, &note.event)?;
        self.events.push(note.event);
        Ok(())
    }

    fn and(mut self, what: impl Into<String>) -> Self {
        self.events.push(what.into());
        self
    }
}

fn effect(cx: &Cx, event: &str) -> Result<()> {
    let line = format!("{} {} {event}\n", std::process::id(), cx.run_id());
    let path = std::env::var_os(EFFECTS).unwrap_or_default();
    Ok(std::fs::File::options().append(true).open(path)?.write_all(line.as_bytes())?)
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Pace {
    #[serde(default = "brisk")]
    pace: String,
}

fn brisk() -> String {
    "brisk".into()
}

fn journey() -> Brain<Journey> {
    brain("journey")
        .options::<Pace>()
        .guard("has a key", |journey: &Journey| !journey.key.is_empty())
        .step("begin", begin)
        .remind_every("nudge", SHORT / 10, 3, nudge)
        .step("any", any)
        .step("all", all)
        .remind("nudge", SHORT / 20, nudge)
        .step("count", count)
        .remind_every("nudge", SHORT / 20, 9, nudge)
        .for_each("stream", take)
        .brain("nested", inner, Clone::clone, |_, inner: Journey| inner)
        .map(
            "items",
            items(|_: &Journey| ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(), shout).parallel(2),
            |journey: Journey, words: Vec<String>| words.into_iter().fold(journey, Journey::and),
        )
        .step("fail", fail)
        .retry(Retry::attempts(3).base(SHORT / 2))
        .step("slept", slept)
        .step("timed out", timed_out)
        .step("heard", heard)
        .step("took its turn", took_its_turn)
        .build()
}
px::brain!(journey);

/// A reminder that is under way when events come, and when px is killed.
async fn nudge(cx: Cx, journey: Journey) -> Result<()> {
    cx.once("nudged", async || Ok(journey.events.len())).await?;
    tokio::time::sleep(SHORT / 20).await;
    cx.once("still there", async || Ok(())).await
}

async fn begin(cx: Cx, journey: Journey) -> Result<Waiting<Journey, Either<Note, Note>>> {
    let pace = cx.options::<Pace>()?.pace;
    if cx.once("pace", || async { Ok(pace) }).await? != brisk() {
        px::bail!("the options were lost");
    }
    let on = (journey.on("any"), journey.on("nobody"));
    Ok(wait_for(journey, on))
}

async fn any(
    cx: Cx,
    mut journey: Journey,
    note: Either<Note, Note>,
) -> Result<Collecting<Journey, All<(Note, Note)>>> {
    let (Either::Left(note) | Either::Right(note)) = note;
    journey.take(&cx, note)?;
    let on = (journey.on("left"), journey.on("right"));
    Ok(wait_for_all(journey, on))
}

async fn all(
    cx: Cx,
    mut journey: Journey,
    both: All<(Note, Note)>,
) -> Result<Collecting<Journey, All<Vec<Note>>>> {
    let All((left, right)) = both;
    journey.take(&cx, left)?;
    journey.take(&cx, right)?;
    let on = journey.on("count");
    Ok(wait_for_count(journey, 2, on).distinct_by("/event"))
}

async fn count(cx: Cx, mut journey: Journey, notes: All<Vec<Note>>) -> Result<Streaming<Journey, Note>> {
    for note in notes.0 {
        journey.take(&cx, note)?;
    }
    let on = journey.on("stream");
    Ok(stream(journey, on))
}

async fn take(cx: Cx, mut journey: Journey, note: Note) -> Result<More<Journey, Journey>> {
    let is_last = note.last;
    journey.take(&cx, note)?;
    Ok(if is_last { More::Done(journey) } else { More::Next(journey) })
}

fn inner() -> Brain<Journey, Journey> {
    brain("inner").step("ask", ask).step("answer", answer).build()
}

async fn ask(_cx: Cx, journey: Journey) -> Result<Waiting<Journey, Note>> {
    let on = journey.on("nested");
    Ok(wait_for(journey, on))
}

async fn answer(cx: Cx, mut journey: Journey, note: Note) -> Result<Next<Journey>> {
    journey.take(&cx, note)?;
    Ok(Next(journey))
}

async fn shout(cx: Cx, word: String) -> Result<String> {
    cx.once("shout", || async { Ok(word.to_uppercase()) }).await
}

async fn fail(cx: Cx, journey: Journey) -> Result<Sleeping<Journey>> {
    if cx.attempt() < 2 {
        px::bail!("the first attempt always fails");
    }
    Ok(sleep(journey.and("retried"), SHORT))
}

async fn slept(_cx: Cx, journey: Journey) -> Result<Waiting<Journey, Timed<Note>>> {
    let on = journey.on("nobody");
    Ok(wait_for(journey.and("slept"), on).timeout(SHORT))
}

async fn timed_out(cx: Cx, journey: Journey, note: Timed<Note>) -> Result<Waiting<Journey, RunEnd<Journey>>> {
    if let Timed::Answered(note) = note {
        px::bail!("nobody was to answer, and {} did", note.event);
    }
    let input = Journey { key: journey.key.clone(), events: Vec::new() };
    let child = cx.start("errand", errand, input).await?;
    Ok(wait_for(journey.and("timed out"), end_of(errand, child)))
}

fn errand() -> Brain<Journey, Journey> {
    brain("errand").step("ask", ask_child).step("answer", answer).build()
}
px::brain!(errand);

async fn ask_child(_cx: Cx, journey: Journey) -> Result<Waiting<Journey, Note>> {
    let on = journey.on("child");
    Ok(wait_for(journey, on))
}

async fn heard(cx: Cx, journey: Journey, end: RunEnd<Journey>) -> Result<Waiting<Journey, RunEnd<Journey>>> {
    let RunEnd::Complete { result } = end else { px::bail!("the errand came to {end:?}") };
    let journey = result.events.into_iter().fold(journey, Journey::and);
    let input = Journey { key: journey.key.clone(), events: Vec::new() };
    let child = cx.start("turn", turn, input).await?;
    Ok(wait_for(journey, end_of(turn, child)))
}

/// Runs of it take turns: two at once.
fn turn() -> Brain<Journey, Journey> {
    brain("turn").step("rest", rest).step("end", end).at_most(2).build()
}
px::brain!(turn);

async fn rest(_cx: Cx, journey: Journey) -> Result<Sleeping<Journey>> {
    Ok(sleep(journey.and("turn"), SHORT / 10))
}

async fn end(_cx: Cx, journey: Journey) -> Result<Next<Journey>> {
    Ok(Next(journey))
}

async fn took_its_turn(_cx: Cx, journey: Journey, end: RunEnd<Journey>) -> Result<Next<Journey>> {
    let RunEnd::Complete { result } = end else { px::bail!("the turn came to {end:?}") };
    Ok(Next(result.events.into_iter().fold(journey, Journey::and)))
}
