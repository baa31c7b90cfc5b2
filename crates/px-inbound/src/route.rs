//! The route of one event: a decision over the key of its identifier, and over
//! the run whose wait it fits. [`route`] decides and changes nothing;
//! [`Decision::carry_out`] writes into the draft what was decided.

use px_core::event::Cause;
use px_core::key::{Arrival, EndedBy, KeyWait, LastEnd, Route};
use px_core::run::{Command, Refusal, Response, Start, takes_response};
use px_core::{DeliveryId, KeyId, RunId, Timestamp};
use px_store::{Draft, DraftError, InboxEvent, InboxState, QueuedEvent, StartIntent};
use serde_json::Value;

use crate::accept::AcceptError;
use crate::answer::Action;
use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::phases::Incoming;

/// Maximum number of runs, among those that waited too, that an event names.
const MAX_PASSED: usize = 8;

/// The reason of an event that a webhook without an early window could not route.
const NOT_KEPT: &str = "nobody waits, and the webhook keeps no event for later";

/// The fate of an event.
pub(crate) enum Decision {
    /// Nothing follows from it: the handler said so, or said nothing to do.
    Ignore,
    /// It starts a run, which owns the key if there is one.
    Start(Option<KeyId>),
    /// It answers an open wait.
    Respond {
        key: KeyId,
        wait: KeyWait,
        /// Other runs that wait on the key, and go on waiting.
        passed: Vec<RunId>,
        /// Responses that the wait will have, and needs, where it then still needs more.
        partial: Option<(u32, u32)>,
    },
    /// Its wait has this response already.
    NotDistinct(RunId),
    /// It stays in the key's queue.
    Queue {
        key: KeyId,
        /// The run that will take it, if one owns the key or is paused or busy.
        run: Option<RunId>,
        expires_at: Option<Timestamp>,
    },
    /// Waits are open, and its token fits none; the oldest is this run's.
    WrongToken(RunId),
    /// Its wait is over.
    Late(LastEnd),
    /// Nobody waits, and the webhook keeps nothing.
    NotKept,
}

/// Decides where an event goes. Reads through the draft, so that the commit
/// fails if what the decision rests on has changed.
pub(crate) async fn route(
    endpoint: &Endpoint,
    draft: &mut Draft<'_>,
    event: &Incoming,
) -> Result<Decision, AcceptError> {
    if event.raw.ignored.is_some() {
        return Ok(Decision::Ignore);
    }
    let starts = event.raw.start.is_some();
    let Some(identifier) = &event.raw.identifier else {
        return Ok(if starts { Decision::Start(None) } else { Decision::Ignore });
    };
    let key = KeyId::new(endpoint.def.slug.as_str(), identifier.as_str());
    let now = draft.now();
    let arrival = Arrival {
        token: event.raw.token.as_deref(),
        starts,
        early: endpoint.def.early,
        queue_limit: endpoint.def.queue_limit,
        at: now,
    };
    let candidates = draft.candidates(&key, arrival.token).await?;
    let route = draft.key(&key).await?.route(&candidates, &arrival);
    Ok(match route {
        Route::Resume(wait) => return respond(endpoint, draft, event, key, wait).await,
        Route::WrongToken { run } => Decision::WrongToken(run),
        Route::Start => Decision::Start(Some(key)),
        Route::Queue { owner } => {
            let expires_at = match owner {
                Some(_) => None,
                None => endpoint.def.early.map(|early| now.after(early)),
            };
            Decision::Queue { key, run: owner, expires_at }
        }
        Route::Late(end) => Decision::Late(end),
        Route::NotKept => Decision::NotKept,
        Route::Full => return Err(AcceptError::QueueFull(key)),
    })
}

/// Decides about an event that an open wait of its key fits.
async fn respond(
    endpoint: &Endpoint,
    draft: &mut Draft<'_>,
    event: &Incoming,
    key: KeyId,
    wait: KeyWait,
) -> Result<Decision, AcceptError> {
    let run = draft.run(wait.run).await?.ok_or(DraftError::NoRun(wait.run))?;
    let nothing = empty();
    let response = event.raw.response.as_ref().unwrap_or(&nothing);
    match takes_response(run, wait.wait, wait.index, response) {
        Ok(open) => {
            let have = open.have() + 1;
            let partial = (have < open.need()).then(|| (have, open.need()));
            let passed = passed(draft, &key, wait.run).await?;
            Ok(Decision::Respond { key, wait, passed, partial })
        }
        Err(Refusal::NotDistinct) => Ok(Decision::NotDistinct(wait.run)),
        // Kept until the run resumes, or has done with the stream's event
        // before, however long that takes.
        Err(Refusal::Paused | Refusal::Busy) => {
            if draft.key(&key).await?.queued >= endpoint.def.queue_limit {
                return Err(AcceptError::QueueFull(key));
            }
            Ok(Decision::Queue { key, run: Some(wait.run), expires_at: None })
        }
        Err(refusal) => Err(DraftError::Refused(refusal).into()),
    }
}

