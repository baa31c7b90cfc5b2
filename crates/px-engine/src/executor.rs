//! The executor of one run: claims it, runs its steps one after the other
//! while it stays ready, commits each.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use px_core::event::{Failure, FailureKind};
use px_core::run::{After, Command, StepOutcome, Then};
use px_core::wait::Wait;
use px_core::{Run, RunId, RunStatus};
use px_sdk::{BrainDef, Continue, Cx, StepContext, StepDef, StepError, StepOutput};
use px_store::{Admission, Outcome, Work};

use crate::session::{Claim, Committed, Session, SessionError};
use crate::shared::{Limits, Parts};

/// Runs the steps of a run until it rests. Does nothing if it is not ready, or
/// if somebody else has it.
pub(crate) async fn execute(parts: &Parts, limits: &Limits, run: RunId) -> Result<(), SessionError> {
    let Some(found) = parts.store.work_of(parts.scope, run).await? else { return Ok(()) };
    let Some(record) = parts.store.run(parts.scope, run).await? else { return Ok(()) };
    if record.run.status != RunStatus::Running {
        return Ok(());
    }
    let died = found.record.owner.is_some_and(|owner| owner != parts.owner);
    let deaths = found.record.deaths + u32::from(died);
    let claim = Claim {
        fence: parts.ids.version(parts.clock.now()),
        work: Work { since: found.record.since, owner: Some(parts.owner), deaths },
    };
    let mut draft = parts.draft();
    draft.fence(run, found.version);
    draft.put_work(run, claim.fence, claim.work.clone());
    // Written, not awaited: the step runs while the claim becomes durable, and
    // the step's own commit, which comes behind it, demands its fence.
    let mut writing = pin!(parts.store.commit(draft.into_batch(), Admission::Wait));
    let mut written = writing.as_mut().now_or_never();
    let session = Arc::new(Session::new(parts.clone(), claim, record));
    let result = if deaths >= limits.max_deaths {
        let reason = format!("{deaths} processes died while this step ran; resume the run to try once more");
        session.commit(Some(Command::Halt { reason: Some(reason) })).await.map(drop)
    } else {
        let steps = steps(parts, limits, &session);
        let mut steps = pin!(steps);
        loop {
            if written.is_some() {
                break steps.await;
            }
            tokio::select! {
                biased;
                outcome = &mut writing => written = Some(outcome),
                result = &mut steps => break result,
            }
        }
    };
    let written = match written {
        Some(outcome) => outcome,
        None => writing.await,
    };
    match written? {
        // Somebody else has the run; whatever the step did here was refused.
        Outcome::Conflict(_) => Ok(()),
        Outcome::Committed { .. } => result,
    }
}

async fn steps(parts: &Parts, limits: &Limits, session: &Arc<Session>) -> Result<(), SessionError> {
    loop {
        let run = session.run().await;
        if run.pause_requested {
            session.commit(Some(Command::Halt { reason: run.reason })).await?;
            return Ok(());
        }
        let found = match find(parts, &run).and_then(|found| same_response(parts, &run).map(|()| found)) {
            Ok(found) => found,
            Err(reason) => {
                session.commit(Some(Command::Halt { reason: Some(reason) })).await?;
                return Ok(());
            }
        };
        let begun = parts.clock.now();
        session.begin(found.index, begun).await;
        let revoked = session.revoked();
        let command = match run_step(limits, session, &run, found.step, revoked).await? {
            Some(result) => command(parts, &run, &found, result),
            None => return Ok(()),
        };
        match session.commit(Some(command)).await? {
            Committed::GoesOn => {}
            Committed::Rests | Committed::Revoked => return Ok(()),
        }
    }
}

/// The step that a run is at, in the brain as this binary has it.
struct Found<'a> {
    brain: &'a BrainDef,
    step: &'a StepDef,
    index: u32,
}

fn find<'a>(parts: &'a Parts, run: &Run) -> Result<Found<'a>, String> {
    let frame = run.frame().ok_or("the run has no position")?;
    let brain = parts
        .registry
        .brain(&frame.brain)
        .ok_or_else(|| format!("brain '{}' is not in this binary any more", frame.brain))?;
    brain
        .steps
        .iter()
        .enumerate()
        .find(|(_, step)| step.info.title == frame.step)
        .map(|(index, step)| Found { brain, step, index: u32::try_from(index).unwrap_or(u32::MAX) })
        .ok_or_else(|| format!("step '{}' is not in brain '{}' any more", frame.step, frame.brain))
}

/// Whether the response that the step will be given has the schema that it had
/// when the wait was opened (RULES 14).
fn same_response(parts: &Parts, run: &Run) -> Result<(), String> {
    let given = run.given.as_ref();
    let Some((key, then)) = given.and_then(|given| given.key.as_ref().zip(given.schema)) else {
        return Ok(());
    };
    match parts.registry.response_fingerprint(&key.slug) {
        Some(now) if now != then => Err(format!(
            "response changed: webhook '{}' gives another response than when the run began to wait for it",
            key.slug
        )),
        _ => Ok(()),
    }
}

enum StepResult {
    Returned(StepOutput),
    Unfit(String),
    Failed { error: Failure, can_retry: bool },
}

