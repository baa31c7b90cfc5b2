//! The executor of one run: claims it, runs its steps one after the other
//! while it stays ready, commits each.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use px_core::event::{Failure, FailureKind};
use px_core::run::{After, Command, StepOutcome, Then};
use px_core::wait::Wait;
use px_core::{Run, RunId, RunStatus, Stopwatch};
use px_sdk::{Body, Continue, Cx, Nested, StepContext, StepDef, StepError, StepOutput};
use px_store::{Admission, Outcome, Work};

use crate::fitness::{self, panic_text, same_response};
use crate::items;
use crate::metrics;
use crate::position::{Found, Position, find};
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
        Box::pin(session.commit(Some(Command::Halt { reason: Some(reason) }))).await.map(drop)
    } else {
        let mut steps = pin!(steps(parts, limits, &session));
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
        let record = session.run().await;
        let run = &record.run;
        if run.pause_requested {
            let reason = run.reason.clone();
            session.commit(Some(Command::Halt { reason })).await?;
            return Ok(());
        }
        let place = match find(&parts.registry, run)
            .and_then(|place| same_response(&parts.registry, run).map(|()| place))
        {
            Ok(place) => place,
            Err(reason) => {
                session.commit(Some(Command::Halt { reason: Some(reason) })).await?;
                return Ok(());
            }
        };
        let command = match &place {
            Position::Leave(found, nested) => leave(run, found, nested),
            Position::Step(found) => {
                if let Some(command) = migration(run, found) {
                    let rests = matches!(command, Command::Halt { .. });
                    if session.commit(Some(command)).await? != Committed::GoesOn || rests {
                        return Ok(());
                    }
                    continue;
                }
                let begun = parts.clock.now();
                session.begin(found.index, begun).await;
                match &found.step.body {
                    Body::Brain(nested) => enter(run, nested),
                    _ => match run_step(limits, session, run, found.step).await? {
                        Some(result) => command(parts, run, found, result),
                        None => return Ok(()),
                    },
                }
            }
        };
        // So that the commit need not copy it.
        drop(record);
        match session.commit(Some(command)).await? {
            Committed::GoesOn => {}
            Committed::Rests | Committed::Revoked => return Ok(()),
        }
    }
}

/// What brings a state that another version left to what this one expects.
fn migration(run: &Run, found: &Found<'_>) -> Option<Command> {
    Some(match fitness::migrated(run, found)? {
        Ok(state) => Command::Migrate { version: found.brain.version, state },
        Err(reason) => Command::Halt { reason: Some(reason) },
    })
}

/// Goes into a nested brain.
fn enter(run: &Run, nested: &Nested) -> Command {
    let state = run.frame().map(|frame| frame.state.clone()).unwrap_or_default();
    match std::panic::catch_unwind(AssertUnwindSafe(|| nested.enter(state))) {
        Ok(Ok(initial_state)) => Command::EnterBrain { brain: Box::new(nested.brain.info()), initial_state },
        Ok(Err(error)) => match unfit(run, error) {
            StepResult::Failed { error, .. } => Command::FailStep { error, retry_at: None },
            StepResult::Unfit(reason) => Command::Halt { reason: Some(reason) },
            StepResult::Returned(_) => Command::Halt { reason: None },
        },
        Err(panic) => {
            let error = failure(FailureKind::Panic, "Panic", panic_text(&*panic));
            Command::FailStep { error, retry_at: None }
        }
    }
}

