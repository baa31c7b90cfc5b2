//! The way of a request through trusted proxies, from its headers: who sent it,
//! and by which scheme, host and port. Each proxy adds its statement at the end of
//! a list, so the lists are walked from their ends for as long as the one who
//! speaks is trusted, and all of them by the same number of hops.

use std::net::IpAddr;

use http::HeaderMap;

use super::forwarded;
use super::url::{Forwarding, Network};

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";

/// The two headers name different senders, and nothing says which one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "X-Forwarded-For says that {x_forwarded} sent it, and Forwarded that {forwarded} did; \
     server.forwarded says which header the proxies write"
)]
pub struct Disagreement {
    /// Sender by `X-Forwarded-For`.
    pub x_forwarded: IpAddr,
    /// Sender by `Forwarded`.
    pub forwarded: IpAddr,
}

/// What the trusted proxies say of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Address that the outermost trusted hop was called from.
    pub(super) client: IpAddr,
    /// In lower case.
    pub(super) scheme: Option<String>,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
}

impl Way {
    const fn direct(peer: IpAddr) -> Self {
        Self { client: peer, scheme: None, host: None, port: None }
    }

    /// The way of a request from `peer`. Where both kinds of headers are there and
    /// `counts` does not say which one to read, it is that of `X-Forwarded-*`, with
    /// the disagreement if they name different senders. Without `X-Forwarded-For` the
    /// address is that of `Forwarded`: the other `X-Forwarded-*` name no sender, and
    /// any client can send them through a proxy that writes `Forwarded`.
    pub(super) fn of(
        peer: IpAddr,
        headers: &HeaderMap,
        proxies: &[Network],
        counts: Option<Forwarding>,
    ) -> (Self, Option<Disagreement>) {
        let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
        if !is_proxy(peer) {
            return (Self::direct(peer), None);
        }
        let has_x = [FOR, PROTO, HOST, PORT].iter().any(|name| headers.contains_key(*name));
        let has_standard = headers.contains_key(http::header::FORWARDED);
        match counts {
            Some(Forwarding::XForwarded) => return (Self::by_x(peer, headers, is_proxy), None),
            Some(Forwarding::Forwarded) => return (Self::by_standard(peer, headers, is_proxy), None),
            None if !has_x => return (Self::by_standard(peer, headers, is_proxy), None),
            None => {}
        }
        let way = Self::by_x(peer, headers, is_proxy);
        if !has_standard {
            return (way, None);
        }
        if list(headers, FOR).next().is_none() {
            let client = Self::by_standard(peer, headers, is_proxy).client;
            return (Self { client, ..way }, None);
        }
        let forwarded = Self::by_standard(peer, headers, is_proxy).client;
        if forwarded == way.client {
            return (way, None);
        }
        let x_forwarded = way.client;
        (way, Some(Disagreement { x_forwarded, forwarded }))
    }

