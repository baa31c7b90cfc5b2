//! The journal with sled against the suite that every store must pass, and
//! against the memory store under one random stream of operations, reopened
//! now and then.

#![expect(clippy::expect_used, reason = "a test says by panicking that it failed")]

use std::sync::Arc;

use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};
use px_store_sled::{Options, SledRows};
use tempfile::TempDir;

fn open_in(dir: &TempDir) -> Arc<dyn Store> {
    // Small bounds, so that overlays are frozen and applied, and checkpoints
    // made, many times in a short run.
    let options = Options {
        apply_bytes: 4 * 1024,
        chunk_bytes: 2 * 1024,
        checkpoint_bytes: 64 * 1024,
        ..Options::default()
    };
    Arc::new(Embedded::new(SledRows::open(dir.path(), options).expect("a store")))
}

fn open() -> (Arc<dyn Store>, TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    (open_in(&dir), dir)
}

px_store::store_conformance!(open);

#[test]
fn memory_and_sled_do_not_differ() {
    let seeds = std::env::var("PX_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(4);
    for seed in 0..seeds {
        let (sled, dir) = open();
        let memory: Arc<dyn Store> = Arc::new(Embedded::new(MemoryRows::new()));
        let mut reopened = 0;
        px_store::conformance::differential(seed, 150, memory, sled, |store| {
            reopened += 1;
            // By turns: at rest, and as a process leaves it that dies.
            if reopened % 2 == 0 {
                store.close().expect("a clean end");
            }
            drop(store);
            open_in(&dir)
        });
    }
}
