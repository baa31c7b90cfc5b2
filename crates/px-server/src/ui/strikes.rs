//! Wrong tokens at the login, counted by address. A right token is never refused for
//! them: whoever shares an address with a guesser gets in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use px_core::Timestamp;

/// Wrong tokens from one address within [`WINDOW`] that are answered as such.
const AT_MOST: u32 = 10;

const WINDOW: Duration = Duration::from_secs(60);

/// Addresses that are remembered. Beyond, those whose window is over are forgotten, and
/// then all: a guesser with so many addresses is not held up by counting them.
const ADDRESSES: usize = 4_096;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Strikes(Mutex<HashMap<IpAddr, (Timestamp, u32)>>);

impl Strikes {
    /// Counts a wrong token, and returns whether there were too many.
    pub(super) fn count(&self, address: IpAddr, now: Timestamp) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES && !counts.contains_key(&address) {
            counts.retain(|_, (since, _)| now.since(*since) < WINDOW);
            if counts.len() >= ADDRESSES {
                counts.clear();
            }
        }
        let (since, count) = counts.entry(address).or_insert((now, 0));
        if now.since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count > AT_MOST
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_eleventh_wrong_token_of_a_minute_is_too_many_and_other_addresses_are_others() {
        let strikes = Strikes::default();
        let (one, other) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::BROADCAST));
        let at = |seconds: u64| Timestamp::from_millis(1_767_225_600_000 + seconds * 1_000);
        for _ in 0..AT_MOST {
            assert!(!strikes.count(one, at(0)));
        }
        assert!(strikes.count(one, at(59)) && !strikes.count(other, at(59)));
        assert!(!strikes.count(one, at(60)), "a new minute");
    }

    #[test]
    fn many_addresses_take_bounded_room() {
        let strikes = Strikes::default();
        let now = Timestamp::from_millis(1_767_225_600_000);
        for number in 0..10_000_u32 {
            strikes.count(IpAddr::V4(Ipv4Addr::from_bits(number)), now);
        }
        assert!(strikes.0.lock().unwrap().len() <= ADDRESSES);
    }
}
