//! Posting lists in the tree. Ids are packed into blocks, so that a list costs
//! one row for some hundred ids instead of one for each.
//!
//! A block's key is [`BLOCKS`] ‖ length of the list's name (4, big endian) ‖
//! name ‖ first id; its value is ids in ascending order, 16 bytes each. A user's
//! row has [`ROWS`] in front of its key, so the two never meet.
//!
//! If ids move to another block, the block that they leave is written in a
//! later chunk than the one that they enter. After a crash in between they are
//! in both, which readers do not see and the next write mends.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use px_store::Error;
use px_store_rows::Order;

use crate::packing::Stored;
use crate::tree::{Tree, Write};

/// First byte of the keys of rows.
pub(crate) const ROWS: u8 = b'r';
/// First byte of the keys of blocks.
pub(crate) const BLOCKS: u8 = b'p';

/// The most ids in a block.
pub(crate) const BLOCK_IDS: usize = 256;

/// Blocks that a read fetches at once.
const READ_BLOCKS: usize = 8;

const ID: usize = 16;

/// The key of a row in the tree.
pub(crate) fn row_key(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.len());
    bytes.push(ROWS);
    bytes.extend_from_slice(key);
    bytes
}

fn prefix(list: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5 + list.len() + ID + 1);
    bytes.push(BLOCKS);
    // Names are bounded like keys, far below 4 GiB.
    bytes.extend_from_slice(&u32::try_from(list.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(list);
    bytes
}

fn block_key(list: &[u8], first: &[u8; ID]) -> Vec<u8> {
    let mut bytes = prefix(list);
    bytes.extend_from_slice(first);
    bytes
}

/// Above every block of the list that starts at `id` or before.
fn after(list: &[u8], id: &[u8; ID]) -> Vec<u8> {
    let mut bytes = block_key(list, id);
    bytes.push(0);
    bytes
}

fn first_id(key: &[u8]) -> Option<[u8; ID]> {
    key.last_chunk().copied()
}

fn ids(value: &[u8]) -> Result<&[[u8; ID]], Error> {
    let (ids, rest) = value.as_chunks();
    if rest.is_empty() {
        Ok(ids)
    } else {
        Err(Error::Corrupt(format!("a block of a posting list has {} bytes", value.len())))
    }
}

fn block(ids: &[[u8; ID]]) -> Stored {
    Stored::of(Bytes::from(ids.as_flattened().to_vec()))
}

/// Changes that the tree has to take in for one list.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Blocks that are new or hold at least what they held; in key order.
    pub(crate) grown: Vec<Write>,
    /// Blocks that ids left, and blocks that are gone; to be written after
    /// `grown` is durable.
    pub(crate) shrunk: Vec<Write>,
}

/// Plans how `new` ids enter the blocks of a list.
pub(crate) fn plan(tree: &dyn Tree, list: &[u8], new: &BTreeSet<[u8; ID]>) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let end = after(list, &[0xff; ID]);
    let mut new = new.iter().copied().peekable();
    while let Some(first) = new.peek().copied() {
        // The block that must take this id, and the first id of the one behind it.
        let next = tree.range(&after(list, &first), &end, Order::Ascending, 1)?.pop();
        let bound = next.as_ref().and_then(|(key, _)| first_id(key));
        let mut entering = Vec::new();
        while let Some(id) = new.next_if(|id| bound.is_none_or(|bound| *id < bound)) {
            entering.push(id);
        }
        let home = tree.range(&prefix(list), &after(list, &first), Order::Descending, 1)?.pop();
        match (home, next) {
            (Some((key, value)), _) => {
                // Ids at or above the next block's first are there as well: a
                // split that a crash interrupted.
                let old = ids(&value)?;
                let kept: Vec<_> =
                    old.iter().copied().filter(|id| bound.is_none_or(|bound| *id < bound)).collect();
                plan.merge(list, Some(&key), &kept, entering);
            }
            // Ids before the first block: it takes them and gets a new key, if it
            // has room, and if nothing else of this plan looks for the old one.
            (None, Some((key, value)))
                if new.peek().is_none() && ids(&value)?.len() + entering.len() <= BLOCK_IDS =>
            {
                entering.extend_from_slice(ids(&value)?);
                plan.merge(list, None, &[], entering);
                plan.shrunk.push((key, None));
            }
            (None, _) => plan.merge(list, None, &[], entering),
        }
    }
    Ok(plan)
}

