//! What must hold of a store in fair weather, whatever happened before: every
//! 2xx is in the inbox, every event has at most one effect, nothing is stuck.
//! The fast half of the audit, and what the audit cannot know: what senders
//! were told.

#![allow(dead_code, unreachable_pub, reason = "shared by several tests, none of which uses all of it")]

use std::collections::{BTreeMap, BTreeSet};

use px_core::event::EventBody;
use px_core::key::WaiterId;
use px_core::reminder::ReminderProgress;
use px_core::{Event, EventId, KvId, RunStatus, Scope, WaitId};
use px_store::audit::audit;
use px_store::{Delivery, InboxState, RunFilter};
use px_testkit::{World, WorldError};

use crate::project::reminded::TIMES;

/// What senders were told: the actions of every 2xx, by the name of the event.
pub type Answers = BTreeMap<String, Vec<&'static str>>;

/// Judges a world at rest.
///
/// # Errors
/// What does not hold, in words.
pub async fn judge(world: &World, answers: &Answers, audits: bool) -> Result<(), String> {
    let read = |error: WorldError| format!("the store cannot be read: {error}");
    let taken = taken(world).await?;
    inbox(&world.inbox().await.map_err(read)?, &taken, answers)?;
    counted(world).await?;
    if audits { audited(world).await } else { Ok(()) }
}

/// Values that outlive runs are what the logs of the runs that wrote them come to, each result once.
///
/// # Errors
/// A value that is another one.
pub async fn counted(world: &World) -> Result<(), String> {
    counted_by(world, "counter").await?;
    counted_by(world, "reminded").await
}

async fn counted_by(world: &World, brain: &str) -> Result<(), String> {
    let filter = RunFilter { brain: Some(brain.into()), ..RunFilter::default() };
    let page = world.rows().runs(Scope::default(), &filter, None, 1_000).await;
    let mut wanted: BTreeMap<KvId, u64> = BTreeMap::new();
    for record in page.map_err(|error| error.to_string())?.items {
        let log = world.log(record.run.id).await.map_err(|error| error.to_string())?;
        let mut add = |id| *wanted.entry(id).or_default() += 1;
        if brain == "reminded" {
            turns(&log)?.into_iter().for_each(|_| add(KvId::shared(brain, "turns")));
            continue;
        }
        for entry in log {
            match &entry.event {
                EventBody::StepComplete { step, .. } if step == "count" => {
                    let key = record.run.state()["key"].as_str().unwrap_or_default();
                    add(KvId::shared("counter", "counted"));
                    add(KvId { scope: key.into(), ..KvId::shared("counter", "seen") });
                }
                EventBody::ItemComplete { step, .. } if step == "tally" => {
                    add(KvId::shared("counter", "tallied"));
                }
                _ => {}
            }
        }
    }
    let found = world.rows().kv().values(Scope::default(), brain, None, 1_000).await;
    let found = found.map_err(|error| error.to_string())?;
    let found: BTreeMap<KvId, u64> =
        found.into_iter().map(|(id, read)| (id, read.record.value.as_u64().unwrap_or(0))).collect();
    if found == wanted {
        Ok(())
    } else {
        Err(format!("values are {found:?}, and the logs come to {wanted:?}"))
    }
}

/// Turns of the reminder that counts them which are complete, by their waits and numbers.
///
/// # Errors
/// A turn is complete twice, or too many are.
fn turns(log: &[Event]) -> Result<BTreeSet<(WaitId, u32)>, String> {
    let mut turns = BTreeSet::new();
    for entry in log {
        if let EventBody::Reminder(turn) = &entry.event
            && turn.progress == ReminderProgress::Complete
            && turn.name == "often"
            && (turn.nth > TIMES || !turns.insert((turn.wait, turn.nth)))
        {
            return Err(format!(
                "turn {} of a reminder of {} is complete once too often",
                turn.nth, turn.wait
            ));
        }
    }
    Ok(turns)
}

