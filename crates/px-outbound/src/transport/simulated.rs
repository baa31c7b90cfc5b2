//! A transport that sends nothing: it answers what it is told to, at once, and
//! remembers every request. For tests in virtual time.

use std::sync::{Arc, Mutex, PoisonError};

use px_store::BoxFuture;

use super::{Answer, Failure, Request, Transport};

type Receiver = Arc<dyn Fn(&Request) -> Result<Answer, Failure> + Send + Sync>;

/// A transport whose receivers are a function.
#[derive(Clone)]
pub struct Simulated {
    receiver: Receiver,
    sent: Arc<Mutex<Vec<Request>>>,
}

impl std::fmt::Debug for Simulated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulated").finish_non_exhaustive()
    }
}

impl Simulated {
    /// Every request is answered by this function.
    pub fn new(receiver: impl Fn(&Request) -> Result<Answer, Failure> + Send + Sync + 'static) -> Self {
        Self { receiver: Arc::new(receiver), sent: Arc::default() }
    }

    /// Every request is answered with this status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::new(move |_| Ok(Answer { status, ..Answer::default() }))
    }

    /// The requests since the last call, in the order in which they were sent.
    #[must_use]
    pub fn sent(&self) -> Vec<Request> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Transport for Simulated {
    fn send(&self, request: Request) -> BoxFuture<'static, Result<Answer, Failure>> {
        let answer = (self.receiver)(&request);
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Box::pin(std::future::ready(answer))
    }
}
