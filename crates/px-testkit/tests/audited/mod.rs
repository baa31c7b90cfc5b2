//! A world whose store is audited when its test has ended: whatever the test
//! itself looked at, the ledger must add up.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "shared by several tests, none of which uses all of it"
)]

use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use px_sdk::Registry;
use px_testkit::World;

/// A [`World`] over a store in memory.
pub struct Audited(World);

impl Audited {
    pub fn new(registry: Registry) -> Self {
        Self(World::new(registry).expect("a world"))
    }
}

impl Deref for Audited {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl DerefMut for Audited {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.0
    }
}

impl Drop for Audited {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        // A store in memory answers at once.
        let mut audit = pin!(self.0.audit());
        let Poll::Ready(report) = audit.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the store answers later");
        };
        let report = report.expect("a store that can be read");
        assert!(report.is_clean(), "the ledger does not add up: {:#?}", report.violations);
    }
}
