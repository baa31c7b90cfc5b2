//! The pool with code that behaves and code that does not. Code that "blocks"
//! waits for a channel, and code that "spins" for a flag, so that each test ends
//! when it is through and not after a time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use px_core::{Ids, RunId, Timestamp};
use px_pool::{Execution, Failure, Limits, Pool, Subject};
use tokio::sync::oneshot;

fn limits() -> Limits {
    Limits { step_threads: 1, handler_threads: 1, max_stalled: 2, ..Limits::default() }
}

fn run_id() -> RunId {
    Ids::counted(7).run(Timestamp::from_millis(1))
}

fn step(name: &str) -> Subject {
    Subject::Step { run: run_id(), brain: "brain".into(), step: name.into() }
}

fn handler(slug: &str) -> Subject {
    Subject::Handler { webhook: slug.into() }
}

/// Code that blocks its thread until the sender is dropped, and says when it begins.
fn blocks(pool: &Pool, subject: Subject) -> (Execution<()>, mpsc::Sender<()>, oneshot::Receiver<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let code = async move {
        // Not every test waits for it.
        let _ = begun.send(());
        let _ = released.recv();
    };
    (pool.run(subject, None, code), release, begins)
}

async fn panics() {
    std::panic::resume_unwind(Box::new("planned"))
}

/// Waits for something that other threads do, without an end of its own: a test
/// that waits for ever is ended by its runner.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::task::yield_now().await;
    }
}

/// Tells when it is dropped, and on which thread.
struct Dropped(Option<oneshot::Sender<String>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        let _ = self.0.take().unwrap().send(thread);
    }
}

fn dropped() -> (Dropped, oneshot::Receiver<String>) {
    let (sender, receiver) = oneshot::channel();
    (Dropped(Some(sender)), receiver)
}

#[tokio::test]
async fn code_runs_on_a_thread_of_the_pool_and_its_result_comes_back() {
    let pool = Pool::start(limits()).unwrap();
    let name = || std::thread::current().name().unwrap_or_default().to_owned();
    assert_eq!(pool.run(step("a"), None, async move { name() }).await.unwrap(), "px-step");
    assert_eq!(pool.run(handler("a"), None, async move { name() }).await.unwrap(), "px-handler");
}

