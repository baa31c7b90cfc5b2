//! The forms that a pipeline has beside plain steps, one brain each: a brain
//! inside a brain with a wait and a guard, work over a list, turns, a run that
//! starts a run and waits for its end.

use super::*;
use px_sdk::{Guarded, RunEnd, end_of, items};
use serde_json::json;

/// What a run has gathered.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Gathered {
    pub key: String,
    pub words: Vec<String>,
}

impl Gathered {
    fn of(ask: &Ask) -> Self {
        Self { key: ask.key.clone(), words: Vec::new() }
    }

    fn and(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }
}

/// Waits for a text, inside another brain, and goes on only if it is not `bye`.
fn inside() -> Brain<Gathered, Guarded<Gathered>> {
    brain("inside")
        .step("ask", ask_inside)
        .step("hear", hear_inside)
        .guard("goes on", |gathered: &Gathered| gathered.words.iter().all(|word| word != "bye"))
        .step("pass", pass)
        .build()
}

async fn ask_inside(_cx: Cx, gathered: Gathered) -> Result<Waiting<Gathered, Timed<Text>>> {
    let on = mail::on(&gathered.key);
    Ok(wait_for(gathered, on).timeout(TIMEOUT))
}

async fn hear_inside(cx: Cx, gathered: Gathered, text: Timed<Text>) -> Result<Next<Gathered>> {
    let heard = cx.once("hear", || async { Ok(gathered.words.len()) }).await?;
    Ok(Next(match text {
        Timed::Answered(text) => gathered.and(text.text),
        Timed::TimedOut => gathered.and(format!("nothing after {heard}")),
    }))
}

async fn pass(_cx: Cx, gathered: Gathered) -> Result<Next<Gathered>> {
    Ok(Next(gathered))
}

/// Asks twice through the brain inside, one after the other.
pub fn outside() -> Brain<Ask> {
    brain("outside")
        .step("begin", begin)
        .brain("first", inside, Clone::clone, come_back)
        .brain("second", inside, Clone::clone, come_back)
        .step("pass", pass)
        .build()
}
px_sdk::brain!(outside);

async fn begin(_cx: Cx, ask: Ask) -> Result<Next<Gathered>> {
    Ok(Next(Gathered::of(&ask)))
}

fn come_back(gathered: Gathered, inner: Guarded<Gathered>) -> Gathered {
    match inner {
        Guarded::Complete(inner) => inner,
        Guarded::Halted(state) => gathered.and(format!("halted with {state}")),
    }
}

/// Works on a list, two items at once, each with a side effect; one fails.
pub fn worker() -> Brain<Ask> {
    brain("worker")
        .step("begin", begin_list)
        .map(
            "each",
            items(|list: &Gathered| list.words.clone(), work)
                .parallel(2)
                .on_error(|word, _| Ok(format!("({word})"))),
            |list, words| Gathered { words, ..list },
        )
        .step("ask", ask_inside)
        .step("hear", hear_inside)
        .build()
}
px_sdk::brain!(worker);

async fn begin_list(_cx: Cx, ask: Ask) -> Result<Next<Gathered>> {
    Ok(Next(["a", "bad", "c", "d"].into_iter().fold(Gathered::of(&ask), Gathered::and)))
}

async fn work(cx: Cx, word: String) -> Result<String> {
    let loud = cx.once("work", || async { Ok(word.to_uppercase()) }).await?;
    cx.emit("worked", json!({ "word": word })).durable().await?;
    if word == "bad" { px_sdk::bail!("a bad word") } else { Ok(loud) }
}

/// Waits for a text; one run for each key at once, the others wait for their turn.
pub fn taker() -> Brain<Ask, Answered> {
    brain("taker").step("ask", ask_mail).step("take", take).at_most_by(1, |ask: &Ask| ask.key.clone()).build()
}
px_sdk::brain!(taker);

#[derive(Debug, Serialize, Deserialize)]
pub struct Called {
    pub key: String,
    pub run: px_core::RunId,
}

/// Starts a run that takes its turn, and waits for its end.
pub fn caller() -> Brain<Ask> {
    brain("caller").step("call", call).step("hear", hear_end).build()
}
px_sdk::brain!(caller);

async fn call(cx: Cx, ask: Ask) -> Result<Waiting<Called, Timed<RunEnd<Answered>>>> {
    let run = cx.start("call", taker, ask.clone()).await?;
    Ok(wait_for(Called { key: ask.key, run }, end_of(taker, run)).timeout(LISTENS))
}

async fn hear_end(_cx: Cx, called: Called, end: Timed<RunEnd<Answered>>) -> Result<Next<Gathered>> {
    let gathered = Gathered { key: called.key, words: Vec::new() };
    Ok(Next(match end {
        Timed::Answered(RunEnd::Complete { result }) => gathered.and(result.answer),
        Timed::Answered(_) => gathered.and("it did not complete"),
        Timed::TimedOut => gathered.and("it has not ended"),
    }))
}
