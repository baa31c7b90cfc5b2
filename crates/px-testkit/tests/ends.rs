//! The end of a run that many wait for: each commit tells a bounded number of them, and all hear of it
//! once, whatever dies in between and whatever else happens to them meanwhile.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod house;
mod project;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use house::House;
use project::{Ask, Text, event, mail};
use px_core::event::EventBody;
use px_core::{KeyId, RunId, RunStatus, Scope};
use px_engine::{Engine, Limits};
use px_sdk::{Brain, Cx, Next, Registry, Result, RunEnd, Waiting, brain, end_of, wait_for};
use px_store::{Batch, TimerKind};
use px_store_rows::{Embedded, MemoryRows};
use px_testkit::{Fault, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const SCOPE: Scope = Scope(0);

/// As many as one commit tells, from the draft's own bound.
const TOLD: usize = 64;

fn boss() -> Brain<Ask, Text> {
    brain("boss").step("ask", ask).step("answer", answer).build()
}
px_sdk::brain!(boss);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Text>> {
    let on = mail::on(&ask.key);
    Ok(wait_for(ask, on))
}

async fn answer(_cx: Cx, _ask: Ask, said: Text) -> Result<Next<Text>> {
    // A word and a number are a text of so many letters.
    let text = match said.text.split_once(' ') {
        Some((word, letters)) => word.repeat(letters.parse().unwrap()),
        None => said.text,
    };
    Ok(Next(Text { text }))
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Clerk {
    boss: RunId,
}

fn clerk() -> Brain<Clerk> {
    brain("clerk").step("wait", wait).step("heard", heard).build()
}
px_sdk::brain!(clerk);

async fn wait(_cx: Cx, clerk: Clerk) -> Result<Waiting<Clerk, RunEnd<Text>>> {
    let end = end_of(boss, clerk.boss);
    Ok(wait_for(clerk, end))
}

async fn heard(_cx: Cx, _clerk: Clerk, end: RunEnd<Text>) -> Result<Next<Text>> {
    Ok(Next(match end {
        RunEnd::Complete { result } => Text { text: result.text.chars().take(8).collect() },
        other => Text { text: format!("{other:?}").split(' ').next().unwrap_or_default().to_owned() },
    }))
}

/// Runs that wait for the end of another, in a world of their own.
struct Office {
    world: World,
    boss: RunId,
    clerks: Vec<RunId>,
}

/// Runs that a batch tells of the end.
fn told(batch: &Batch) -> usize {
    let is_heard = |event: &px_core::Event| matches!(event.event, EventBody::WaitAnswered { .. });
    let told = batch.runs.iter().filter(|write| write.run.brain == "clerk");
    told.filter(|write| write.events.iter().any(is_heard)).count()
}

impl Office {
    async fn of(clerks: usize) -> Self {
        let rows = Arc::new(Embedded::new(MemoryRows::new()));
        let world = World::over(Registry::collect().unwrap(), rows, 0).unwrap();
        let boss = world.start(boss, Ask { key: "k".into() }).await.unwrap();
        let mut all = Vec::with_capacity(clerks);
        for _ in 0..clerks {
            all.push(world.start(clerk, Clerk { boss }).await.unwrap());
        }
        world.settle().await.unwrap();
        Self { world, boss, clerks: all }
    }

    /// The boss hears a word, and ends. An error says that the process died meanwhile.
    async fn end(&self, id: &str, word: &str) -> std::result::Result<(), px_testkit::WorldError> {
        self.world.post("mail", &event(id, "k", word, "resume")).await?;
        self.world.settle().await
    }

    /// Ends the boss in a process that dies right after that commit.
    async fn end_and_die(&mut self, word: &str) {
        let boss = self.boss;
        self.world.store().plan(move |_, batch| {
            let ends = |write: &px_store::RunWrite| write.run.id == boss && write.run.status.is_terminal();
            batch.runs.iter().any(ends).then_some(Fault::DiesAfter)
        });
        assert!(self.end("1", word).await.is_err());
        self.world.restart().unwrap();
    }

    /// Numbers of runs told by each commit that tells any, from here on.
    fn watch(&self) -> Arc<Mutex<Vec<usize>>> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let commits = Arc::clone(&seen);
        self.world.store().observe(move |batch| {
            let (count, commits) = (told(batch), Arc::clone(&commits));
            (count > 0).then(|| -> Box<dyn FnOnce() + Send> {
                Box::new(move || commits.lock().unwrap().push(count))
            })
        });
        seen
    }

    async fn clean(&self) {
        let report = self.world.audit().await.unwrap();
        assert!(report.is_clean(), "{:#?}", report.violations);
    }

    /// The word that each clerk heard, each once; none of one that still waits.
    async fn heard(&self) -> Vec<Option<String>> {
        let mut words = Vec::new();
        for clerk in &self.clerks {
            let log = self.world.log(*clerk).await.unwrap();
            let answers = log.iter().filter(|entry| matches!(entry.event, EventBody::WaitAnswered { .. }));
            let answers = answers.count();
            words.push(match self.world.status(*clerk).await.unwrap() {
                RunStatus::Complete => {
                    assert_eq!(answers, 1, "told once");
                    Some(self.world.state(*clerk).await.unwrap()["text"].as_str().unwrap().to_owned())
                }
                _ => None,
            });
        }
        words
    }

    async fn all_heard(&self, word: &str) {
        let heard = self.heard().await;
        assert!(heard.iter().all(|heard| heard.as_deref() == Some(word)), "{heard:?}");
        self.clean().await;
        let line = self.world.rows().key(SCOPE, &KeyId::end_of(self.boss)).await.unwrap().record.line;
        assert!(line.is_empty(), "{line:?}");
        let due = self.world.rows().due(SCOPE, self.world.now(), None, 100).await.unwrap();
        assert!(due.iter().all(|timer| !matches!(timer.kind, TimerKind::End { .. })), "{due:?}");
    }
}

#[tokio::test]
async fn an_end_is_told_to_a_bounded_number_in_each_commit_and_to_all_of_them() {
    for clerks in [1, TOLD - 1, TOLD, TOLD + 1, 2 * TOLD, 2 * TOLD + 22] {
        let office = Office::of(clerks).await;
        let commits = office.watch();
        office.end("1", "done").await.unwrap();
        office.all_heard("done").await;
        let commits = commits.lock().unwrap().clone();
        assert!(commits.iter().all(|told| *told <= TOLD), "{commits:?}");
        assert_eq!((commits.len(), commits.iter().sum()), (clerks.div_ceil(TOLD), clerks), "{commits:?}");
    }
}

#[tokio::test]
async fn a_large_outcome_is_told_to_fewer_in_each_commit() {
    let office = Office::of(5).await;
    let commits = office.watch();
    // Nearly 4 MiB, of which four are told at once.
    office.end("1", &format!("x {}", 4_000_000)).await.unwrap();
    office.all_heard("xxxxxxxx").await;
    assert_eq!(*commits.lock().unwrap(), [4, 1]);
}

#[tokio::test]
async fn whatever_dies_between_two_commits_all_hear_of_the_end_once() {
    let clerks = 2 * TOLD + 2;
    for fault in [Fault::DiesBefore, Fault::DiesAfter] {
        // Of the commits that tell, and of the end itself, which is the first of them.
        for at in 0..4 {
            let mut office = Office::of(clerks).await;
            let seen = Arc::new(Mutex::new(0));
            office.world.store().plan(move |_, batch| {
                let mut seen = seen.lock().unwrap();
                let is_at = told(batch) > 0 && *seen == at;
                *seen += usize::from(told(batch) > 0);
                is_at.then_some(fault)
            });
            let died = office.end("1", "done").await.is_err();
            assert_eq!(died, at < 3, "{fault:?} at {at}");
            if died {
                office.world.restart().unwrap();
                office.clean().await;
                office.world.settle().await.unwrap();
            }
            office.all_heard("done").await;
        }
    }
}

#[tokio::test]
async fn one_that_is_paused_or_cancelled_meanwhile_holds_up_nobody() {
    let mut office = Office::of(2 * TOLD).await;
    office.end_and_die("done").await;
    let [paused, cancelled] = [office.clerks[TOLD], office.clerks[TOLD + 1]];
    office.world.pause(paused).await.unwrap();
    office.world.cancel(cancelled).await.unwrap();
    office.clean().await;
    office.world.settle().await.unwrap();
    let heard = office.heard().await;
    assert_eq!(heard.iter().filter(|heard| heard.as_deref() == Some("done")).count(), 2 * TOLD - 2);
    assert_eq!(office.world.status(cancelled).await.unwrap(), RunStatus::Cancelled);
    office.world.resume(paused).await.unwrap();
    office.world.settle().await.unwrap();
    assert_eq!(office.world.state(paused).await.unwrap()["text"], "done");
    office.clean().await;
}

#[tokio::test]
async fn one_that_resumes_or_comes_before_its_turn_hears_of_the_end_at_once_and_once() {
    let mut office = Office::of(2 * TOLD).await;
    office.world.pause(office.clerks[TOLD]).await.unwrap();
    office.end_and_die("done").await;
    office.world.resume(office.clerks[TOLD]).await.unwrap();
    let late = office.world.start(clerk, Clerk { boss: office.boss }).await.unwrap();
    office.clerks.push(late);
    office.world.settle().await.unwrap();
    office.all_heard("done").await;
}

#[tokio::test]
async fn those_who_are_left_when_a_run_is_sent_back_hear_of_its_next_end() {
    let mut office = Office::of(2 * TOLD).await;
    office.end_and_die("first").await;
    office.world.rerun(office.boss, 1).await.unwrap();
    office.world.settle().await.unwrap();
    let heard = office.heard().await;
    assert_eq!(heard.iter().flatten().count(), TOLD);
    office.clean().await;
    office.end("2", "second").await.unwrap();
    let heard: Vec<_> = office.heard().await.into_iter().flatten().collect();
    assert_eq!(heard.iter().filter(|heard| *heard == "first").count(), TOLD);
    assert_eq!(heard.iter().filter(|heard| *heard == "second").count(), TOLD);
    office.clean().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_tells_all_of_them_by_itself() {
    let house = House::new();
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    let start = async |brain: &str, state| {
        let request = px_engine::StartRequest {
            brain: brain.into(),
            initial_state: state,
            options: serde_json::json!({}),
            request_id: None,
            traceparent: None,
            idempotency_key: None,
            callback: None,
            hook: None,
        };
        match parts.start_run(request).await.unwrap() {
            px_engine::Started::New(run) => run,
            other => panic!("{other:?}"),
        }
    };
    let boss = start("boss", serde_json::json!({ "key": "k" })).await;
    let mut clerks = Vec::new();
    for _ in 0..3 * TOLD {
        clerks.push(start("clerk", serde_json::json!({ "boss": boss })).await);
    }
    house::pass(5).await;
    parts.cancel_run(boss, None).await.unwrap();
    // The hint of each timer's commit rings the next one, long before the poll.
    tokio::time::sleep(Duration::from_millis(900)).await;
    for clerk in clerks {
        assert_eq!(house.status(clerk).await, RunStatus::Complete);
    }
    engine.shutdown(Duration::ZERO).await;
}

/// Ten thousand with `PX_LONG`, else a thousand; printed with `--nocapture`.
#[tokio::test]
async fn the_end_of_a_run_that_thousands_wait_for_is_many_small_commits() {
    let clerks = if std::env::var_os("PX_LONG").is_some() { 10_000 } else { 1_000 };
    let office = Office::of(clerks).await;
    let commits = office.watch();
    let began = Instant::now();
    office.end("1", "done").await.unwrap();
    let took = began.elapsed();
    let commits = commits.lock().unwrap().clone();
    println!(
        "{clerks} waiting runs: told in {} commits of at most {}, and all went on, in {took:.1?}",
        commits.len(),
        commits.iter().max().unwrap()
    );
    assert_eq!((commits.len(), commits.iter().sum()), (clerks.div_ceil(TOLD), clerks));
}
