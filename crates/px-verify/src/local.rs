//! The one rule of who "this machine" is: asked of the API while there are no
//! tokens, of streams, of unverified webhooks, and of pages that px serves.
//!
//! A loopback peer is not enough, for three others have one too. A proxy or a
//! tunnel on this machine says so in a header. A page of another site in the
//! user's browser says so by `Origin` and `Sec-Fetch-Site`. A page whose name
//! was pointed here afterwards (DNS rebinding) asks for that name in `Host`.
//! Hence an address is harmless in `Host`, since no name was resolved to get
//! here, and says nothing in `Origin`, where any server's address may be.
//!
//! Not every one of them can be told: a proxy that rewrites `Host` and adds no
//! header at all looks like its machine. Against that there are tokens.
//!
//! The rule is a function of the request alone. Tests: `tests/local.rs` has a
//! table of spellings; px-server holds each of its doors against real sockets.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

static FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// The port of `http`, which nobody writes.
const DEFAULT_PORT: u16 = 80;

/// The longest name that DNS has, bytes, and the longest part of one.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;

/// A request, as far as the rule looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The peer of the connection.
    pub peer: IpAddr,
    /// The request's method.
    pub method: &'a Method,
    /// Scheme and authority of the request target, where it is absolute: see [`base`].
    pub base: Option<&'a str>,
    /// Every header line.
    pub headers: &'a HeaderMap,
}

/// Strictness of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// This machine, pages of this server, and pages of the allowed origins.
    ThisMachine,
    /// This machine, and no browser at all: for what gives away the server.
    NoBrowser,
    /// As [`Rule::ThisMachine`], and a link from anywhere may lead here.
    Page,
}

/// Reason that a request does not come from this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Foreign {
    /// The peer of the connection has another address.
    #[error("the connection does not come from a loopback address")]
    Peer,
    /// A proxy or a tunnel sent it on.
    #[error("the header `{0}` says that a proxy or a tunnel sent it on")]
    Forwarded(HeaderName),
    /// It asks for a name that others can point here.
    #[error("the header `host` is no address, not localhost, and no name below localhost")]
    Host,
    /// Its target is absolute, and not of this machine (RFC 9112 section 3.2.2).
    #[error("the request target is absolute, and is not http with an address or localhost")]
    Target,
    /// A page of another origin made it.
    #[error("the header `origin` names another origin than the one that is asked")]
    Origin,
    /// A page of another site made it.
    #[error("the header `sec-fetch-site` says that a page of another site made it")]
    FetchSite,
    /// A browser made it, and no page may.
    #[error("the header `{0}` says that a browser made it")]
    Browser(HeaderName),
}

impl Foreign {
    /// Returns whether a page made the request that would be let in if its origin were
    /// among the allowed ones.
    #[must_use]
    pub const fn is_other_page(&self) -> bool {
        matches!(self, Self::Origin | Self::FetchSite)
    }
}

/// Scheme and authority of a request target that has them, `http://localhost:8787`
/// for instance. `None` for the usual target, a path.
#[must_use]
pub fn base(target: &Uri) -> Option<String> {
    let authority = target.authority()?;
    Some(format!("{}://{authority}", target.scheme_str().unwrap_or_default()))
}

/// Decides whether a request comes from this machine. Pages of the origins in
/// `pages`, each as [`page_origin`] writes it, are as good as this machine's,
/// except by [`Rule::NoBrowser`].
///
/// # Errors
/// It does not, and why.
pub fn admit(rule: Rule, caller: &Caller<'_>, pages: &[HeaderValue]) -> Result<(), Foreign> {
    if !caller.peer.to_canonical().is_loopback() {
        return Err(Foreign::Peer);
    }
    if let Some(name) = forwarding(caller.headers) {
        return Err(Foreign::Forwarded(name.clone()));
    }
    let asked = asked(caller)?;
    if rule == Rule::NoBrowser {
        return no_browser(caller.headers);
    }
    if rule == Rule::Page && is_navigation(caller) {
        return Ok(());
    }
    from_own_page(caller.headers, &asked, pages)
}

/// Refuses whatever a page can make a browser send: every `Origin`, and every
/// `Sec-Fetch-*`, which no page can leave out.
///
/// # Errors
/// A browser made the request.
pub fn no_browser(headers: &HeaderMap) -> Result<(), Foreign> {
    let names = headers.keys();
    let said = |name: &&HeaderName| *name == header::ORIGIN || name.as_str().starts_with("sec-fetch-");
    names.into_iter().find(said).map_or(Ok(()), |name| Err(Foreign::Browser(name.clone())))
}

/// An origin as browsers write it: lower case, without a default port.
///
/// # Errors
/// It is none; the text is given back.
pub fn page_origin(text: &str) -> Result<HeaderValue, String> {
    let uri = text.parse::<Uri>().ok().filter(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.path_and_query().is_none_or(|rest| rest.as_str() == "/")
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && !text.ends_with('/')
    });
    let written = text.to_ascii_lowercase();
    let default_port = if written.starts_with("https:") { ":443" } else { ":80" };
    let written = written.strip_suffix(default_port).unwrap_or(&written);
    uri.and_then(|_| HeaderValue::from_str(written).ok()).ok_or_else(|| text.to_owned())
}

