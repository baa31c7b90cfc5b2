//! The forms that a pipeline has beside plain steps, in virtual time: guards,
//! brains inside brains, lists, streams, turns, runs that wait for runs,
//! options and migrations; each through crashes where that can matter.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod project;

use std::sync::Arc;
use std::time::Duration;

use project::{Ask, Text, event, mail, registry};
use px_core::{RunId, RunStatus};
use px_sdk::registry::Source;
use px_sdk::{
    Brain, Cx, Guarded, More, Next, Registry, Result, RunEnd, Streaming, Timed, Waiting, brain, end_of,
    items, stream, wait_for,
};
use px_store::InboxState;
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, World, WorldError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Words {
    key: String,
    words: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Verdict {
    text: String,
}

fn asked() -> Brain<Ask, Verdict> {
    brain("asked").step("ask", ask).step("answer", answer).build()
}

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn answer(cx: Cx, _ask: Ask, note: Text) -> Result<Next<Verdict>> {
    cx.emit("answered", json!({ "said": note.text })).durable().await?;
    Ok(Next(Verdict { text: note.text }))
}

fn nesting() -> Brain<Words> {
    brain("nesting")
        .step("begin", pass)
        .brain(
            "inside",
            asked,
            |words: &Words| Ask { key: words.key.clone() },
            |words, verdict| Words { words: vec![verdict.text], ..words },
        )
        .step("end", pass)
        .build()
}

async fn pass(_cx: Cx, words: Words) -> Result<Next<Words>> {
    Ok(Next(words))
}

fn guarded() -> Brain<Words, Guarded<Words>> {
    brain("guarded").guard("any", |words: &Words| !words.words.is_empty()).step("pass", pass).build()
}

fn around_guard() -> Brain<Words> {
    brain("around-guard")
        .brain("inside", guarded, Clone::clone, |words: Words, result: Guarded<Words>| Words {
            words: vec![match result {
                Guarded::Complete(inner) => inner.words.join("+"),
                Guarded::Halted(_) => "halted".into(),
            }],
            ..words
        })
        .build()
}

fn listing() -> Brain<Words> {
    brain("listing")
        .map(
            "each",
            items(|words: &Words| words.words.clone(), shout)
                .parallel(2)
                .on_error(|word, _| Ok(format!("({word})"))),
            |words, done| Words { words: done, ..words },
        )
        .build()
}

async fn shout(cx: Cx, word: String) -> Result<String> {
    let word = cx.once("shout", || async move { Ok(word.to_uppercase()) }).await?;
    if word == "BAD" { px_sdk::bail!("a bad word") } else { Ok(word) }
}

fn streaming() -> Brain<Words> {
    brain("streaming").step("open", open).for_each("take", take).build()
}

async fn open(_cx: Cx, words: Words) -> Result<Streaming<Words, Timed<Text>>> {
    let on = mail::on(&words.key);
    Ok(stream(words, on).timeout(Duration::from_secs(3600)))
}

async fn take(_cx: Cx, mut words: Words, note: Timed<Text>) -> Result<More<Words, Words>> {
    Ok(match note {
        Timed::Answered(note) if note.text == "bye" => More::Done(words),
        Timed::Answered(note) => {
            words.words.push(note.text);
            More::Next(words)
        }
        Timed::TimedOut => {
            words.words.push("late".into());
            More::Done(words)
        }
    })
}

fn in_turn() -> Brain<Ask> {
    brain("in-turn")
        .step("ask", ask)
        .step("answer", answer)
        .at_most_by(1, |ask: &Ask| ask.key.clone())
        .build()
}

fn parent() -> Brain<Ask> {
    brain("parent").step("start", start_child).step("heard", heard).build()
}

#[derive(Debug, Serialize, Deserialize)]
struct Child {
    run: RunId,
}

async fn start_child(cx: Cx, ask: Ask) -> Result<Waiting<Child, RunEnd<Verdict>>> {
    let run = cx.start("child", asked, ask).await?;
    Ok(wait_for(Child { run }, end_of(asked, run)))
}

async fn heard(_cx: Cx, _child: Child, end: RunEnd<Verdict>) -> Result<Next<Verdict>> {
    Ok(Next(match end {
        RunEnd::Complete { result } => result,
        other => Verdict { text: format!("{other:?}").split(' ').next().unwrap_or_default().to_owned() },
    }))
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Tone {
    #[serde(default = "friendly")]
    tone: String,
}

fn friendly() -> String {
    "friendly".into()
}

fn with_options() -> Brain<Ask> {
    brain("with-options").options::<Tone>().step("ask", ask).step("say", say).build()
}

async fn say(cx: Cx, _ask: Ask, _note: Text) -> Result<Next<Verdict>> {
    Ok(Next(Verdict { text: cx.options::<Tone>()?.tone }))
}

fn everything() -> Registry {
    let base = registry();
    let source = |line| Source { file: "forms.rs".into(), line };
    let ours = [
        asked().into_def(),
        nesting().into_def(),
        around_guard().into_def(),
        guarded().into_def(),
        listing().into_def(),
        streaming().into_def(),
        in_turn().into_def(),
        parent().into_def(),
        with_options().into_def(),
    ];
    let brains = ours.into_iter().enumerate().map(|(line, def)| (source(u32::try_from(line).unwrap()), def));
    let webhooks = base.webhooks().map(|webhook| (webhook.source.clone(), (*webhook.def).clone()));
    Registry::of(brains, webhooks.collect::<Vec<_>>()).unwrap()
}

fn words(key: &str, words: &[&str]) -> Words {
    Words { key: key.into(), words: words.iter().map(|word| (*word).to_owned()).collect() }
}

async fn clean(world: &World) {
    let report = world.audit().await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.violations);
}

/// Does `act` on a fresh world once for each commit that it makes, and lets
/// the process die before or after that commit; it must end the same.
async fn through_every_crash<F>(act: F, expected: &serde_json::Value)
where
    F: AsyncFn(&World, Option<RunId>) -> Result<RunId, WorldError>,
{
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        for at in 0..40 {
            let mut world =
                World::over(everything(), Arc::new(Embedded::new(MemoryRows::new())), at).unwrap();
            world.store().plan(move |number, _| (number == at).then_some(fault));
            let mut run = act(&world, None).await.ok();
            let died = run.is_none();
            if died {
                world.restart().unwrap();
                world.settle().await.unwrap();
                let filter = px_store::RunFilter::default();
                let all = world.rows().runs(px_core::Scope::default(), &filter, None, 10).await.unwrap();
                run = all.items.last().map(|record| record.run.id);
                run = Some(act(&world, run).await.unwrap());
            }
            let run = run.unwrap();
            assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete, "{fault:?} at {at}");
            assert_eq!(&world.state(run).await.unwrap(), expected, "{fault:?} at {at}");
            clean(&world).await;
            if !died {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_wait_inside_a_nested_brain_resumes_at_its_depth_whatever_dies() {
    Box::pin(through_every_crash(
        async |world, known| {
            let run = match known {
                Some(run) => run,
                None => world.start(nesting, words("n", &[])).await?,
            };
            world.settle().await?;
            world.post("mail", &event("1", "n", "hello", "resume")).await?;
            world.settle().await?;
            Ok(run)
        },
        &json!({"key": "n", "words": ["hello"]}),
    ))
    .await;
}

#[tokio::test]
async fn a_guard_ends_its_brain_and_the_brain_around_it_goes_on() {
    let world = World::new(everything()).unwrap();
    let goes = world.start(around_guard, words("g", &["a", "b"])).await.unwrap();
    let halts = world.start(around_guard, words("g", &[])).await.unwrap();
    let alone = world.start(guarded, words("g", &[])).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(goes).await.unwrap()["words"], json!(["a+b"]));
    assert_eq!(world.state(halts).await.unwrap()["words"], json!(["halted"]));
    assert_eq!(world.status(alone).await.unwrap(), RunStatus::Complete);
    let names: Vec<_> = world.log(alone).await.unwrap().iter().map(|event| event.event.name()).collect();
    assert_eq!(
        names,
        [
            "brain:start",
            "step:status",
            "step:start",
            "step:status",
            "step:complete",
            "step:status",
            "step:complete",
            "step:status",
            "brain:complete"
        ]
    );
    clean(&world).await;
}

#[tokio::test]
async fn the_items_of_a_list_keep_their_order_and_are_done_once_whatever_dies() {
    through_every_crash(
        async |world, known| {
            let run = match known {
                Some(run) => run,
                None => world.start(listing, words("l", &["a", "bad", "c", "d"])).await?,
            };
            world.settle().await?;
            let log = world.log(run).await?;
            let once = log.iter().filter(|event| event.event.name() == "step:once").count();
            let items = log.iter().filter(|event| event.event.name() == "iterate:item_complete").count();
            assert_eq!((once, items), (4, 4), "nothing that was committed is done again");
            Ok(run)
        },
        &json!({"key": "l", "words": ["A", "(bad)", "C", "D"]}),
    )
    .await;
}

#[tokio::test]
async fn a_stream_takes_its_events_in_order_and_keeps_what_comes_while_its_step_works() {
    let world = World::new(everything()).unwrap();
    let run = world.start(streaming, words("s", &[])).await.unwrap();
    world.settle().await.unwrap();
    let mut actions = Vec::new();
    for (id, text) in [("1", "one"), ("2", "two"), ("3", "three")] {
        actions.push(world.post("mail", &event(id, "s", text, "resume")).await.unwrap().action);
    }
    assert_eq!(actions, [Some("resumed"), Some("queued"), Some("queued")]);
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Waiting);
    assert_eq!(world.state(run).await.unwrap()["words"], json!(["one", "two", "three"]));
    clean(&world).await;
    world.post("mail", &event("4", "s", "bye", "resume")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    let answer = world.post("mail", &event("5", "s", "after", "resume")).await.unwrap();
    assert_eq!(answer.action, Some("late"));
    assert!(world.inbox().await.unwrap()[..4].iter().all(|one| one.events[0].state == InboxState::Resumed));
    clean(&world).await;
}

#[tokio::test]
async fn a_stream_ends_in_time_also_if_the_time_passed_while_its_step_worked() {
    let world = World::new(everything()).unwrap();
    let run = world.start(streaming, words("s", &[])).await.unwrap();
    world.settle().await.unwrap();
    world.post("mail", &event("1", "s", "one", "resume")).await.unwrap();
    world.clock().advance(Duration::from_secs(7200));
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    clean(&world).await;
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["words"], json!(["one", "late"]));
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    clean(&world).await;
}

#[tokio::test]
async fn runs_take_turns_for_each_key_in_the_order_of_their_start() {
    let world = World::new(everything()).unwrap();
    let mut runs = Vec::new();
    for key in ["t", "t", "t", "other"] {
        runs.push(world.start(in_turn, Ask { key: key.into() }).await.unwrap());
    }
    world.settle().await.unwrap();
    let mut now = Vec::new();
    for run in &runs {
        now.push(world.status(*run).await.unwrap());
    }
    use RunStatus::{Pending, Waiting};
    assert_eq!(now, [Waiting, Pending, Pending, Waiting]);
    clean(&world).await;
    world.cancel(runs[1]).await.unwrap();
    world.post("mail", &event("1", "t", "done", "resume")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(runs[0]).await.unwrap(), RunStatus::Complete);
    assert_eq!(world.status(runs[2]).await.unwrap(), Waiting);
    clean(&world).await;
}

#[tokio::test]
async fn a_run_starts_another_once_and_hears_of_its_end_whatever_dies() {
    Box::pin(through_every_crash(
        async |world, known| {
            let run = match known {
                Some(run) => run,
                None => world.start(parent, Ask { key: "p".into() }).await?,
            };
            world.settle().await?;
            world.post("mail", &event("1", "p", "well", "resume")).await?;
            world.settle().await?;
            let filter = px_store::RunFilter::default();
            let all = world.rows().runs(px_core::Scope::default(), &filter, None, 10).await?;
            assert_eq!(all.items.len(), 2, "the child was started once");
            Ok(run)
        },
        &json!({"text": "well"}),
    ))
    .await;
}

#[tokio::test]
async fn a_run_hears_of_the_end_of_a_cancelled_run_and_of_one_that_ended_before() {
    let world = World::new(everything()).unwrap();
    let run = world.start(parent, Ask { key: "p".into() }).await.unwrap();
    world.settle().await.unwrap();
    let child: RunId = serde_json::from_value(world.state(run).await.unwrap()["run"].clone()).unwrap();
    world.pause(run).await.unwrap();
    world.cancel(child).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Paused);
    world.resume(run).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap()["text"], "Cancelled");
    clean(&world).await;
}

#[tokio::test]
async fn options_have_their_defaults_for_the_whole_run() {
    let world = World::new(everything()).unwrap();
    let run = world.start(with_options, Ask { key: "o".into() }).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.run(run).await.unwrap().unwrap().options, json!({"tone": "friendly"}));
    world.post("mail", &event("1", "o", "go", "resume")).await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(world.state(run).await.unwrap(), json!({"text": "friendly"}));
}
