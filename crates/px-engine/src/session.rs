//! The session of one running step: the run as it was last committed, and the
//! commits that the step may make while it runs. Every commit demands the
//! claim's fence, so an executor that was revoked can commit nothing.

mod error;
mod files;
mod log_line;
mod unkept;
mod values;

use std::future::Future;
use std::sync::Arc;

use px_core::run::{Command, Start, TakenAnswer, Then};
use px_core::wait::Wait;
use px_core::{Run, RunId, Timestamp};
use px_sdk::Error;
use px_store::{Conflict, Draft, DraftError, KvFull, LogTail, RunRecord, Work};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use crate::bounds::{unkept, unstarted};
use crate::kv::{excess, full, note_fill};
use crate::port::Ask;
pub(crate) use crate::session::error::SessionError;
use crate::session::log_line::LogLine;
pub(crate) use crate::session::values::Written;
use crate::session::values::{With, revoked, unwritten};
use crate::shared::FitsKey;
use crate::shared::{Limits, Parts, ROUNDS};

/// State of the run after a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Committed {
    /// The run is ready for its next step, and still claimed.
    GoesOn,
    /// The run is parked, paused or ended.
    Rests,
    /// The claim is gone: nothing was committed.
    Revoked,
}

/// Owned by the executor; users' code reaches it by messages only (`port`).
pub(crate) struct Session {
    parts: Parts,
    claim: Claim,
    run: RunId,
    /// As it was last committed. Shared with the executor while its step runs.
    record: Arc<RunRecord>,
    /// The step to begin, unless its start is committed already: its place and time.
    begin: Option<(u32, Timestamp)>,
    is_revoked: bool,
}

/// The right to run the steps of one run.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    /// Version of the row of work that every commit demands.
    pub(crate) fence: u64,
    /// The version of the row that the claim was written over.
    pub(crate) before: u64,
    /// The row, as it was written.
    pub(crate) work: Work,
}

impl Session {
    pub(crate) fn new(parts: Parts, claim: Claim, record: RunRecord) -> Self {
        let run = record.run.id;
        Self { parts, claim, run, record: Arc::new(record), begin: None, is_revoked: false }
    }

    /// Number of processes that died in this execution before this one.
    pub(crate) fn deaths(&self) -> u32 {
        self.claim.work.deaths
    }

