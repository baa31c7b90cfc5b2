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

/// Parts of the disk of which forms from one address have one, so that one slow sender of
/// large forms leaves room for others.
const SHARES_OF_ADDRESSES: u64 = 4;

/// Likewise for one webhook.
const SHARES_OF_WEBHOOKS: u64 = 2;

/// Parts of the memory of which whole forms have one: other deliveries are smaller, and
/// come whatever becomes of these.
const SHARES_OF_FORMS: usize = 2;

/// The bounds of the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// Requests inside at once.
    pub in_flight: usize,
    /// Number of these that only providers that never retry may use.
    pub reserved: usize,
    /// Requests inside at once from one address.
    pub in_flight_per_address: usize,
    /// Bytes of bodies that are held at once. Those that were on the disk while they came
    /// have half of them at most, or are one.
    pub body_bytes: usize,
    /// Bytes of bodies that are on the disk at once, while they come. A webhook has half of
    /// them at most, and an address a quarter, or one body if that is larger.
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
    /// Bytes of whole forms, which are among `body_bytes`.
    form_bytes: usize,
    by_slug: HashMap<String, Inside>,
    // Bounded by `in_flight`: an address leaves with its last request.
    by_address: HashMap<IpAddr, Inside>,
    slug_rates: HashMap<String, Bucket>,
    // Two generations: when the new one is full, the old one is forgotten.
    new_rates: HashMap<(IpAddr, String), Bucket>,
    old_rates: HashMap<(IpAddr, String), Bucket>,
}

/// The requests of one webhook or address that are inside.
#[derive(Debug, Default, Clone, Copy)]
struct Inside {
    count: usize,
    spilled_bytes: u64,
}

impl Inside {
    /// Returns whether one of them, which has `own` bytes on the disk, may add these. One
    /// alone may have as many as there are.
    const fn has_room(&self, own: u64, bytes: u64, share: u64) -> bool {
        self.spilled_bytes == own || self.spilled_bytes.saturating_add(bytes) <= share
    }
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
        let allow = self.policies.get(slug).map_or(&[][..], |policy| &policy.allow);
        if !allow.is_empty() && !allow.iter().any(|network| network.contains(address)) {
            return Err(AdmissionDenied::NotAllowed);
        }
        self.enter_own(slug, address, now)
    }

    /// As [`Gate::enter`], for a request of px's own: the list of those who may send is about others.
    ///
    /// # Errors
    /// See [`AdmissionDenied`].
    pub fn enter_own(
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
        let address = neighbourhood(address);
        let room = if policy.never_retries {
            self.limits.in_flight
        } else {
            self.limits.in_flight.saturating_sub(self.limits.reserved)
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.in_flight >= room
            || state.by_slug.get(slug).map_or(0, |inside| inside.count) >= policy.in_flight
            || state.by_address.get(&address).map_or(0, |inside| inside.count)
                >= self.limits.in_flight_per_address
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
        state.by_slug.entry(slug.to_owned()).or_default().count += 1;
        state.by_address.entry(address).or_default().count += 1;
        Ok(Permit {
            gate: Arc::clone(self),
            slug: slug.to_owned(),
            address,
            body_bytes: 0,
            spilled_bytes: 0,
            form_bytes: 0,
        })
    }
}

impl State {
    /// Changes what is on the disk in all, and of a webhook and an address.
    fn count_spilled(&mut self, slug: &str, address: IpAddr, change: impl Fn(u64) -> u64) {
        self.spilled_bytes = change(self.spilled_bytes);
        let inside = [self.by_slug.get_mut(slug), self.by_address.get_mut(&address)];
        for inside in inside.into_iter().flatten() {
            inside.spilled_bytes = change(inside.spilled_bytes);
        }
    }

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
    form_bytes: usize,
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
    /// There is no room for them on the disk now, or others from its address, or to its
    /// webhook, have their share of it.
    pub fn spill(&mut self, bytes: usize) -> Result<(), AdmissionDenied> {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (most, more) = (self.gate.limits.spilled_bytes, bytes as u64);
        let (slug, address) = (state.by_slug.get(&self.slug), state.by_address.get(&self.address));
        let has_room = |inside: Option<&Inside>, shares: u64| {
            inside.is_none_or(|inside| inside.has_room(self.spilled_bytes, more, most / shares))
        };
        if state.spilled_bytes + more > most
            || !has_room(slug, SHARES_OF_WEBHOOKS)
            || !has_room(address, SHARES_OF_ADDRESSES)
        {
            return Err(AdmissionDenied::Busy);
        }
        state.count_spilled(&self.slug, self.address, |spilled| spilled.saturating_add(more));
        self.spilled_bytes += more;
        state.body_bytes = state.body_bytes.saturating_sub(bytes);
        self.body_bytes = self.body_bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Counts the part of its body that is on the disk as being in memory, too: it is read
    /// back now.
    ///
    /// # Errors
    /// There is no room for it in this process now, or other forms have their share of it.
    pub fn hold_spilled(&mut self) -> Result<(), AdmissionDenied> {
        let bytes = usize::try_from(self.spilled_bytes).unwrap_or(usize::MAX);
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.gate.limits.body_bytes;
        let forms = state.form_bytes.saturating_add(bytes);
        if state.body_bytes.saturating_add(bytes) > most
            || (state.form_bytes > 0 && forms > most / SHARES_OF_FORMS)
        {
            return Err(AdmissionDenied::Busy);
        }
        state.body_bytes += bytes;
        state.form_bytes = forms;
        self.body_bytes += bytes;
        self.form_bytes += bytes;
        Ok(())
    }

    /// Counts nothing of its body as being on the disk any more.
    pub fn unspill(&mut self) {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        let own = std::mem::take(&mut self.spilled_bytes);
        state.count_spilled(&self.slug, self.address, |spilled| spilled.saturating_sub(own));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.gate.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.body_bytes = state.body_bytes.saturating_sub(self.body_bytes);
        state.form_bytes = state.form_bytes.saturating_sub(self.form_bytes);
        let own = self.spilled_bytes;
        state.count_spilled(&self.slug, self.address, |spilled| spilled.saturating_sub(own));
        if let Some(inside) = state.by_slug.get_mut(&self.slug) {
            inside.count = inside.count.saturating_sub(1);
        }
        if let Some(inside) = state.by_address.get_mut(&self.address) {
            inside.count = inside.count.saturating_sub(1);
            if inside.count == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
