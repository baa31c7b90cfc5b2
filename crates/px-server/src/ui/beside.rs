//! Pages of single runs are drawn beside the threads that take webhooks in: a state of some megabytes is replayed,
//! compared and cleaned of secrets for each of them, which takes longer than a webhook should ever wait.

use axum::response::Response;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

/// Such pages that are drawn at a time. More would take the processors from webhooks, and gain nothing.
const AT_ONCE: usize = 2;

/// The places of pages that are drawn.
#[derive(Debug)]
pub(crate) struct Beside(Semaphore);

impl Default for Beside {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Beside {
    /// Draws a page while another thread does what else this one would have to do.
    pub(super) async fn draw(&self, page: impl Future<Output = Response>) -> Response {
        // Nobody closes it; without a place the page is drawn all the same.
        let _place = self.0.acquire().await;
        let runtime = Handle::current();
        match runtime.runtime_flavor() {
            RuntimeFlavor::MultiThread => tokio::task::block_in_place(|| runtime.block_on(page)),
            _ => page.await,
        }
    }
}
