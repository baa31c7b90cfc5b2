//! The shortest way through the store.

use bytes::Bytes;
use px_store::rows::{Admission, Backing, Check, Expect, Order, RowBatch, RowOp, RowOutcome};

use crate::{Options, SledRows};

fn put(key: &str, value: &str) -> RowOp {
    RowOp::Put { key: key.into(), value: Bytes::copy_from_slice(value.as_bytes()) }
}

#[tokio::test]
async fn what_is_committed_is_read_back_before_and_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    for close in [true, false, true] {
        let store = SledRows::open(dir.path(), Options::default()).unwrap();
        let batch = RowBatch {
            checks: vec![Check { key: b"b".to_vec(), expect: Expect::Absent }],
            ops: vec![put("a", "1"), put("b", "2"), RowOp::Post { list: b"l".to_vec(), id: [7; 16] }],
            hints: Vec::new(),
        };
        let outcome = store.submit(batch, Admission::Wait).await.unwrap();
        let undo = RowBatch { ops: vec![RowOp::Remove { key: b"b".to_vec() }], ..RowBatch::default() };
        assert!(matches!(outcome, RowOutcome::Committed { .. }));
        assert_eq!(store.range(b"a", b"z", Order::Ascending, 10).unwrap().len(), 2);
        store.submit(undo, Admission::Wait).await.unwrap();
        store.checkpoint().unwrap();
        assert_eq!(store.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(store.range(b"a", b"z", Order::Descending, 10).unwrap().len(), 1);
        assert_eq!(store.postings(b"l", None, 10).unwrap(), [[7; 16]]);
        if close {
            store.close().unwrap();
        }
    }
}
