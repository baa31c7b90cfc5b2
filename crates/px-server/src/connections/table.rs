//! The places of the connections: what each is doing, and since when. Time is
//! counted in looks, so that nothing here reads a clock; noting what a
//! connection does is two atomic writes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::{ConnectionLimits, LOOK_EVERY};

/// Waits for a request.
const IDLE: u8 = 0;
/// Has begun a request's head.
const HEAD: u8 = 1;
/// Has a request that is not answered yet.
const REQUEST: u8 = 2;

/// The whole body of the request was read.
const NOTHING: u64 = u64::MAX;
/// Some of it was not, and nobody knows how much.
const SOMETHING: u64 = u64::MAX - 1;

/// At the bound, one in so many places is given away at once, so that a flood of
/// newcomers does not make px go through all of them for each.
const SHARE: usize = 64;

/// Every connection's place.
pub(super) struct Table {
    limit: usize,
    idle_looks: u32,
    head_looks: u32,
    looks: Arc<AtomicU32>,
    next: Arc<AtomicU64>,
    places: Arc<Mutex<HashMap<u64, Arc<Seat>>>>,
}

/// Place of a connection, and its current activity.
struct Seat {
    does: AtomicU8,
    since: AtomicU32,
    // Looks are too few to tell who came first; this number grows with each note.
    order: AtomicU64,
    has_answered: AtomicBool,
    /// Bytes of the request's body that nobody read; [`NOTHING`] if it was read whole.
    unread: AtomicU64,
    has_stream: AtomicBool,
    looks: Arc<AtomicU32>,
    next: Arc<AtomicU64>,
    close: Notify,
}

impl Table {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        let looks = |time: Duration| {
            let looks = time.as_millis().div_ceil(LOOK_EVERY.as_millis()).max(1);
            u32::try_from(looks).unwrap_or(u32::MAX)
        };
        Self {
            limit: limits.connections.max(1),
            idle_looks: looks(limits.idle),
            head_looks: looks(limits.head),
            looks: Arc::default(),
            next: Arc::default(),
            places: Arc::default(),
        }
    }

    /// A place for one more connection. At the bound, those that have waited for
    /// longest are told to close, and their places given away; who never had a
    /// request answered goes first. `None` if a request holds every place.
    pub(super) fn take(&self) -> Option<Place> {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() >= self.limit {
            make_room(&mut places, self.limit.div_ceil(SHARE));
            if places.len() >= self.limit {
                return None;
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat {
            does: AtomicU8::new(IDLE),
            since: AtomicU32::new(self.looks.load(Ordering::Relaxed)),
            order: AtomicU64::new(number),
            has_answered: AtomicBool::new(false),
            unread: AtomicU64::new(NOTHING),
            has_stream: AtomicBool::new(false),
            looks: Arc::clone(&self.looks),
            next: Arc::clone(&self.next),
            close: Notify::new(),
        });
        places.insert(number, Arc::clone(&seat));
        Some(Place { number, seat, places: Arc::clone(&self.places) })
    }

    /// Closes a share of the connections that wait.
    pub(super) fn make_room(&self) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let share = places.len().div_ceil(SHARE);
        make_room(&mut places, share);
    }

    /// Lets time go on by one look, and closes what has waited for too long.
    pub(super) fn look(&self) {
        let now = self.looks.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        for seat in places.values() {
            let patience = match seat.does.load(Ordering::Relaxed) {
                IDLE => self.idle_looks,
                HEAD => self.head_looks,
                _ => continue,
            };
            if now.wrapping_sub(seat.since.load(Ordering::Relaxed)) > patience {
                seat.close.notify_one();
            }
        }
    }
}

/// Closes up to `count` connections that wait: strangers first, of equals the
/// one that has waited for longest.
fn make_room(places: &mut HashMap<u64, Arc<Seat>>, count: usize) {
    let mut waiting: Vec<_> = places
        .iter()
        .filter(|(_, seat)| seat.does.load(Ordering::Relaxed) != REQUEST)
        .map(|(number, seat)| {
            let (answered, order) = (&seat.has_answered, &seat.order);
            (answered.load(Ordering::Relaxed), order.load(Ordering::Relaxed), *number)
        })
        .collect();
    if count < waiting.len() {
        waiting.select_nth_unstable(count);
        waiting.truncate(count);
    }
    for (.., number) in waiting {
        if let Some(seat) = places.remove(&number) {
            seat.close.notify_one();
        }
    }
}

