//! The reminder of a run that waits, as its executor runs it. The run waits all the time: an answer, a
//! timeout, a pause or a cancel is taken at once, whatever the reminder's code is about, and gives the row
//! of ready work another fence or removes it. So the reminder's next commit is refused, and its execution
//! is dropped where it stands. A reminder never fails its run and never pauses it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use px_core::event::{Failure, FailureKind};
use px_core::reminder::{Reminder, ReminderEnd};
use px_core::run::Command;
use px_core::{Run, Timestamp};
use px_pool::Execution;
use px_sdk::{BrainDef, Cx, KvWrites, ReminderDef, StepContext};

use crate::bounds::bounded;
use crate::executor::{StepResult, Users, failure, panicked, unfit_for};
use crate::kv::End;
use crate::metrics;
use crate::migration::{Stale, stale};
use crate::port::{self, Asks};
use crate::position::{Found, levels};
use crate::session::{Committed, Session, SessionError};
use crate::shared::{Limits, Parts};
use crate::supervise::{Ended, after};

/// Name of the error of a reminder whose stored state this binary cannot give to it. A step would pause the run.
const UNFIT: &str = "Unfit";

/// The reminders of a wait that a step opens now.
pub(crate) fn of_step(run: &Run, found: &Found<'_>, opened_at: Timestamp) -> Vec<Reminder> {
    let comes = |def: &&ReminderDef| def.at_most > 0;
    let reminders = found.step.reminders.iter().filter(comes).map(|def| Reminder {
        name: def.name.clone(),
        step: found.step.info.title.clone(),
        iteration: run.frame().map_or(0, |frame| frame.iteration),
        every_ms: def.repeats.then(|| u64::try_from(def.after.as_millis()).unwrap_or(u64::MAX)),
        at_most: def.at_most,
        nth: 1,
        due: Some(opened_at.after(def.after)),
        failed: 0,
        postponed: 0,
        once: Vec::new(),
    });
    reminders.collect()
}

/// The end of a reminder that processes died with; none if a step ran instead.
pub(crate) fn after_deaths(session: &Session, deaths: u32) -> Option<Command> {
    let record = session.run();
    let (_, reminder) = record.run.reminder_under_way()?;
    let error = engine("Deaths", format!("{deaths} processes died while this reminder ran"));
    warn(&record.run, reminder, &error, "it is given up");
    Some(Command::EndReminder(ReminderEnd::GiveUp(error)))
}

/// A reminder, in the brain that has it.
struct Declared<'a> {
    brain: &'a BrainDef,
    def: &'a ReminderDef,
}

/// Runs the reminder that is under way, and commits its end.
pub(crate) async fn remind(users: &Users<'_>, session: &mut Session) -> Result<(), SessionError> {
    // Executions so far that came to nothing, since others changed what they had read.
    let mut reruns = 0;
    loop {
        let record = session.run();
        let run = &record.run;
        let Some((_, reminder)) = run.reminder_under_way() else { return Ok(()) };
        let end = match declared(users.parts, run, reminder) {
            Err(end) => end,
            Ok((stale, _)) if !stale.is_empty() => match users.migrate_for(session, run, stale).await? {
                Migrated::Done => continue,
                Migrated::Revoked => return Ok(()),
                Migrated::Not(why) => ReminderEnd::Postpone(engine("Migration", why)),
            },
            Ok((_, declared)) => {
                let Some((result, kv)) = users.run_reminder(session, run, reminder, &declared).await? else {
                    return Ok(());
                };
                let result = match result {
                    Ok(()) if !kv.is_empty() => {
                        let complete = Command::EndReminder(ReminderEnd::Complete);
                        match users.commit_values(session, run, &complete, kv, reruns).await {
                            Ok(End::GoesOn(came_too_late)) => {
                                reruns = came_too_late;
                                continue;
                            }
                            Ok(End::Rests) => return Ok(()),
                            Ok(End::Failed(result)) => Err(failed(*result)),
                            Err(error) => {
                                let Some(why) = error.unkept() else { return Err(error) };
                                // Its values cannot be recorded; that it has failed can.
                                if !session.refresh().await? {
                                    return Ok(());
                                }
                                Err((engine("Unkept", why), false))
                            }
                        }
                    }
                    other => other,
                };
                ended(users.parts, reminder, declared.def, result)
            }
        };
        return commit_end(session, run, reminder, end).await;
    }
}

