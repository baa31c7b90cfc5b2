//! A batch as this store passes it on: a [`RowBatch`] whose values are packed.

use px_store::Hint;
use px_store_rows::{Check, RowBatch, RowKey, RowOp};

use crate::packing::Stored;

/// One change of a row or of a posting list, as [`RowOp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Put { key: RowKey, value: Stored },
    Remove { key: RowKey },
    Post { list: RowKey, id: [u8; 16] },
    Unpost { list: RowKey, id: [u8; 16] },
}

impl From<RowOp> for Change {
    fn from(op: RowOp) -> Self {
        match op {
            RowOp::Put { key, value } => Self::Put { key, value: Stored::of(value) },
            RowOp::Remove { key } => Self::Remove { key },
            RowOp::Post { list, id } => Self::Post { list, id },
            RowOp::Unpost { list, id } => Self::Unpost { list, id },
        }
    }
}

impl Change {
    /// The key or the name of the list.
    pub(crate) fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Remove { key } => key,
            Self::Post { list, .. } | Self::Unpost { list, .. } => list,
        }
    }

    /// Bytes beside the key.
    pub(crate) fn value_bytes(&self) -> usize {
        match self {
            Self::Put { value, .. } => value.len(),
            Self::Remove { .. } => 0,
            Self::Post { id, .. } | Self::Unpost { id, .. } => id.len(),
        }
    }
}

/// A [`RowBatch`] on its way.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) checks: Vec<Check>,
    pub(crate) changes: Vec<Change>,
    pub(crate) hints: Vec<Hint>,
}

impl From<RowBatch> for Changes {
    fn from(batch: RowBatch) -> Self {
        let RowBatch { checks, ops, hints } = batch;
        Self { checks, changes: ops.into_iter().map(Change::from).collect(), hints }
    }
}
