//! The standing of a question: open, answered and by whom, or over. It is read from
//! the run while the wait is open, and from the run's log afterwards; nothing is
//! written for it.

use px_core::event::{EventBody, Given};
use px_core::key::LINK_SLUG;
use px_core::run::OnceValue;
use px_core::wait::{Ask, Registration, Wait};
use px_core::{Event, KeyId, Run, Timestamp, WaitId};
use px_sdk::link::LinkClaims;
use px_store::{DedupRecord, Error};
use serde_json::Value;

use crate::context::InboundContext;

/// Entries of a log that are read at once.
const PAGE: usize = 500;

/// Entries of a log that are read for one visit at most: of a longer one the visitor is
/// told that the question is closed, and not how.
const MAX_ENTRIES: usize = 100_000;

/// The state of the question behind a link.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Standing {
    /// There is no such run any more.
    Gone,
    /// The step that asks has not come to its wait yet.
    Early,
    /// It can be answered.
    Open(Ask),
    /// The link is too old, and its wait is open.
    Expired(Ask),
    /// This link was answered, or its wait was, or ended without an answer.
    Over(Over),
}

/// A question that this link answers no more.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Over {
    /// The question, if it is known still.
    pub(super) ask: Option<Ask>,
    /// The answers to it, oldest first.
    pub(super) votes: Vec<Vote>,
    /// The end of the wait; none while it is open for others.
    pub(super) ended: Option<End>,
    /// Time of its end, if it is known.
    pub(super) ended_at: Option<Timestamp>,
}

/// An answer that was given.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vote {
    /// Label of the answer; none if the wait was answered by something else than a link.
    pub(super) label: Option<String>,
    /// Approver of the link that brought it.
    pub(super) by: Option<String>,
    /// True if an operator gave it.
    pub(super) by_hand: bool,
    pub(super) at: Timestamp,
}

/// The way in which a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    TimedOut,
    /// The run was cancelled, failed, or went back; or the step wanted no more.
    Withdrawn,
}

/// Looks where the question of a link stands.
pub(super) async fn look(
    context: &InboundContext,
    claims: &LinkClaims,
    now: Timestamp,
) -> Result<Standing, Error> {
    let (store, scope) = (&context.store, context.scope);
    let Some(record) = store.run(scope, claims.run).await? else { return Ok(Standing::Gone) };
    let run = record.run;
    let identifier = claims.link.to_string();
    let key = KeyId::new(LINK_SLUG, identifier.as_str());
    let taken = store.dedup(scope, LINK_SLUG, &identifier).await?;
    let open = open(&run, &key);
    if let Some((wait, index, ask)) = open {
        let has_answered = wait.collected.iter().any(|one| one.index == index);
        if !has_answered && taken.is_none() {
            let is_expired = claims.expires.is_some_and(|at| at <= now);
            return Ok(if is_expired { Standing::Expired(ask.clone()) } else { Standing::Open(ask.clone()) });
        }
    } else if is_being_asked(&run, &identifier) {
        return Ok(Standing::Early);
    }
    let mut history = History::new(key.clone());
    history.read(context, &run).await?;
    let mut over = history.over;
    if open.is_none() {
        // Of a wait that is not found any more nothing is known but that it is not open.
        over.ended.get_or_insert(End::Withdrawn);
    }
    // An answer that waits for a paused run is in no log yet.
    if over.votes.is_empty()
        && over.ended.is_none()
        && let Some(taken) = taken
    {
        let vote = kept(context, over.ask.as_ref(), &taken).await?;
        over.votes.push(vote);
    }
    Ok(Standing::Over(over))
}

/// The open wait that listens to a link, with the index of its registration.
fn open<'a>(run: &'a Run, key: &KeyId) -> Option<(&'a Wait, u32, &'a Ask)> {
    run.waits.iter().find_map(|wait| {
        let mut registrations = wait.registrations.iter().zip(0..);
        let (found, index) = registrations.find(|(one, _)| one.key == *key)?;
        Some((wait, index, found.ask.as_deref()?))
    })
}

