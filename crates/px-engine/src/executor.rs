//! The executor of one claimed run: runs its steps one after the other while it
//! stays ready, commits each. Users' code itself runs on the pool.

use std::sync::Arc;

use px_core::event::{Failure, FailureKind};
use px_core::run::{After, Command, Frame, StepOutcome, Then};
use px_core::{Run, Stopwatch};
use px_pool::{Subject, panic_text};
use px_sdk::{Body, Continue, Cx, KvWrites, StepContext, StepError, StepOutput, StepStandIn};
use tokio::sync::OwnedSemaphorePermit;

use crate::asked::{opened, warn_of_links};
use crate::bounds::bounded;
use crate::fitness::same_response;
use crate::items;
use crate::kv::End;
use crate::metrics;
use crate::migration::{Stale, hung_migration, stale};
use crate::port;
use crate::position::{Found, Position, levels};
use crate::remind;
use crate::session::{Committed, Session, SessionError};
use crate::shared::{Limits, Parts};
use crate::supervise::{Ended, supervise};

/// A place among the steps that run at once; `None` where none are counted.
pub(crate) type Place = Option<Arc<OwnedSemaphorePermit>>;

/// Runs users' code of a claimed run until it rests: its steps, or the reminder of one that waits.
pub(crate) async fn execute(
    parts: &Parts,
    limits: &Limits,
    session: &mut Session,
    place: &Place,
) -> Result<(), SessionError> {
    if session.run().run.reminding.is_some() {
        return Box::pin(remind::remind(&Users { parts, limits, place }, session)).await;
    }
    steps(parts, limits, session, place).await
}

/// Runs the steps of a claimed run until it rests.
async fn steps(
    parts: &Parts,
    limits: &Limits,
    session: &mut Session,
    place: &Place,
) -> Result<(), SessionError> {
    // Executions of the step so far that came to nothing, since others changed what they had read.
    let mut reruns = 0;
    loop {
        let record = session.run();
        let run = &record.run;
        if run.pause_requested {
            session.commit(Some(Command::Halt { reason: run.reason.clone() })).await?;
            return Ok(());
        }
        let found = levels(&parts.registry, run).and_then(|levels| {
            same_response(&parts.registry, run)?;
            Ok((stale(&levels, run), Position::of(levels)?))
        });
        let (stale, position) = match found {
            Ok(found) => found,
            Err(reason) => {
                session.commit(Some(Command::Halt { reason: Some(reason) })).await?;
                return Ok(());
            }
        };
        let users = Users { parts, limits, place };
        if !stale.is_empty() {
            if users.migrate(session, run, stale).await? { continue } else { return Ok(()) }
        }
        let mut kv = KvWrites::default();
        let command = match &position {
            Position::Leave(found, around) => users.leave(session, run, found, *around).await?,
            Position::Step(found) => {
                if reruns == 0 {
                    session.begin(found.index, parts.clock.now());
                }
                match &found.step.body {
                    Body::Brain(nested) => users.enter(session, run, nested).await?,
                    Body::Repeat(repeated) => Some(Users::turn(run, repeated)),
                    Body::Branch(branched) => users.branch(session, run, found, branched).await?,
                    _ => users.run_step(session, run, found).await?.map(|(result, writes)| {
                        kv = writes;
                        command(parts, run, found, result)
                    }),
                }
            }
        };
        let Some(command) = command else { return Ok(()) };
        let mut command = bounded(limits, run, command);
        if let (Command::ReturnStep(_), Position::Step(found), false) = (&command, &position, kv.is_empty()) {
            match users.commit_values(session, run, &command, kv, reruns).await? {
                End::GoesOn(came_too_late) => {
                    reruns = came_too_late;
                    continue;
                }
                End::Rests => return Ok(()),
                End::Failed(result) => command = self::command(parts, run, found, *result),
            }
        }
        reruns = 0;
        // So that the commit need not copy it.
        drop(record);
        match session.commit(Some(command)).await {
            Ok(Committed::GoesOn) => {}
            Ok(Committed::Rests | Committed::Revoked) => return Ok(()),
            Err(error) => return session.halt_unkept(error).await,
        }
    }
}

pub(crate) enum StepResult {
    Returned(StepOutput),
    Unfit(String),
    Failed { error: Failure, can_retry: bool },
}

/// Users' code in its four kinds, each run on the pool. `None` says that the
/// claim is gone: there is nothing to commit.
#[derive(Clone, Copy)]
pub(crate) struct Users<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) limits: &'a Limits,
    place: &'a Place,
}

