//! Kinds of addresses: the special-purpose registries of
//! IANA (RFC 6890 and its successors), and the addresses at which clouds
//! serve credentials.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Rule by which a callback may not go to an address. [`as_str`](Self::as_str) is the name in attempt
/// records, in errors and in the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The text is no URL, or too long.
    Url,
    /// Neither http nor https.
    Scheme,
    /// No host, or port 0.
    Host,
    /// A user or a password in the URL.
    Credentials,
    /// The name has no address.
    NoAddress,
    /// `0.0.0.0/8` and `::`.
    Unspecified,
    /// `127.0.0.0/8` and `::1`.
    Loopback,
    /// RFC 1918.
    Private,
    /// `fc00::/7` (RFC 4193).
    UniqueLocal,
    /// `169.254.0.0/16` and `fe80::/10`.
    LinkLocal,
    /// The addresses at which clouds serve credentials to their machines.
    Metadata,
    /// `100.64.0.0/10`, carrier-grade NAT (RFC 6598).
    Cgnat,
    /// `224.0.0.0/4` and `ff00::/8`.
    Multicast,
    /// Examples in documentation (RFC 5737, 3849, 9637).
    Documentation,
    /// `198.18.0.0/15` and `2001:2::/48` (RFC 2544, 5180).
    Benchmarking,
    /// A NAT64 form of an address that is refused itself, or one of a network's
    /// own translation prefix (RFC 6052, 8215).
    Nat64,
    /// `2002::/16` and its relays (RFC 3056, 7526).
    SixToFour,
    /// `2001::/32` (RFC 4380).
    Teredo,
    /// Anything else that no host of the internet has.
    Reserved,
}

impl Rule {
    /// Returns whether callbacks whose target's own text this rule refuses are kept
    /// until it is open, instead of being tried until they are dead: this machine is
    /// closed by a setting of px, and by no fault of theirs (docs/rules.md#68).
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Loopback)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Scheme => "scheme",
            Self::Host => "host",
            Self::Credentials => "credentials",
            Self::NoAddress => "no_address",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::UniqueLocal => "unique_local",
            Self::LinkLocal => "link_local",
            Self::Metadata => "metadata",
            Self::Cgnat => "cgnat",
            Self::Multicast => "multicast",
            Self::Documentation => "documentation",
            Self::Benchmarking => "benchmarking",
            Self::Nat64 => "nat64",
            Self::SixToFour => "6to4",
            Self::Teredo => "teredo",
            Self::Reserved => "reserved",
        }
    }

    /// Returns what is wrong, as the end of a sentence.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Url => "it is no URL of at most 2048 bytes",
            Self::Scheme => "a callback goes to http or https only",
            Self::Host => "the URL names no host that can be connected to",
            Self::Credentials => "the URL holds a user or a password",
            Self::NoAddress => "the name has no address",
            Self::Unspecified => "an address that no host has",
            Self::Loopback => "this machine itself",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique local address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "where clouds serve credentials",
            Self::Cgnat => "an address behind a carrier's NAT",
            Self::Multicast => "a multicast address",
            Self::Documentation => "an address for documentation only",
            Self::Benchmarking => "an address for benchmarks only",
            Self::Nat64 => "a NAT64 form of an address that is not public",
            Self::SixToFour => "a 6to4 address",
            Self::Teredo => "a Teredo address",
            Self::Reserved => "an address that is not in public use",
        }
    }

    /// Returns what to do, where something can be done.
    pub(super) const fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some("send them in a header of the hook instead"),
            Self::Loopback => Some(
                "it is open where px serves this machine only, without public_url and trusted_proxies; \
                 else [hooks] allow or allow_private opens it",
            ),
            Self::Private | Self::UniqueLocal => {
                Some("allow_private opens it, for development and for receivers in one's own network")
            }
            Self::Metadata => Some("only a range of just this address opens it"),
            Self::LinkLocal
            | Self::Cgnat
            | Self::Documentation
            | Self::Benchmarking
            | Self::Nat64
            | Self::SixToFour
            | Self::Teredo
            | Self::Reserved => Some("a range that names it opens it"),
            _ => None,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rule that an address falls under; `None` for public ones.
pub(super) fn rule_of(address: IpAddr) -> Option<Rule> {
    match plain(address) {
        IpAddr::V4(address) => rule_of_v4(address),
        IpAddr::V6(address) => rule_of_v6(address),
    }
}

/// An IPv4-mapped address as the IPv4 address that it connects to.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Metadata services outside the link-local range: Alibaba, Oracle, and
/// Azure's, whose address is a public one.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];

/// In the link-local range: EC2, GCE, Azure and others; ECS tasks; EKS pods;
/// Tencent.
const METADATA_LINK_LOCAL: [[u8; 4]; 4] =
    [[169, 254, 169, 254], [169, 254, 170, 2], [169, 254, 170, 23], [169, 254, 0, 23]];

