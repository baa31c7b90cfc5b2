//! Addresses that are open beside the public internet: none, unless somebody says so.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::address::{Rule, plain, rule_of};

/// A range of addresses: `10.1.0.0/16`, `fd12::/16`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range(IpNet);

/// A text that is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no range of addresses: it looks like 10.1.0.0/16 or fd12::/16, or is one address")]
pub struct ParseRangeError(String);

impl Range {
    fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    fn is_one_address(self) -> bool {
        self.0.prefix_len() == self.0.max_prefix_len()
    }
}

impl FromStr for Range {
    type Err = ParseRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let one = || text.parse::<IpAddr>().map(IpNet::from);
        let net: IpNet = text.parse().or_else(|_| one()).map_err(|_| ParseRangeError(text.to_owned()))?;
        Ok(Self(net.trunc()))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for Range {
    type Error = ParseRangeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        range.to_string()
    }
}

/// Addresses that a callback may go to. The default is the public internet and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    loopback: bool,
    private: bool,
    ranges: Vec<Range>,
}

impl Policy {
    /// The public internet.
    #[must_use]
    pub const fn public() -> Self {
        Self { loopback: false, private: false, ranges: Vec::new() }
    }

    /// Opens this machine (`127.0.0.0/8`, `::1`) and nothing more: what a px
    /// that is bound to loopback does for per-run URLs (docs/rules.md#49).
    #[must_use]
    pub fn with_loopback(mut self, open: bool) -> Self {
        self.loopback = open;
        self
    }

    /// `allow_private`: opens this machine, RFC 1918 and unique local
    /// addresses. Link-local and metadata addresses, carriers' NATs and
    /// everything else that is not public stay closed.
    #[must_use]
    pub fn with_private(mut self, open: bool) -> Self {
        self.private = open;
        self
    }

    /// Opens ranges. A metadata address is opened by a range of just that
    /// address, never by a wider one; multicast and unspecified addresses by
    /// none, since nothing there can answer.
    #[must_use]
    pub fn with_ranges(mut self, ranges: impl IntoIterator<Item = Range>) -> Self {
        self.ranges.extend(ranges);
        self
    }

    /// Returns whether a callback may go to `address`.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn check(&self, address: IpAddr) -> Result<(), Rule> {
        let Some(rule) = rule_of(address) else { return Ok(()) };
        let address = plain(address);
        let named = |range: &Range| range.contains(address);
        let open = match rule {
            Rule::Unspecified | Rule::Multicast => false,
            Rule::Metadata => self.ranges.iter().any(|range| range.is_one_address() && named(range)),
            Rule::Loopback if self.loopback || self.private => true,
            Rule::Private | Rule::UniqueLocal if self.private => true,
            _ => self.ranges.iter().any(named),
        };
        if open { Ok(()) } else { Err(rule) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(policy: &Policy, addresses: &'a str) -> Vec<&'a str> {
        addresses.split(' ').filter(|text| policy.check(text.parse().unwrap()).is_err()).collect()
    }

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    const KINDS: &str = "8.8.8.8 127.0.0.1 ::1 ::ffff:127.0.0.1 10.0.0.1 fd12::1 169.254.1.1 169.254.169.254 \
                         fd00:ec2::254 100.64.0.1 224.0.0.1 0.0.0.0 192.0.2.1 64:ff9b::10.0.0.1 2002:a00:1::1";

    #[test]
    fn allow_private_opens_exactly_what_it_says() {
        let still = "169.254.1.1 169.254.169.254 fd00:ec2::254 100.64.0.1 224.0.0.1 0.0.0.0 192.0.2.1 \
                     64:ff9b::10.0.0.1 2002:a00:1::1";
        assert_eq!(refused(&Policy::public().with_private(true), KINDS).join(" "), still);
    }

    #[test]
    fn loopback_opens_this_machine_only() {
        let policy = Policy::public().with_loopback(true);
        assert_eq!(refused(&policy, "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1"), [""; 0]);
        assert_eq!(refused(&policy, "10.0.0.1 fd12::1 0.0.0.0"), ["10.0.0.1", "fd12::1", "0.0.0.0"]);
    }

    #[test]
    fn a_range_opens_itself_and_no_metadata_address_within() {
        let policy = Policy::public().with_ranges([range("10.1.0.0/16"), range("169.254.0.0/16")]);
        assert_eq!(refused(&policy, "10.1.2.3 ::ffff:10.1.2.3 169.254.1.1"), [""; 0]);
        assert_eq!(refused(&policy, "10.2.0.1 169.254.169.254"), ["10.2.0.1", "169.254.169.254"]);
        let named = Policy::public().with_ranges([range("169.254.169.254")]);
        assert_eq!(refused(&named, "169.254.169.254"), [""; 0]);
        let all = Policy::public().with_ranges([range("0.0.0.0/0"), range("::/0")]);
        let never = "169.254.169.254 fd00:ec2::254 224.0.0.1 0.0.0.0";
        assert_eq!(refused(&all, KINDS).join(" "), never);
    }

    #[test]
    fn ranges_are_read_and_written() {
        assert_eq!(range("10.1.2.3/16").to_string(), "10.1.0.0/16");
        assert_eq!(range("::1").to_string(), "::1/128");
        assert!("10.0.0.0/33".parse::<Range>().unwrap_err().to_string().contains("10.1.0.0/16"));
        let policy: Policy = serde_json::from_str(r#"{"private":true,"ranges":["100.64.0.0/10"]}"#).unwrap();
        assert_eq!(policy.check("100.64.0.1".parse().unwrap()), Ok(()));
    }
}
