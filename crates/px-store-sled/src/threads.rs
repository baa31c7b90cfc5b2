//! The threads of a store, and what their panic means for it.

use std::sync::Arc;
use std::thread::JoinHandle;

use px_store::Error;

use crate::shared::Shared;

/// Poisons the store if its thread ends by a panic, so that nobody waits for
/// an answer that will not come.
struct Alarm(Arc<Shared>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.health.poison("one of the store's threads panicked");
            self.0.queue.abandon(&self.0.health.check().err().unwrap_or(Error::Closed));
            self.0.lag.release();
            self.0.applier.gone();
        }
    }
}

pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let alarm = Alarm(shared.clone());
    let guarded = move || {
        let _alarm = alarm;
        run()
    };
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(guarded)
        .map_err(|error| Error::io(format!("start the thread {name}"), &error))
}
