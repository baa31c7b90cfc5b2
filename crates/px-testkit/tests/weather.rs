//! Webhook weather: random schedules of starts, events (early, late, doubled,
//! reordered), timeouts, cancels, pauses, and a process that dies before or
//! after any commit, all through the production accept, decide and commit.
//! Whatever happens, the ledger adds up afterwards: every 2xx is in the inbox,
//! every event has at most one effect, nothing is stuck, and the audit is clean.
//!
//! `PX_SEEDS=10000 cargo test -p px-testkit --test weather --release` runs
//! more; `PX_SEED=n` one, with its schedule printed.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod project;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use project::{Ask, Note, approval, both, event, flaky, question, registry, survey};
use px_core::event::EventBody;
use px_core::{RunId, RunStatus, Scope};
use px_store::conformance::Dice;
use px_store::{Embedded, InboxState, MemoryRows, RunFilter, Store};
use px_testkit::{Fault, World, WorldError};

/// How many schedules an ordinary run tries, and how long each is.
const SEEDS: u64 = 400;
const LENGTH: u64 = 40;

/// What a schedule has seen from outside.
struct Weather {
    world: World,
    dice: Dice,
    runs: Vec<RunId>,
    /// The action of every 2xx answer, by the provider's id.
    answers: BTreeMap<String, Vec<&'static str>>,
    sent: Vec<(&'static str, Note)>,
    story: Vec<String>,
}

impl Weather {
    fn new(seed: u64) -> Self {
        let rows: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
        Self {
            world: World::over(registry(), rows, 0).unwrap(),
            dice: Dice::new(seed),
            runs: Vec::new(),
            answers: BTreeMap::new(),
            sent: Vec::new(),
            story: Vec::new(),
        }
    }

    /// The process will die at one of its next commits.
    fn plan_death(&mut self) {
        let at = self.world.store().commits() + self.dice.below(6);
        let fault = if self.dice.below(2) == 0 { Fault::DiesBefore } else { Fault::DiesAfter };
        self.story.push(format!("will die at commit {at}: {fault:?}"));
        self.world.store().plan(move |number, _| (number == at).then_some(fault));
    }

    fn restart(&mut self) {
        self.story.push("restart".into());
        self.world.restart().unwrap();
    }

    async fn act(&mut self) -> Result<(), WorldError> {
        let key = format!("k{}", self.dice.below(3));
        match self.dice.below(16) {
            0..=2 => {
                let which = self.dice.below(6);
                self.story.push(format!("start {which} on {key}"));
                let ask = Ask { key };
                let run = match which {
                    0 | 1 => self.world.start(survey, ask).await?,
                    2 => self.world.start(question, ask).await?,
                    3 => self.world.start(approval, ask).await?,
                    4 => self.world.start(both, ask).await?,
                    _ => self.world.start(flaky, Ask { key: "retries".into() }).await?,
                };
                self.runs.push(run);
            }
            3..=7 => {
                let id = format!("e{}", self.sent.len());
                let slug = if self.dice.below(4) == 0 { "phone" } else { "mail" };
                let then = ["resume", "or_start", "start", "ignore", "fail"][self.dice.below(5) as usize];
                let text = ["bye", "text", "other", "text"][self.dice.below(4) as usize];
                let note = event(&id, &key, text, then);
                self.sent.push((slug, note.clone()));
                self.send(slug, note).await?;
            }
            8 | 9 => {
                if let Some((slug, note)) = self.any_sent() {
                    self.send(slug, note).await?;
                }
            }
            10 => {
                let seconds = [1, 20, 3 * 3600, 25 * 3600][self.dice.below(4) as usize];
                self.story.push(format!("{seconds} s later"));
                self.world.clock().advance(Duration::from_secs(seconds));
                if self.dice.below(2) == 0 {
                    self.world.ring().await?;
                }
            }
            11 => {
                if let Some(run) = self.any_run() {
                    let what = self.dice.below(4);
                    self.story.push(format!("control {what} of {run}"));
                    let done = match what {
                        0 => self.world.cancel(run).await,
                        1 => self.world.pause(run).await,
                        2 => self.world.answer(run, serde_json::json!({"text": "by hand"})).await,
                        _ => self.world.resume(run).await,
                    };
                    // A refusal is a fair answer; a death is not one.
                    if let Err(WorldError::Died) = done {
                        return Err(WorldError::Died);
                    }
                }
            }
            12 => self.plan_death(),
            _ => {
                self.story.push("settle".into());
                self.world.settle().await?;
            }
        }
        Ok(())
    }