/// Runs the step's code. `None` if the claim was revoked meanwhile.
async fn run_step(
    limits: &Limits,
    session: &Arc<Session>,
    run: &Run,
    step: &StepDef,
    revoked: impl Future<Output = ()>,
) -> Result<Option<StepResult>, SessionError> {
    let Some(frame) = run.frame() else { return Ok(None) };
    let about = StepContext {
        run: run.id,
        brain: frame.brain.clone(),
        step: frame.step.clone(),
        iteration: frame.iteration,
        attempt: attempt(run),
        options: run.options.clone(),
        once: run.once.clone(),
    };
    let cx = Cx::new(about, Arc::clone(session) as _);
    // The call itself is user code too, and may panic before there is a future.
    let code = async { step.run(cx, frame.state.clone(), run.given.clone()).await };
    let code = AssertUnwindSafe(code).catch_unwind();
    let time = step.options.timeout;
    let mut code = pin!(async {
        match time {
            Some(time) => tokio::time::timeout(time, code).await.ok(),
            None => Some(code.await),
        }
    });
    let result = tokio::select! {
        biased;
        result = &mut code => result,
        () = tokio::time::sleep(limits.visible_after) => {
            // The step goes on while its start is committed: it may be in the
            // middle of a commit of its own, and hold the session for that.
            let mut showing = pin!(session.show());
            let mut done = None;
            let shown = loop {
                tokio::select! {
                    biased;
                    shown = &mut showing => break shown?,
                    result = &mut code, if done.is_none() => done = Some(result),
                }
            };
            if shown == Committed::Revoked {
                return Ok(None);
            }
            match done {
                Some(result) => result,
                None => tokio::select! {
                    biased;
                    result = &mut code => result,
                    // Nothing that it does can be committed any more: drop it where it stands.
                    () = revoked => return Ok(None),
                },
            }
        }
    };
    let failed = |kind, name: &str, message| Failure { kind, name: name.into(), message, stack: None };
    Ok(Some(match result {
        None => {
            let message = format!("step '{}' took longer than {:?}", frame.step, time.unwrap_or_default());
            StepResult::Failed { error: failed(FailureKind::Step, "Timeout", message), can_retry: true }
        }
        Some(Ok(Ok(output))) => StepResult::Returned(output),
        Some(Ok(Err(StepError::State(why)))) => {
            StepResult::Unfit(format!("the stored state does not fit step '{}': {why}", frame.step))
        }
        Some(Ok(Err(StepError::Response(why)))) => {
            StepResult::Unfit(format!("the stored response does not fit step '{}': {why}", frame.step))
        }
        Some(Ok(Err(StepError::Failed(error)))) => {
            let stack = (!error.causes().is_empty()).then(|| error.causes().join("\n"));
            let can_retry = !error.is_permanent();
            let error = failed(FailureKind::Step, error.name(), error.message().to_owned());
            StepResult::Failed { error: Failure { stack, ..error }, can_retry }
        }
        Some(Err(panic)) => {
            let error = failed(FailureKind::Panic, "Panic", panic_text(&*panic));
            StepResult::Failed { error, can_retry: false }
        }
    }))
}

/// Which attempt at the current step runs now. A start after a crash is no new
/// attempt (RULES 36).
fn attempt(run: &Run) -> u32 {
    let before = run.frame().map_or(0, |frame| frame.attempt);
    if run.in_step { before.max(1) } else { before + 1 }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the step panicked without a message".to_owned())
}

fn command(parts: &Parts, run: &Run, found: &Found<'_>, result: StepResult) -> Command {
    let output = match result {
        StepResult::Returned(output) => output,
        StepResult::Unfit(reason) => return Command::Halt { reason: Some(reason) },
        StepResult::Failed { error, can_retry } => {
            let retry = found.step.options.retry.filter(|_| can_retry);
            let now = parts.clock.now();
            let pause = retry.and_then(|retry| retry.pause(attempt(run), parts.ids.version(now)));
            return Command::FailStep { error, retry_at: pause.map(|pause| now.after(pause)) };
        }
    };
    let after = if output.repeats {
        After::Same
    } else {
        match found.brain.steps.get(found.index as usize + 1) {
            Some(next) => After::Step(next.info.title.clone()),
            None => After::End,
        }
    };
    let now = parts.clock.now();
    let then = match output.then {
        Continue::Go => Then::Go,
        Continue::Given(given) => Then::Given(given),
        Continue::Wait(request)
            if request.registrations.is_empty() && request.timeout.is_none() && request.until.is_none() =>
        {
            let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
            let message =
                format!("step '{step}' waits for an empty list without a timeout: nothing could end that");
            let error = Failure { kind: FailureKind::Step, name: "EmptyWait".into(), message, stack: None };
            return Command::FailStep { error, retry_at: None };
        }
        Continue::Wait(request) => Then::Wait(Wait {
            id: parts.ids.wait(now),
            mode: request.mode,
            collected: Vec::new(),
            registrations: request.registrations,
            opened_at: now,
            deadline: request.until.or_else(|| request.timeout.map(|timeout| now.after(timeout))),
            fresh: request.fresh,
        }),
    };
    Command::ReturnStep(Box::new(StepOutcome { state: output.state, after, then }))
}

/// Gives a claimed run back, for this or another process to take.
pub(crate) async fn release(parts: &Parts, run: RunId) -> Result<(), px_store::Error> {
    let Some(found) = parts.store.work_of(parts.scope, run).await? else { return Ok(()) };
    if found.record.owner != Some(parts.owner) {
        return Ok(());
    }
    let mut draft = parts.draft();
    draft.fence(run, found.version);
    draft.put_work(run, parts.ids.version(parts.clock.now()), Work { owner: None, ..found.record });
    // A conflict means that the run was cancelled meanwhile.
    parts.store.commit(draft.into_batch(), Admission::Wait).await.map(drop)
}
