//! The reads of values that outlive runs, past the gate of a store with faults. Their writes are commits.

use px_core::{KvId, Scope};
use px_store::{KvBrain, KvRecord, KvStore, Read, Versioned};

use crate::faulty::FaultyStore;

impl KvStore for FaultyStore {
    fn value<'a>(&'a self, scope: Scope, id: &'a KvId) -> Read<'a, Option<Versioned<KvRecord>>> {
        self.read("kv", move || self.inner.kv().value(scope, id))
    }

    fn values<'a>(
        &'a self,
        scope: Scope,
        brain: &'a str,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> Read<'a, Vec<(KvId, Versioned<KvRecord>)>> {
        self.read("kv_values", move || self.inner.kv().values(scope, brain, after, limit))
    }

    fn brain<'a>(&'a self, scope: Scope, brain: &'a str) -> Read<'a, Option<Versioned<KvBrain>>> {
        self.read("kv_brain", move || self.inner.kv().brain(scope, brain))
    }

    fn brains<'a>(
        &'a self,
        scope: Scope,
        after: Option<&'a str>,
        limit: usize,
    ) -> Read<'a, Vec<(String, Versioned<KvBrain>)>> {
        self.read("kv_brains", move || self.inner.kv().brains(scope, after, limit))
    }
}
