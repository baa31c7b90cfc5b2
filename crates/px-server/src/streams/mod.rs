//! Streams: how many there are at once, whose they are, and when they end. A
//! stream holds a connection and has no end of its own, so it is bounded apart
//! from requests (docs/rules.md#66), and closes with the permission that opened
//! it (docs/rules.md#65).
//!
//! What goes out is made by the routes (`api/watch.rs`, `api/watch_brains.rs`);
//! what they show is read once for all who watch the same (`runs` and `followed`,
//! `brains`).
//!
//! Tested over real sockets in `px-server/tests/streams.rs`.

pub(crate) mod brains;
pub(crate) mod followed;
pub(crate) mod frames;
pub(crate) mod runs;
mod subscription;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use px_core::TokenId;
use px_store::tokens::Permission;
use tokio::sync::watch;

use crate::access::Right;
use crate::app::Shared;
use crate::connections::Connection;
use crate::error::ApiError;

/// Interval at which the permissions of open streams are asked for again: a
/// stream that may be no more has a second for its end, of which this is half.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The greatest number of streams that is the default, however many connections there are.
const MAX_STREAMS: usize = 4_096;

/// The bounds of streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams at once. One API token, or one address while there is none, has
    /// half of them at most.
    pub streams: usize,
}

impl StreamLimits {
    /// The default beside so many connections: a quarter of them.
    #[must_use]
    pub fn beside(connections: usize) -> Self {
        Self { streams: (connections / 4).clamp(1, MAX_STREAMS) }
    }

    const fn of_one(self) -> usize {
        self.streams.div_ceil(2)
    }
}

/// Whose a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Token(TokenId),
    Address(IpAddr),
}

/// Every open stream.
pub(crate) struct Streams {
    limits: StreamLimits,
    open: Mutex<Open>,
    pub(crate) brains: brains::Feed,
    pub(crate) runs: runs::Watchers,
}

#[derive(Default)]
struct Open {
    next: u64,
    streams: HashMap<u64, Entry>,
    by_holder: HashMap<Holder, usize>,
}

struct Entry {
    right: Right,
    end: watch::Sender<bool>,
    connection: Option<Connection>,
}

/// The place of a stream, which it leaves when this is dropped.
pub(crate) struct Place {
    streams: Arc<Streams>,
    number: u64,
    holder: Holder,
    end: watch::Receiver<bool>,
}

impl Streams {
    pub(crate) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            open: Mutex::default(),
            brains: brains::Feed::default(),
            runs: runs::Watchers::default(),
        })
    }

    /// Gives a stream its place.
    ///
    /// # Errors
    /// 503 if there are too many, of all or of this token or address.
    pub(crate) fn enter(
        self: &Arc<Self>,
        right: Right,
        address: IpAddr,
        connection: Option<Connection>,
    ) -> Result<Place, ApiError> {
        let holder = match right {
            Right::Token(id) => Holder::Token(id),
            Right::Owner | Right::First => Holder::Address(address),
        };
        let mut open = self.open();
        let held = open.by_holder.get(&holder).copied().unwrap_or_default();
        if open.streams.len() >= self.limits.streams {
            let text = format!(
                "{} streams are open, and no more are possible: limits.max_streams",
                self.limits.streams
            );
            return Err(ApiError::overloaded(text));
        }
        if held >= self.limits.of_one() {
            let whose = if matches!(holder, Holder::Token(_)) { "API token" } else { "address" };
            return Err(ApiError::overloaded(format!(
                "This {whose} has {held} streams open, half of limits.max_streams, which is the most"
            )));
        }
        let (sender, end) = watch::channel(false);
        let number = open.next;
        open.next += 1;
        open.by_holder.insert(holder, held + 1);
        open.streams.insert(number, Entry { right, end: sender, connection });
        drop(open);
        Ok(Place { streams: Arc::clone(self), number, holder, end })
    }

    /// Returns how many are open.
    pub(crate) fn count(&self) -> usize {
        self.open().streams.len()
    }

    /// Ends the streams that `may` says no to. One that was told before, and is
    /// still there since its peer reads nothing, loses its connection.
    fn end_those_without(&self, may: impl Fn(Right) -> bool) {
        for entry in self.open().streams.values().filter(|entry| !may(entry.right)) {
            let was_told = entry.end.send_replace(true);
            if let Some(connection) = entry.connection.as_ref().filter(|_| was_told) {
                connection.close();
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Resolves when the stream has to end.
    pub(crate) async fn ended(&mut self) {
        // The sender goes with the place.
        let _ = self.end.wait_for(|end| *end).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.streams.open();
        open.streams.remove(&self.number);
        if let Some(held) = open.by_holder.get_mut(&self.holder) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                open.by_holder.remove(&self.holder);
            }
        }
    }
}

/// Serves those who watch until the server ends.
pub(crate) fn serve(app: &Shared) {
    tokio::spawn(supervise(Arc::clone(app)));
    tokio::spawn(runs::hand_on(Arc::clone(app)));
    tokio::spawn(brains::publish(Arc::clone(app)));
}

/// Asks for the permissions of the open streams until the server ends, and ends
/// those whose permission did.
async fn supervise(app: Shared) {
    let mut closing = app.closing.clone();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            _ = closing.wait_for(|closing| *closing) => return,
        }
        if app.streams.count() == 0 {
            continue;
        }
        // If nobody can say, they go on: what they show is read from the same store.
        if let Err(error) = app.tokens.refresh().await {
            tracing::warn!(%error, "the API tokens of open streams could not be read");
            continue;
        }
        app.streams.end_those_without(|right| app.tokens.permits(right, Permission::Read));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn token(number: u8) -> Right {
        Right::Token(TokenId::from_bytes([number; 16]))
    }

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn one_token_or_address_has_half_of_the_places_and_all_together_have_them_all() {
        let streams = Streams::new(StreamLimits { streams: 5 });
        let enter = |right| streams.enter(right, HERE, None);
        let of_one: Vec<_> = (0..3).map(|_| enter(token(1)).ok().unwrap()).collect();
        assert!(enter(token(1)).is_err(), "more than half");
        let of_other: Vec<_> = (0..2).map(|_| enter(Right::First).ok().unwrap()).collect();
        assert!(enter(token(2)).is_err(), "all are taken");
        drop(of_one);
        assert!(enter(token(2)).is_ok() && streams.count() == 2);
        drop(of_other);
        assert!(streams.count() == 0 && streams.open().by_holder.is_empty());
    }

    #[tokio::test]
    async fn a_stream_ends_with_its_permission_and_others_do_not() {
        let streams = Streams::new(StreamLimits::beside(100));
        let mut gone = streams.enter(token(1), HERE, None).ok().unwrap();
        let kept = streams.enter(token(2), HERE, None).ok().unwrap();
        streams.end_those_without(|right| right == token(2));
        gone.ended().await;
        assert!(!*kept.end.borrow());
    }
}
