//! The runtime behind users' code: its timers, its sockets, what it spawns, and
//! the threads for code that blocks.
//!
//! Polls of executions happen on the pool's threads, which only enter this
//! runtime; so none of them can hold its I/O and timer driver. Tasks that users'
//! code spawns do run on its workers. A worker that wakes from the driver and
//! goes on to run a task that never yields leaves the driver to nobody, until
//! another worker is woken: [`Driver::nudge`] wakes one.

use std::io;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::nice::Nice;

/// Workers for the tasks that users' code spawns. As many of these as there are
/// workers can keep one for ever before timers and sockets stand still.
const WORKERS: usize = 20;

/// Threads for [`spawn_blocking`](tokio::task::spawn_blocking), at most.
const MAX_BLOCKING: usize = 512;

#[derive(Debug)]
pub(crate) struct Driver {
    /// `None` once it is shut down.
    runtime: Option<Runtime>,
    handle: Handle,
}

impl Driver {
    pub(crate) fn start(nice: Nice) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("px-user-tasks")
            .on_thread_start(move || nice.lower())
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { runtime: Some(runtime), handle })
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Returns whether users' code has spawned tasks that have not ended.
    pub(crate) fn has_tasks(handle: &Handle) -> bool {
        handle.metrics().num_alive_tasks() > 0
    }

    /// Lets an idle worker run, which then takes the driver if nobody has it.
    /// The returned task is over once one has run.
    pub(crate) fn nudge(handle: &Handle) -> JoinHandle<()> {
        handle.spawn(std::future::ready(()))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for nobody: a task may never yield.
            runtime.shutdown_background();
        }
    }
}