    fn by_x(peer: IpAddr, headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Self {
        let addresses = list(headers, FOR).map(|text| text.parse().ok());
        let (client, hops) = walk(peer, addresses, is_proxy);
        let pick = |name| nearest_to(list(headers, name), hops).map(str::to_owned);
        Self {
            client,
            scheme: pick(PROTO).map(|scheme| scheme.to_ascii_lowercase()),
            host: pick(HOST),
            port: pick(PORT),
        }
    }

    fn by_standard(peer: IpAddr, headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Self {
        let elements = forwarded::elements(headers);
        let (client, hops) = walk(peer, elements.iter().rev().map(|element| element.client), is_proxy);
        let said = || elements.iter().rev().take(hops + 1);
        Self {
            client,
            scheme: said()
                .filter_map(|element| element.scheme.as_ref())
                .next_back()
                .map(|scheme| scheme.to_ascii_lowercase()),
            host: said().filter_map(|element| element.host.clone()).next_back(),
            port: None,
        }
    }
}

/// The first address that is no trusted proxy's, and how many trusted hops lie
/// before the peer. What is no address ends the walk.
fn walk(
    peer: IpAddr,
    nearest_first: impl Iterator<Item = Option<IpAddr>>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> (IpAddr, usize) {
    let (mut client, mut hops) = (peer, 0);
    for address in nearest_first {
        let Some(address) = address.filter(|_| is_proxy(client)) else { break };
        client = address;
        hops += usize::from(is_proxy(address));
    }
    (client, hops)
}

/// The entries of a list header, the nearest proxy's first.
fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|line| line.to_str().ok()).collect();
    let entries = lines.into_iter().rev().flat_map(|line| line.rsplit(','));
    entries.map(str::trim).filter(|entry| !entry.is_empty())
}

/// The entry so many hops away, or the farthest one if a proxy hands on a shorter
/// list than it got.
fn nearest_to<'a>(entries: impl Iterator<Item = &'a str>, hops: usize) -> Option<&'a str> {
    entries.take(hops + 1).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(
        peer: &str,
        lines: &[(&'static str, &str)],
        counts: Option<Forwarding>,
    ) -> Result<Way, Disagreement> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        let proxies = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap());
        let (way, disagreement) = Way::of(peer.parse().unwrap(), &headers, &proxies, counts);
        disagreement.map_or(Ok(way), Err)
    }

    /// Client, scheme, host and port.
    fn seen(lines: &[(&'static str, &str)]) -> [String; 4] {
        let way = way("127.0.0.1", lines, None).unwrap();
        let text = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        [way.client.to_string(), text(way.scheme), text(way.host), text(way.port)]
    }

    #[test]
    fn scheme_host_and_port_are_those_of_the_hop_at_which_the_address_is_found() {
        let two_hops = (FOR, "54.1.2.3, 10.0.0.7");
        for (lines, expected) in [
            (&[two_hops, (PROTO, "https, http")][..], ["54.1.2.3", "https", "-", "-"]),
            (&[two_hops, (HOST, "a.example, int")], ["54.1.2.3", "-", "a.example", "-"]),
            (&[two_hops, (PORT, "8443, 80"), (PROTO, "HTTPS")], ["54.1.2.3", "https", "-", "8443"]),
            // In lines of their own.
            (
                &[(FOR, "54.1.2.3"), (FOR, "10.0.0.7"), (PROTO, "https"), (PROTO, "http")],
                ["54.1.2.3", "https", "-", "-"],
            ),
            // One list is longer than the way is trusted: the client made it up.
            (&[two_hops, (PROTO, "ftp, https, http")], ["54.1.2.3", "https", "-", "-"]),
            (&[(FOR, "6.6.6.6, 54.1.2.3"), (PROTO, "ftp, https")], ["54.1.2.3", "https", "-", "-"]),
            (&[(FOR, "54.1.2.3, junk"), (PROTO, "ftp, https")], ["127.0.0.1", "https", "-", "-"]),
            (&[(PROTO, "ftp, https")], ["127.0.0.1", "https", "-", "-"]),
            (
                &[("forwarded", "for=54.1.2.3;proto=https;host=a.example, for=10.0.0.7;proto=http;host=int")],
                ["54.1.2.3", "https", "a.example", "-"],
            ),
            (
                &[("forwarded", "for=54.1.2.3, for=10.0.0.7;proto=HTTPS;host=int")],
                ["54.1.2.3", "https", "int", "-"],
            ),
            // Without `X-Forwarded-For` the other lines name no sender.
            (&[("forwarded", "for=54.1.2.3"), (PROTO, "https")], ["54.1.2.3", "https", "-", "-"]),
            (
                &[
                    ("forwarded", "for=54.1.2.3;proto=https;host=a.example"),
                    (PROTO, "ftp"),
                    (HOST, "b.example"),
                ],
                ["54.1.2.3", "ftp", "b.example", "-"],
            ),
            (
                &[("forwarded", "for=54.1.2.3, for=10.0.0.7"), (HOST, "a.example"), (PORT, "8443")],
                ["54.1.2.3", "-", "a.example", "8443"],
            ),
            (&[("forwarded", "for=54.1.2.3"), (FOR, ""), (PORT, "80")], ["54.1.2.3", "-", "-", "80"]),
            (
                &[("forwarded", "for=6.6.6.6;proto=ftp, for=54.1.2.3;proto=https")],
                ["54.1.2.3", "https", "-", "-"],
            ),
        ] {
            assert_eq!(seen(lines), expected, "{lines:?}");
        }
        let stranger = way("192.0.2.1", &[two_hops, (PROTO, "https")], None).unwrap();
        assert_eq!(stranger, Way::direct("192.0.2.1".parse().unwrap()), "nobody trusts this peer");
    }

    #[test]
    fn two_headers_that_name_two_senders_are_refused_unless_one_of_them_counts() {
        let lines = [("forwarded", "for=203.0.113.9"), (FOR, "192.30.252.1")];
        let by = |counts| way("127.0.0.1", &lines, counts).map(|way| way.client.to_string());
        assert_eq!(by(Some(Forwarding::Forwarded)).unwrap(), "203.0.113.9");
        assert_eq!(by(Some(Forwarding::XForwarded)).unwrap(), "192.30.252.1");
        assert!(by(None).unwrap_err().to_string().contains("server.forwarded"));
        // They differ in what the client made up, and not in what the proxy says.
        let same = [("forwarded", "for=6.6.6.6, for=203.0.113.9"), (FOR, "7.7.7.7, 203.0.113.9")];
        assert_eq!(way("127.0.0.1", &same, None).unwrap().client.to_string(), "203.0.113.9");
        let one_is_silent = [("forwarded", "for=203.0.113.9"), (PROTO, "https")];
        assert_eq!(way("127.0.0.1", &one_is_silent, None).unwrap().client.to_string(), "203.0.113.9");
    }
}
