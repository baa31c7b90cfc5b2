//! The resolver that the connector asks: it hands on only addresses that the
//! policy allows, so what was checked is what is connected to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use px_core::Stopwatch;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Rule;
use super::{Policy, Refused};

/// More addresses of one name than this are not tried.
const MAX_ADDRESSES: usize = 64;

/// The operating system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the connector's to set.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

tokio::task_local! {
    static LOOKUP: Lookup;
}

/// Time that the name of one request took to be looked up, and whether the
/// request made its connection itself. The connector knows nothing of requests;
/// but it asks the resolver, and connects, in the request's own task.
///
/// A connection that loses the race against one that has become free is finished
/// by a task of the pool, outside of this scope: it is not the request's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lookup(Arc<Observed>);

#[derive(Debug, Default)]
struct Observed {
    took: OnceLock<Duration>,
    has_connected: AtomicBool,
}

/// Notes that the request of this task has tried to make a connection.
pub(super) fn connected() {
    // Outside of a request there is nobody to tell.
    let _ = LOOKUP.try_with(|lookup| lookup.0.has_connected.store(true, Ordering::Relaxed));
}

impl Lookup {
    /// Runs a request; what it looks up is noted here.
    pub(crate) async fn observe<T>(&self, request: impl Future<Output = T>) -> T {
        LOOKUP.scope(self.clone(), request).await
    }

    /// Returns how long it took; none for an address, or on a connection that was there.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.0.took.get().copied()
    }

    /// Returns whether the request tried to connect; else it took a connection that was there.
    pub(crate) fn has_connected(&self) -> bool {
        self.0.has_connected.load(Ordering::Relaxed)
    }
}

/// Another resolver, with a policy behind it.
pub struct Guarded {
    inner: Arc<dyn Resolve>,
    policy: Arc<Policy>,
}

impl Guarded {
    /// Lets those addresses through that `inner` finds and `policy` allows.
    #[must_use]
    pub fn new(inner: Arc<dyn Resolve>, policy: Policy) -> Self {
        Self { inner, policy: Arc::new(policy) }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let found = self.inner.resolve(name);
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let (watch, lookup) = (Stopwatch::start(), LOOKUP.try_with(Lookup::clone).unwrap_or_default());
            let found = found.await?;
            let _ = lookup.0.took.set(watch.elapsed());
            let mut allowed = Vec::new();
            let mut refused = None;
            for found in found.take(MAX_ADDRESSES) {
                match policy.check(found.ip()) {
                    Ok(()) => allowed.push(found),
                    Err(rule) => refused = refused.or(Some((rule, found.ip()))),
                }
            }
            if allowed.is_empty() {
                let refused = match refused {
                    Some((rule, address)) => Refused { rule, host: Some(host), address: Some(address) },
                    None => Refused::host(Rule::NoAddress, &host),
                };
                return Err(refused.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("policy", &self.policy).finish_non_exhaustive()
    }
}
