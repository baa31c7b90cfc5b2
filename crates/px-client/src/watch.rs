//! Streams of events. A stream that is cut is opened again after the last event
//! that came, so that none is lost and none comes twice.

use std::collections::VecDeque;
use std::fmt::Display;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, Stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use px_api::{Event, RunningBrains};
use serde::de::DeserializeOwned;

use crate::answer::Answer;
use crate::client::{Client, encode};
use crate::error::{Error, Kind, Result};
use crate::sse::{Frame, Parser};

/// Number of times that a stream that is cut is opened again without anything new.
const MAX_RETRIES: u32 = 30;
/// Time between two attempts.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A stream of answers. It ends when the server has nothing more to say, and
/// after its first error, which no retry could mend.
pub struct Watch<T>(BoxStream<'static, Result<Answer<T>>>);

impl<T> Stream for Watch<T> {
    type Item = Result<Answer<T>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(cx)
    }
}

impl<T> std::fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch(…)")
    }
}

/// The log of a run that is to be followed: [`WatchRun::events`] begins.
#[derive(Debug, Clone)]
#[must_use = "nothing is asked before `events`"]
pub struct WatchRun {
    client: Client,
    run: String,
    after: Option<u64>,
    retry: RetryPolicy,
}

/// Policy by which a stream is opened again.
#[derive(Debug, Clone, Copy)]
struct RetryPolicy {
    max_retries: u32,
    pause: Duration,
    /// Also when the server ended the stream before its last event, as a server
    /// does that is stopped.
    is_across_restarts: bool,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_retries: MAX_RETRIES, pause: RETRY_PAUSE, is_across_restarts: false }
    }
}

impl WatchRun {
    /// Begins after the event of this number.
    pub fn after(self, seq: u64) -> Self {
        Self { after: Some(seq), ..self }
    }

    /// Goes on when the server is stopped and started again: the stream ends with
    /// the run, and not before.
    pub fn across_restarts(mut self) -> Self {
        self.retry.is_across_restarts = true;
        self
    }

    /// Opens a stream that is cut at most so many times without anything new, with
    /// a pause before each; 30 times and one second if it is not said.
    pub fn retries(mut self, max_retries: u32, pause: Duration) -> Self {
        (self.retry.max_retries, self.retry.pause) = (max_retries, pause);
        self
    }

    /// The events: those that there are, and then each as it happens.
    pub fn events(self) -> Watch<Event> {
        let path = format!("/brains/runs/{}/watch", encode(&self.run));
        let what = format!("the stream of run {}", self.run);
        follow(self.client, path, what, self.after, self.retry, Event::is_end)
    }
}

impl Client {
    /// Follows the log of a run. The stream ends after the event that ends the run;
    /// it may end before if the server is stopped, unless
    /// [`WatchRun::across_restarts`] is said.
    pub fn watch_run(&self, run: impl Display) -> WatchRun {
        WatchRun { client: self.clone(), run: run.to_string(), after: None, retry: RetryPolicy::default() }
    }

    /// Follows the runs that are running: at once, and on each change.
    pub fn watch_brains(&self) -> Watch<RunningBrains> {
        let what = "the feed of running runs".to_owned();
        follow(self.clone(), "/brains/watch".to_owned(), what, None, RetryPolicy::default(), |_| false)
    }
}

fn follow<T: DeserializeOwned + Send + 'static>(
    client: Client,
    path: String,
    what: String,
    after: Option<u64>,
    retry: RetryPolicy,
    is_end: fn(&T) -> bool,
) -> Watch<T> {
    let follow = Follow {
        client,
        path,
        what,
        retry,
        is_end,
        seen: after.map(|seq| seq.to_string()),
        has_begun: false,
        is_over: false,
        retries: 0,
        open: None,
        pending: VecDeque::new(),
        kind: PhantomData,
    };
    Watch(
        stream::unfold(Some(follow), |follow| async move {
            let mut follow = follow?;
            match follow.next().await {
                Ok(Some(answer)) => Some((Ok(answer), Some(follow))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed(),
    )
}

/// A connection that events come by.
struct Open {
    bytes: BoxStream<'static, reqwest::Result<Bytes>>,
    parser: Parser,
}

struct Follow<T> {
    client: Client,
    path: String,
    /// The stream's name in errors.
    what: String,
    retry: RetryPolicy,
    is_end: fn(&T) -> bool,
    /// The id of the last event that was given out.
    seen: Option<String>,
    /// The server answered at least once: from then on a cut is not the end.
    has_begun: bool,
    /// The last event that was given out is the last of all.
    is_over: bool,
    /// Number of times that the stream was opened since the last event.
    retries: u32,
    open: Option<Open>,
    pending: VecDeque<Frame>,
    kind: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Follow<T> {
    async fn next(&mut self) -> Result<Option<Answer<T>>> {
        loop {
            if let Some(frame) = self.pending.pop_front() {
                return self.give(frame).map(Some);
            }
            let cut = match &mut self.open {
                None => match self.client.open(&self.path, self.seen.as_deref()).await {
                    Ok(None) => return Ok(None),
                    Ok(Some(response)) => {
                        self.has_begun = true;
                        let bytes = response.bytes_stream().into_stream().boxed();
                        self.open = Some(Open { bytes, parser: Parser::default() });
                        continue;
                    }
                    // The first attempt fails as every request does.
                    Err(error) if !self.has_begun || !is_cut(&error) => return Err(error),
                    Err(error) => Some(error),
                },
                Some(open) => match open.bytes.next().await {
                    Some(Ok(bytes)) => {
                        let frames = open.parser.push(&bytes);
                        self.pending.extend(frames.map_err(|why| self.client.unreadable(&why))?);
                        continue;
                    }
                    Some(Err(error)) => Some(self.client.broken(&error, true)),
                    None => None,
                },
            };
            self.open = None;
            if self.is_over || (cut.is_none() && !self.retry.is_across_restarts) {
                return Ok(None);
            }
            self.retries += 1;
            if self.retries > self.retry.max_retries {
                let text = format!("the server keeps closing {}", self.what);
                return Err(cut.unwrap_or_else(|| Error::new(Kind::Interrupted, text, true)));
            }
            tokio::time::sleep(self.retry.pause).await;
        }
    }

    fn give(&mut self, frame: Frame) -> Result<Answer<T>> {
        let answer: Answer<T> =
            Answer::read(frame.data.into()).map_err(|error| self.client.unreadable(&error))?;
        self.seen = frame.id.or(self.seen.take());
        self.is_over = (self.is_end)(&answer);
        self.retries = 0;
        Ok(answer)
    }
}

/// Returns whether it is the connection that failed, and not the request.
fn is_cut(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unreachable | Kind::Interrupted)
}
