//! The ends of waits: a response, an answer by hand, a deadline.

use std::sync::Arc;

use serde_json::Value;

use super::{Effect, Log, MAX_KEPT_ANSWERS, Refusal, active, check_response};
use crate::event::{EventBody, Given, KeptAnswer};
use crate::id::WaitId;
use crate::key::{EndedBy, KeyId};
use crate::run::command::{Place, Response};
use crate::run::state::{Run, RunStatus};
use crate::time::Timestamp;
use crate::wait::{Collected, Wait, WaitMode};

/// Returns the open wait that takes a response. Nothing changes: a stage that
/// routes an event asks this before it gives the response.
///
/// # Errors
/// The refusal that [`Command::Respond`](crate::run::Command::Respond) would meet.
pub fn takes_response<'a>(
    run: &'a Run,
    wait: WaitId,
    index: u32,
    response: &Value,
) -> Result<&'a Wait, Refusal> {
    active(run)?;
    let wait = run.wait(wait).ok_or(Refusal::WaitOver)?;
    can_take(run)?;
    check_response(Some(response))?;
    if !wait.is_distinct(index, response) {
        return Err(Refusal::NotDistinct);
    }
    Ok(wait)
}

/// Refuses while the run cannot go on with what a wait gives it.
pub(super) fn can_take(run: &Run) -> Result<(), Refusal> {
    match run.status {
        RunStatus::Paused => Err(Refusal::Paused),
        // Only a stream is open while its run runs.
        RunStatus::Running => Err(Refusal::Busy),
        _ => Ok(()),
    }
}

/// Returns the key of the registration that an answer by hand was put to; `None` if the wait has one only.
pub(super) fn place_by_hand(wait: &Wait, index: u32) -> Option<KeyId> {
    let chosen = wait.registrations.get(index as usize).filter(|_| wait.registrations.len() > 1);
    chosen.map(|registration| registration.key.clone())
}

impl Log<'_> {
    pub(super) fn respond(&mut self, response: Response) -> Result<(), Refusal> {
        let wait = takes_response(self.run, response.wait, response.index, &response.response)?;
        let by_webhook = response.key.is_some();
        let answered = by_webhook.then_some(response.index);
        let asked = wait.registrations.get(response.index as usize);
        let key = asked.filter(|_| wait.picked).map(|registration| registration.key.clone());
        let one = Collected { index: response.index, response: response.response, key };
        if wait.have() + 1 < wait.need() {
            self.push(EventBody::WaitCollected {
                wait: response.wait,
                collected: one,
                key: response.key,
                event: response.event,
                delivery: response.delivery,
                have: wait.have() + 1,
                need: wait.need(),
                test: response.test,
            });
            return Ok(());
        }
        let registration = asked.filter(|_| by_webhook);
        let collected = match wait.mode {
            WaitMode::Any | WaitMode::Stream => Vec::new(),
            _ => wait.collected.iter().cloned().chain([one.clone()]).collect(),
        };
        self.push(EventBody::WaitAnswered {
            wait: response.wait,
            given: Given {
                index: one.index,
                response: Some(one.response),
                schema: registration.map(|registration| registration.schema),
                key: response.key,
                collected,
                passed: false,
                place: place_by_hand(wait, one.index).filter(|_| !by_webhook),
                whole: false,
            },
            event: response.event,
            delivery: response.delivery,
            open: wait.mode == WaitMode::Stream,
            kept: (!by_webhook && !self.run.kept_answers.is_empty()).then_some(KeptAnswer::Untouched),
            test: response.test,
        });
        if wait.mode == WaitMode::Stream {
            self.effect(Effect::RunStep);
            return Ok(());
        }
        // An answer by hand ends a wait as an event does: what comes for any of its
        // keys afterwards is for the waits to come (docs/rules.md#5).
        self.close_wait(wait, answered, EndedBy::Event);
        self.effect(Effect::RunStep);
        Ok(())
    }

    pub(super) fn answer(&mut self, response: Value, place: Option<Place>) -> Result<(), Refusal> {
        self.active()?;
        check_response(Some(&response))?;
        // A sleep listens to nothing, not even to an answer by hand.
        let listening = self.run.waits.iter().find(|wait| !wait.registrations.is_empty());
        match (self.run.status, listening) {
            (RunStatus::Waiting, Some(wait)) => {
                let Place { wait, index } = place.unwrap_or(Place { wait: wait.id, index: 0 });
                let (key, event, delivery) = (None, None, None);
                self.respond(Response { wait, index, key, event, delivery, response, test: None })
            }
            (RunStatus::Running, _) if self.run.kept_answers.len() >= MAX_KEPT_ANSWERS => {
                Err(Refusal::TooManyAnswers)
            }
            (RunStatus::Running, _) => {
                self.push(EventBody::AnswerKept { response });
                Ok(())
            }
            (status, _) => Err(Refusal::WrongStatus(status)),
        }
    }

    pub(super) fn time_out(&mut self, id: WaitId, at: Timestamp) -> Result<(), Refusal> {
        self.active()?;
        let wait = self.run.wait(id).ok_or(Refusal::WaitOver)?;
        can_take(self.run)?;
        if wait.deadline.is_none_or(|due| due > at) {
            return Err(Refusal::NotDue);
        }
        self.push(EventBody::WaitTimedOut { wait: id });
        self.close_wait(wait, None, EndedBy::Timeout);
        self.effect(Effect::RunStep);
        Ok(())
    }

    pub(super) fn close_waits(&mut self, by: EndedBy) {
        let run = self.run;
        for wait in &run.waits {
            self.close_wait(wait, None, by);
        }
    }

    pub(super) fn close_wait(&mut self, wait: &Wait, answered: Option<u32>, by: EndedBy) {
        if let Some(due) = wait.deadline {
            self.effect(Effect::DisarmTimer { wait: wait.id, due });
        }
        if let Some(due) = wait.next_reminder() {
            self.effect(Effect::DisarmReminder { wait: wait.id, due });
        }
        self.effect(Effect::CloseWait { wait: Arc::new(wait.clone()), answered, by });
    }
}
