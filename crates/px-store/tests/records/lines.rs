//! Those who wait in the line of a key.

use px_core::KeyId;
use px_core::key::{Waiter, WaiterId};

use super::Maps;

impl Maps {
    pub(super) fn waiters(
        &self,
        key: &KeyId,
        token: Option<&str>,
        from: u64,
        limit: usize,
    ) -> Vec<(u64, Waiter)> {
        let places = self.lines.range((key.clone(), from)..=(key.clone(), u64::MAX));
        let wanted = places.filter(|(_, waiter)| token.is_none() || waiter.token() == token);
        let rows = wanted.map(|((_, place), waiter)| (*place, waiter.clone()));
        let within = self.keys.get(key).map(|kept| kept.record.within_from(token, from).cloned());
        rows.chain(within.into_iter().flatten()).take(limit).collect()
    }

    pub(super) fn waiter_place(&self, key: &KeyId, waiter: WaiterId) -> Option<u64> {
        let mut places = self.lines.range((key.clone(), 0)..=(key.clone(), u64::MAX));
        let row = places.find(|(_, there)| there.id() == waiter).map(|((_, place), _)| *place);
        let mut within = self.keys.get(key).into_iter().flat_map(|kept| &kept.record.within);
        row.or_else(|| within.find(|(_, there)| there.id() == waiter).map(|(place, _)| *place))
    }
}