impl Users<'_> {
    /// Begins users' code on the pool.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        run: &Run,
        code: impl Future<Output = T> + Send + 'static,
    ) -> px_pool::Execution<T> {
        let step = || run.frame().map(|frame| frame.step.clone()).unwrap_or_default();
        let subject = Subject::Step {
            run: run.id,
            brain: run.frame().map(|frame| frame.brain.clone()).unwrap_or_default(),
            step: run.reminder_under_way().map_or_else(step, |(_, reminder)| reminder.name.clone()),
        };
        self.parts.pool.run(subject, self.place.clone().map(|place| place as _), code)
    }

    /// Runs code that asks for nothing and returns at its first poll, if it does.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        session: &mut Session,
        run: &Run,
        code: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Option<Result<T, Failure>>, SessionError> {
        let execution = self.begin(run, async move { code() });
        let ended = supervise(self.limits, session, execution, None, None).await?;
        Ok(ended.result().map(|result| result.map_err(|panic| panicked(&panic))))
    }

    /// Commits states that another version left as this one expects them. Returns false if the run rests.
    async fn migrate(
        &self,
        session: &mut Session,
        run: &Run,
        stale: Vec<Stale>,
    ) -> Result<bool, SessionError> {
        let Some(command) = self.migrated(session, run, stale).await? else { return Ok(false) };
        let command = bounded(self.limits, run, command);
        let rests = !matches!(command, Command::Migrate(_));
        Ok(session.commit(Some(command)).await? == Committed::GoesOn && !rests)
    }

    /// Brings states that another version left to what this one expects.
    pub(crate) async fn migrated(
        &self,
        session: &mut Session,
        run: &Run,
        stale: Vec<Stale>,
    ) -> Result<Option<Command>, SessionError> {
        let bring = async move { stale.into_iter().map(Stale::bring).collect::<Result<Vec<_>, _>>() };
        let (execution, within) = (self.begin(run, bring), self.limits.migration_timeout);
        let ended = supervise(self.limits, session, execution, None, Some(within)).await?;
        if matches!(ended, Ended::TimedOut) {
            return Ok(Some(Command::Halt { reason: Some(hung_migration(within)) }));
        }
        Ok(ended.result().map(|brought| match brought {
            Ok(Ok(frames)) => Command::Migrate(frames),
            Ok(Err(reason)) => Command::Halt { reason: Some(reason) },
            Err(panic) => Command::Halt { reason: Some(panic_text(&*panic)) },
        }))
    }

    /// Facts about the step that its code may ask for.
    fn about(&self, run: &Run, frame: &Frame, found: &Found<'_>) -> StepContext {
        StepContext {
            run: run.id,
            brain: frame.brain.clone(),
            step: frame.step.clone(),
            path: run.path(),
            turn: None,
            item: None,
            iteration: frame.iteration,
            attempt: attempt(run),
            options: run.options.clone(),
            once: run.once.clone(),
            labels: Some(run.labels.clone()),
            max_kv_value_bytes: self.limits.max_kv_value_bytes,
            resources: self.parts.resources.grant_to_step(&found.brain.needs, &found.brain.secrets),
            stand_in: self.stand_in(run, frame),
        }
    }

    /// Answers for the effects of users' code, where a test does so.
    pub(crate) fn stand_in(&self, run: &Run, frame: &Frame) -> Option<StepStandIn> {
        self.parts.stand_in.as_ref().map(|stand_in| StepStandIn {
            stand_in: Arc::clone(stand_in),
            brains: run.frames.iter().map(|frame| frame.brain.clone()).collect(),
            input: frame.state.clone(),
        })
    }

    /// Runs the step's code. Returns its result, with the values that it writes.
    async fn run_step(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
    ) -> Result<Option<(StepResult, KvWrites)>, SessionError> {
        let Some(frame) = run.frame() else { return Ok(None) };
        let about = self.about(run, frame, found);
        let asks =
            port::open(run.id, run.traceparent.clone(), run.test.clone(), Arc::clone(&self.parts.registry));
        let (port, state) = (asks.port(), frame.state.clone());
        let execution = match &found.step.body {
            Body::Code(code) => {
                let (code, given) = (Arc::clone(code), run.given.clone());
                // The call itself is users' code too, and belongs to the first poll.
                self.begin(run, async move {
                    let cx = Cx::new(about, port);
                    let done = code(cx.clone(), state, given).await;
                    (done.map(|output| StepOutput { labels: cx.end_labels(), ..output }), cx.end_kv())
                })
            }
            Body::Map(map) => {
                let work = items::work(port, run.items.clone(), map.clone(), about, state);
                self.begin(run, async move { (work.await, KvWrites::default()) })
            }
            Body::Brain(_) | Body::Repeat(_) | Body::Branch(_) => return Ok(None),
        };
        let watch = Stopwatch::start();
        let time = found.step.options.timeout;
        let ended = supervise(self.limits, session, execution, Some(asks), time).await?;
        metrics::STEP.observe(watch.elapsed());
        match &ended {
            Ended::Returned(Ok((Ok(_), _))) => metrics::RETURNED.increment(),
            Ended::Revoked => {}
            _ => metrics::FAILED.increment(),
        }
        let nothing = KvWrites::default();
        Ok(Some(match ended {
            Ended::Returned(Ok((Ok(output), kv))) => (StepResult::Returned(output), kv),
            Ended::Returned(Ok((Err(error), _))) => (unfit(run, error), nothing),
            Ended::Returned(Err(px_pool::Failure::Panicked(panic))) => {
                (StepResult::Failed { error: panicked(&panic), can_retry: false }, nothing)
            }
            Ended::TimedOut => {
                let message =
                    format!("step '{}' took longer than {:?}", frame.step, time.unwrap_or_default());
                let error = failure(FailureKind::Step, "Timeout", message);
                (StepResult::Failed { error, can_retry: true }, nothing)
            }
            Ended::Returned(Err(px_pool::Failure::Closed)) | Ended::Revoked => return Ok(None),
        }))
    }
}

