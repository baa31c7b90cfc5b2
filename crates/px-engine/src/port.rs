//! The port between an execution of a step and its executor. Users' code runs
//! on another thread and may never yield, so it is given nothing that can be
//! held: it sends messages, and the executor commits and answers.
//!
//! Each execution has a port of its own. Once the executor has let go of it,
//! because the step has ended, timed out or lost its claim, all that is asked
//! through it is refused: what an earlier execution wants to write while its
//! retry runs reaches nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use px_core::event::{Cause, TestMark};
use px_core::run::{Catalog, Command, Start};
use px_core::{KvId, RunId};
use px_sdk::{Error, FileRead, KvRead, PortFuture, Registry, Result, StepPort};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::kv::Change;

/// Requests of one execution that wait for the executor; more wait to be sent.
const MAX_ASKS: usize = 16;

/// The text of a refusal: nothing that the execution does counts any more.
const OVER: &str =
    "the run was cancelled, or this execution of the step is over: nothing more is recorded of it";

/// A request of a step to its executor.
pub(crate) enum Ask {
    /// Commits a command, with changes of values that outlive runs. The answer is false if one of these
    /// values has changed meanwhile.
    Record {
        command: Command,
        changes: Vec<Change>,
        /// For the error's text.
        what: &'static str,
        reply: oneshot::Sender<Result<bool>>,
    },
    /// Reads a value that outlives runs.
    ReadKv { id: KvId, reply: oneshot::Sender<Result<KvRead>> },
    /// Reads a piece of a file that came with a delivery.
    ReadFile { read: FileRead, reply: oneshot::Sender<Result<Bytes>> },
    /// Starts a run, and remembers its id under a name in the same commit.
    Start { start: Box<Start>, name: String, item: Option<u32>, reply: oneshot::Sender<Result<RunId>> },
}

/// The step's end.
pub(crate) struct Port {
    run: RunId,
    traceparent: Option<String>,
    test: Option<TestMark>,
    registry: Arc<Registry>,
    asks: mpsc::Sender<Box<Ask>>,
    is_gone: AtomicBool,
    gone: Notify,
}

/// The executor's end. Dropping it ends the execution's right to record.
pub(crate) struct Asks {
    port: Arc<Port>,
    asks: mpsc::Receiver<Box<Ask>>,
}

/// Both ends, for one execution of a step of this run.
pub(crate) fn open(
    run: RunId,
    traceparent: Option<String>,
    test: Option<TestMark>,
    registry: Arc<Registry>,
) -> Asks {
    let (sender, asks) = mpsc::channel(MAX_ASKS);
    let (is_gone, gone) = (AtomicBool::new(false), Notify::new());
    Asks { port: Arc::new(Port { run, traceparent, test, registry, asks: sender, is_gone, gone }), asks }
}

impl Asks {
    pub(crate) fn port(&self) -> Arc<Port> {
        Arc::clone(&self.port)
    }

    /// The next request. Pending while there is none: the port is never closed
    /// from the step's side.
    pub(crate) async fn next(&mut self) -> Box<Ask> {
        match self.asks.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await,
        }
    }

    /// Tells the step that nothing it does can be recorded any more.
    pub(crate) fn revoke(&self) {
        self.port.is_gone.store(true, Ordering::SeqCst);
        self.port.gone.notify_waiters();
    }
}

impl Drop for Asks {
    fn drop(&mut self) {
        self.revoke();
    }
}

impl Port {
    async fn ask<T>(&self, make: impl FnOnce(oneshot::Sender<Result<T>>) -> Ask) -> Result<T> {
        let over = || Error::permanent(OVER);
        let (reply, answer) = oneshot::channel();
        self.asks.send(Box::new(make(reply))).await.map_err(|_| over())?;
        // A request that is sent while the executor lets go may never be read.
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| over())?,
            () = self.over() => Err(over()),
        }
    }

    /// Resolves when the executor has let go of the execution.
    async fn over(&self) {
        let mut gone = std::pin::pin!(self.gone.notified());
        // Registered before the look, so that none is missed between both.
        gone.as_mut().enable();
        if !self.is_cancelled() {
            gone.await;
        }
    }

    async fn record(&self, command: Command, what: &'static str) -> Result<()> {
        let changes = Vec::new();
        self.ask(|reply| Ask::Record { command, changes, what, reply }).await.map(drop)
    }

    /// Commits the result of an item, with what its work has written. Returns false if a value has
    /// changed meanwhile.
    pub(crate) async fn record_item(&self, done: Command, changes: Vec<Change>) -> Result<bool> {
        let what = "the item's result";
        self.ask(|reply| Ask::Record { command: done, changes, what, reply }).await
    }

    /// Everything about a run of this brain that needs no commit: its options
    /// are read by users' code, so this runs where the step does.
    fn start_of(&self, brain: &str, input: Value) -> Result<Start> {
        let Some(info) = Catalog::brain(&*self.registry, brain) else {
            return Err(Error::permanent(format_args!("brain '{brain}' is not registered")));
        };
        let mut start = Start::of(info, input, Cause::Run(self.run));
        start.traceparent = self.traceparent.clone();
        start.test.clone_from(&self.test);
        if let Some(def) = self.registry.as_ref().brain(brain) {
            match def.complete_options(start.options.clone()) {
                Ok(options) => start.options = options,
                Err(why) => start.bad_options = Some(why),
            }
        }
        Ok(start)
    }
}

impl StepPort for Port {
    fn record_once(&self, item: Option<u32>, name: String, value: Value) -> PortFuture<'_, Result<()>> {
        Box::pin(self.record(Command::RecordOnce { name, value, item }, "the side effect"))
    }

    fn start_run(
        &self,
        item: Option<u32>,
        name: String,
        brain: String,
        input: Value,
    ) -> PortFuture<'_, Result<RunId>> {
        Box::pin(async move {
            let start = self.start_of(&brain, input)?;
            self.ask(|reply| Ask::Start { start: Box::new(start), name, item, reply }).await
        })
    }

    fn read_kv(&self, id: KvId) -> PortFuture<'_, Result<KvRead>> {
        Box::pin(self.ask(|reply| Ask::ReadKv { id, reply }))
    }

    fn read_file(&self, read: FileRead) -> PortFuture<'_, Result<Bytes>> {
        Box::pin(self.ask(|reply| Ask::ReadFile { read, reply }))
    }

    fn emit(&self, name: String, data: Value, durable: bool) -> PortFuture<'_, Result<()>> {
        Box::pin(self.record(Command::Emit { name, data, durable }, "the progress"))
    }

    fn is_cancelled(&self) -> bool {
        self.is_gone.load(Ordering::SeqCst)
    }

    fn cancelled(&self) -> PortFuture<'_, ()> {
        Box::pin(self.over())
    }
}
