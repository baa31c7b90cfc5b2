//! Code that blocks, on a thread where it may.

use tracing::Span;

/// Runs code that blocks or computes for long on a thread of its own, and waits
/// for its result: a library without async, a file, a hash of a password.
///
/// A step that does such work where it should await holds the thread that it
/// runs on. px replaces that thread and names the step (`px runs explain`, the
/// log, `px_steps_stalled`), so nobody else waits for it, but its own timeout
/// and a cancel can then only stop waiting for it. Here the step awaits:
///
/// ```
/// # async fn step(path: String) -> px_sdk::Result<usize> {
/// let text = px_sdk::blocking(move || std::fs::read_to_string(path)).await?;
/// # Ok(text.len())
/// # }
/// ```
///
/// **The code cannot be stopped.** A step that times out, is cancelled or is
/// dropped at the shutdown leaves it running to its end, and a retry of the step
/// runs beside it. So it must not rely on being alone, and nothing of it may
/// matter after the step's end; record what it made with
/// [`Cx::once`](crate::Cx::once) *behind* the await, where an execution that is
/// over is refused.
///
/// At most 512 such calls run at once; more wait for a thread.
///
/// # Panics
/// With the panic of the code; outside of a step, a handler or another async
/// runtime of tokio's.
pub async fn blocking<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let span = Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(code)).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The process ends: the step is dropped where it stands.
            Err(_) => std::future::pending().await,
        },
    }
}
