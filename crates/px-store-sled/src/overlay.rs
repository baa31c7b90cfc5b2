//! Rows and posting lists that the journal has and the tree does not have yet, in memory and in order. The
//! committer adds to the *active* generation; the applier freezes it, writes it to the tree, and lets go of
//! it. Reads look here first.
//!
//! The lock is held for a lookup or for the publishing of one group, never over a read of the tree or a
//! sync.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use px_store_rows::{Expect, Order, RowKey};

use crate::change::{Change, Changes};
use crate::packing::Stored;

/// Memory that a row takes beside its key and value, estimated.
const ROW_BYTES: usize = 96;

/// Memory that an id of a posting list takes, estimated.
const ID_BYTES: usize = 24;

/// Checks of a batch that are looked through to learn that a put is the first
/// of its key; a batch with more is published without that knowledge.
const CHECKS_LOOKED_AT: usize = 16;

/// A row as the overlay knows it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// `None` is a tombstone: the tree may still have the row.
    pub(crate) value: Option<Stored>,
    /// True if neither the generation below nor the tree has a row of this key: the commit that put it
    /// first had checked that. A removal of the row then needs no write to the tree.
    unknown_below: bool,
}

/// The changes between two freezes.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    pub(crate) rows: BTreeMap<RowKey, Row>,
    /// Ids of posting lists: those that entered (`true`) and those that left.
    pub(crate) lists: BTreeMap<RowKey, BTreeMap<[u8; 16], bool>>,
    /// Memory, about.
    pub(crate) bytes: usize,
    /// Journal that this generation stands for, before folding.
    pub(crate) journal_bytes: u64,
    /// The last batch in it.
    pub(crate) last_sequence: u64,
    /// Time of its first change.
    pub(crate) since: Option<Instant>,
}

impl Generation {
    pub(crate) fn is_empty(&self) -> bool {
        self.since.is_none()
    }

    fn put(&mut self, key: RowKey, value: Stored, unknown_below: bool) {
        self.bytes += value.len();
        match self.rows.entry(key) {
            Entry::Occupied(mut row) => {
                let row = row.get_mut();
                let old = row.value.replace(value);
                self.bytes -= old.map_or(0, |old| old.len());
            }
            Entry::Vacant(row) => {
                self.bytes += row.key().len() + ROW_BYTES;
                row.insert(Row { value: Some(value), unknown_below });
            }
        }
    }

    fn remove(&mut self, key: RowKey) {
        match self.rows.entry(key) {
            Entry::Occupied(mut row) => {
                let old = row.get_mut().value.take();
                self.bytes -= old.map_or(0, |old| old.len());
                if row.get().unknown_below {
                    self.bytes -= row.key().len() + ROW_BYTES;
                    row.remove();
                }
            }
            Entry::Vacant(row) => {
                self.bytes += row.key().len() + ROW_BYTES;
                row.insert(Row { value: None, unknown_below: false });
            }
        }
    }

    fn post(&mut self, list: RowKey, id: [u8; 16], enters: bool) {
        let ids = match self.lists.entry(list) {
            Entry::Occupied(ids) => ids.into_mut(),
            Entry::Vacant(ids) => {
                self.bytes += ids.key().len() + ROW_BYTES;
                ids.insert(BTreeMap::new())
            }
        };
        if ids.insert(id, enters).is_none() {
            self.bytes += ID_BYTES;
        }
    }

    /// Adds the changes of a batch that is durable.
    pub(crate) fn publish(&mut self, batch: Changes, now: Instant) {
        self.since.get_or_insert(now);
        let Changes { checks, changes, .. } = batch;
        let absent =
            checks.len() <= CHECKS_LOOKED_AT && checks.iter().any(|check| check.expect == Expect::Absent);
        for change in changes {
            match change {
                Change::Put { key, value } => {
                    let unknown = absent
                        && checks.iter().any(|check| check.expect == Expect::Absent && check.key == key);
                    self.put(key, value, unknown);
                }
                Change::Remove { key } => self.remove(key),
                Change::Post { list, id } => self.post(list, id, true),
                Change::Unpost { list, id } => self.post(list, id, false),
            }
        }
    }
}

