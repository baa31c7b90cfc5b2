//! The pages of the dashboard over answers of the real types: their HTML, and rules that hold for
//! each of them.

#![expect(unreachable_pub, reason = "a module of a test")]

mod fixtures;
mod html;
mod rules;
mod snapshots;
mod weight;
