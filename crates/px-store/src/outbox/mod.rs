//! The outbox: hooks, and what is on its way to them. Rows are written in the
//! commit of the change that they tell of.

mod model;

pub use model::{
    Disabled, DisabledBy, Format, Hook, OldSecret, RetryPolicy, Sealed, Secrets, Signing, Source, glob_fits,
};