/// One connection's place, which it leaves when this is dropped.
pub(super) struct Place {
    number: u64,
    seat: Arc<Seat>,
    places: Arc<Mutex<HashMap<u64, Arc<Seat>>>>,
}

impl Place {
    /// Bytes have come. The first ones after a wait begin a head.
    pub(super) fn has_bytes(&self) {
        if self.seat.does.load(Ordering::Relaxed) == IDLE {
            self.note(HEAD);
        }
    }

    /// A head has come whole.
    pub(super) fn has_request(&self) {
        self.seat.unread.store(NOTHING, Ordering::Relaxed);
        self.note(REQUEST);
    }

    /// The request's body was given up, so many bytes before its end.
    pub(super) fn has_unread(&self, bytes: Option<u64>) {
        self.seat.unread.store(bytes.unwrap_or(SOMETHING).min(SOMETHING), Ordering::Relaxed);
    }

    /// Bytes of the request's body that were not read, if it was given up before
    /// its end: a great number if nobody knows how many.
    pub(super) fn unread(&self) -> Option<u64> {
        Some(self.seat.unread.load(Ordering::Relaxed)).filter(|bytes| *bytes != NOTHING)
    }

    /// What goes out on the connection now has no end of its own.
    pub(super) fn begins_stream(&self) {
        self.seat.has_stream.store(true, Ordering::Relaxed);
    }

    /// Returns whether a stream goes out on the connection.
    pub(super) fn has_stream(&self) -> bool {
        self.seat.has_stream.load(Ordering::Relaxed)
    }

    /// Closes the connection, whatever it does.
    pub(super) fn close(&self) {
        self.seat.close.notify_one();
    }

    /// The connection is of no more use to its peer, so anybody may have its place.
    pub(super) fn lingers(&self) {
        self.seat.has_answered.store(false, Ordering::Relaxed);
        self.note(IDLE);
    }

    /// The request is answered.
    pub(super) fn has_answered(&self) {
        self.seat.has_stream.store(false, Ordering::Relaxed);
        self.seat.has_answered.store(true, Ordering::Relaxed);
        self.note(IDLE);
    }

    /// Resolves when the connection has to go.
    pub(super) async fn closed(&self) {
        self.seat.close.notified().await;
    }

    fn note(&self, does: u8) {
        self.seat.order.store(self.seat.next.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        self.seat.since.store(self.seat.looks.load(Ordering::Relaxed), Ordering::Relaxed);
        self.seat.does.store(does, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(connections: usize) -> Table {
        Table::new(ConnectionLimits {
            connections,
            idle: LOOK_EVERY * 4,
            head: LOOK_EVERY * 2,
            ..ConnectionLimits::default()
        })
    }

    async fn is_closed(place: &Place) -> bool {
        tokio::select! {
            biased;
            () = place.closed() => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn the_longest_wait_gives_its_place_to_a_newcomer() {
        let table = table(2);
        let busy = table.take().unwrap();
        busy.has_request();
        let old = table.take().unwrap();
        let new = table.take().unwrap();
        assert!(is_closed(&old).await && !is_closed(&new).await && !is_closed(&busy).await);
        new.has_request();
        assert!(table.take().is_none(), "requests are never closed for a newcomer");
        busy.has_answered();
        let newest = table.take().unwrap();
        assert!(is_closed(&busy).await && !is_closed(&newest).await);
        drop((old, busy, new, newest));
        assert!(table.places.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn waits_and_heads_have_their_times_and_requests_none() {
        let table = table(10);
        let (idle, head, request) = (table.take().unwrap(), table.take().unwrap(), table.take().unwrap());
        head.has_bytes();
        request.has_bytes();
        request.has_request();
        for _ in 0..3 {
            table.look();
            // More bytes of the same head give it no more time.
            head.has_bytes();
        }
        assert!(is_closed(&head).await && !is_closed(&idle).await);
        (0..10).for_each(|_| table.look());
        assert!(is_closed(&idle).await && !is_closed(&request).await);
        request.has_answered();
        (0..5).for_each(|_| table.look());
        assert!(is_closed(&request).await);
    }
}