    /// Resolves when the claim may be gone: somebody said so, or so much was
    /// said at once that it may have been among it. Ask [`Session::holds_claim`]
    /// then.
    pub(crate) fn revocation_hint(&self) -> impl Future<Output = ()> + use<> {
        let mut hints = self.parts.store.hints().revoked();
        let run = self.run;
        async move {
            loop {
                match hints.recv().await {
                    Ok(revoked) if revoked == run => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }

    /// Returns true if the store has the claim as this session wrote it, or does not have it yet: it is
    /// written while the step runs, and a slow disk may take its time.
    pub(crate) async fn holds_claim(&self) -> Result<bool, SessionError> {
        let work = self.parts.store.work_of(self.parts.scope, self.run).await?;
        Ok(work.is_some_and(|work| work.version == self.claim.fence || work.version == self.claim.before))
    }

    /// The run as it was last committed. A commit copies what is still held.
    pub(crate) fn run(&self) -> Arc<RunRecord> {
        Arc::clone(&self.record)
    }

    /// Says that the step at this place begins now. It is committed with the
    /// next commit, whatever that is.
    pub(crate) fn begin(&mut self, index: u32, at: Timestamp) {
        self.begin = Some((index, at));
    }

    /// Commits that the step has begun, if nothing else has yet.
    pub(crate) async fn show(&mut self) -> Result<Committed, SessionError> {
        if self.begin.is_none() {
            let gone = if self.holds_claim().await? { Committed::GoesOn } else { Committed::Revoked };
            return Ok(gone);
        }
        self.commit(None).await
    }

    /// Returns true if a commit was refused because the claim is gone.
    pub(crate) fn is_revoked(&self) -> bool {
        self.is_revoked
    }

    /// Does what a step asks for, and answers it.
    pub(crate) async fn answer(&mut self, limits: &Limits, ask: Ask) {
        match ask {
            Ask::Record { command, reply, .. } if unkept(limits, &command).is_some() => {
                let why = unkept(limits, &command).unwrap_or_default();
                let _ = reply.send(Err(Error::permanent(why)));
            }
            Ask::Record { changes, reply, .. } if excess(limits, &changes).is_some() => {
                let why = excess(limits, &changes).unwrap_or_default();
                let _ = reply.send(Err(Error::permanent(why)));
            }
            Ask::Record { command, changes, what, reply } => {
                let done = match self.commit_values(command, &changes, limits.max_kv_keys).await {
                    Ok(Written::Committed(done)) => as_step_result(Ok(done), what).map(|()| true),
                    Ok(Written::Changed) => Ok(false),
                    Ok(Written::Full(error)) => Err(Error::msg(full(&error))),
                    Err(error) => as_step_result(Err(error), what).map(|()| true),
                };
                // The step may have stopped listening meanwhile.
                let _ = reply.send(done);
            }
            Ask::ReadKv { id, reply } => {
                let read = self.read_kv(&id).await;
                let unread = |error| Error::msg(format_args!("value {id} could not be read: {error}"));
                let _ = reply.send(read.map_err(unread));
            }
            Ask::ReadFile { read, reply } => drop(reply.send(self.read_file(&read).await)),
            Ask::Start { start, reply, .. } if unstarted(limits, &start).is_some() => {
                let why = unstarted(limits, &start).unwrap_or_default();
                let _ = reply.send(Err(Error::permanent(why)));
            }
            Ask::Start { start, name, item, reply } => {
                let _ = reply.send(self.start(&start, name, item).await);
            }
        }
    }

    async fn start(&mut self, start: &Start, name: String, item: Option<u32>) -> Result<RunId, Error> {
        let command = Command::RecordOnce { name, value: Value::Null, item };
        let with = With { start: Some(start), ..With::default() };
        let (done, started) = match self.commit_with(Some(command), with).await {
            Ok(Ok((done, started))) => (Ok(done), started),
            // It changes no values.
            Ok(Err(_)) => (Ok(Committed::Revoked), None),
            Err(error) => (Err(error), None),
        };
        as_step_result(done, "the start of the run")?;
        started.ok_or_else(|| Error::msg("the run was not started"))
    }

    /// Commits a command, with the step's start if that is still due.
    pub(crate) async fn commit(&mut self, command: Option<Command>) -> Result<Committed, SessionError> {
        let done = self.commit_with(command, With::default()).await?;
        Ok(done.map_or(Committed::Revoked, |(done, _)| done))
    }

    /// The record; what is left behind must be replaced before it is used.
    fn take(&mut self) -> RunRecord {
        let vacant = Arc::new(RunRecord { run: Arc::new(Run::vacant(self.run)), tail: LogTail::default() });
        Arc::unwrap_or_clone(std::mem::replace(&mut self.record, vacant))
    }

    /// The same, with what else goes into the commit. The inner error is that of values that could not be
    /// written.
    async fn commit_with(
        &mut self,
        command: Option<Command>,
        with: With<'_>,
    ) -> Result<Result<(Committed, Option<RunId>), Written>, SessionError> {
        // Nothing looks at the run of an execution that is over.
        let is_last = command.as_ref().is_some_and(ends_step);
        let log_line = LogLine::of(&self.record.run, self.begin.is_some(), is_last);
        // One that rests on values may not be made, and then its step runs again.
        let is_final = is_last && with.changes.is_empty();
        let mut known = Some(if is_final { self.take() } else { (*self.record).clone() });
        let (this, command) = (&*self, &command);
        let drafted = this.parts.transact(ROUNDS, |lost| {
            let known = known.take();
            async move {
                match lost {
                    Some(Conflict::Fence(_)) => return Ok(revoked()),
                    // As many runs may make values of one brain at once as change one value: their
                    // rounds are those of values.
                    Some(Conflict::Kv(_) | Conflict::KvBrain(_)) => return Ok(unwritten(Written::Changed)),
                    _ => {}
                }
                let is_anew = known.is_none();
                let adopted = match known {
                    Some(known) => known,
                    // Somebody changed the run or a key and left the claim: read anew.
                    None => match this.parts.store.run(this.parts.scope, this.run).await? {
                        Some(record) => record,
                        None => return Ok(revoked()),
                    },
                };
                let drafted = this.draft(adopted, command.clone(), with).await;
                if is_anew && is_refused(&drafted) && !this.holds_claim().await? {
                    // What the run has become since took the claim as well.
                    return Ok(revoked());
                }
                Ok::<_, SessionError>(match drafted? {
                    Ok((draft, drafted)) => this.parts.round(draft, Ok(drafted)),
                    Err(error) => unwritten(Written::Full(error)),
                })
            }
        });
        let Drafted { rests, next, started } = match drafted.await? {
            Ok(drafted) => drafted,
            Err(Written::Committed(done)) => {
                self.is_revoked = true;
                return Ok(Ok((done, None)));
            }
            Err(unwritten) => return Ok(Err(unwritten)),
        };
        let done = if rests { Committed::Rests } else { Committed::GoesOn };
        if let Some(next) = next {
            self.record = Arc::new(next);
        }
        self.begin = None;
        log_line.write();
        Ok(Ok((done, started)))
    }

    /// One round of a commit: what it writes, and what follows once it is durable.
    async fn draft(
        &self,
        adopted: RunRecord,
        mut command: Option<Command>,
        with: With<'_>,
    ) -> Result<Result<(Box<Draft<'_>>, Drafted), KvFull>, SessionError> {
        let is_last = command.as_ref().is_some_and(ends_step);
        let mut draft = self.parts.draft();
        let now = draft.now();
        draft.adopt(adopted);
        draft.fence(self.run, self.claim.fence);
        if let Some((index, at)) = self.begin {
            draft.advance(at);
            draft.command(self.run, Command::BeginStep { index }).await?;
            draft.advance(now);
        }
        let mut started = None;
        if let Some(start) = with.start {
            let run = Box::pin(draft.start(start.clone())).await?;
            started = Some(run);
            if let Some(Command::RecordOnce { value, .. }) = &mut command {
                *value = Value::String(run.to_string());
            }
        }
        if let Some(mut command) = command {
            if let Command::ReturnStep(outcome) = &mut command
                && let Then::Wait(wait) = &outcome.then
                && let Some(run) = draft.run(self.run).await?
            {
                // Only here is it known which answers came by hand while the step ran.
                outcome.takes_kept = takes_kept(&self.parts.fits, run, wait);
            }
            draft.command(self.run, command).await?;
        }
        for (id, expected, change) in with.changes.iter().cloned() {
            draft.write_kv(id, expected, change);
        }
        if let Err(error) = draft.count_kv(with.most).await.map_err(DraftError::from)? {
            return Ok(Err(error));
        }
        note_fill(draft.kv_counts(), with.most);
        let rests = is_last && !draft.is_ready(self.run);
        if draft.is_ready(self.run) {
            // The next step runs here and now, in an execution of its own.
            let work = Work { since: now, deaths: 0, ..self.claim.work.clone() };
            draft.put_work(self.run, self.claim.fence, work);
        }
        let next = if rests { None } else { draft.after_commit(self.run) };
        Ok(Ok((draft, Drafted { rests, next, started })))
    }
}

/// Consequences of a commit, once it is made.
struct Drafted {
    /// True if the run is not ready any more.
    rests: bool,
    /// The run to go on with; none where it rests.
    next: Option<RunRecord>,
    /// The run that it started.
    started: Option<RunId>,
}

/// Returns true if the run did not take the command.
fn is_refused<T>(drafted: &Result<T, SessionError>) -> bool {
    matches!(drafted, Err(SessionError::Draft(DraftError::Refused(_))))
}

/// Returns true if a command is the last of a step's execution.
fn ends_step(command: &Command) -> bool {
    !matches!(
        command,
        Command::RecordOnce { .. } | Command::RecordItem { .. } | Command::Emit { .. } | Command::Migrate(_)
    )
}

/// The answer to a step that asked for a commit.
fn as_step_result(result: Result<Committed, SessionError>, what: &str) -> Result<(), Error> {
    match result {
        Ok(Committed::Revoked) => {
            Err(Error::permanent("the run was cancelled, or another process has taken it over"))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(Error::msg(format_args!("{what} could not be recorded: {error}"))),
    }
}

/// Returns the oldest answer that was given by hand before a wait and that the wait can
/// take, with the first registration whose response it can be.
fn takes_kept(fits: &FitsKey, run: &Run, wait: &Wait) -> Option<TakenAnswer> {
    let mut kept = run.kept_answers.iter().enumerate();
    let taken = kept.find_map(|(answer, response)| {
        let index = wait.registrations.iter().position(|one| fits(one, response))?;
        Some(TakenAnswer { answer, index: u32::try_from(index).ok()? })
    });
    if taken.is_none() && !run.kept_answers.is_empty() && !wait.registrations.is_empty() {
        tracing::warn!(run = %run.id, "no answer that was given by hand fits what the run waits for: they are kept");
    }
    taken
}
