//! The claim of one run: who may take it up, and when its steps may begin.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use px_core::RunId;
use px_core::run::Command;
use px_store::{Admission, ClaimRequest, Claimed, Outcome, RunRecord, Work};

use crate::executor::{self, Place};
use crate::metrics;
use crate::places::Reserved;
use crate::remind;
use crate::session::{Claim, Session, SessionError};
use crate::shared::{Limits, Parts};

/// Result of an executor's turn at a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The run moved on, or somebody else was first.
    Moved,
    /// There was nothing to do: the run is not ready, or another member has it.
    Nothing,
    /// Two processes died while the step ran. It has to wait for a turn.
    Suspect,
}

/// Way in which an executor comes to a run.
pub(crate) enum Taken {
    /// It may have to be claimed first.
    Ready,
    /// As [`Taken::Ready`], with a turn of the suspects.
    InTurn,
    /// As [`Taken::Ready`] or [`Taken::InTurn`], after an error of the store or a death:
    /// steps begin once their claim is durable, so that they do not run over and over
    /// while nothing of what they do can be kept.
    Again { in_turn: bool },
    /// It was born claimed just now.
    Reserved(Box<Reserved>),
    /// It was born claimed a while ago, and may have been paused or answered since.
    Found(Box<Reserved>),
    /// It was claimed together with others.
    Claimed(Box<Claimed>),
}

/// Runs the steps of a run until it rests. Does nothing if it is not ready, or
/// if another member has it.
pub(crate) async fn execute(
    parts: &Parts,
    limits: &Limits,
    run: RunId,
    taken: Taken,
    place: &Place,
) -> Result<Executed, SessionError> {
    parts.pool.expect_step();
    let (is_in_turn, is_again) = match taken {
        Taken::Reserved(reserved) => return execute_reserved(parts, limits, *reserved).await,
        Taken::Found(reserved) => return execute_found(parts, limits, *reserved).await,
        Taken::Claimed(claimed) => return execute_claimed(parts, limits, *claimed, place).await,
        Taken::Ready => (false, false),
        Taken::InTurn => (true, false),
        Taken::Again { in_turn } => (in_turn, true),
    };
    let Some(found) = parts.store.work_of(parts.scope, run).await? else { return Ok(Executed::Nothing) };
    let me = parts.cluster.me();
    match found.record.owner {
        None => {}
        // Born claimed, and its caller went away or its hint was lost.
        Some(owner) if owner == me => {
            if let Some(reserved) = parts.places.take(run, found.version) {
                return execute_found(parts, limits, reserved).await;
            }
        }
        // Only a takeover frees it.
        Some(_) => return Ok(Executed::Nothing),
    }
    if !is_in_turn && limits.is_suspect(found.record.deaths) {
        return Ok(Executed::Suspect);
    }
    if parts.cluster.is_shared() {
        // Another member may be about to claim it too: only the one whose claim
        // is durable begins the step.
        let claimed = claim(parts, &[run], 1).await?.pop();
        let Some(claimed) = claimed else { return Ok(Executed::Nothing) };
        return execute_claimed(parts, limits, claimed, place).await;
    }
    let record = match run_of(parts, run, found.version).await? {
        Ok(record) => record,
        Err(executed) => return Ok(executed),
    };
    let claim = Claim {
        // A new one even if the row is this member's already: what an execution
        // left behind that demands the old one must not be done.
        fence: parts.ids.version(parts.clock.now()),
        before: found.version,
        work: Work { owner: Some(me), ..found.record },
    };
    claim_and_run(parts, limits, claim, record, is_again, place).await
}

/// The brains that this binary does not know and another member of the cluster
/// does: during a deploy, their runs are that one's. Where nobody knows the brain of
/// a run, the run is paused.
async fn left_to_others(parts: &Parts) -> Result<BTreeSet<String>, px_store::Error> {
    if !parts.cluster.is_shared() {
        return Ok(BTreeSet::new());
    }
    let (me, members) = (parts.cluster.me(), parts.cluster.members().await?);
    let brains = members.into_iter().filter(|member| member.id != me).flat_map(|member| member.brains);
    Ok(brains.filter(|brain| parts.registry.as_ref().brain(brain).is_none()).collect())
}

/// Claims at most so many of these runs for this member. The claims are durable
/// when this returns.
pub(crate) async fn claim(
    parts: &Parts,
    runs: &[RunId],
    at_most: usize,
) -> Result<Vec<Claimed>, px_store::Error> {
    let except = left_to_others(parts).await?;
    let fences = || parts.ids.version(parts.clock.now());
    let (scope, owner) = (parts.scope, parts.cluster.me());
    parts.store.claim(ClaimRequest { scope, owner, runs, at_most, except: &except, fences: &fences }).await
}