/// The oldest other runs that wait on a key.
async fn passed(draft: &mut Draft<'_>, key: &KeyId, run: RunId) -> Result<Vec<RunId>, AcceptError> {
    let line = draft.key(key).await?.line;
    let (mut passed, mut from) = (Vec::new(), line.head);
    if line.count < 2 {
        return Ok(passed);
    }
    while passed.len() < MAX_PASSED {
        let page = draft.waiters(key, None, from, MAX_PASSED + 1).await?;
        let Some((last, _)) = page.last() else { break };
        from = last + 1;
        passed.extend(page.iter().map(|(_, waiter)| waiter.run()).filter(|other| *other != run));
        if page.len() <= MAX_PASSED {
            break;
        }
    }
    passed.truncate(MAX_PASSED);
    Ok(passed)
}

impl Decision {
    /// Writes the decision into the draft. An event that is queued lies apart from its delivery if
    /// its `place` there is given. Returns the action that its sender
    /// is told, and the event's entry in the inbox.
    pub(crate) async fn carry_out(
        self,
        context: &InboundContext,
        draft: &mut Draft<'_>,
        (delivery, place): (DeliveryId, Option<u32>),
        mut entry: InboxEvent,
    ) -> Result<(Action, InboxEvent), AcceptError> {
        let action = match self {
            Self::Ignore => Action::Ignored { token: None },
            Self::Start(key) => {
                // A route starts a run only where the event says which.
                let Some(intent) = &entry.start else { return Ok((Action::Ignored { token: None }, entry)) };
                let run = Box::pin(start(context, draft, &entry, intent, key.as_ref())).await?;
                (entry.state, entry.run) = (InboxState::Started, Some(run));
                Action::Triggered(run)
            }
            Self::Respond { key, wait, passed, partial } => {
                let response = Response {
                    wait: wait.wait,
                    index: wait.index,
                    key: Some(key),
                    event: Some(entry.id),
                    delivery: Some(delivery),
                    response: entry.response.clone().unwrap_or_else(empty),
                    test: entry.test.clone(),
                };
                draft.command(wait.run, Command::Respond(Box::new(response))).await?;
                (entry.run, entry.wait, entry.passed) = (Some(wait.run), Some(wait.wait), passed);
                match partial {
                    Some((have, need)) => {
                        entry.state = InboxState::Collected;
                        Action::Collected { run: wait.run, have, need }
                    }
                    None => {
                        entry.state = InboxState::Resumed;
                        Action::Resumed(wait.run)
                    }
                }
            }
            Self::NotDistinct(run) => {
                (entry.run, entry.reason) = (Some(run), Some(Refusal::NotDistinct.to_string()));
                Action::NotDistinct { run }
            }
            Self::Queue { key, run, expires_at } => {
                let event = QueuedEvent {
                    event: entry.id,
                    delivery,
                    token: entry.token.clone(),
                    at: draft.now(),
                    expires_at,
                    starts: entry.start.is_some(),
                    place,
                };
                if place.is_some() {
                    draft.lay_apart(&mut entry);
                }
                draft.enqueue(&key, event).await?;
                (entry.state, entry.run) = (InboxState::Queued, run);
                Action::Queued(run)
            }
            Self::WrongToken(run) => {
                (entry.run, entry.reason) = (Some(run), Some("token".into()));
                Action::Ignored { token: Some(run) }
            }
            Self::Late(end) => {
                (entry.state, entry.run) = (InboxState::Late, Some(end.run));
                entry.reason = Some(match end.by {
                    EndedBy::Done => "its wait was over".into(),
                    by => format!("its wait was ended by {}", by.as_str()),
                });
                Action::Late { run: end.run, by: end.by }
            }
            Self::NotKept => {
                entry.reason = Some(NOT_KEPT.into());
                Action::Ignored { token: None }
            }
        };
        Ok((action, entry))
    }
}

async fn start(
    context: &InboundContext,
    draft: &mut Draft<'_>,
    event: &InboxEvent,
    intent: &StartIntent,
    key: Option<&KeyId>,
) -> Result<RunId, AcceptError> {
    let StartIntent { brain, input, traceparent, version } = intent;
    let info = context.catalog.brain(brain).ok_or_else(|| AcceptError::UnknownBrain(brain.clone()))?;
    let mut start = Start::of(info, input.clone(), Cause::Event(event.id));
    start.version = version.unwrap_or(start.version);
    start.owns = key.cloned();
    start.traceparent.clone_from(traceparent);
    start.test.clone_from(&event.test);
    let run = draft.start(start).await?;
    if let Some(key) = key {
        draft.own(key, run).await?;
    }
    Ok(run)
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}
