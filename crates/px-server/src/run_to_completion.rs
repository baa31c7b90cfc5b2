//! Work that is done whole: if whoever asked for it goes away in the middle, it
//! goes on in a task of its own. As long as nobody goes, it costs no task.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::CatchUnwind;

/// The work panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work panicked")]
pub(crate) struct Panicked;

/// Does all of `work`, once it was polled, in the caller's task or in one of its own.
pub(crate) fn run_to_completion<F>(work: F) -> RunToCompletion<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    RunToCompletion { work: Some(Box::pin(AssertUnwindSafe(work).catch_unwind())), has_begun: false }
}

/// See [`run_to_completion`].
pub(crate) struct RunToCompletion<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// `None` when it is done. Boxed, so that it can move into a task.
    work: Option<Pin<Box<CatchUnwind<AssertUnwindSafe<F>>>>>,
    has_begun: bool,
}

impl<F> Future for RunToCompletion<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.has_begun = true;
        let Some(work) = &mut self.work else { return Poll::Pending };
        let Poll::Ready(done) = work.as_mut().poll(context) else { return Poll::Pending };
        self.work = None;
        Poll::Ready(done.map_err(|_| Panicked))
    }
}

impl<F> Drop for RunToCompletion<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        if self.has_begun
            && let Some(rest) = self.work.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_its_caller_goes_away() {
        let (go_on, wait) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let mut work = Box::pin(run_to_completion(async move {
            wait.await.unwrap();
            done.send("done").unwrap();
        }));
        assert!((&mut work).now_or_never().is_none());
        drop(work);
        go_on.send(()).unwrap();
        assert_eq!(is_done.await, Ok("done"));
    }

    #[tokio::test]
    async fn what_was_not_begun_is_not_done() {
        let (done, is_done) = oneshot::channel::<()>();
        drop(run_to_completion(async move { done.send(()).unwrap() }));
        assert!(is_done.await.is_err());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_the_callers_end() {
        assert_eq!(run_to_completion(async { 7 }).await, Ok(7));
        let panics = run_to_completion(async { std::panic::resume_unwind(Box::new("planned")) });
        assert_eq!(panics.await, Err::<(), _>(Panicked));
    }
}
