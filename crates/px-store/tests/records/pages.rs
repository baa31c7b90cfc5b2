//! Pages of maps, and deliveries as they are read.

use std::collections::BTreeMap;

use px_store::{Delivery, Page};

use super::Maps;

/// A page of those of a map that fit, newest or oldest first.
pub(super) fn page<K: Copy + Ord, V, T>(
    map: &BTreeMap<K, V>,
    (beyond, limit, is_oldest_first): (Option<[u8; 16]>, usize, bool),
    bytes: impl Fn(K) -> [u8; 16],
    fits: impl Fn(&V) -> Option<T>,
) -> Page<T> {
    let mut all: Vec<(&K, &V)> = map.iter().collect();
    if !is_oldest_first {
        all.reverse();
    }
    let looked = all.len();
    let is_past =
        |id: [u8; 16]| beyond.is_none_or(|beyond| if is_oldest_first { id > beyond } else { id < beyond });
    let rest = all.into_iter().filter(|(id, _)| is_past(bytes(**id)));
    let mut found = rest.filter_map(|(id, value)| fits(value).map(|item| (*id, item)));
    let (mut items, mut last) = (Vec::new(), None);
    for (id, item) in found.by_ref().take(limit) {
        (last, _) = (Some(bytes(id)), items.push(item));
    }
    let more = found.next().is_some();
    Page { items, next: last.filter(|_| more), looked }
}

impl Maps {
    /// A delivery with the events that lie apart from it.
    pub(super) fn whole(&self, kept: &Delivery) -> Delivery {
        let mut whole = kept.clone();
        for (place, event) in (0..).zip(&mut whole.events) {
            if event.apart != 0 {
                event.clone_from(self.events_apart.get(&(kept.id, place)).expect("it lies apart"));
            }
        }
        whole
    }
}
