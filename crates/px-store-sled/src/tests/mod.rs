//! Tests that need the whole store, on a real disk, on a disk that fails as it
//! is told, and over a tree in memory.

mod smoke;
