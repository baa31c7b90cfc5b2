//! The client against the real server in this process, and against answers that
//! the real one gives only in bad times.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod errors;
mod routes;
mod streams;
mod support;