pub(crate) fn failure(kind: FailureKind, name: &str, message: String) -> Failure {
    Failure { kind, name: name.into(), message, stack: None }
}

/// A panic is not tried again: code that panics does so each time, most likely.
pub(crate) fn panicked(panic: &px_pool::Panic) -> Failure {
    let stack = panic.place().map(|place| format!("at {place}"));
    Failure { stack, ..failure(FailureKind::Panic, "Panic", panic_text(&**panic)) }
}

/// Turns an error that kept a step from an outcome into the step's result.
pub(crate) fn unfit(run: &Run, error: StepError) -> StepResult {
    let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
    unfit_for(&format!("step '{step}'"), error)
}

/// The same, of what is named in these words.
pub(crate) fn unfit_for(whom: &str, error: StepError) -> StepResult {
    match error {
        StepError::State(why) => StepResult::Unfit(format!("the stored state does not fit {whom}: {why}")),
        StepError::Response(why) => {
            StepResult::Unfit(format!("the stored response does not fit {whom}: {why}"))
        }
        StepError::Failed(error) if error.is_unfit() => StepResult::Unfit(error.message().to_owned()),
        StepError::Failed(error) => {
            let stack = (!error.causes().is_empty()).then(|| error.causes().join("\n"));
            let can_retry = !error.is_permanent();
            let failure = failure(FailureKind::Step, error.name(), error.message().to_owned());
            StepResult::Failed { error: Failure { stack, ..failure }, can_retry }
        }
    }
}

/// Returns the number of the attempt at the current step, from 1. A start after a crash is no new attempt
/// (docs/rules.md#36).
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
    warn_of_links(run, &output.then);
    let after = if output.halts {
        After::Halt
    } else if output.repeats {
        After::Same
    } else {
        found.after(run, run.frames.len().saturating_sub(1))
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
            let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
            let message = format!(
                "step '{step}' waits for the end of its own run, and nothing could end that: wait for a run that \
                 `cx.start` has started"
            );
            let error = failure(FailureKind::Step, "WaitsForItself", message);
            return Command::FailStep { error, retry_at: None };
        }
        Continue::Wait(request)
            if request.registrations.is_empty() && request.timeout.is_none() && request.until.is_none() =>
        {
            let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
            let message = format!(
                "step '{step}' waits for an empty list without a timeout, and nothing could end that: give it a \
                 `.timeout(..)`, or return `MayWait::go(state)` where there is nobody to ask"
            );
            let error = Failure { kind: FailureKind::Step, name: "EmptyWait".into(), message, stack: None };
            return Command::FailStep { error, retry_at: None };
        }
        Continue::Wait(request) => Then::Wait(opened(parts, run, found, (request, now))),
    };
    Command::ReturnStep(Box::new(StepOutcome {
        state: output.state,
        after,
        then,
        takes_kept: None,
        labels: output.labels,
    }))
}