/// Takes the result of a nested brain that is through.
fn leave(run: &Run, found: &Found<'_>, nested: &Nested) -> Command {
    let [.., outer, inner] = run.frames.as_slice() else { return Command::Halt { reason: None } };
    let code = || nested.leave(outer.state.clone(), inner.state.clone(), inner.halted);
    match std::panic::catch_unwind(AssertUnwindSafe(code)) {
        Ok(Ok(state)) => {
            let after = found.next().map_or(After::End, |next| After::Step(next.info.title.clone()));
            Command::LeaveBrain { state, after }
        }
        Ok(Err(error)) => match unfit(run, error) {
            StepResult::Failed { error, .. } => Command::Fail { error },
            StepResult::Unfit(reason) => Command::Halt { reason: Some(reason) },
            StepResult::Returned(_) => Command::Halt { reason: None },
        },
        Err(panic) => Command::Fail { error: failure(FailureKind::Panic, "Panic", panic_text(&*panic)) },
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
) -> Result<Option<StepResult>, SessionError> {
    let Some(frame) = run.frame() else { return Ok(None) };
    let about = StepContext {
        run: run.id,
        brain: frame.brain.clone(),
        step: frame.step.clone(),
        path: run.path(),
        item: None,
        iteration: frame.iteration,
        attempt: attempt(run),
        options: run.options.clone(),
        once: run.once.clone(),
    };
    // The call itself is user code too, and may panic before there is a future.
    let mut code = pin!(async {
        let state = frame.state.clone();
        match &step.body {
            Body::Code(code) => {
                code(Cx::new(about, Arc::clone(session) as _), state, run.given.clone()).await
            }
            Body::Map(map) => Box::pin(items::work(session, run, map, &about, state)).await,
            Body::Brain(_) => Err(StepError::State("a nested brain has no code".into())),
        }
    });
    let code = AssertUnwindSafe(code.as_mut()).catch_unwind();
    let time = step.options.timeout;
    let mut code = pin!(async {
        match time {
            Some(time) => tokio::time::timeout(time, code).await.ok(),
            None => Some(code.await),
        }
    });
    let watch = Stopwatch::start();
    let result = tokio::select! {
        biased;
        result = &mut code => result,
        () = tokio::time::sleep(limits.visible_after) => {
            // The step goes on while its start is committed: it may be in the
            // middle of a commit of its own, and hold the session for that.
            // What was revoked before this is found by the commit that shows the step.
            let revoked = session.revoked();
            let mut showing = Box::pin(session.show());
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
                    // Nothing that it does can be committed any more: it may
                    // clean up, and is then dropped where it stands.
                    () = revoked => {
                        session.revoke();
                        let _ = tokio::time::timeout(limits.cancel_grace, &mut code).await;
                        return Ok(None);
                    }
                },
            }
        }
    };
    metrics::STEP.observe(watch.elapsed());
    match &result {
        Some(Ok(Ok(_))) => metrics::RETURNED.increment(),
        _ => metrics::FAILED.increment(),
    }
    Ok(Some(match result {
        None => {
            let message = format!("step '{}' took longer than {:?}", frame.step, time.unwrap_or_default());
            StepResult::Failed { error: failure(FailureKind::Step, "Timeout", message), can_retry: true }
        }
        Some(Ok(Ok(output))) => StepResult::Returned(output),
        Some(Ok(Err(error))) => unfit(run, error),
        Some(Err(panic)) => {
            let error = failure(FailureKind::Panic, "Panic", panic_text(&*panic));
            StepResult::Failed { error, can_retry: false }
        }
    }))
}

fn failure(kind: FailureKind, name: &str, message: String) -> Failure {
    Failure { kind, name: name.into(), message, stack: None }
}

/// What follows from a step that has no outcome.
fn unfit(run: &Run, error: StepError) -> StepResult {
    let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
    match error {
        StepError::State(why) => {
            StepResult::Unfit(format!("the stored state does not fit step '{step}': {why}"))
        }
        StepError::Response(why) => {
            StepResult::Unfit(format!("the stored response does not fit step '{step}': {why}"))
        }
        StepError::Failed(error) => {
            let stack = (!error.causes().is_empty()).then(|| error.causes().join("\n"));
            let can_retry = !error.is_permanent();
            let failure = failure(FailureKind::Step, error.name(), error.message().to_owned());
            StepResult::Failed { error: Failure { stack, ..failure }, can_retry }
        }
    }
}

/// Which attempt at the current step runs now. A start after a crash is no new
/// attempt (RULES 36).
fn attempt(run: &Run) -> u32 {
    let before = run.frame().map_or(0, |frame| frame.attempt);
    if run.in_step { before.max(1) } else { before + 1 }
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
    let after = match found.next() {
        _ if output.halts => After::Halt,
        _ if output.repeats => After::Same,
        Some(next) => After::Step(next.info.title.clone()),
        None => After::End,
    };
    let now = parts.clock.now();
    let then = match output.then {
        Continue::Go => Then::Go,
        Continue::Given(given) => Then::Given(given),
        Continue::Stream if run.stream().is_none() => {
            let message = "the stream is over, and the step asks for more of it: it must be done".to_owned();
            let error = failure(FailureKind::Step, "StreamOver", message);
            return Command::FailStep { error, retry_at: None };
        }
        Continue::Stream => Then::Stream,
        Continue::Wait(request)
            if request.registrations.iter().any(|one| one.key.awaited_run() == Some(run.id)) =>
        {
            let message = "the run waits for its own end: nothing could end that".to_owned();
            let error = failure(FailureKind::Step, "WaitsForItself", message);
            return Command::FailStep { error, retry_at: None };
        }
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
