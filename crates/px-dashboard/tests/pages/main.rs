//! The pages of the dashboard over answers of the real types: their HTML, and rules that hold for
//! each of them.

#![expect(unreachable_pub, reason = "modules of a test")]
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod fixtures;
mod html;
mod rules;
mod snapshots;
mod weight;
