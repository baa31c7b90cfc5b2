//! The executor of one run: claims it, runs its steps one after the other
//! while it stays ready, commits each. Users' code itself runs on the pool.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt;
use px_core::event::{Failure, FailureKind};
use px_core::run::{After, Command, StepOutcome, Then};
use px_core::wait::Wait;
use px_core::{Run, RunId, RunStatus, Stopwatch};
use px_pool::{Subject, panic_text};
use px_sdk::{Body, Continue, Cx, Nested, StepContext, StepError, StepOutput};
use px_store::{Admission, Outcome, RunRecord, Work};
use tokio::sync::OwnedSemaphorePermit;

use crate::fitness::{self, same_response};
use crate::items;
use crate::metrics;
use crate::places::Reserved;
use crate::port;
use crate::position::{Found, Position, find};
use crate::session::{Claim, Committed, Session, SessionError};
use crate::shared::{Limits, Parts};
use crate::supervise::{Ended, supervise};

/// A place among the steps that run at once; `None` where none are counted.
pub(crate) type Place = Option<Arc<OwnedSemaphorePermit>>;

/// What an executor did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Executed {
    /// The run moved on, or somebody else was first.
    Moved,
    /// There was nothing to do: the run is not ready, or another member has it.
    Nothing,
    /// Two processes died while the step ran. It has to wait for a turn.
    Suspect,
}

/// How a run is taken up.
pub(crate) enum Taken {
    /// It may have to be claimed first.
    Ready,
    /// As [`Taken::Ready`], with a turn of the suspects.
    InTurn,
    /// It was born claimed.
    Reserved(Box<Reserved>),
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
    let is_in_turn = match taken {
        Taken::Reserved(reserved) => return execute_reserved(parts, limits, *reserved).await,
        Taken::Ready => false,
        Taken::InTurn => true,
    };
    let Some(found) = parts.store.work_of(parts.scope, run).await? else { return Ok(Executed::Nothing) };
    let me = parts.cluster.me();
    match found.record.owner {
        None => {}
        // Born claimed, and its caller went away or its hint was lost.
        Some(owner) if owner == me => {
            if let Some(reserved) = parts.places.take(run, found.version) {
                return execute_reserved(parts, limits, reserved).await;
            }
        }
        // Only a takeover frees it.
        Some(_) => return Ok(Executed::Nothing),
    }
    let deaths = found.record.deaths;
    if !is_in_turn && deaths > 1 && deaths < limits.max_deaths && deaths + 1 >= limits.max_deaths {
        return Ok(Executed::Suspect);
    }
    let Some(record) = parts.store.run(parts.scope, run).await? else { return Ok(Executed::Nothing) };
    if record.run.status != RunStatus::Running {
        return Ok(Executed::Nothing);
    }
    let claim = Claim {
        // A new one even if the row is this member's already: what an execution
        // left behind that demands the old one must not be done.
        fence: parts.ids.version(parts.clock.now()),
        before: found.version,
        work: Work { owner: Some(me), ..found.record },
    };
    claim_and_run(parts, limits, claim, record, place).await
}

