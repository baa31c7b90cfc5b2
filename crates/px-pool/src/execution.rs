//! An execution as its caller sees it: a future of the result. Dropping it ends
//! the execution, at its next await or, if it does not come to one, not at all.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::panics::{Panic, caught, note_places};
use crate::task::Task;

/// Reason that an execution has no result.
#[derive(Debug)]
pub enum Failure {
    /// The code panicked.
    Panicked(Panic),
    /// The pool was shut down first.
    Closed,
}

/// The text of a panic's payload.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "the code panicked without a message".to_owned())
}

/// An execution under way. The result comes when this is awaited; the code runs
/// whether it is awaited or not.
#[must_use = "an execution ends when it is dropped"]
pub struct Execution<T>(Inner<T>);

enum Inner<T> {
    /// Polled by whoever awaits. `None` after the end.
    Inline(Option<Pin<Box<dyn Future<Output = T> + Send>>>),
    Pooled {
        /// `None` once the result was taken. Its poll may not have returned yet
        /// then, and must not count as one that nobody waits for.
        task: Option<Arc<Task>>,
        result: oneshot::Receiver<Result<T, Panic>>,
        /// Not polled yet.
        is_first: bool,
    },
}

impl<T> std::fmt::Debug for Execution<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Execution")
    }
}

impl<T> Execution<T> {
    pub(crate) fn inline(code: impl Future<Output = T> + Send + 'static) -> Self {
        note_places();
        Self(Inner::Inline(Some(Box::pin(code))))
    }

    pub(crate) fn pooled(task: Arc<Task>, result: oneshot::Receiver<Result<T, Panic>>) -> Self {
        Self(Inner::Pooled { task: Some(task), result, is_first: true })
    }

    /// Returns whether its code has not yielded for [`STALLED`](crate::STALLED).
    #[must_use]
    pub fn is_stalled(&self) -> bool {
        match &self.0 {
            Inner::Inline(_) => false,
            Inner::Pooled { task, .. } => task.as_ref().is_some_and(|task| task.is_stalled()),
        }
    }
}

impl<T> Future for Execution<T> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Inline(code) => {
                let Some(future) = code else { return Poll::Ready(Err(Failure::Closed)) };
                let polled = caught(|| future.as_mut().poll(context));
                let done = match polled {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(value)) => Ok(value),
                    Err(panic) => Err(Failure::Panicked(panic)),
                };
                *code = None;
                Poll::Ready(done)
            }
            Inner::Pooled { task, result, is_first } => {
                if std::mem::take(is_first)
                    && let Some(task) = task
                {
                    task.stay();
                }
                Pin::new(result).poll(context).map(|sent| {
                    *task = None;
                    match sent {
                        Ok(Ok(value)) => Ok(value),
                        Ok(Err(panic)) => Err(Failure::Panicked(panic)),
                        Err(_) => Err(Failure::Closed),
                    }
                })
            }
        }
    }
}

impl<T> Drop for Execution<T> {
    fn drop(&mut self) {
        if let Inner::Pooled { task: Some(task), .. } = &self.0 {
            Task::abandon(task);
        }
    }
}
