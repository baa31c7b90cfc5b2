//! The number of threads of a whole process: a program of its own, since any
//! other test beside it would count.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use px_core::{Ids, Timestamp};
use px_pool::{Limits, Pool, Subject};
use tokio::sync::Notify;

#[tokio::test]
async fn what_awaits_holds_no_thread() {
    let pool = Pool::start(Limits::default()).unwrap();
    let run = Ids::counted(7).run(Timestamp::from_millis(1));
    let subject = Subject::Step { run, brain: "brain".into(), step: "waits".into() };
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let before = threads();
    let (go, count) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let waiting: Vec<_> = (0..5_000)
        .map(|_| {
            let (go, count) = (Arc::clone(&go), Arc::clone(&count));
            pool.run(subject.clone(), None, async move {
                let notified = go.notified();
                count.fetch_add(1, Ordering::SeqCst);
                notified.await;
            })
        })
        .collect();
    while count.load(Ordering::SeqCst) < 5_000 {
        tokio::task::yield_now().await;
    }
    assert!(threads() <= before, "{} threads, {before} before", threads());
    go.notify_waiters();
    for one in waiting {
        one.await.unwrap();
    }
}
