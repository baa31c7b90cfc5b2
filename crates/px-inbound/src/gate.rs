//! The gate in front of the stage: it bounds the requests that are inside at
//! once and the pace at which they come, by webhook and by address. Every table
//! is bounded, and nothing here is stored. It knows no HTTP beyond an address,
//! and no clock: `now` is given to it.
//!
//! Room is kept for providers that never retry: the others are turned away
//! while some of it is still free, since for these a refusal is a loss.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use px_core::Timestamp;

use crate::verify::Network;

/// The bounds of the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Requests inside at once.
    pub in_flight: usize,
    /// Number of these that only providers that never retry may use.
    pub reserved: usize,
    /// Requests inside at once from one address.
    pub in_flight_per_address: usize,
    /// Bytes of bodies that are held at once.
    pub body_bytes: usize,
    /// Bytes of bodies that are on the disk at once, while they come.
    pub spilled_bytes: u64,
    /// Maximum number of addresses whose rate is remembered.
    pub addresses: usize,
}

impl Default for GateLimits {
    fn default() -> Self {
        Self {
            in_flight: 4_096,
            reserved: 512,
            in_flight_per_address: 1_024,
            body_bytes: 256 * 1024 * 1024,
            spilled_bytes: 1024 * 1024 * 1024,
            addresses: 8_192,
        }
    }
}

/// The bounds of one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Requests inside at once.
    pub in_flight: usize,
    /// Requests a second, on average; a second's worth may come at once.
    pub per_second: Option<u32>,
    /// Requests a second from one address.
    pub per_second_per_address: Option<u32>,
    /// Networks that may send; empty means everybody.
    pub allow: Vec<Network>,
    /// True if its provider never sends a delivery again.
    pub never_retries: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            in_flight: 2_048,
            per_second: None,
            per_second_per_address: None,
            allow: Vec::new(),
            never_retries: false,
        }
    }
}

/// The cause for which a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdmissionDenied {
    /// The address is not on the webhook's list.
    #[error("This webhook accepts no requests from here")]
    NotAllowed,
    /// Too many are inside; come back.
    #[error("Too many requests at once, try again")]
    Busy,
    /// They come too fast; come back.
    #[error("Too many requests, try again")]
    TooFast,
}

/// The bounds that requests pass before they are read.
#[derive(Debug)]
pub struct Gate {
    limits: GateLimits,
    policies: HashMap<String, Policy>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    body_bytes: usize,
    spilled_bytes: u64,
    by_slug: HashMap<String, usize>,
    // Bounded by `in_flight`: an address leaves with its last request.
    by_address: HashMap<IpAddr, usize>,
    slug_rates: HashMap<String, Bucket>,
    // Two generations: when the new one is full, the old one is forgotten.
    new_rates: HashMap<(IpAddr, String), Bucket>,
    old_rates: HashMap<(IpAddr, String), Bucket>,
}

/// A token bucket that holds a second's worth.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Timestamp,
}

impl Bucket {
    fn full(per_second: u32, at: Timestamp) -> Self {
        Self { tokens: f64::from(per_second.max(1)), at }
    }