/// Commits the end of a turn, and logs it once it is committed where something is wrong.
async fn commit_end(
    session: &mut Session,
    run: &Run,
    reminder: &Reminder,
    end: ReminderEnd,
) -> Result<(), SessionError> {
    let said = match &end {
        ReminderEnd::Complete => None,
        ReminderEnd::Retry(error, _) => Some((error.clone(), "it is tried again")),
        ReminderEnd::GiveUp(error) => Some((error.clone(), "it is given up")),
        ReminderEnd::Gone(error) => Some((error.clone(), "it is over")),
        ReminderEnd::Postpone(error) => {
            Some((error.clone(), "another build may run it, and it is looked at again"))
        }
    };
    let done = session.commit(Some(Command::EndReminder(end))).await?;
    if let Some((error, what)) = said.filter(|_| done != Committed::Revoked) {
        warn(run, reminder, &error, what);
    }
    Ok(())
}

fn warn(run: &Run, reminder: &Reminder, error: &Failure, what: &str) {
    let (turn, step, error) = (reminder.turn(), &reminder.step, &error.message);
    tracing::warn!(run = %run.id, brain = %run.brain, step, reminder = turn, error, "a reminder failed: {what}");
}

fn engine(name: &str, message: String) -> Failure {
    failure(FailureKind::Engine, name, message)
}

/// Finds the reminder in this binary, with the states that are to be brought over before it runs; the end of
/// its turn, if there is none.
fn declared<'a>(
    parts: &'a Parts,
    run: &Run,
    reminder: &Reminder,
) -> Result<(Vec<Stale>, Declared<'a>), ReminderEnd> {
    let postpone = |why| ReminderEnd::Postpone(engine("NotRunnable", why));
    let levels = levels(&parts.registry, run).map_err(postpone)?;
    let stale = stale(&levels, run);
    let brain =
        levels.last().map(|level| level.brain).ok_or_else(|| postpone("it has no position".into()))?;
    let step = brain.steps.iter().find(|step| step.is_called(&reminder.step));
    let def = step.and_then(|step| step.reminders.iter().find(|def| def.is_called(&reminder.name)));
    let def = def.ok_or_else(|| missing(run, reminder, brain))?;
    Ok((stale, Declared { brain, def }))
}

/// The end of a turn whose reminder is not in the brain. A later version of it is without it on purpose. Another
/// binary of the same version may be an older one, during a deploy or after a rollback.
fn missing(run: &Run, reminder: &Reminder, brain: &BrainDef) -> ReminderEnd {
    let Reminder { name, step, .. } = reminder;
    let title = &brain.title;
    if run.frame().is_some_and(|frame| brain.version > frame.version) {
        let why = format!("reminder '{name}' of step '{step}' is not in brain '{title}' any more");
        return ReminderEnd::Gone(engine("ReminderGone", why));
    }
    let why = format!(
        "this build has no reminder '{name}' of step '{step}' in brain '{title}'. If it was taken out, say so by a \
         higher `.version(..)`; if it has another name, by `.formerly(\"{name}\")`"
    );
    ReminderEnd::Postpone(engine("ReminderGone", why))
}

/// The end that follows from what the code came to.
fn ended(
    parts: &Parts,
    reminder: &Reminder,
    def: &ReminderDef,
    result: Result<(), (Failure, bool)>,
) -> ReminderEnd {
    let Err((error, can_retry)) = result else { return ReminderEnd::Complete };
    if error.kind == FailureKind::Engine && error.name == UNFIT {
        return ReminderEnd::Postpone(error);
    }
    let now = parts.clock.now();
    let retry = def.options.retry.filter(|_| can_retry);
    match retry.and_then(|retry| retry.pause(reminder.attempt(), parts.ids.version(now))) {
        Some(pause) => ReminderEnd::Retry(error, now.after(pause)),
        None => ReminderEnd::GiveUp(error),
    }
}

/// The error of a result that is none, and true if another attempt may do better.
fn failed(result: StepResult) -> (Failure, bool) {
    match result {
        StepResult::Failed { error, can_retry } => (error, can_retry),
        StepResult::Unfit(why) => (engine(UNFIT, why), false),
        StepResult::Returned(_) => (engine(UNFIT, "the reminder came to no end".into()), false),
    }
}

/// End of a migration before a reminder.
enum Migrated {
    /// It is committed.
    Done,
    /// The claim is gone.
    Revoked,
    /// It was not possible, for this reason.
    Not(String),
}

