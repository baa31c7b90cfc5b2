//! The timer: one task that rings for every run. Due times are rows; nothing
//! sleeps on behalf of a run. A timer is removed in the commit of its
//! effect, so it has that effect once, however the clock jumps.

use std::collections::BTreeMap;
use std::time::Duration;

use px_core::run::Command;
use px_core::{RunId, Timestamp};
use px_store::cluster::Slot;
use px_store::{BornClaimed, Draft, DraftError, Round, Timer, TimerKind};

use crate::metrics;
use crate::session::SessionError;
use crate::shared::{Parts, ROUNDS};

/// Maximum number of due timers that one read returns.
const BATCH: usize = 256;

/// Maximum number of due timers of other members that are passed over at once.
const MAX_LEFT: usize = 4_096;

/// Lateness from which any member rings a timer. It is longer than a takeover takes, so that the member
/// that has the timer's slot rings it if there is one.
const LATE: Duration = Duration::from_secs(10);

/// Time after which a timer is tried again that could not ring, while others could.
const SPOILT_FOR: Duration = Duration::from_secs(60);

/// The same, for one whose records others changed in each round.
const CONTENDED_FOR: Duration = Duration::from_secs(1);

/// Timers that could not ring for a reason of their own, such as rows that cannot be read or a run that
/// cannot end, with the time at which each is tried again: it costs one try a minute, and one line.
#[derive(Debug, Default)]
pub(crate) struct Spoilt(BTreeMap<Timer, Timestamp>);

impl Spoilt {
    fn rests(&self, timer: &Timer, now: Timestamp) -> bool {
        self.0.get(timer).is_some_and(|again| now < *again)
    }

    fn note(&mut self, timer: &Timer, error: &SessionError, now: Timestamp) {
        let rest = match error {
            SessionError::TooManyRounds => CONTENDED_FOR,
            _ => SPOILT_FOR,
        };
        self.0.retain(|_, again| now < *again);
        self.0.insert(timer.clone(), now.after(rest));
    }
}

/// Rings every timer that is due and that this member rings. Returns how long
/// until the next one, if that is sooner than `at_most`.
pub(crate) async fn ring_due(
    parts: &Parts,
    at_most: Duration,
    rings: fn(&Parts, &Timer, Timestamp) -> bool,
    spoilt: &mut Spoilt,
) -> Result<Duration, px_store::Error> {
    // Those that are another member's stay where they are, in front.
    let mut left = 0;
    loop {
        let now = parts.clock.now();
        let due = parts.store.due(parts.scope, now, None, BATCH + left).await?;
        let full = due.len() == BATCH + left && left < MAX_LEFT;
        left = 0;
        for timer in due {
            if parts.places.is_closed() {
                return Ok(at_most);
            }
            if !rings(parts, &timer, now) || spoilt.rests(&timer, now) {
                left += 1;
            } else if let Err(error) = ring(parts, &timer).await {
                tracing::error!(?timer, %error, "a timer could not ring; it is tried again");
                if error.is_about_store() {
                    return Ok(at_most);
                }
                // Those behind it are about other records.
                spoilt.note(&timer, &error, now);
                left += 1;
            }
        }
        if !full {
            break;
        }
    }
    let soon = parts.clock.now().after(at_most);
    let next = parts.store.due(parts.scope, soon, None, 1 + left).await?;
    Ok(next.get(left).map_or(at_most, |timer| timer.due.since(parts.clock.now())))
}

/// Rings the timers that are left of the ends of runs, each once: a commit tells a bounded number of those
/// who wait for one. For tests in virtual time, in which these belong to what goes on by itself.
///
/// # Errors
/// The store failed.
pub async fn ring_ends(parts: &Parts) -> Result<(), px_store::Error> {
    let is_end = |_: &Parts, timer: &Timer, _| matches!(timer.kind, TimerKind::End { .. });
    ring_due(parts, Duration::ZERO, is_end, &mut Spoilt::default()).await.map(drop)
}

/// Returns true if this member rings the timer, because it has the timer's slot or because the member that
/// has it is late. A timer that two members ring has its effect once, so a slot without an owner costs time
/// and nothing else.
pub(crate) fn is_mine(parts: &Parts, timer: &Timer, now: Timestamp) -> bool {
    let slot = match &timer.kind {
        TimerKind::Wait { run, .. }
        | TimerKind::Remind { run, .. }
        | TimerKind::Retry { run }
        | TimerKind::End { run, .. } => Slot::of_run(*run),
        TimerKind::Expire { key, .. } | TimerKind::Forget { key, .. } => {
            Slot::of_key(key.identifier.as_bytes())
        }
    };
    parts.cluster.slot(slot).is_some() || now.since(timer.due) >= LATE
}

async fn ring(parts: &Parts, timer: &Timer) -> Result<(), SessionError> {
    let has_rung = parts.transact(ROUNDS, |_| async move {
        let mut draft = parts.draft();
        if draft.now() < timer.due {
            // The clock was set back since this was found due. Its run would
            // refuse, and the row would be removed that it needs later.
            return Ok::<_, SessionError>(Round::Done(BornClaimed::none(false)));
        }
        draft.remove_timer(timer.clone());
        match &timer.kind {
            TimerKind::Wait { wait, run } => {
                on_time(&mut draft, *run, timer.due, Command::TimeOut { wait: *wait }).await?;
            }
            TimerKind::Remind { wait, run } => {
                on_time(&mut draft, *run, timer.due, Command::Remind { wait: *wait }).await?;
            }
            TimerKind::Retry { run } => {
                on_time(&mut draft, *run, timer.due, Command::Retry).await?;
            }
            TimerKind::Expire { event, key, place } => draft.expire(key, *place, *event).await?,
            TimerKind::Forget { key, .. } => draft.forget(key).await?,
            TimerKind::End { run, from, until } => draft.tell_rest(*run, *from, *until).await?,
        }
        Ok(parts.round(draft, true))
    });
    if has_rung.await? {
        metrics::TIMER_LATE.observe(parts.clock.now().since(timer.due));
    }
    Ok(())
}

/// Gives a run its command. Its own refusal is no fault: something else was first,
/// and only the timer's row is left to remove. That follows from what the run
/// is now, paused or busy with a stream for example: once it is not any more,
/// the same timer is armed again, and must not be removed here behind that.
async fn on_time(
    draft: &mut Draft<'_>,
    run: RunId,
    due: Timestamp,
    command: Command,
) -> Result<(), DraftError> {
    let done = draft.command(run, command).await;
    draft.demand(run);
    match done {
        Err(DraftError::Refused(refusal)) => {
            tracing::debug!(%run, %due, %refusal, "a timer rang for nothing");
            Ok(())
        }
        Err(DraftError::NoRun(_)) => Ok(()),
        other => other,
    }
}