/// Writes the claim of a run, and runs its steps.
async fn claim_and_run(
    parts: &Parts,
    limits: &Limits,
    claim: Claim,
    record: RunRecord,
    place: &Place,
) -> Result<Executed, SessionError> {
    let run = record.run.id;
    let deaths = claim.work.deaths;
    let mut draft = parts.draft();
    draft.fence(run, claim.before);
    draft.put_work(run, claim.fence, claim.work.clone());
    let mut writing = pin!(parts.store.commit(draft.into_batch(), Admission::Wait));
    let mut written = if parts.cluster.is_shared() {
        // Another member may be about to claim it too: only the one whose claim
        // is durable begins the step.
        Some(writing.as_mut().await)
    } else {
        // Written, not awaited: nobody else claims, so the step runs while the
        // claim becomes durable, and the step's own commit demands its fence.
        // `Store::commit` promises that a commit comes behind an earlier one of its run.
        writing.as_mut().now_or_never()
    };
    match written {
        Some(Ok(Outcome::Conflict(_))) => return Ok(Executed::Moved),
        Some(Err(error)) => return Err(error.into()),
        Some(Ok(Outcome::Committed { .. })) | None => {}
    }
    metrics::CLAIMED.increment();
    let mut session = Session::new(parts.clone(), claim, record);
    let result = if deaths >= limits.max_deaths {
        let reason = format!("{deaths} processes died while this step ran; resume the run to try once more");
        Box::pin(session.commit(Some(Command::Halt { reason: Some(reason) }))).await.map(drop)
    } else {
        let mut steps = pin!(steps(parts, limits, &mut session, place));
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
    steps(parts, limits, &mut session, &place).await.map(|()| Executed::Moved)
}

async fn steps(
    parts: &Parts,
    limits: &Limits,
    session: &mut Session,
    place: &Place,
) -> Result<(), SessionError> {
    loop {
        let record = session.run();
        let run = &record.run;
        if run.pause_requested {
            let reason = run.reason.clone();
            session.commit(Some(Command::Halt { reason })).await?;
            return Ok(());
        }
        let position = match find(&parts.registry, run)
            .and_then(|position| same_response(&parts.registry, run).map(|()| position))
        {
            Ok(position) => position,
            Err(reason) => {
                session.commit(Some(Command::Halt { reason: Some(reason) })).await?;
                return Ok(());
            }
        };
        let users = Users { parts, limits, place };
        let command = match &position {
            Position::Leave(found, nested) => users.leave(session, run, found, nested).await?,
            Position::Step(found) if fitness::is_of_another_version(run, found) => {
                let Some(command) = users.migrate(session, run, found).await? else { return Ok(()) };
                let rests = matches!(command, Command::Halt { .. });
                if session.commit(Some(command)).await? != Committed::GoesOn || rests {
                    return Ok(());
                }
                continue;
            }
            Position::Step(found) => {
                session.begin(found.index, parts.clock.now());
                match &found.step.body {
                    Body::Brain(nested) => users.enter(session, run, nested).await?,
                    _ => users
                        .run_step(session, run, found)
                        .await?
                        .map(|result| command(parts, run, found, result)),
                }
            }
        };
        let Some(command) = command else { return Ok(()) };
        // So that the commit need not copy it.
        drop(record);
        match session.commit(Some(command)).await? {
            Committed::GoesOn => {}
            Committed::Rests | Committed::Revoked => return Ok(()),
        }
    }
}

enum StepResult {
    Returned(StepOutput),
    Unfit(String),
    Failed { error: Failure, can_retry: bool },
}

/// Users' code in its four kinds, each run on the pool. `None` says that the
/// claim is gone: there is nothing to commit.
#[derive(Clone, Copy)]
struct Users<'a> {
    parts: &'a Parts,
    limits: &'a Limits,
    place: &'a Place,
}

