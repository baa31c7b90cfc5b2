//! The contract of stores, kept by a store that has no rows: maps of records,
//! written from outside px-store. It passes the suite of every store, so the
//! suite asks for nothing that only rows have.

mod records;

use std::sync::Arc;

use px_store::Store;
use records::Records;

fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(Records::new()), ())
}

px_store::store_conformance!(open);

#[test]
fn two_stores_of_records_do_not_differ() {
    for seed in 0..20 {
        px_store::conformance::differential(seed, 200, open().0, open().0, |store| store);
    }
}
