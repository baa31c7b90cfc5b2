//! Values that outlive runs, as the engine commits them: in the commit of a step's result, each over the
//! version that the result rests on.
//!
//! A commit that comes too late is made anew. Where the step has read the value, its code runs again: the
//! result may be another one. Where it has only updated it, the update is applied again to what is there
//! now, and the code does not run. Each such loss is another commit's success, so that of many steps that
//! want one value some always go on.

use px_core::event::{Failure, FailureKind};
use px_core::run::Command;
use px_core::{KvChange, KvId, Run, json_bytes};
use px_sdk::{Error, KvLost, KvWrites, StepError};
use px_store::{BornClaimed, KvBrainWrite, KvFull, Round};

use crate::control::ControlError;
use crate::executor::{StepResult, Users, unfit};
use crate::metrics;
use crate::session::{Committed, Session, SessionError, Written};
use crate::shared::{Limits, Parts, ROUNDS_OF_CALLERS};

/// Maximum number of commits that are tried for one result, each over what was there by then.
pub(crate) const MAX_ROUNDS: u32 = 10_000;

/// Maximum number of executions of a step whose result comes too late, before the attempt fails.
pub(crate) const MAX_RUNS: u32 = 1_000;

/// A change of a value, and the version that it demands.
pub(crate) type Change = (KvId, u64, KvChange);

/// End of a commit of a step's result that writes values.
pub(crate) enum End {
    /// The run goes on: with its next step if the commit is made, which is 0, or with another execution of
    /// the same, as the one of this number that came too late.
    GoesOn(u32),
    /// It is made, and the run rests; or the claim is gone.
    Rests,
    /// The step has failed instead.
    Failed(Box<StepResult>),
}

/// The error of an attempt that always came too late.
pub(crate) fn contended() -> Error {
    Error::msg(
        "other runs changed the values that the step has read each time, before its result was committed: \
         change a value that many runs want by `update`, or try again later",
    )
}

/// The sentence about a brain that may have no more values.
pub(crate) fn full(error: &KvFull) -> String {
    format!("{error} (limits.max_kv_keys): delete some, by `px kv delete` or in a step")
}

impl Users<'_> {
    /// Commits the result of a step with the values that it writes. The step has run again so many times
    /// before, since it came too late.
    pub(crate) async fn commit_values(
        &self,
        session: &mut Session,
        run: &Run,
        command: &Command,
        mut kv: KvWrites,
        reruns: u32,
    ) -> Result<End, SessionError> {
        for _ in 0..MAX_ROUNDS {
            let mut found = Vec::new();
            for id in kv.ids() {
                found.push(session.read_kv(id).await?);
            }
            match kv.is_stale(&found) {
                Err(KvLost(_)) if reruns >= MAX_RUNS => break,
                Err(KvLost(id)) => {
                    tracing::debug!(run = %run.id, "the step runs again: another run changed value {id}");
                    return runs_again(session, reruns).await;
                }
                Ok(false) => {}
                Ok(true) => {
                    let (mut late, now) = (std::mem::take(&mut kv), found.clone());
                    let again = move || late.apply_again(&now).map(|()| late);
                    kv = match self.call(session, run, again).await? {
                        None => return Ok(End::Rests),
                        Some(Ok(Ok(applied))) => applied,
                        Some(Ok(Err(_))) if reruns >= MAX_RUNS => break,
                        // The step may have an answer to what the update says to the value of now.
                        Some(Ok(Err(error))) => {
                            tracing::debug!(run = %run.id, "the step runs again: an update fails: {error}");
                            return runs_again(session, reruns).await;
                        }
                        Some(Err(error)) => {
                            return Ok(End::Failed(Box::new(StepResult::Failed { error, can_retry: false })));
                        }
                    };
                }
            }
            let changes = kv.changes(&found);
            if let Some(message) = excess(self.limits, &changes) {
                return Ok(End::Failed(Box::new(failed("TooLarge", message, false))));
            }
            match session.commit_values(command.clone(), &changes, self.limits.max_kv_keys).await? {
                Written::Committed(Committed::GoesOn) => return Ok(End::GoesOn(0)),
                Written::Committed(_) => return Ok(End::Rests),
                Written::Changed => {}
                Written::Full(error) => {
                    return Ok(End::Failed(Box::new(failed("KvFull", full(&error), true))));
                }
            }
        }
        Ok(End::Failed(Box::new(unfit(run, StepError::Failed(contended())))))
    }
}

/// Says that a brain is about to have as many values as it may: at 80 % and at each percent behind.
pub(crate) fn note_fill(counts: &[KvBrainWrite], most: u64) {
    for KvBrainWrite { brain, keys, .. } in counts.iter().filter(|count| is_nearly_full(count.keys, most)) {
        metrics::KV_NEARLY_FULL.increment();
        if keys.is_multiple_of((most / 100).max(1)) {
            tracing::warn!(
                brain,
                keys,
                most,
                "the brain has nearly as many values as it may (limits.max_kv_keys); beyond, steps that make one \
                 fail: `px kv list` shows them, `px kv delete` removes some"
            );
        }
    }
}

const fn is_nearly_full(keys: u64, most: u64) -> bool {
    keys.saturating_mul(5) >= most.saturating_mul(4)
}

/// Lets the code of a step run again, whose result came too late.
async fn runs_again(session: &mut Session, reruns: u32) -> Result<End, SessionError> {
    Ok(if session.refresh().await? { End::GoesOn(reruns + 1) } else { End::Rests })
}

/// The sentence about values that are more together than a commit takes.
pub(crate) fn excess(limits: &Limits, changes: &[Change]) -> Option<String> {
    let most = limits.max_state_bytes.max(limits.max_kv_value_bytes);
    let bytes = |(_, _, change): &Change| match change {
        KvChange::Put(value) => json_bytes(value),
        KvChange::Keep | KvChange::Remove => 0,
    };
    (changes.iter().map(bytes).sum::<usize>() > most).then(|| {
        format!(
            "the values that are written together take more than {most} bytes (limits.max_state_bytes): write \
             them in several steps"
        )
    })
}

fn failed(name: &str, message: String, can_retry: bool) -> StepResult {
    let error = Failure { kind: FailureKind::Step, name: name.into(), message, stack: None };
    StepResult::Failed { error, can_retry }
}

impl Parts {
    /// Writes or removes a value that outlives runs, whatever is there. Returns false if there was none.
    ///
    /// # Errors
    /// The store could not take it, or the value changed too often meanwhile.
    pub async fn change_kv(&self, id: &KvId, change: &KvChange) -> Result<bool, ControlError> {
        self.transact(ROUNDS_OF_CALLERS, |_| async move {
            let found = self.store.kv().value(self.scope, id).await?.map(|read| read.version);
            if found.is_none() && *change == KvChange::Remove {
                return Ok(Round::Done(BornClaimed::none(false)));
            }
            let mut draft = self.draft();
            draft.write_kv(id.clone(), found.unwrap_or(0), change.clone());
            // Whoever writes by hand is not bounded: only tests do.
            let _ = draft.count_kv(u64::MAX).await?;
            Ok::<_, ControlError>(self.round(draft, found.is_some()))
        })
        .await
    }
}