/// The active generation and, while the applier works, a frozen one.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    pub(crate) active: Generation,
    pub(crate) frozen: Option<Arc<Generation>>,
    /// Counts the freezes. As long as it stays the same, nothing that came
    /// after a look at the overlay can have reached the tree.
    pub(crate) freezes: u64,
}

impl Generations {
    /// The newest row of a key: `None` if the tree decides.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Option<Stored>> {
        let frozen = || self.frozen.as_ref().and_then(|frozen| frozen.rows.get(key));
        self.active.rows.get(key).or_else(frozen).map(|row| row.value.clone())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.active.bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
    }
}

/// Rows of the overlay in a range, as far as they were looked at.
#[derive(Debug)]
pub(crate) struct Window {
    /// A tombstone hides a row of the tree.
    pub(crate) rows: BTreeMap<RowKey, Option<Stored>>,
    /// The last key that was looked at; `None` if that is the whole range.
    pub(crate) horizon: Option<RowKey>,
    /// [`Generations::freezes`] at that moment.
    pub(crate) freezes: u64,
}

/// Changes of a list that are in the overlay.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// Ids that are in it, whatever the tree says.
    pub(crate) entered: Vec<[u8; 16]>,
    /// Ids that are not, whatever the tree says.
    pub(crate) left: BTreeSet<[u8; 16]>,
}

/// Shared by readers, the committer and the applier.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    generations: RwLock<Generations>,
}