impl Users<'_> {
    /// Begins users' code on the pool.
    fn begin<T: Send + 'static>(
        &self,
        run: &Run,
        code: impl Future<Output = T> + Send + 'static,
    ) -> px_pool::Execution<T> {
        let frame = run.frame();
        let subject = Subject::Step {
            run: run.id,
            brain: frame.map(|frame| frame.brain.clone()).unwrap_or_default(),
            step: frame.map(|frame| frame.step.clone()).unwrap_or_default(),
        };
        self.parts.pool.run(subject, self.place.clone().map(|place| place as _), code)
    }

    /// Runs code that asks for nothing and returns at its first poll, if it does.
    async fn call<T: Send + 'static>(
        &self,
        session: &mut Session,
        run: &Run,
        code: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<Result<T, Failure>>, SessionError> {
        let execution = self.begin(run, async move { code() });
        Ok(match supervise(self.limits, session, execution, None, None).await? {
            Ended::Returned(Ok(value)) => Some(Ok(value)),
            Ended::Returned(Err(px_pool::Failure::Panicked(panic))) => {
                Some(Err(failure(FailureKind::Panic, "Panic", panic_text(&*panic))))
            }
            Ended::Returned(Err(px_pool::Failure::Closed)) | Ended::TimedOut | Ended::Revoked => None,
        })
    }

    /// Brings a state that another version left to what this one expects.
    async fn migrate(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
    ) -> Result<Option<Command>, SessionError> {
        let Some(frame) = run.frame() else { return Ok(None) };
        let (step, from, state) = (found.step.clone(), frame.version, frame.state.clone());
        let migrated = self.call(session, run, move || step.migrate(from, state)).await?;
        let version = found.brain.version;
        let why = match migrated {
            None => return Ok(None),
            Some(Ok(Ok(state))) => return Ok(Some(Command::Migrate { version, state })),
            Some(Ok(Err(error))) => error.message().to_owned(),
            Some(Err(panic)) => panic.message,
        };
        let reason = fitness::not_migrated(&frame.step, from, version, &why);
        Ok(Some(Command::Halt { reason: Some(reason) }))
    }

    /// Goes into a nested brain.
    async fn enter(
        &self,
        session: &mut Session,
        run: &Run,
        nested: &Nested,
    ) -> Result<Option<Command>, SessionError> {
        let state = run.frame().map(|frame| frame.state.clone()).unwrap_or_default();
        let inner = nested.clone();
        let entered = self.call(session, run, move || inner.enter(state)).await?;
        Ok(entered.map(|entered| match entered {
            Ok(Ok(initial_state)) => {
                Command::EnterBrain { brain: Box::new(nested.brain.info()), initial_state }
            }
            Ok(Err(error)) => match unfit(run, error) {
                StepResult::Failed { error, .. } => Command::FailStep { error, retry_at: None },
                StepResult::Unfit(reason) => Command::Halt { reason: Some(reason) },
                StepResult::Returned(_) => Command::Halt { reason: None },
            },
            Err(error) => Command::FailStep { error, retry_at: None },
        }))
    }

    /// Takes the result of a nested brain that is through.
    async fn leave(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
        nested: &Nested,
    ) -> Result<Option<Command>, SessionError> {
        let [.., outer, inner] = run.frames.as_slice() else {
            return Ok(Some(Command::Halt { reason: None }));
        };
        let (body, halted) = (nested.clone(), inner.halted);
        let (outer, inner) = (outer.state.clone(), inner.state.clone());
        let left = self.call(session, run, move || body.leave(outer, inner, halted)).await?;
        Ok(left.map(|left| match left {
            Ok(Ok(state)) => {
                let after = found.next().map_or(After::End, |next| After::Step(next.info.title.clone()));
                Command::LeaveBrain { state, after }
            }
            Ok(Err(error)) => match unfit(run, error) {
                StepResult::Failed { error, .. } => Command::Fail { error },
                StepResult::Unfit(reason) => Command::Halt { reason: Some(reason) },
                StepResult::Returned(_) => Command::Halt { reason: None },
            },
            Err(error) => Command::Fail { error },
        }))
    }

    /// Runs the step's code.
    async fn run_step(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
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
        let asks = port::open(run.id, run.traceparent.clone(), Arc::clone(&self.parts.registry));
        let (port, state) = (asks.port(), frame.state.clone());
        let execution = match &found.step.body {
            Body::Code(code) => {
                let (code, given) = (Arc::clone(code), run.given.clone());
                // The call itself is users' code too, and belongs to the first poll.
                self.begin(run, async move { code(Cx::new(about, port), state, given).await })
            }
            Body::Map(map) => {
                let work = items::work(port, run.items.clone(), map.clone(), about, state);
                self.begin(run, work)
            }
            Body::Brain(_) => return Ok(None),
        };
        let watch = Stopwatch::start();
        let time = found.step.options.timeout;
        let ended = supervise(self.limits, session, execution, Some(asks), time).await?;
        metrics::STEP.observe(watch.elapsed());
        match &ended {
            Ended::Returned(Ok(Ok(_))) => metrics::RETURNED.increment(),
            Ended::Revoked => {}
            _ => metrics::FAILED.increment(),
        }
        Ok(Some(match ended {
            Ended::Returned(Ok(Ok(output))) => StepResult::Returned(output),
            Ended::Returned(Ok(Err(error))) => unfit(run, error),
            Ended::Returned(Err(px_pool::Failure::Panicked(panic))) => {
                let error = failure(FailureKind::Panic, "Panic", panic_text(&*panic));
                StepResult::Failed { error, can_retry: false }
            }
            Ended::TimedOut => {
                let message =
                    format!("step '{}' took longer than {:?}", frame.step, time.unwrap_or_default());
                StepResult::Failed { error: failure(FailureKind::Step, "Timeout", message), can_retry: true }
            }
            Ended::Returned(Err(px_pool::Failure::Closed)) | Ended::Revoked => return Ok(None),
        }))
    }
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
    if found.record.owner != Some(parts.cluster.me()) {
        return Ok(());
    }
    let mut draft = parts.draft();
    draft.fence(run, found.version);
    draft.put_work(run, parts.ids.version(parts.clock.now()), Work { owner: None, ..found.record });
    // A conflict means that the run was cancelled meanwhile.
    parts.store.commit(draft.into_batch(), Admission::Wait).await.map(drop)
}
