//! The executor's side of users' code: it runs on the pool, and this waits for
//! its end, serves what it asks for, and stops waiting at its timeout or when
//! the claim is gone, whether the code yields or not.

use std::pin::pin;
use std::time::Duration;

use px_pool::{Execution, Failure, Panic};

use crate::port::Asks;
use crate::session::{Committed, Session, SessionError};
use crate::shared::Limits;

/// The end of an execution.
pub(crate) enum Ended<T> {
    /// The code returned or panicked.
    Returned(Result<T, Failure>),
    /// It took too long. The execution was dropped where it stood.
    TimedOut,
    /// The claim is gone: nothing of it can be committed.
    Revoked,
}

impl<T> Ended<T> {
    /// The result of the code, if it came to its end.
    pub(crate) fn result(self) -> Option<Result<T, Panic>> {
        match self {
            Self::Returned(Ok(value)) => Some(Ok(value)),
            Self::Returned(Err(Failure::Panicked(panic))) => Some(Err(panic)),
            Self::Returned(Err(Failure::Closed)) | Self::TimedOut | Self::Revoked => None,
        }
    }
}

/// Waits for an execution's end.
///
/// # Errors
/// The session could not commit that the step has begun, or not look at its claim.
pub(crate) async fn supervise<T>(
    limits: &Limits,
    session: &mut Session,
    execution: Execution<T>,
    mut asks: Option<Asks>,
    timeout: Option<Duration>,
) -> Result<Ended<T>, SessionError> {
    let mut execution = pin!(execution);
    let mut timeout = pin!(after(timeout));
    let mut visible = pin!(tokio::time::sleep(limits.visible_after));
    while !session.is_revoked() {
        tokio::select! {
            biased;
            done = &mut execution => return Ok(Ended::Returned(done)),
            () = &mut timeout => return Ok(Ended::TimedOut),
            // Before the requests, of which there may always be one.
            () = &mut visible => break,
            ask = next(&mut asks) => session.answer(limits, *ask).await,
        }
    }
    // Subscribed before the look at the claim, so that no revocation falls between.
    let mut hinted = Box::pin(session.revocation_hint());
    let mut is_gone = session.is_revoked() || session.show().await? == Committed::Revoked;
    let mut look = tokio::time::interval(limits.poll);
    while !is_gone {
        let must_look = tokio::select! {
            biased;
            done = &mut execution => return Ok(Ended::Returned(done)),
            () = &mut timeout => return Ok(Ended::TimedOut),
            () = &mut hinted => {
                hinted = Box::pin(session.revocation_hint());
                true
            }
            // Code that yields finds out by its next commit, if the hint is
            // lost; code that does not never commits.
            _ = look.tick() => execution.is_stalled(),
            ask = next(&mut asks) => {
                session.answer(limits, *ask).await;
                session.is_revoked()
            }
        };
        is_gone = must_look && !session.holds_claim().await?;
    }
    // It may clean up, and is then dropped where it stands.
    if let Some(asks) = &asks {
        asks.revoke();
    }
    let grace = async {
        tokio::select! {
            biased;
            _ = &mut execution => {}
            () = serve(limits, session, &mut asks) => {}
        }
    };
    let _ = tokio::time::timeout(limits.cancel_grace, grace).await;
    Ok(Ended::Revoked)
}

/// Answers what is still asked, with the refusal that its commit meets.
async fn serve(limits: &Limits, session: &mut Session, asks: &mut Option<Asks>) {
    loop {
        let ask = next(asks).await;
        session.answer(limits, *ask).await;
    }
}

async fn next(asks: &mut Option<Asks>) -> Box<crate::port::Ask> {
    match asks {
        Some(asks) => asks.next().await,
        None => std::future::pending().await,
    }
}

pub(crate) async fn after(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