#[tokio::test]
async fn a_blocked_thread_is_replaced_and_everything_else_goes_on() {
    let pool = Pool::start(limits()).unwrap();
    let (blocked, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    assert_eq!(pool.run(step("other"), None, async { 7 }).await.unwrap(), 7);
    drop(release);
    blocked.await.unwrap();
}

#[tokio::test]
async fn steps_that_block_delay_no_handler_for_a_moment() {
    let pool = Pool::start(Limits { step_threads: 1, ..limits() }).unwrap();
    let (blocked, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    // Not even until the step's thread is replaced: handlers have their own.
    assert_eq!(pool.run(handler("good"), None, async { 7 }).await.unwrap(), 7);
    drop((blocked, release));
}

#[tokio::test]
async fn a_kind_that_was_blocked_runs_on_threads_of_its_own() {
    let pool = Pool::start(limits()).unwrap();
    let (first, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    // Seen to block: replaced, so that another one runs.
    pool.run(step("other"), None, async {}).await.unwrap();
    let more: Vec<_> = (0..20).map(|_| blocks(&pool, step("blocks"))).collect();
    let mut held = vec![(first, release)];
    for (execution, release, begun) in more {
        // All twenty run at once, though one thread is all that steps have which yield.
        begun.await.unwrap();
        held.push((execution, release));
    }
    for _ in 0..100 {
        pool.run(step("other"), None, async {}).await.unwrap();
    }
    for (execution, release) in held {
        drop(release);
        execution.await.unwrap();
    }
}

#[tokio::test]
async fn an_execution_that_is_dropped_in_its_poll_gives_its_place_back_below_the_bound() {
    let pool = Pool::start(limits()).unwrap();
    let mut held = Vec::new();
    for at in 0..3 {
        let (place, given_back) = dropped();
        let (release, released) = mpsc::channel::<()>();
        let (begun, begins) = oneshot::channel();
        let place: Arc<std::sync::Mutex<Dropped>> = Arc::new(std::sync::Mutex::new(place));
        let code = async move {
            begun.send(()).unwrap();
            let _ = released.recv();
        };
        let execution = pool.run(step("spins"), Some(place), code);
        begins.await.unwrap();
        drop(execution);
        until(|| pool.written_off() == (at + 1).min(2)).await;
        held.push((release, given_back));
    }
    assert!(pool.is_at_bound());
    let (last, mut kept) = held.pop().unwrap();
    let mut releases = Vec::new();
    for (release, given_back) in held {
        // At once, and not by the thread that is written off.
        assert_ne!(given_back.await.unwrap(), "px-step");
        releases.push(release);
    }
    until(|| pool.stalled().iter().filter(|stalled| stalled.is_abandoned).count() == 3).await;
    assert!(kept.try_recv().is_err(), "two may be written off; the third keeps its place");
    // Until one of the others yields.
    drop(releases.pop());
    assert_ne!(kept.await.unwrap(), "px-step");
    drop((last, releases));
    until(|| pool.written_off() == 0).await;
    assert!(!pool.is_at_bound());
}

#[tokio::test]
async fn a_dropped_execution_ends_at_its_next_await_on_a_thread_of_the_pool() {
    let pool = Pool::start(limits()).unwrap();
    let (guard, is_dropped) = dropped();
    let (begun, begins) = oneshot::channel();
    let execution = pool.run(step("waits"), None, async move {
        let _guard = guard;
        begun.send(()).unwrap();
        std::future::pending::<()>().await;
    });
    begins.await.unwrap();
    drop(execution);
    assert_eq!(is_dropped.await.unwrap(), "px-step");
}

#[tokio::test]
async fn a_panic_is_a_result_and_costs_no_thread() {
    let pool = Pool::start(limits()).unwrap();
    for _ in 0..3 {
        let Err(Failure::Panicked(panic)) = pool.run(step("panics"), None, panics()).await else {
            panic!("no panic")
        };
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"planned"));
    }
    assert_eq!(pool.run(step("other"), None, async { 7 }).await.unwrap(), 7);
}

#[tokio::test]
async fn a_panic_knows_its_place_in_the_code() {
    let pool = Pool::start(limits()).unwrap();
    let code = async { assert_eq!(1 + 1, 3, "planned") };
    let failed = pool.run(step("panics"), None, code).await;
    let Err(Failure::Panicked(panic)) = failed else { panic!("no panic") };
    assert!(panic.place().is_some_and(|place| place.contains("pool.rs:")), "{panic:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_ends_is_not_written_off() {
    let pool = Pool::start(limits()).unwrap();
    for _ in 0..2_000 {
        // Its result may be here before its poll has returned there.
        pool.run(step("quick"), None, async {}).await.unwrap();
        assert_eq!(pool.written_off(), 0);
    }
}

#[tokio::test]
async fn a_webhook_that_blocks_takes_no_more_threads_than_it_may() {
    let pool = Pool::start(Limits { blocked_of_a_webhook: 3, ..limits() }).unwrap();
    let mut held: Vec<_> = (0..300).map(|_| blocks(&pool, handler("bad"))).collect();
    until(|| pool.is_crowded(&handler("bad"))).await;
    // Another one that was once seen to block is served beside it.
    let (once, release, begun) = blocks(&pool, handler("once"));
    begun.await.unwrap();
    until(|| once.is_stalled()).await;
    drop(release);
    once.await.unwrap();
    for _ in 0..20 {
        pool.run(handler("once"), None, async {}).await.unwrap();
        pool.run(handler("good"), None, async {}).await.unwrap();
    }
    let begun = held.iter_mut().filter_map(|(_, _, begun)| begun.try_recv().ok()).count();
    // Those of the quick lane that had begun before it was seen, and its own.
    assert!(begun <= 1 + 3 + 3, "{begun} hold a thread");
    // Nobody waits for them any more: what is queued goes, whatever its kind holds.
    let (executions, releases): (Vec<_>, Vec<_>) =
        held.into_iter().map(|(execution, release, _)| (execution, release)).unzip();
    drop(executions);
    until(|| pool.written_off() == begun).await;
    assert!(!pool.is_at_bound(), "handlers cost no step its place");
    drop(releases);
    until(|| pool.written_off() == 0).await;
}

#[tokio::test]
async fn a_pool_that_is_dropped_refuses_what_it_has_queued() {
    let pool = Pool::start(limits()).unwrap();
    let (blocked, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    let queued = pool.run(step("blocks"), None, async {});
    let idle = pool.run(handler("idle"), None, std::future::pending::<()>());
    drop(pool);
    assert!(matches!(queued.await, Ok(()) | Err(Failure::Closed)));
    drop((idle, release));
    blocked.await.unwrap();
}

/// The nice values of this process's threads that have this name.
#[cfg(target_os = "linux")]
fn nice_of(name: &str) -> Vec<i64> {
    let stat = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("stat")).ok()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(stat);
    let named = tasks.filter(|stat| stat.contains(&format!("({name})")));
    // The nineteenth field; the second one is the name, which may have spaces.
    named
        .map(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap().parse().unwrap())
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_thread_of_the_pool_has_one_priority_whoever_started_it() {
    let pool = Pool::start(limits()).unwrap();
    let (first, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    until(|| first.is_stalled()).await;
    // The second one's thread is started by a thread of the pool that wakes it.
    let (sender, receiver) = oneshot::channel();
    let second = pool.run(step("blocks"), None, receiver);
    pool.run(step("wakes"), None, async move { sender.send(()) }).await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let blocking = pool
        .run(step("spawns"), None, async { tokio::task::spawn_blocking(|| nice_of("px-user-tasks")).await });
    let of_tasks = blocking.await.unwrap().unwrap();
    let own = nice_of("px-watchdog")[0];
    let all = [nice_of("px-step"), nice_of("px-handler"), of_tasks].concat();
    assert!(all.len() >= 4 && all.iter().all(|nice| *nice == own + 5), "{own} and {all:?}");
    drop(release);
    first.await.unwrap();
}

/// A future that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::resume_unwind(Box::new("planned"));
    }
}

#[tokio::test]
async fn a_destructor_that_panics_costs_no_thread() {
    let pool = Pool::start(limits()).unwrap();
    for _ in 0..3 {
        let (begun, begins) = oneshot::channel();
        let execution = pool.run(step("bomb"), None, async move {
            let _bomb = Bomb;
            begun.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        begins.await.unwrap();
        drop(execution);
    }
    assert_eq!(pool.run(step("other"), None, async { 7 }).await.unwrap(), 7);
}

#[tokio::test]
async fn what_does_not_yield_for_a_second_is_named_until_it_does() {
    let pool = Pool::start(limits()).unwrap();
    let (blocked, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    until(|| !pool.stalled().is_empty()).await;
    let stalled = pool.stalled();
    assert_eq!((stalled.len(), &stalled[0].subject), (1, &step("blocks")));
    assert!(stalled[0].time >= px_pool::STALLED && blocked.is_stalled() && !stalled[0].is_abandoned);
    assert!(pool.stalled_for(run_id()).is_some());
    drop(blocked);
    assert!(pool.stalled()[0].is_abandoned);
    assert!(pool.stalled_for(run_id()).is_none(), "the run has gone on without it");
    drop(release);
    until(|| pool.stalled().is_empty()).await;
}

#[tokio::test]
async fn a_webhook_whose_handlers_block_is_crowded_and_no_other_one_is() {
    let pool = Pool::start(Limits { blocked_of_a_webhook: 3, ..limits() }).unwrap();
    let mut held = Vec::new();
    while !pool.is_crowded(&handler("bad")) {
        let (execution, release, mut begun) = blocks(&pool, handler("bad"));
        // Once it has all its threads, one more waits until that is seen.
        until(|| begun.try_recv().is_ok() || pool.is_crowded(&handler("bad"))).await;
        held.push((execution, release));
        assert!(held.len() <= 100, "never crowded");
        pool.run(handler("good"), None, async {}).await.unwrap();
    }
    assert!(!pool.is_crowded(&handler("good")));
    assert!(!pool.is_crowded(&step("bad")), "steps have places instead");
    for (execution, release) in held {
        drop(release);
        execution.await.unwrap();
    }
    until(|| !pool.is_crowded(&handler("bad"))).await;
}

#[tokio::test]
async fn timers_and_sockets_go_on_while_spawned_tasks_spin() {
    let pool = Pool::start(Limits { max_stalled: 4, ..limits() }).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    for _ in 0..4 {
        let (stop, (begun, begins)) = (Arc::clone(&stop), oneshot::channel());
        let spawned = pool.run(step("spawns"), None, async move {
            drop(tokio::spawn(async move {
                // So that the worker which has the driver wakes for this task.
                tokio::time::sleep(Duration::from_millis(1)).await;
                begun.send(()).unwrap();
                while !stop.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }));
        });
        spawned.await.unwrap();
        begins.await.unwrap();
    }
    let works = pool.run(step("awaits"), None, async {
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sent, taken) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        sent.is_ok() && taken.is_ok()
    });
    assert!(works.await.unwrap());
    stop.store(true, Ordering::SeqCst);
}

#[tokio::test]
async fn a_pool_without_threads_polls_where_it_is_awaited() {
    let pool = Pool::inline();
    let here = std::thread::current().id();
    let there = pool.run(step("a"), None, async { std::thread::current().id() }).await.unwrap();
    assert_eq!(here, there);
    assert!(matches!(pool.run(step("a"), None, panics()).await, Err(Failure::Panicked(_))));
    assert!(pool.stalled().is_empty() && pool.written_off() == 0 && !pool.is_at_bound());
}

#[tokio::test]
async fn the_threads_end_with_the_pool_also_if_one_is_blocked() {
    let pool = Pool::start(limits()).unwrap();
    let (blocked, release, begun) = blocks(&pool, step("blocks"));
    begun.await.unwrap();
    drop(pool);
    drop(release);
    // Its poll is still done to its end.
    blocked.await.unwrap();
}
