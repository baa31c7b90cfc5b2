//! Figures of a hook, from its newest deliveries: they are what the rows say,
//! and nothing is counted beside them.

use std::collections::BTreeMap;

use px_core::{HookId, Timestamp};
use px_store::outbox::{Breaker, CallbackFilter, CallbackState, lane_of};
use serde::Serialize;

use super::{Error, Operator};

/// So many of the newest deliveries are looked at.
const SAMPLE: usize = 5_000;
/// Number that are read at once.
const PAGE: usize = 200;

/// Figures about a hook.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Number of deliveries the figures are about.
    pub deliveries: u64,
    /// True if there are older ones that they are not about.
    pub is_sample: bool,
    /// Deliveries by state.
    pub states: BTreeMap<CallbackState, u64>,
    /// Attempts of these deliveries.
    pub attempts: u64,
    /// Of the deliveries that came to an end, the part that was delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<f64>,
    /// From the commit to the receiver's answer, half of the delivered ones, milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<u64>,
    /// The same for 99 of 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<u64>,
    /// Time at which the oldest pending one was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending_at: Option<Timestamp>,
    /// Time until which its endpoint is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked_until: Option<Timestamp>,
}

impl Operator {
    /// The figures of a hook.
    ///
    /// # Errors
    /// There is no such hook, or the store could not be read.
    pub async fn stats(&self, id: HookId) -> Result<Stats, Error> {
        let parts = &self.parts;
        let hook = self.hook(id).await?;
        let filter = CallbackFilter { hook: Some(id), ..CallbackFilter::default() };
        let mut stats = Stats {
            deliveries: 0,
            is_sample: false,
            states: BTreeMap::new(),
            attempts: 0,
            success_rate: None,
            p50_ms: None,
            p99_ms: None,
            oldest_pending_at: None,
            parked_until: self.parked_until(lane_of(&hook.url).0).await?,
        };
        let mut latencies = Vec::new();
        let mut before = None;
        loop {
            let page = parts.store.outbox().callbacks(parts.scope, &filter, before, PAGE).await?;
            for callback in page.items {
                stats.deliveries += 1;
                stats.attempts += u64::from(callback.attempts);
                *stats.states.entry(callback.state).or_default() += 1;
                match callback.state {
                    CallbackState::Delivered => {
                        latencies.push(callback.since.since(callback.created_at).as_millis());
                    }
                    // Lists are newest first: the last one seen is the oldest.
                    CallbackState::Pending => stats.oldest_pending_at = Some(callback.created_at),
                    _ => {}
                }
            }
            before = page.next;
            stats.is_sample = before.is_some();
            if before.is_none() || stats.deliveries >= SAMPLE as u64 {
                break;
            }
        }
        latencies.sort_unstable();
        let of = |state| stats.states.get(&state).copied().unwrap_or(0);
        let (well, dead) = (of(CallbackState::Delivered), of(CallbackState::Dead));
        if well + dead > 0 {
            stats.success_rate = Some(well as f64 / (well + dead) as f64);
        }
        let at = |per_mille: usize| {
            let place = (latencies.len() * per_mille).div_ceil(1_000).saturating_sub(1);
            latencies.get(place).map(|millis| u64::try_from(*millis).unwrap_or(u64::MAX))
        };
        (stats.p50_ms, stats.p99_ms) = (at(500), at(990));
        Ok(stats)
    }

    /// Returns the time until which a lane's endpoint is left alone, if it is.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn parked_until(&self, lane: u64) -> Result<Option<Timestamp>, Error> {
        let endpoint = self.parts.store.outbox().endpoint(self.parts.scope, lane).await?;
        let now = self.parts.clock.now();
        Ok(match endpoint.map(|endpoint| endpoint.breaker) {
            Some(Breaker::Open { until, .. }) if until > now => Some(until),
            _ => None,
        })
    }
}