/// The audit alone, which must be clean after every commit.
///
/// # Errors
/// What it found.
pub async fn audited(world: &World) -> Result<(), String> {
    let report = audit(&**world.rows(), Scope::default(), &mut |_| {}).await;
    let report = report.map_err(|error| error.to_string())?;
    if report.is_clean() { Ok(()) } else { Err(format!("the audit: {:#?}", report.violations)) }
}

/// How often each event was taken by a run, over all logs.
async fn taken(world: &World) -> Result<BTreeMap<EventId, u32>, String> {
    let mut taken: BTreeMap<EventId, u32> = BTreeMap::new();
    let mut before = None;
    loop {
        let store = world.rows();
        let page = store.runs(Scope::default(), &RunFilter::default(), before, 100).await;
        let page = page.map_err(|error| error.to_string())?;
        for record in &page.items {
            let run = &record.run;
            let log = world.log(run.id).await.map_err(|error| error.to_string())?;
            for (at, entry) in log.iter().enumerate() {
                if entry.seq != at as u64 + 1 {
                    return Err(format!("entry {} of {} has seq {}", at + 1, run.id, entry.seq));
                }
                if let EventBody::WaitAnswered { event: Some(event), .. }
                | EventBody::WaitCollected { event: Some(event), .. } = entry.event
                {
                    *taken.entry(event).or_default() += 1;
                }
            }
            if matches!(run.status, RunStatus::Running | RunStatus::Paused) {
                let work =
                    store.work_of(Scope::default(), run.id).await.map_err(|error| error.to_string())?;
                return Err(format!("{} is {:?} in fair weather: {work:?}", run.id, run.status));
            }
            if let Some(reminding) = &run.reminding {
                return Err(format!("{} is under way in {} in fair weather", reminding.name, run.id));
            }
            // Whoever waits can be found by an event, and no event waits for it.
            for wait in &run.waits {
                for registration in &wait.registrations {
                    let line = store.waiters(Scope::default(), &registration.key, None, 0, usize::MAX).await;
                    let line = line.map_err(|error| error.to_string())?;
                    let is_it = |id| matches!(id, WaiterId::Wait(other, _) if other == wait.id);
                    if !line.iter().any(|(_, waiter)| is_it(waiter.id())) {
                        return Err(format!(
                            "{} waits on {} and cannot be found there",
                            run.id, registration.key
                        ));
                    }
                }
            }
        }
        before = page.next;
        if before.is_none() {
            return Ok(taken);
        }
    }
}

fn inbox(inbox: &[Delivery], taken: &BTreeMap<EventId, u32>, answers: &Answers) -> Result<(), String> {
    let mut firsts: BTreeMap<String, u32> = BTreeMap::new();
    let mut known = BTreeSet::new();
    for delivery in inbox {
        for event in &delivery.events {
            known.insert(event.id);
            let times = taken.get(&event.id).copied().unwrap_or(0);
            let is_taken = matches!(event.state, InboxState::Resumed | InboxState::Collected);
            if times != u32::from(is_taken) {
                let name = event.provider_id.as_deref().unwrap_or("an event");
                return Err(format!("{name} is {} and was taken {times} times", event.state.as_str()));
            }
            let is_first = !matches!(event.state, InboxState::Duplicate | InboxState::Quarantined)
                && !event.is_superseded();
            if let (true, Some(id)) = (is_first, &event.provider_id) {
                *firsts.entry(format!("{}/{id}", delivery.slug)).or_default() += 1;
            }
        }
    }
    if let Some(event) = taken.keys().find(|event| !known.contains(event)) {
        return Err(format!("{event} was taken and is not in the inbox"));
    }
    for (id, times) in &firsts {
        if *times != 1 {
            return Err(format!("{id} has had {times} effects"));
        }
    }
    for (id, actions) in answers {
        if !firsts.contains_key(id) {
            return Err(format!("{id} was answered {actions:?} and is lost"));
        }
        let originals = actions.iter().filter(|action| !matches!(**action, "duplicate")).count();
        if originals > 1 && !id.starts_with("pair/") {
            return Err(format!("{id} was answered {actions:?}"));
        }
    }
    Ok(())
}
