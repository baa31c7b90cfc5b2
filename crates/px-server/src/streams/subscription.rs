//! The subscription to hints of runs, which lasts while somebody watches: whoever
//! begins makes it, a task reads it, and the task ends it when the last has gone.
//! While nobody watches, a commit's hint is sent to nobody and costs nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use px_core::RunId;
use px_store::HintBus;
use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;

/// The hints of runs for those who watch.
#[derive(Default)]
pub(super) struct Subscription {
    state: Mutex<State>,
    begun: Notify,
}

#[derive(Default)]
enum State {
    /// Nobody watches.
    #[default]
    Ended,
    /// Somebody began, and the task has not come for the receiver yet.
    Begun(Receiver<RunId>),
    /// The task has the receiver.
    Read,
}

impl Subscription {
    /// Makes sure that hints are heard from now on. Whoever begins to watch has to
    /// count as one who watches before this call, and to read the store after it:
    /// no hint of what that read did not see is missed.
    pub(super) fn begin(&self, bus: &HintBus) {
        let mut state = self.state();
        if matches!(*state, State::Ended) {
            *state = State::Begun(bus.runs());
            self.begun.notify_one();
        }
    }

    /// Waits until somebody begins, for the one task that reads.
    pub(super) async fn begun(&self) -> Receiver<RunId> {
        loop {
            if let Some(hints) = self.take() {
                return hints;
            }
            self.begun.notified().await;
        }
    }

    fn take(&self) -> Option<Receiver<RunId>> {
        let mut state = self.state();
        match std::mem::replace(&mut *state, State::Read) {
            State::Begun(hints) => Some(hints),
            other => {
                *state = other;
                None
            }
        }
    }

    /// Ends it if nobody watches, and returns whether it did. The task then drops the
    /// receiver, and waits for the next who begins.
    pub(super) fn ends_if(&self, nobody_watches: impl FnOnce() -> bool) -> bool {
        let mut state = self.state();
        // Under the lock: who counts by now either keeps it, or begins after its end.
        let ends = nobody_watches();
        if ends {
            *state = State::Ended;
        }
        ends
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hints_are_heard_from_the_first_who_begins_until_the_last_is_gone() {
        let bus = HintBus::new();
        let (subscription, run) = (Subscription::default(), RunId::from_bytes([1; 16]));
        assert!(!bus.has_followers());
        subscription.begin(&bus);
        // Before the task has come for it.
        bus.publish(&[px_store::Hint::Run(run)]);
        let mut hints = subscription.begun().await;
        assert_eq!(hints.recv().await, Ok(run));
        subscription.begin(&bus);
        assert!(!subscription.ends_if(|| false) && bus.has_followers());
        assert!(subscription.ends_if(|| true));
        // One who begins now is not heard by the receiver that is about to go.
        subscription.begin(&bus);
        drop(hints);
        assert!(bus.has_followers());
        drop(subscription.begun().await);
        assert!(!bus.has_followers() && subscription.ends_if(|| true));
    }
}
