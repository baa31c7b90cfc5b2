//! Work on requests of people that computes for long: the page of a run with a state of some megabytes, or a list
//! of runs by what is in their states. It is done beside the threads that take webhooks in, which else wait for it.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Such work that is done at a time. More would take the processors from webhooks, and gain nothing.
const AT_ONCE: usize = 2;

/// The places of such work.
#[derive(Debug)]
pub(crate) struct Beside(Semaphore);

impl Default for Beside {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Beside {
    /// Does something while another thread does what else this one would have to do. It must not come here
    /// itself: it has its place already, and could wait for another for ever.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = T>) -> T {
        // Nobody closes it; without a place the work is done all the same.
        let _place = self.0.acquire().await;
        let runtime = Handle::current();
        match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| runtime.block_on(work)),
            _ => work.await,
        }
    }
}