/// EC2's, EKS's and GCE's over IPv6.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn rule_of_v4(address: Ipv4Addr) -> Option<Rule> {
    let octets = address.octets();
    if METADATA_V4.contains(&address) || METADATA_LINK_LOCAL.contains(&octets) {
        return Some(Rule::Metadata);
    }
    Some(match octets {
        [0, ..] => Rule::Unspecified,
        [127, ..] => Rule::Loopback,
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Rule::Private,
        [169, 254, ..] => Rule::LinkLocal,
        [100, 64..=127, ..] => Rule::Cgnat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Rule::Documentation,
        [198, 18..=19, ..] => Rule::Benchmarking,
        [192, 88, 99, _] => Rule::SixToFour,
        [224..=239, ..] => Rule::Multicast,
        // IETF protocol assignments, AS112, and class E with the broadcast.
        [192, 0, 0, _] | [192, 31, 196, _] | [192, 175, 48, _] | [240..=255, ..] => Rule::Reserved,
        _ => return None,
    })
}

fn rule_of_v6(address: Ipv6Addr) -> Option<Rule> {
    if METADATA_V6.contains(&address) {
        return Some(Rule::Metadata);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    Some(match [a, b, c, d] {
        _ if address.is_unspecified() => Rule::Unspecified,
        _ if address.is_loopback() => Rule::Loopback,
        // RFC 6052's prefix: where it is used it is how IPv4 is reached, so the
        // address within decides.
        [0x64, 0xff9b, 0, 0] if e == 0 && f == 0 => {
            let [[a, b], [c, d]] = [g.to_be_bytes(), h.to_be_bytes()];
            return rule_of_v4(Ipv4Addr::new(a, b, c, d)).map(|_| Rule::Nat64);
        }
        [0x64, 0xff9b, 1, _] => Rule::Nat64,
        [0xfc00..=0xfdff, ..] => Rule::UniqueLocal,
        [0xfe80..=0xfebf, ..] => Rule::LinkLocal,
        [0xff00..=0xffff, ..] => Rule::Multicast,
        [0x2001, 0, ..] => Rule::Teredo,
        [0x2001, 2, 0, _] => Rule::Benchmarking,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Rule::Documentation,
        [0x2002, ..] => Rule::SixToFour,
        // The rest of 2001::/23 is for protocols; outside of 2000::/3 nothing
        // is assigned to hosts, IPv4-compatible and site-local forms included.
        [0x2001, 0..=0x1ff, ..] => Rule::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => Rule::Reserved,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<&'static str> {
        rule_of(text.parse().unwrap()).map(Rule::as_str)
    }

    #[test]
    fn every_special_range_has_its_rule_to_its_last_address() {
        for (addresses, expected) in [
            ("0.0.0.0 0.255.255.255 ::", "unspecified"),
            ("127.0.0.1 127.255.255.255 ::1", "loopback"),
            ("10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255", "private"),
            ("169.254.0.0 169.254.255.255 fe80::1 febf::1", "link_local"),
            ("169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 fd00:ec2::254", "metadata"),
            ("100.64.0.0 100.127.255.255", "cgnat"),
            ("224.0.0.1 239.255.255.255 ff02::1", "multicast"),
            ("192.0.2.1 198.51.100.1 203.0.113.255 2001:db8::1 3fff::1 3fff:fff::1", "documentation"),
            ("198.18.0.0 198.19.255.255 2001:2::1", "benchmarking"),
            (
                "192.0.0.1 240.0.0.0 255.255.255.255 ::1.2.3.4 ::ffff:0:1.2.3.4 fec0::1 100::1 5f00::1",
                "reserved",
            ),
            ("2001:1ff::1 2001:20::1 4000::1 64:ff9c::1", "reserved"),
            ("fc00::1 fdff:ffff::1", "unique_local"),
            ("64:ff9b::10.0.0.1 64:ff9b::127.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::8.8.8.8", "nat64"),
            ("2002:7f00:1::1 2002:808:808::1 192.88.99.1", "6to4"),
            ("2001::1 2001:0:ffff::1", "teredo"),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(rule(address), Some(expected), "{address}");
            }
        }
    }

    #[test]
    fn a_mapped_address_is_the_address_within() {
        assert_eq!(rule("::ffff:127.0.0.1"), Some("loopback"));
        assert_eq!(rule("::ffff:a9fe:a9fe"), Some("metadata"));
        assert_eq!(rule("::ffff:10.1.2.3"), Some("private"));
        assert_eq!(rule("::ffff:8.8.8.8"), None);
    }

    #[test]
    fn what_is_public_is_not_refused() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(rule(address), None, "{address}");
        }
    }
}
