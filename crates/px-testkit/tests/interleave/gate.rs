//! The gate before a store: every access waits there for its turn, in the order
//! in which its act has made them.

use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use px_testkit::Access;

use crate::broken::Gate;

/// Who waits at the gate for what, by act.
#[derive(Default)]
pub(super) struct Turnstile {
    pub(super) polled: usize,
    tickets: u64,
    pub(super) waiting: Vec<VecDeque<(u64, Access)>>,
    pub(super) let_go: BTreeSet<u64>,
}

impl Turnstile {
    pub(super) fn of(acts: usize) -> Self {
        Self { waiting: vec![VecDeque::new(); acts], ..Self::default() }
    }
}

/// A place at the gate. Whoever drops it gives it up.
struct Ticket {
    turnstile: Arc<Mutex<Turnstile>>,
    act: usize,
    number: u64,
}

impl Future for Ticket {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.turnstile.lock().unwrap().let_go.remove(&self.number) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut turnstile = self.turnstile.lock().unwrap();
        turnstile.waiting[self.act].retain(|(number, _)| *number != self.number);
    }
}

pub(super) fn gate(turnstile: &Arc<Mutex<Turnstile>>) -> Gate {
    let turnstile = Arc::clone(turnstile);
    Arc::new(move |access| {
        // Nothing fails in these scenes, so nothing is in quarantine: a stop before
        // each look there would multiply the orders, and no act could use it.
        if access == Access::Read("set_aside") {
            return Box::pin(std::future::ready(()));
        }
        let mut inner = turnstile.lock().unwrap();
        let (act, number) = (inner.polled, inner.tickets);
        inner.tickets += 1;
        inner.waiting[act].push_back((number, access));
        drop(inner);
        Box::pin(Ticket { turnstile: Arc::clone(&turnstile), act, number })
    })
}
