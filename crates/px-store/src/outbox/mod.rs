//! The outbox: hooks, and what is on its way to them. Rows are written in the
//! commit of the change that they tell of.

mod model;
mod pattern;
mod retry;

pub use model::{Disabled, DisabledBy, Format, Hook, OldSecret, Sealed, Secrets, Signing, Source};
pub use pattern::glob_fits;
pub use retry::RetryPolicy;
