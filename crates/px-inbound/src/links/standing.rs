//! The standing of a question: open, answered and by whom, or over. It is read from
//! the run while the wait is open, and from the run's log afterwards; nothing is
//! written for it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use px_core::event::{EventBody, Given};
use px_core::key::LINK_SLUG;
use px_core::run::OnceValue;
use px_core::wait::{Ask, Registration, Wait};
use px_core::{Event, KeyId, LinkId, Run, RunId, Timestamp, WaitId};
use px_sdk::link::LinkClaims;
use px_store::{DedupRecord, Error};
use serde_json::Value;

use crate::context::InboundContext;

/// Entries of a log that are read at once.
const PAGE: usize = 500;

/// Entries of a log that are read for one visit at most: of a longer one the visitor is
/// told that the question is closed, and not how.
const MAX_ENTRIES: usize = 100_000;

/// Maximum number of accounts that are kept, and of registrations of a wait whose account is.
const MAX_HISTORIES: usize = 128;
const MAX_KEPT_REGISTRATIONS: usize = 64;

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
    /// True while another link of the wait can still be answered.
    pub(super) others: bool,
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
    /// The step wanted no more answers.
    Closed,
    /// The run was cancelled.
    Cancelled,
    /// The run failed.
    Failed,
    /// The run went back to an earlier step.
    Reran,
    /// The run is over, or went on, and nothing more is known.
    Unknown,
}

/// Looks where the question of a link stands.
pub(super) async fn look(
    context: &InboundContext,
    histories: &Histories,
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
        if !wait.is_answered(index) && taken.is_none() {
            let is_expired = claims.expires.is_some_and(|at| at <= now);
            return Ok(if is_expired { Standing::Expired(ask.clone()) } else { Standing::Open(ask.clone()) });
        }
    } else if is_being_asked(&run, &identifier) {
        return Ok(Standing::Early);
    }
    let mut history = histories.take((run.id, claims.link)).unwrap_or_else(|| History::new(key.clone()));
    history.read(context, &run).await?;
    let mut over = history.over.clone();
    over.others = open.is_some_and(|(wait, own, _)| {
        let mut others =
            wait.registrations.iter().zip(0..).filter(|(one, index)| one.ask.is_some() && *index != own);
        others.any(|(_, index)| !wait.is_answered(index))
    });
    histories.keep((run.id, claims.link), history);
    if open.is_none() {
        // Of a wait that is not found any more nothing is known but that it is not open.
        over.ended.get_or_insert(End::Unknown);
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

/// Accounts that were read lately, so that whoever opens a link again and again has only what was logged since
/// read for it. A log is only ever added to.
#[derive(Debug, Default)]
pub(super) struct Histories(Mutex<VecDeque<((RunId, LinkId), History)>>);

impl Histories {
    fn take(&self, of: (RunId, LinkId)) -> Option<History> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(one, _)| *one == of)?;
        kept.remove(place).map(|(_, history)| history)
    }

    fn keep(&self, of: (RunId, LinkId), history: History) {
        if history
            .wait
            .as_ref()
            .is_some_and(|(_, registrations)| registrations.len() > MAX_KEPT_REGISTRATIONS)
        {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_HISTORIES {
            kept.pop_front();
        }
        kept.push_back((of, history));
    }
}

/// Account of the wait of one link, from its run's log.
#[derive(Debug)]
struct History {
    key: KeyId,
    /// Sequence number of the last entry that was read.
    after: u64,
    /// The wait, once it was found.
    wait: Option<(WaitId, Vec<Registration>)>,
    over: Over,
}

impl History {
    fn new(key: KeyId) -> Self {
        Self { key, after: 0, wait: None, over: Over::default() }
    }

    /// Reads on in the log, as far as it is about the wait.
    async fn read(&mut self, context: &InboundContext, run: &Run) -> Result<(), Error> {
        let mut read = 0;
        while read < MAX_ENTRIES && self.after < run.seq && self.over.ended.is_none() {
            let entries = context.store.events(context.scope, run.id, self.after, PAGE).await?;
            if entries.is_empty() {
                break;
            }
            read += entries.len();
            for entry in &entries {
                self.take(entry);
                self.after = entry.seq;
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
            EventBody::WaitClosed { wait: of } if *of == wait => End::Closed,
            EventBody::BrainCancelled { .. } => End::Cancelled,
            EventBody::BrainError { .. } => End::Failed,
            EventBody::Rerun { .. } => End::Reran,
            EventBody::BrainComplete => End::Unknown,
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
