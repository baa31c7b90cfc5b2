//! Values that outlive runs, in maps.

use std::ops::Bound;

use px_core::{KvChange, KvId, Scope};
use px_store::{Conflict, KvBatch, KvBrain, KvRecord, KvStore, Read, Versioned};

use super::{Maps, Records};

pub(super) fn conflict(maps: &Maps, batch: &KvBatch) -> Option<Conflict> {
    let value = |id| maps.kv.get(id).map_or(0, |kept| kept.version);
    if let Some(write) = batch.values.iter().find(|write| value(&write.id) != write.expected) {
        return Some(Conflict::Kv(write.id.clone()));
    }
    let brain = |title| maps.kv_brains.get(title).map_or(0, |kept| kept.version);
    let lost = batch.brains.iter().find(|write| brain(&write.brain) != write.expected)?;
    Some(Conflict::KvBrain(lost.brain.clone()))
}

pub(super) fn apply(maps: &mut Maps, batch: KvBatch) {
    for write in batch.values {
        match write.change {
            KvChange::Keep => {}
            KvChange::Put(value) => {
                let record = KvRecord { value, at: write.at };
                maps.kv.insert(write.id, Versioned { version: write.version, record });
            }
            KvChange::Remove => {
                maps.kv.remove(&write.id);
            }
        }
    }
    for write in batch.brains {
        match write.keys {
            0 => maps.kv_brains.remove(&write.brain),
            keys => {
                let kept = Versioned { version: write.version, record: KvBrain { keys } };
                maps.kv_brains.insert(write.brain, kept)
            }
        };
    }
}

impl KvStore for Records {
    fn value<'a>(&'a self, scope: Scope, id: &'a KvId) -> Read<'a, Option<Versioned<KvRecord>>> {
        self.read(scope, |maps| maps.kv.get(id).cloned())
    }

    fn values<'a>(
        &'a self,
        scope: Scope,
        brain: &'a str,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> Read<'a, Vec<(KvId, Versioned<KvRecord>)>> {
        let (group, key) = after.unwrap_or_default();
        let last = KvId { brain: brain.into(), scope: group.into(), key: key.into() };
        let from = if after.is_some() { Bound::Excluded(last) } else { Bound::Included(last) };
        self.read(scope, |maps| {
            let behind = maps.kv.range((from, Bound::Unbounded)).take_while(|(id, _)| id.brain == brain);
            behind.take(limit).map(|(id, kept)| (id.clone(), kept.clone())).collect()
        })
    }

    fn brain<'a>(&'a self, scope: Scope, brain: &'a str) -> Read<'a, Option<Versioned<KvBrain>>> {
        self.read(scope, |maps| maps.kv_brains.get(brain).cloned())
    }

    fn brains<'a>(
        &'a self,
        scope: Scope,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(String, Versioned<KvBrain>)>> {
        self.read(scope, |maps| {
            let behind =
                maps.kv_brains.iter().filter(|(title, _)| after.is_none_or(|after| title.as_str() > after));
            behind.take(limit).map(|(title, kept)| (title.clone(), kept.clone())).collect()
        })
    }
}