impl Users<'_> {
    /// Brings states that another version left to what this one expects. Unlike before a step the run is
    /// not paused where that fails.
    async fn migrate_for(
        &self,
        session: &mut Session,
        run: &Run,
        stale: Vec<Stale>,
    ) -> Result<Migrated, SessionError> {
        let Some(command) = self.migrated(session, run, stale).await? else { return Ok(Migrated::Revoked) };
        match bounded(self.limits, run, command) {
            migrate @ Command::Migrate(_) => Ok(match session.commit(Some(migrate)).await? {
                Committed::GoesOn => Migrated::Done,
                Committed::Rests | Committed::Revoked => Migrated::Revoked,
            }),
            Command::Halt { reason } => Ok(Migrated::Not(reason.unwrap_or_default())),
            Command::Fail { error } => Ok(Migrated::Not(error.message)),
            other => Ok(Migrated::Not(format!("{other:?}"))),
        }
    }

    /// Runs the reminder's code. Returns what it came to, with the values that it writes; `None` if the
    /// claim is gone.
    async fn run_reminder(
        &self,
        session: &mut Session,
        run: &Run,
        reminder: &Reminder,
        declared: &Declared<'_>,
    ) -> Result<Option<(Result<(), (Failure, bool)>, KvWrites)>, SessionError> {
        let Some(frame) = run.frame() else { return Ok(None) };
        let about = StepContext {
            run: run.id,
            brain: frame.brain.clone(),
            step: reminder.name.clone(),
            path: Some(run.path_inside(&reminder.step)),
            turn: reminder.every_ms.map(|_| reminder.nth),
            item: None,
            iteration: reminder.iteration,
            attempt: reminder.attempt(),
            options: run.options.clone(),
            once: reminder.once.clone(),
            labels: None,
            max_kv_value_bytes: self.limits.max_kv_value_bytes,
            resources: self.parts.resources.grant_to_step(&declared.brain.needs, &declared.brain.secrets),
            stand_in: self.stand_in(run, frame),
        };
        let asks =
            port::open(run.id, run.traceparent.clone(), run.test.clone(), Arc::clone(&self.parts.registry));
        let (port, state, code) = (asks.port(), frame.state.clone(), Arc::clone(&declared.def.code));
        let begin = || {
            self.begin(run, async move {
                let cx = Cx::new(about, port);
                (code(cx.clone(), state).await, cx.end_kv())
            })
        };
        let time = declared.def.options.timeout;
        let nothing = KvWrites::default();
        let ended = attend(self.limits, session, begin, asks, time).await?;
        match &ended {
            Ended::Returned(Ok((Ok(()), _))) => metrics::REMINDED.increment(),
            Ended::Revoked => {}
            _ => metrics::NOT_REMINDED.increment(),
        }
        Ok(Some(match ended {
            Ended::Returned(Ok((Ok(()), kv))) => (Ok(()), kv),
            Ended::Returned(Ok((Err(error), _))) => {
                let whom = format!("reminder '{}' of step '{}'", reminder.turn(), reminder.step);
                (Err(failed(unfit_for(&whom, error))), nothing)
            }
            Ended::Returned(Err(px_pool::Failure::Panicked(panic))) => {
                (Err((panicked(&panic), false)), nothing)
            }
            Ended::TimedOut => {
                let time = time.unwrap_or_default();
                let message = format!("reminder '{}' took longer than {time:?}", reminder.name);
                (Err((failure(FailureKind::Step, "Timeout", message), true)), nothing)
            }
            Ended::Returned(Err(px_pool::Failure::Closed)) | Ended::Revoked => return Ok(None),
        }))
    }
}

/// Waits for the end of a reminder's execution and serves what it asks for. Unlike a step, which may clean up,
/// it is let go at once where its claim is gone: the run goes on, or is to stand still.
async fn attend<T>(
    limits: &Limits,
    session: &mut Session,
    begin: impl FnOnce() -> Execution<T>,
    mut asks: Asks,
    timeout: Option<Duration>,
) -> Result<Ended<T>, SessionError> {
    // Subscribed before the look at the claim, so that no revocation falls between.
    let mut hinted = Box::pin(session.revocation_hint());
    if !session.holds_claim().await? {
        return Ok(Ended::Revoked);
    }
    let mut execution = pin!(begin());
    let mut timeout = pin!(after(timeout));
    let mut look = tokio::time::interval(limits.poll);
    look.reset();
    while !session.is_revoked() {
        tokio::select! {
            biased;
            done = &mut execution => return Ok(Ended::Returned(done)),
            () = &mut timeout => return Ok(Ended::TimedOut),
            () = &mut hinted => hinted = Box::pin(session.revocation_hint()),
            // The hint is lost where another process has taken the answer.
            _ = look.tick() => {}
            ask = asks.next() => {
                session.answer(limits, *ask).await;
                continue;
            }
        }
        if !session.holds_claim().await? {
            break;
        }
    }
    Ok(Ended::Revoked)
}