impl Overlay {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Generations> {
        // A panic between two changes of a map leaves the map whole.
        self.generations.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Generations> {
        self.generations.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if nothing was written since the last freeze.
    pub(crate) fn is_idle(&self) -> bool {
        self.read().active.is_empty()
    }

    /// Turns the active generation into the frozen one. The frozen one must
    /// have been let go.
    pub(crate) fn freeze(&self) -> Arc<Generation> {
        let mut generations = self.write();
        let frozen = Arc::new(std::mem::take(&mut generations.active));
        generations.frozen = Some(frozen.clone());
        generations.freezes += 1;
        frozen
    }

    /// Lets go of the frozen generation: the tree answers now.
    pub(crate) fn thaw(&self) -> Option<Arc<Generation>> {
        self.write().frozen.take()
    }

    /// Looks at up to `most` rows of each generation in `from <= key < to`,
    /// from the end where `order` starts.
    pub(crate) fn window(&self, from: &[u8], to: &[u8], order: Order, most: usize) -> Window {
        let generations = self.read();
        let mut window = Window { rows: BTreeMap::new(), horizon: None, freezes: generations.freezes };
        // The older one first, so that the newer one's rows replace its rows.
        let frozen = generations.frozen.as_deref();
        for generation in frozen.into_iter().chain([&generations.active]) {
            let range = (Bound::Included(from), Bound::Excluded(to));
            let mut rows = generation.rows.range::<[u8], _>(range);
            let mut last = None;
            for _ in 0..most {
                let next = match order {
                    Order::Ascending => rows.next(),
                    Order::Descending => rows.next_back(),
                };
                let Some((key, row)) = next else {
                    last = None;
                    break;
                };
                window.rows.insert(key.clone(), row.value.clone());
                last = Some(key);
            }
            if let Some(last) = last {
                let nearer = window.horizon.as_ref().is_none_or(|horizon| match order {
                    Order::Ascending => last < horizon,
                    Order::Descending => last > horizon,
                });
                if nearer {
                    window.horizon = Some(last.clone());
                }
            }
        }
        drop(generations);
        if let Some(horizon) = &window.horizon {
            window.rows.retain(|key, _| match order {
                Order::Ascending => key <= horizon,
                Order::Descending => key >= horizon,
            });
        }
        window
    }

    /// Returns the changes of a list that the tree may not have: the first `limit` ids that entered it
    /// in this order, and at least those before these that left it.
    pub(crate) fn ids(&self, list: &[u8], beyond: Option<[u8; 16]>, order: Order, limit: usize) -> Ids {
        let generations = self.read();
        let mut found = Ids::default();
        let active = generations.active.lists.get(list);
        let frozen = generations.frozen.as_deref().and_then(|frozen| frozen.lists.get(list));
        let bound = beyond.map_or(Bound::Unbounded, Bound::Excluded);
        for (ids, newer) in [(active, None), (frozen, active)] {
            let Some(ids) = ids else { continue };
            let (mut entered, mut up, mut down) = (0, None, None);
            match order {
                Order::Ascending => up = Some(ids.range((bound, Bound::Unbounded))),
                Order::Descending => down = Some(ids.range((Bound::Unbounded, bound)).rev()),
            }
            for (id, enters) in up.into_iter().flatten().chain(down.into_iter().flatten()) {
                if newer.is_some_and(|newer| newer.contains_key(id)) {
                    continue;
                }
                if !enters {
                    found.left.insert(*id);
                    continue;
                }
                found.entered.push(*id);
                entered += 1;
                if entered == limit {
                    break;
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use px_store_rows::Check;

    use super::*;

    fn put(key: &str, value: &str, absent: bool) -> Changes {
        let key = RowKey::from_slice(key.as_bytes());
        let check = Check { key: key.clone(), expect: Expect::Absent };
        Changes {
            checks: if absent { vec![check] } else { Vec::new() },
            changes: vec![Change::Put { key, value: Stored::of(Bytes::copy_from_slice(value.as_bytes())) }],
            hints: Vec::new(),
        }
    }

    fn remove(key: &str) -> Changes {
        Changes { changes: vec![Change::Remove { key: key.as_bytes().into() }], ..Changes::default() }
    }

    #[test]
    fn a_row_that_came_and_went_leaves_nothing_if_the_tree_cannot_have_it() {
        let mut generation = Generation::default();
        generation.publish(put("a", "1", true), Instant::now());
        generation.publish(put("a", "22", false), Instant::now());
        generation.publish(remove("a"), Instant::now());
        assert!(generation.rows.is_empty());
        assert_eq!(generation.bytes, 0);
    }

    #[test]
    fn a_row_that_the_tree_may_have_leaves_a_tombstone() {
        let mut generation = Generation::default();
        generation.publish(put("a", "1", false), Instant::now());
        generation.publish(remove("a"), Instant::now());
        // The check of this put saw the tombstone above, not the tree.
        generation.publish(put("a", "2", true), Instant::now());
        generation.publish(remove("a"), Instant::now());
        assert!(generation.rows["a".as_bytes()].value.is_none());
    }

    #[test]
    fn a_window_ends_where_a_generation_was_cut_off() {
        let overlay = Overlay::default();
        for key in ["a", "c", "e", "g"] {
            overlay.write().active.publish(put(key, "old", false), Instant::now());
        }
        overlay.freeze();
        overlay.write().active.publish(put("f", "new", false), Instant::now());
        overlay.write().active.publish(remove("c"), Instant::now());
        let keys = |window: &Window| {
            window
                .rows
                .keys()
                .map(|key| String::from_utf8(key.to_vec()).unwrap())
                .collect::<Vec<_>>()
                .concat()
        };
        let window = overlay.window(b"a", b"z", Order::Ascending, 2);
        assert_eq!((keys(&window).as_str(), window.horizon.as_deref()), ("ac", Some(&b"c"[..])));
        assert_eq!(window.rows[&b"c"[..]], None);
        let window = overlay.window(b"a", b"z", Order::Descending, 2);
        assert_eq!((keys(&window).as_str(), window.horizon.as_deref()), ("efg", Some(&b"e"[..])));
        let window = overlay.window(b"a", b"z", Order::Descending, 9);
        assert_eq!((keys(&window).as_str(), window.horizon), ("acefg", None));
    }
}