/// Runs the steps of a run whose claim is durable.
async fn execute_claimed(
    parts: &Parts,
    limits: &Limits,
    claimed: Claimed,
    place: &Place,
) -> Result<Executed, SessionError> {
    metrics::CLAIMED.increment();
    let Claimed { fence, work, record } = claimed;
    let mut session = Session::new(parts.clone(), Claim { fence, before: fence, work }, record);
    steps_or_halt(parts, limits, &mut session, place).await.map(|()| Executed::Moved)
}

/// Runs the steps of a claimed run, unless too many processes died with it.
async fn steps_or_halt(
    parts: &Parts,
    limits: &Limits,
    session: &mut Session,
    place: &Place,
) -> Result<(), SessionError> {
    let deaths = session.deaths();
    if deaths < limits.max_deaths {
        return executor::execute(parts, limits, session, place).await;
    }
    if let Some(given_up) = remind::after_deaths(session, deaths) {
        return Box::pin(session.commit(Some(given_up))).await.map(drop);
    }
    let reason = format!("{deaths} processes died while this step ran; resume the run to try once more");
    Box::pin(session.commit(Some(Command::Halt { reason: Some(reason) }))).await.map(drop)
}

/// Writes the claim of a run and runs its steps meanwhile, or behind it if `is_again`.
/// Nobody else claims where one process has the store, so a step need not wait for its
/// claim: its own commit demands the fence, and `Store::commit` promises that a commit
/// comes behind an earlier one of its run. A claim that cannot be written ends the
/// steps, whose own commits could not be written either.
async fn claim_and_run(
    parts: &Parts,
    limits: &Limits,
    claim: Claim,
    record: RunRecord,
    is_again: bool,
    place: &Place,
) -> Result<Executed, SessionError> {
    let run = record.run.id;
    let mut draft = parts.draft();
    draft.fence(run, claim.before);
    draft.put_work(run, claim.fence, claim.work.clone());
    let mut writing = pin!(parts.store.commit(draft.into_batch(), Admission::Wait));
    let mut written = match is_again {
        true => Some(writing.as_mut().await?),
        false => writing.as_mut().now_or_never().transpose()?,
    };
    if matches!(written, Some(Outcome::Conflict(_))) {
        return Ok(Executed::Moved);
    }
    metrics::CLAIMED.increment();
    let mut session = Session::new(parts.clone(), claim, record);
    let mut steps = pin!(steps_or_halt(parts, limits, &mut session, place));
    let result = loop {
        if written.is_some() {
            break steps.await;
        }
        tokio::select! {
            biased;
            outcome = &mut writing => written = Some(outcome?),
            result = &mut steps => break result,
        }
    };
    let written = match written {
        Some(outcome) => outcome,
        None => writing.await?,
    };
    match written {
        // It was cancelled; whatever the step did here was refused.
        Outcome::Conflict(_) => Ok(Executed::Moved),
        Outcome::Committed { .. } => result.map(|()| Executed::Moved),
    }
}

/// Runs the steps of a run that was born claimed. The commit that made it ready
/// has written the claim, and is durable.
async fn execute_reserved(
    parts: &Parts,
    limits: &Limits,
    reserved: Reserved,
) -> Result<Executed, SessionError> {
    let Reserved { fence, work, record, place, .. } = reserved;
    metrics::BORN_CLAIMED.increment();
    let place = Some(Arc::new(place));
    let mut session = Session::new(parts.clone(), Claim { fence, before: fence, work }, record);
    executor::execute(parts, limits, &mut session, &place).await.map(|()| Executed::Moved)
}

/// Reads the run of a row of ready work, as it is under this very row. Whatever ends a wait writes the row of its
/// reminder anew: a run that is read behind its row may be another row's, and its step would be begun twice, the
/// first time for nothing.
async fn run_of(
    parts: &Parts,
    run: RunId,
    version: u64,
) -> Result<Result<RunRecord, Executed>, px_store::Error> {
    let record = parts.store.run(parts.scope, run).await?;
    let Some(record) = record.filter(|record| record.run.is_executable()) else {
        return Ok(Err(Executed::Nothing));
    };
    let row = parts.store.work_of(parts.scope, run).await?;
    let is_this = row.is_some_and(|row| row.version == version);
    Ok(if is_this { Ok(record) } else { Err(Executed::Moved) })
}

/// Runs the steps of a run that was born claimed and not taken up at once: it is read anew.
async fn execute_found(
    parts: &Parts,
    limits: &Limits,
    mut reserved: Reserved,
) -> Result<Executed, SessionError> {
    reserved.record = match run_of(parts, reserved.record.run.id, reserved.fence).await? {
        Ok(record) => record,
        Err(executed) => return Ok(executed),
    };
    execute_reserved(parts, limits, reserved).await
}