    fn take(&mut self, per_second: u32, now: Timestamp) -> bool {
        let most = f64::from(per_second.max(1));
        let come = now.since(self.at).as_secs_f64() * f64::from(per_second);
        self.tokens = (self.tokens + come).min(most);
        self.at = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

impl Gate {
    /// A gate for webhooks with these policies; others share the default one.
    #[must_use]
    pub fn new(limits: GateLimits, policies: HashMap<String, Policy>) -> Arc<Self> {
        Arc::new(Self { limits, policies, state: Mutex::default() })
    }

    /// Returns the number of requests a minute that a webhook takes, if that is bounded.
    #[must_use]
    pub fn per_minute(&self, slug: &str) -> Option<u64> {
        self.policies.get(slug)?.per_second.map(|rate| u64::from(rate) * 60)
    }

    /// Lets a request in, or says why not. It is inside until the permit is dropped.
    ///
    /// # Errors
    /// See [`AdmissionDenied`].
    pub fn enter(
        self: &Arc<Self>,
        slug: &str,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Permit, AdmissionDenied> {
        let own = self.policies.get(slug);
        // Unknown slugs are counted together, or their names would fill the table.
        let slug = if own.is_some() { slug } else { "" };
        let fallback = Policy::default();
        let policy = own.unwrap_or(&fallback);
        if !policy.allow.is_empty() && !policy.allow.iter().any(|network| network.contains(address)) {
            return Err(AdmissionDenied::NotAllowed);
        }
        let address = neighbourhood(address);
        let room = if policy.never_retries {
            self.limits.in_flight
        } else {
            self.limits.in_flight.saturating_sub(self.limits.reserved)
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.in_flight >= room
            || state.by_slug.get(slug).copied().unwrap_or(0) >= policy.in_flight
            || state.by_address.get(&address).copied().unwrap_or(0) >= self.limits.in_flight_per_address
        {
            return Err(AdmissionDenied::Busy);
        }
        if let Some(per_second) = policy.per_second_per_address {
            let name = (address, slug.to_owned());
            if !state.take_by_address(name, per_second, now, self.limits.addresses) {
                return Err(AdmissionDenied::TooFast);
            }
        }
        if let Some(per_second) = policy.per_second {
            let bucket =
                state.slug_rates.entry(slug.to_owned()).or_insert_with(|| Bucket::full(per_second, now));
            if !bucket.take(per_second, now) {
                return Err(AdmissionDenied::TooFast);
            }
        }
        state.in_flight += 1;
        *state.by_slug.entry(slug.to_owned()).or_default() += 1;
        *state.by_address.entry(address).or_default() += 1;
        Ok(Permit { gate: Arc::clone(self), slug: slug.to_owned(), address, body_bytes: 0, spilled_bytes: 0 })
    }
}

impl State {
    fn take_by_address(
        &mut self,
        name: (IpAddr, String),
        per_second: u32,
        now: Timestamp,
        most: usize,
    ) -> bool {
        let known = self.new_rates.remove(&name).or_else(|| self.old_rates.remove(&name));
        let mut bucket = known.unwrap_or_else(|| Bucket::full(per_second, now));
        let has = bucket.take(per_second, now);
        if self.new_rates.len() >= most / 2 {
            self.old_rates = std::mem::take(&mut self.new_rates);
        }
        self.new_rates.insert(name, bucket);
        has
    }
}

/// Returns the network that counts as one sender: an IPv4 address, or the /64
/// that one IPv6 customer is given.
pub(crate) fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
        address @ IpAddr::V4(_) => address,
    }
}

/// A request that is inside.
#[derive(Debug)]
pub struct Permit {
    gate: Arc<Gate>,
    slug: String,
    address: IpAddr,
    body_bytes: usize,
    spilled_bytes: u64,
}

impl Permit {
    /// Counts bytes of its body, which it holds until it leaves.
    ///
    /// # Errors
    /// There is no room for them in this process now.
    pub fn hold(&mut self, bytes: usize) -> Result<(), AdmissionDenied> {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.body_bytes + bytes > self.gate.limits.body_bytes {
            return Err(AdmissionDenied::Busy);
        }
        state.body_bytes += bytes;
        self.body_bytes += bytes;
        Ok(())
    }

    /// Counts bytes of its body as being on the disk, and no more in memory.
    ///
    /// # Errors
    /// There is no room for them on the disk now.
    pub fn spill(&mut self, bytes: usize) -> Result<(), AdmissionDenied> {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.spilled_bytes + bytes as u64 > self.gate.limits.spilled_bytes {
            return Err(AdmissionDenied::Busy);
        }
        state.spilled_bytes += bytes as u64;
        self.spilled_bytes += bytes as u64;
        state.body_bytes = state.body_bytes.saturating_sub(bytes);
        self.body_bytes = self.body_bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Counts nothing of its body as being on the disk any more.
    pub fn unspill(&mut self) {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.spilled_bytes = state.spilled_bytes.saturating_sub(self.spilled_bytes);
        self.spilled_bytes = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.body_bytes = state.body_bytes.saturating_sub(self.body_bytes);
        state.spilled_bytes = state.spilled_bytes.saturating_sub(self.spilled_bytes);
        if let Some(count) = state.by_slug.get_mut(&self.slug) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn gate(limits: GateLimits, policies: &[(&str, Policy)]) -> Arc<Gate> {
        let policies = policies.iter().map(|(slug, policy)| ((*slug).to_owned(), policy.clone()));
        Gate::new(limits, policies.collect())
    }

    fn address(last: u32) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    #[test]
    fn room_is_kept_for_those_who_never_retry() {
        let limits = GateLimits { in_flight: 4, reserved: 2, ..GateLimits::default() };
        let never = Policy { never_retries: true, ..Policy::default() };
        let gate = gate(limits, &[("stripe", Policy::default()), ("github", never)]);
        let inside: Vec<_> = (0..2).map(|n| gate.enter("stripe", address(n), NOW).unwrap()).collect();
        assert_eq!(gate.enter("stripe", address(9), NOW).unwrap_err(), AdmissionDenied::Busy);
        let _github: Vec<_> = (0..2).map(|n| gate.enter("github", address(n), NOW).unwrap()).collect();
        assert_eq!(gate.enter("github", address(9), NOW).unwrap_err(), AdmissionDenied::Busy);
        drop(inside);
        gate.enter("stripe", address(9), NOW).unwrap_err();
        gate.enter("github", address(9), NOW).unwrap();
    }

    #[test]
    fn one_slug_and_one_address_take_no_more_than_their_share() {
        let limits = GateLimits { in_flight_per_address: 2, ..GateLimits::default() };
        let small = Policy { in_flight: 3, ..Policy::default() };
        let gate = gate(limits, &[("a", small), ("b", Policy::default())]);
        let mut inside =
            vec![gate.enter("a", address(1), NOW).unwrap(), gate.enter("b", address(1), NOW).unwrap()];
        assert_eq!(gate.enter("b", address(1), NOW).unwrap_err(), AdmissionDenied::Busy);
        inside.push(gate.enter("a", address(2), NOW).unwrap());
        inside.push(gate.enter("a", address(3), NOW).unwrap());
        assert_eq!(gate.enter("a", address(4), NOW).unwrap_err(), AdmissionDenied::Busy);
        inside.push(gate.enter("b", address(4), NOW).unwrap());
        drop(inside);
        assert!(gate.state.lock().unwrap().by_address.is_empty());
    }

    #[test]
    fn rates_refill_and_their_table_is_bounded() {
        let policy =
            Policy { per_second: Some(1_000_000), per_second_per_address: Some(2), ..Policy::default() };
        let limits = GateLimits { addresses: 100, ..GateLimits::default() };
        let gate = gate(limits, &[("a", policy)]);
        let come = |address, at| gate.enter("a", address, at).map(drop);
        assert_eq!(come(address(1), NOW), Ok(()));
        assert_eq!(come(address(1), NOW), Ok(()));
        assert_eq!(come(address(1), NOW), Err(AdmissionDenied::TooFast));
        assert_eq!(come(address(1), NOW.after(std::time::Duration::from_millis(500))), Ok(()));
        for n in 0..10_000 {
            come(address(n + 10), NOW).unwrap();
        }
        let state = gate.state.lock().unwrap();
        assert!(state.new_rates.len() + state.old_rates.len() <= 100);
    }

    #[test]
    fn bodies_share_a_budget_and_lists_are_kept() {
        let limits = GateLimits { body_bytes: 10, spilled_bytes: 10, ..GateLimits::default() };
        let allow = vec!["10.0.0.0/8".parse().unwrap()];
        let gate = gate(limits, &[("a", Policy { allow, ..Policy::default() })]);
        let mut one = gate.enter("a", address(1), NOW).unwrap();
        let mut two = gate.enter("a", address(2), NOW).unwrap();
        one.hold(6).unwrap();
        assert_eq!(two.hold(6), Err(AdmissionDenied::Busy));
        drop(one);
        two.hold(6).unwrap();
        // What is on the disk is not in memory, and has a budget of its own.
        let mut three = gate.enter("a", address(1), NOW).unwrap();
        two.spill(6).unwrap();
        three.hold(10).unwrap();
        assert_eq!(three.spill(5), Err(AdmissionDenied::Busy));
        assert_eq!(two.hold(6), Err(AdmissionDenied::Busy));
        drop(three);
        two.hold(6).unwrap();
        two.unspill();
        gate.enter("a", address(1), NOW).unwrap().spill(10).unwrap();
        let outside = "192.0.2.1".parse().unwrap();
        assert_eq!(gate.enter("a", outside, NOW).unwrap_err(), AdmissionDenied::NotAllowed);
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        gate.enter("a", mapped, NOW).unwrap();
    }
}