/// The first header that proxies, tunnels and content networks add to what they
/// send on. The rule names the patterns and not each product, since a new
/// product keeps to the old patterns: the standard ones (`Forwarded`, RFC 7239;
/// `Via`, RFC 9110, which a proxy must add; `CDN-Loop`, RFC 8586), everything
/// that speaks of what was forwarded or was original, and every name that ends
/// in whose address it was (`X-Real-IP`, `True-Client-IP`, `CF-Connecting-IP`,
/// `X-Envoy-External-Address`). Hyphens and underscores do not count, for CGI
/// cannot tell them apart. `Proxy-Connection` is none of these: clients send it.
fn forwarding(headers: &HeaderMap) -> Option<&HeaderName> {
    const NAMES: [&str; 8] =
        ["via", "cdnloop", "frontendhttps", "cfray", "cfvisitor", "cfipcountry", "cfworker", "xrewriteurl"];
    const BEGIN: [&str; 5] = ["xoriginal", "xenvoy", "xarr", "xamzcf", "tailscale"];
    const WITHIN: [&str; 2] = ["forwarded", "forwardfor"];
    const END: [&str; 12] = [
        "realip",
        "clientip",
        "connectingip",
        "connectingipv6",
        "connectionip",
        "remoteip",
        "remoteaddr",
        "userip",
        "socketip",
        "clientaddress",
        "externaladdress",
        "vieweraddress",
    ];
    headers.keys().find(|name| {
        let plain: String = name.as_str().chars().filter(|letter| !matches!(letter, '-' | '_')).collect();
        NAMES.contains(&plain.as_str())
            || BEGIN.iter().any(|part| plain.starts_with(part))
            || WITHIN.iter().any(|part| plain.contains(part))
            || END.iter().any(|part| plain.ends_with(part))
    })
}

/// Authority that a request asks for: a host that nobody outside can point here, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// `localhost` or a name below it, in lower case.
    Name(String),
}

/// Every authority that a request asks for: each `Host`, and the target's. An
/// HTTP/1.0 request may have none.
fn asked(caller: &Caller<'_>) -> Result<Vec<Authority>, Foreign> {
    let hosts = caller.headers.get_all(header::HOST).iter();
    let hosts = hosts.map(|host| host.to_str().ok().and_then(authority).ok_or(Foreign::Host));
    let target = caller.base.map(|base| {
        // Over this connection nothing but http can be meant (RFC 9110 section 7.4).
        base.strip_prefix("http://").and_then(authority).ok_or(Foreign::Target)
    });
    hosts.chain(target).collect()
}

/// Reads `host[:port]`. `None` for every host that is no address and not below
/// localhost, for user information, and for a port that is not digits.
fn authority(text: &str) -> Option<Authority> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (Host::Address(address.parse::<Ipv6Addr>().ok()?.into()), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let address = name.parse().map(|address| Host::Address(IpAddr::V4(address)));
            (address.ok().or_else(|| local_name(name).map(Host::Name))?, port)
        }
    };
    let port = match port.strip_prefix(':') {
        // `parse` would take a sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        None if port.is_empty() => DEFAULT_PORT,
        _ => return None,
    };
    Some(Authority { host, port })
}

/// `localhost` or a name below it (RFC 6761 section 6.3), in lower case.
fn local_name(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_local = name == "localhost" || name.ends_with(".localhost");
    (is_local && name.len() <= MAX_NAME && name.split('.').all(is_label)).then_some(name)
}

/// Returns whether no page made the request, or one of this server or of `pages` did.
fn from_own_page(headers: &HeaderMap, asked: &[Authority], pages: &[HeaderValue]) -> Result<(), Foreign> {
    let mut is_allowed = false;
    for origin in headers.get_all(header::ORIGIN) {
        if pages.contains(origin) {
            is_allowed = true;
        } else if !is_own(origin, asked) {
            return Err(Foreign::Origin);
        }
    }
    let mut sites = headers.get_all(&FETCH_SITE).iter();
    if is_allowed || sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
        Ok(())
    } else {
        Err(Foreign::FetchSite)
    }
}

/// Returns whether an origin is that of everything that is asked.
fn is_own(origin: &HeaderValue, asked: &[Authority]) -> bool {
    let origin = origin.to_str().ok().and_then(|text| text.strip_prefix("http://")).and_then(authority);
    origin.is_some_and(|origin| !asked.is_empty() && asked.iter().all(|one| *one == origin))
}

/// Returns whether the user follows a link, or types an address: the page is shown to
/// the user alone, and another site's page learns nothing of it.
fn is_navigation(caller: &Caller<'_>) -> bool {
    let is = |name: &HeaderName, value: &str| {
        let mut values = caller.headers.get_all(name).iter();
        values.next().is_some_and(|first| first == value) && values.next().is_none()
    };
    caller.method == Method::GET && is(&FETCH_MODE, "navigate") && is(&FETCH_DEST, "document")
}
