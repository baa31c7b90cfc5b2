//! Tests that need the whole store, on a real disk, on a disk that fails as it
//! is told, over sled and over a tree in memory. None of them sleeps.

mod checkpoints;
mod commits;
mod damage;
mod differential;
mod failures;
mod journal;
mod packing;
mod rig;
