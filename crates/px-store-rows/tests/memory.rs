//! The memory store against the suite that every store must pass.

use std::sync::Arc;

use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};

fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(Embedded::new(MemoryRows::new())), ())
}

px_store::store_conformance!(open);

#[test]
fn two_memory_stores_do_not_differ() {
    for seed in 0..20 {
        px_store::conformance::differential(seed, 200, open().0, open().0, |store| store);
    }
}