/// Returns whether the run's step has made this link and not returned yet.
fn is_being_asked(run: &Run, identifier: &str) -> bool {
    let made = |once: &OnceValue| once.value.get("link").and_then(Value::as_str) == Some(identifier);
    !run.status.is_terminal() && run.once.iter().any(made)
}

/// The answer that lies in the inbox for a run that takes it later.
async fn kept(context: &InboundContext, ask: Option<&Ask>, taken: &DedupRecord) -> Result<Vote, Error> {
    let found = context.store.delivery(context.scope, taken.delivery).await?;
    let response = found.and_then(|delivery| delivery.events.into_iter().next()?.response);
    Ok(Vote {
        label: response.as_ref().zip(ask).and_then(|(response, ask)| label(ask, response)),
        by: ask.and_then(|ask| ask.approver.clone()),
        by_hand: false,
        at: taken.at,
    })
}

fn label(ask: &Ask, response: &Value) -> Option<String> {
    let given = response.get("answer")?;
    ask.answers.iter().find(|answer| answer.value == *given).map(|answer| answer.label.clone())
}

/// Account of the wait of one link, from its run's log.
struct History {
    key: KeyId,
    /// The wait, once it was found.
    wait: Option<(WaitId, Vec<Registration>)>,
    over: Over,
}

impl History {
    fn new(key: KeyId) -> Self {
        Self { key, wait: None, over: Over::default() }
    }

    /// Reads the log as far as it is about the wait.
    async fn read(&mut self, context: &InboundContext, run: &Run) -> Result<(), Error> {
        let (mut after, mut read) = (0, 0);
        while read < MAX_ENTRIES && after < run.seq {
            let entries = context.store.events(context.scope, run.id, after, PAGE).await?;
            let Some(last) = entries.last() else { break };
            (after, read) = (last.seq, read + entries.len());
            for entry in &entries {
                self.take(entry);
                if self.over.ended.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, entry: &Event) {
        let Some(wait) = self.wait.as_ref().map(|(wait, _)| *wait) else {
            if let EventBody::WaitOpened { wait } = &entry.event
                && let Some(found) = wait.registrations.iter().find(|one| one.key == self.key)
            {
                self.over.ask = found.ask.as_deref().cloned();
                self.wait = Some((wait.id, wait.registrations.clone()));
            }
            return;
        };
        let end = match &entry.event {
            EventBody::WaitCollected { wait: of, collected, key, .. } if *of == wait => {
                self.vote(collected.index, &collected.response, key.is_none(), entry.at);
                return;
            }
            EventBody::WaitAnswered { wait: of, given, open, .. } if *of == wait => {
                let Given { index, response, key, .. } = given;
                if let Some(response) = response {
                    self.vote(*index, response, key.is_none(), entry.at);
                }
                if *open {
                    return;
                }
                End::Answered
            }
            EventBody::WaitTimedOut { wait: of } if *of == wait => End::TimedOut,
            EventBody::WaitClosed { wait: of } if *of == wait => End::Withdrawn,
            EventBody::BrainCancelled { .. }
            | EventBody::BrainError { .. }
            | EventBody::BrainComplete
            | EventBody::Rerun { .. } => End::Withdrawn,
            _ => return,
        };
        (self.over.ended, self.over.ended_at) = (Some(end), Some(entry.at));
    }

    fn vote(&mut self, index: u32, response: &Value, by_hand: bool, at: Timestamp) {
        let registrations = self.wait.as_ref().map(|(_, registrations)| registrations.as_slice());
        let found = registrations.unwrap_or_default().get(index as usize);
        let ask = found.and_then(|found| found.ask.as_deref());
        self.over.votes.push(Vote {
            label: ask.and_then(|ask| label(ask, response)),
            by: ask.and_then(|ask| ask.approver.clone()).filter(|_| !by_hand),
            by_hand,
            at,
        });
    }
}