    fn any_run(&mut self) -> Option<RunId> {
        let at = self.dice.below(self.runs.len() as u64) as usize;
        self.runs.get(at).copied()
    }

    fn any_sent(&mut self) -> Option<(&'static str, Note)> {
        let at = self.dice.below(self.sent.len() as u64) as usize;
        self.sent.get(at).cloned()
    }

    async fn send(&mut self, slug: &'static str, note: Note) -> Result<(), WorldError> {
        self.story.push(format!("{slug} {} for {}: {} {}", note.id, note.key, note.then, note.text));
        let answer = self.world.post(slug, &note).await?;
        self.story.push(format!("  {} {:?} {:?}", answer.status, answer.action, answer.run));
        if answer.status < 300 {
            let name = format!("{slug}/{}", note.id);
            self.answers.entry(name).or_default().push(answer.action.unwrap());
        }
        Ok(())
    }

    /// Fair weather at last: whatever is ready runs, whatever is due rings,
    /// and whatever is paused is resumed.
    async fn calm(&mut self) {
        self.restart();
        for _ in 0..6 {
            self.world.settle().await.unwrap();
            let filter = RunFilter { statuses: vec![RunStatus::Paused], ..RunFilter::default() };
            let paused = self.world.rows().runs(Scope::default(), &filter, None, 1_000).await.unwrap();
            for record in paused.items {
                self.world.resume(record.run.id).await.unwrap();
            }
            self.world.advance(Duration::from_secs(3600)).await.unwrap();
        }
    }

    async fn judge(&self) {
        let mut taken: BTreeMap<_, u32> = BTreeMap::new();
        let mut before = None;
        loop {
            let store = self.world.rows();
            let page = store.runs(Scope::default(), &RunFilter::default(), before, 100).await.unwrap();
            for record in &page.items {
                for event in self.world.log(record.run.id).await.unwrap() {
                    if let EventBody::WaitAnswered { event: Some(event), .. }
                    | EventBody::WaitCollected { event: Some(event), .. } = event.event
                    {
                        *taken.entry(event).or_default() += 1;
                    }
                }
                let stuck = matches!(record.run.status, RunStatus::Running | RunStatus::Paused);
                assert!(!stuck, "{} is {:?} in fair weather", record.run.id, record.run.status);
            }
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let inbox = self.world.inbox().await.unwrap();
        let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
        for delivery in &inbox {
            for event in &delivery.events {
                let times = taken.get(&event.id).copied().unwrap_or(0);
                let is_taken = matches!(event.state, InboxState::Resumed | InboxState::Collected);
                let expected = u32::from(is_taken);
                assert_eq!(times, expected, "{} is {:?} and was taken {times} times", event.id, event.state);
                let is_first = !matches!(event.state, InboxState::Duplicate | InboxState::Quarantined)
                    && !event.is_superseded();
                if let (true, Some(id)) = (is_first, &event.provider_id) {
                    *firsts.entry(format!("{}/{id}", delivery.slug)).or_default() += 1;
                }
            }
        }
        for (id, times) in &firsts {
            assert_eq!(*times, 1, "{id} has had {times} effects");
        }
        for (id, actions) in &self.answers {
            assert!(firsts.contains_key(id), "{id} was answered {actions:?} and is lost");
            let originals = actions.iter().filter(|action| **action != "duplicate").count();
            assert!(originals <= 1, "{id} was answered {actions:?}");
        }
        let report =
            px_store::audit::audit(&**self.world.rows(), Scope::default(), &mut |_| {}).await.unwrap();
        assert!(report.is_clean(), "the audit: {report:#?}");
    }
}

async fn live(seed: u64) -> Weather {
    let mut weather = Weather::new(seed);
    for _ in 0..LENGTH {
        if weather.act().await.is_err() || weather.world.store().is_dead() {
            weather.restart();
        }
    }
    weather.calm().await;
    weather
}

#[tokio::test]
async fn whatever_the_weather_the_ledger_adds_up() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds = match number("PX_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("PX_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let weather = live(seed).await;
        let story = weather.story.join("\n");
        let judged = tokio::spawn(async move { weather.judge().await }).await;
        assert!(judged.is_ok(), "seed {seed}:\n{story}");
    }
}