/// Plans how ids leave the blocks of a list. A block keeps its key when its
/// first id is gone, since the key is where it begins; an empty one is removed.
pub(crate) fn without(tree: &dyn Tree, list: &[u8], gone: &BTreeSet<[u8; ID]>) -> Result<Vec<Write>, Error> {
    // A block may be met twice, as a home and as the one before another.
    let mut blocks = BTreeMap::<Vec<u8>, (usize, Vec<[u8; ID]>)>::new();
    let end = after(list, &[0xff; ID]);
    let mut gone = gone.iter().copied().peekable();
    while let Some(first) = gone.peek().copied() {
        let next = tree.range(&after(list, &first), &end, Order::Ascending, 1)?.pop();
        let bound = next.and_then(|(key, _)| first_id(&key));
        let mut leaving = BTreeSet::new();
        while let Some(id) = gone.next_if(|id| bound.is_none_or(|bound| *id < bound)) {
            leaving.insert(id);
        }
        // The block that has them, and the one before it, which still has them
        // if a crash interrupted their move.
        for (key, value) in tree.range(&prefix(list), &after(list, &first), Order::Descending, 2)? {
            let (_, kept) = match blocks.entry(key) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => {
                    let old = ids(&value)?;
                    new.insert((old.len(), old.to_vec()))
                }
            };
            kept.retain(|id| !leaving.contains(id));
        }
    }
    let changed = blocks.into_iter().filter(|(_, (before, kept))| kept.len() < *before);
    Ok(changed.map(|(key, (_, kept))| (key, (!kept.is_empty()).then(|| block(&kept)))).collect())
}

impl Plan {
    /// Puts `entering` beside `kept`, whose block has `key`.
    fn merge(&mut self, list: &[u8], key: Option<&[u8]>, kept: &[[u8; ID]], entering: Vec<[u8; ID]>) {
        let appends = entering.first().zip(kept.last()).is_none_or(|(new, old)| new > old);
        let mut all: Vec<_> = kept.iter().copied().chain(entering).collect();
        all.sort_unstable();
        all.dedup();
        // At the end of a list blocks are filled up, since what comes will be
        // larger still; in the middle they are halved, so that more fits in.
        let size = if appends { BLOCK_IDS } else { all.len().div_ceil(all.len().div_ceil(BLOCK_IDS).max(1)) };
        for (index, piece) in all.chunks(size.max(1)).enumerate() {
            let Some(first) = piece.first() else { continue };
            match key {
                Some(key) if index == 0 => {
                    let holds_all =
                        kept.last().is_none_or(|last| piece.last().is_some_and(|end| end >= last));
                    let writes = if holds_all { &mut self.grown } else { &mut self.shrunk };
                    writes.push((key.to_vec(), Some(block(piece))));
                }
                _ => self.grown.push((block_key(list, first), Some(block(piece)))),
            }
        }
    }
}

/// Reads the first `limit` ids of a list in an order, only those beyond `beyond`.
pub(crate) fn read(
    tree: &dyn Tree,
    list: &[u8],
    beyond: Option<[u8; ID]>,
    order: Order,
    limit: usize,
) -> Result<Vec<[u8; ID]>, Error> {
    let (mut from, mut to) = (prefix(list), after(list, &[0xff; ID]));
    match (order, &beyond) {
        (Order::Descending, Some(beyond)) => to = block_key(list, beyond),
        // The block that holds the first ones may begin before them.
        (Order::Ascending, Some(beyond)) => {
            let home = tree.range(&from, &after(list, beyond), Order::Descending, 1)?.pop();
            from = home.map_or_else(|| block_key(list, beyond), |(key, _)| key);
        }
        (_, None) => {}
    }
    let mut found: Vec<[u8; ID]> = Vec::new();
    while found.len() < limit {
        let want = (limit - found.len()).div_ceil(BLOCK_IDS / 2).clamp(1, READ_BLOCKS);
        let blocks = tree.range(&from, &to, order, want)?;
        let is_whole = blocks.len() < want;
        for (key, value) in blocks {
            let ids = ids(&value)?;
            // Only what is past the ids so far: an interrupted split leaves ids in two blocks.
            let mut take = |id: &[u8; ID]| {
                let is_past = found.last().or(beyond.as_ref()).is_none_or(|last| match order {
                    Order::Ascending => id > last,
                    Order::Descending => id < last,
                });
                if is_past && found.len() < limit {
                    found.push(*id);
                }
            };
            match order {
                Order::Ascending => {
                    ids.iter().for_each(&mut take);
                    from = key;
                    from.push(0);
                }
                Order::Descending => {
                    ids.iter().rev().for_each(&mut take);
                    to = key;
                }
            }
        }
        if is_whole {
            break;
        }
    }
    Ok(found)
}
