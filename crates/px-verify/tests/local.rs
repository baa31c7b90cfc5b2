//! The rule of who this machine is, over spellings: what a client may write,
//! what a page may make a browser send, and what somebody would try.

#![allow(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use px_verify::local::{self, Caller, Foreign, Rule, admit, no_browser, page_origin};

struct Request {
    peer: &'static str,
    method: Method,
    base: Option<String>,
    headers: HeaderMap,
}

/// A request of a loopback peer. A line without a name before its colon is the target.
fn request(lines: &[&str]) -> Request {
    let mut request =
        Request { peer: "127.0.0.1", method: Method::GET, base: None, headers: HeaderMap::new() };
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        if name == "target" {
            request.base = local::base(&value.parse::<Uri>().unwrap());
            continue;
        }
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        request.headers.append(name.parse::<HeaderName>().unwrap(), value);
    }
    request
}

fn decide(rule: Rule, request: &Request) -> Result<(), Foreign> {
    let caller = Caller {
        peer: request.peer.parse().unwrap(),
        method: &request.method,
        base: request.base.as_deref(),
        headers: &request.headers,
    };
    admit(rule, &caller, &[HeaderValue::from_static("https://app.example")])
}

fn of(lines: &[&str]) -> Result<(), Foreign> {
    decide(Rule::ThisMachine, &request(lines))
}

fn host(text: &str) -> Result<(), Foreign> {
    of(&[&format!("host: {text}")])
}

/// With the `Host` that the origin would have to be.
fn origin(text: &str) -> Result<(), Foreign> {
    of(&["host: localhost:8787", &format!("origin: {text}")])
}

#[test]
fn loopback_peers_alone_are_this_machine() {
    let from = |peer| decide(Rule::ThisMachine, &Request { peer, ..request(&["host: localhost"]) });
    for peer in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(from(peer), Ok(()), "{peer}");
    }
    for peer in ["0.0.0.0", "10.0.0.1", "192.0.2.1", "169.254.1.1", "::", "fe80::1", "::ffff:10.0.0.1"] {
        assert_eq!(from(peer), Err(Foreign::Peer), "{peer}");
    }
}

#[test]
fn a_host_is_an_address_or_below_localhost_with_digits_as_port() {
    for good in [
        "localhost",
        "LOCALHOST",
        "LocalHost:8787",
        "px.localhost",
        "a.b-c.d_e.localhost:1",
        "127.0.0.1",
        "127.0.0.1:65535",
        // An address needs no name, so nothing was rebound.
        "192.0.2.7:8787",
        "0.0.0.0:8787",
        "[::1]",
        "[::1]:8787",
        "[0:0:0:0:0:0:0:1]:8787",
        "[::ffff:127.0.0.1]",
        "localhost:00080",
    ] {
        assert_eq!(host(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "evil.example",
        "localhost.evil.example",
        "evillocalhost",
        "localhost.",
        "localhost.:8787",
        "127.0.0.1.",
        ".localhost",
        "a..localhost",
        "a b.localhost",
        "a/b.localhost",
        "localhost/",
        "localhost?x",
        "localhost#x",
        "localhost:",
        "localhost:80@evil.example",
        "evil.example@localhost",
        "user:word@localhost",
        "127.0.0.1:evil.example",
        "127.0.0.1:80:80",
        "localhost:+80",
        "localhost:-80",
        "localhost:0x50",
        "localhost: 80",
        "localhost:80 ",
        "localhost:80\t",
        "local\thost",
        "localhost:99999",
        "localhost:18446744073709551696",
        "localhost,evil.example",
        "localhost, localhost",
        "http://localhost",
        "//localhost",
        // Addresses in other notations are names to DNS.
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "127.1",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1%00.evil.example",
        "::1",
        "[::1",
        "::1]",
        "[::1].evil.example",
        "[::1]evil.example",
        "[::1]:",
        "[::1]:evil",
        "[[::1]]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]:8787",
        "[v1.fe80]",
        "[127.0.0.1]",
        "[localhost]",
        "localhost\u{e9}",
        "ｌｏｃａｌｈｏｓｔ",
        "xn--localhost",
        "%6cocalhost",
        "ip6-localhost",
        "localhost6",
    ] {
        assert_eq!(host(bad), Err(Foreign::Host), "{bad}");
    }
    let long = format!("{}.localhost", "a".repeat(64));
    assert_eq!(host(&long), Err(Foreign::Host));
    assert_eq!(of(&[]), Ok(()), "an HTTP/1.0 probe");
    assert_eq!(of(&["host: localhost", "host: 127.0.0.1"]), Ok(()));
    assert_eq!(of(&["host: localhost", "host: evil.example"]), Err(Foreign::Host));
    assert_eq!(of(&["host: evil.example", "host: localhost"]), Err(Foreign::Host));
}

#[test]
fn the_authority_of_an_absolute_target_counts_beside_host() {
    let target = |target: &str| of(&["host: localhost:8787", &format!("target: {target}")]);
    for good in
        ["http://localhost:8787/status", "http://127.0.0.1/", "HTTP://[::1]:1/x?y", "/status", "/", "*"]
    {
        assert_eq!(target(good), Ok(()), "{good}");
    }
    for bad in [
        "http://evil.example/status",
        "http://localhost:80@evil.example/",
        "http://user@localhost/",
        "http://localhost.evil.example/",
        "http://0x7f.1/",
        "https://localhost:8787/status",
        "ftp://localhost/",
        "localhost:8787",
        "evil.example:80",
    ] {
        assert_eq!(target(bad), Err(Foreign::Target), "{bad}");
    }
    // A path that looks like an authority is a path.
    assert_eq!(target("//evil.example/status"), Ok(()));
    let both = |target: &str, origin: &str| {
        of(&["host: localhost", &format!("target: {target}"), &format!("origin: {origin}")])
    };
    assert_eq!(both("http://localhost/", "http://localhost"), Ok(()));
    assert_eq!(
        both("http://localhost:8787/", "http://localhost:8787"),
        Err(Foreign::Origin),
        "Host is another"
    );
}

#[test]
fn an_origin_is_the_targets_own_or_an_allowed_one() {
    for good in
        ["http://localhost:8787", "http://LOCALHOST:8787", "http://localhost:08787", "https://app.example"]
    {
        assert_eq!(origin(good), Ok(()), "{good}");
    }
    for bad in [
        "null",
        "",
        "http://203.0.113.66",
        "http://[2606:2800:220:1:248:1893:25c8:1946]",
        "https://evil.example",
        "http://localhost",
        "http://localhost:3000",
        "http://127.0.0.1:8787",
        "http://px.localhost:8787",
        "https://localhost:8787",
        "HTTP://localhost:8787",
        "http://localhost:8787/",
        "http://localhost:8787/path",
        "http://localhost:8787?x",
        "http://localhost:8787#x",
        "http://localhost:8787 https://evil.example",
        "https://evil.example http://localhost:8787",
        "http://localhost:8787,https://evil.example",
        "http://localhost:8787@evil.example",
        "http://evil.example@localhost:8787",
        "http://localhost:8787.",
        "http://localhost.:8787",
        "http:localhost:8787",
        "//localhost:8787",
        "localhost:8787",
        "file://",
        "chrome-extension://abcdef",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "https://app.example/",
        "http://app.example",
        "https://APP.example",
        "http://localhost:8787\u{e9}",
    ] {
        assert_eq!(origin(bad), Err(Foreign::Origin), "{bad}");
    }
    let two = |one: &str, other: &str| {
        of(&["host: localhost", &format!("origin: {one}"), &format!("origin: {other}")])
    };
    assert_eq!(two("http://localhost", "http://localhost:80"), Ok(()));
    assert_eq!(two("http://localhost", "https://evil.example"), Err(Foreign::Origin));
    assert_eq!(two("https://app.example", "null"), Err(Foreign::Origin));
    // Ports that nobody writes, and addresses in more than one form.
    assert_eq!(of(&["host: localhost:80", "origin: http://localhost"]), Ok(()));
    assert_eq!(of(&["host: [::1]:8787", "origin: http://[0:0::1]:8787"]), Ok(()));
    assert_eq!(of(&["host: 192.0.2.7:8787", "origin: http://192.0.2.7:8787"]), Ok(()));
    // A page of an allowed origin may ask this machine, and no name that was pointed here.
    assert_eq!(of(&["host: evil.example", "origin: https://app.example"]), Err(Foreign::Host));
    assert_eq!(of(&["origin: http://localhost"]), Err(Foreign::Origin), "nothing says that it is its own");
    assert_eq!(of(&["origin: https://app.example"]), Ok(()));
}

#[test]
fn what_fetch_metadata_says_of_the_site_counts() {
    let site = |lines: &[&str]| of(&[&["host: localhost"], lines].concat());
    for good in [
        &["sec-fetch-site: same-origin"][..],
        &["sec-fetch-site: none", "sec-fetch-mode: navigate", "sec-fetch-dest: document"],
        &["sec-fetch-site: same-origin", "sec-fetch-site: none"],
        &["sec-fetch-mode: cors", "sec-fetch-dest: empty"],
        &["sec-fetch-site: cross-site", "origin: https://app.example"],
        &["sec-fetch-site: same-site", "origin: https://app.example"],
    ] {
        assert_eq!(site(good), Ok(()), "{good:?}");
    }
    for bad in [
        // An image, a script, a prefetch, a link, a frame, a worker, a ping: none has an Origin.
        &["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: image"][..],
        &["sec-fetch-site: cross-site", "sec-fetch-mode: no-cors", "sec-fetch-dest: script"],
        &["sec-fetch-site: cross-site", "sec-purpose: prefetch", "sec-fetch-dest: empty"],
        &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: document"],
        &["sec-fetch-site: cross-site", "sec-fetch-mode: navigate", "sec-fetch-dest: iframe"],
        &[
            "sec-fetch-site: same-site",
            "sec-fetch-mode: websocket",
            "connection: upgrade",
            "upgrade: websocket",
        ],
        &["sec-fetch-site: same-site"],
        &["sec-fetch-site: Same-Origin"],
        &["sec-fetch-site: same-origin;x"],
        &["sec-fetch-site: same-origin, none"],
        &["sec-fetch-site: "],
        &["sec-fetch-site: same-origin", "sec-fetch-site: cross-site"],
        &["sec-fetch-site: cross-site", "origin: http://localhost"],
    ] {
        assert_eq!(site(bad), Err(Foreign::FetchSite), "{bad:?}");
    }
    let upgrade =
        ["host: localhost", "connection: upgrade", "upgrade: websocket", "origin: https://evil.example"];
    assert_eq!(of(&upgrade), Err(Foreign::Origin), "a WebSocket has no preflight, and an Origin");
}

#[test]
fn what_proxies_and_tunnels_add_is_known_by_its_kind() {
    for name in [
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Forwarded-Client-Cert",
        "X_Forwarded_For",
        "X-ForwardedFor",
        "Forwarded-For",
        "X-Forward-For",
        "X-Original-Forwarded-For",
        "X-Original-Host",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Real-IP",
        "X-RealIP",
        "X-Client-IP",
        "Client-IP",
        "X-Cluster-Client-IP",
        "X-ProxyUser-Ip",
        "True-Client-IP",
        "WL-Proxy-Client-IP",
        "Via",
        "CDN-Loop",
        "CF-Connecting-IP",
        "CF-Connecting-IPv6",
        "CF-Ray",
        "CF-Visitor",
        "Fastly-Client-IP",
        "Fly-Client-IP",
        "Fly-Forwarded-Proto",
        "DO-Connecting-IP",
        "X-Vercel-Forwarded-For",
        "X-NF-Client-Connection-IP",
        "X-Appengine-User-IP",
        "X-Azure-ClientIP",
        "X-Azure-SocketIP",
        "X-ARR-LOG-ID",
        "Ali-CDN-Real-IP",
        "Incap-Client-IP",
        "X-Sucuri-ClientIP",
        "X-Amz-Cf-Id",
        "CloudFront-Viewer-Address",
        "X-Envoy-External-Address",
        "X-Envoy-Expected-Rq-Timeout-Ms",
        "Tailscale-User-Login",
        "Front-End-Https",
    ] {
        let name = name.parse::<HeaderName>().unwrap();
        for value in ["1", "", "127.0.0.1"] {
            let lines = [format!("{name}: {value}")];
            assert_eq!(of(&["host: localhost", &lines[0]]), Err(Foreign::Forwarded(name.clone())), "{name}");
        }
    }
    // What clients and providers send is none of it.
    for name in [
        "user-agent",
        "x-request-id",
        "traceparent",
        "x-amz-date",
        "x-amzn-trace-id",
        "cf-webhook-auth",
        "x-github-delivery",
        "x-twilio-signature",
        "ce-source",
        "proxy-connection",
        "x-original",
    ] {
        let is_ours = name == "x-original";
        assert_eq!(of(&[&format!("{name}: 1")]).is_err(), is_ours, "{name}");
    }
}

#[test]
fn a_link_from_anywhere_may_lead_to_a_page_and_nothing_else_may() {
    let link = ["host: localhost:8787", "sec-fetch-site: cross-site", "sec-fetch-mode: navigate"];
    let navigation = request(&[&link[..], &["sec-fetch-dest: document"]].concat());
    assert_eq!(decide(Rule::Page, &navigation), Ok(()));
    assert_eq!(decide(Rule::ThisMachine, &navigation), Err(Foreign::FetchSite));
    assert!(decide(Rule::NoBrowser, &navigation).is_err());
    let foreign = |lines: &[&str]| decide(Rule::Page, &request(&[&link[..], lines].concat()));
    assert_eq!(foreign(&["sec-fetch-dest: document", "origin: null"]), Ok(()));
    for bad in [
        &["sec-fetch-dest: iframe"][..],
        &["sec-fetch-dest: embed"],
        &["sec-fetch-dest: empty"],
        &["sec-fetch-dest: document", "sec-fetch-dest: iframe"],
        &["sec-fetch-dest: document", "sec-fetch-mode: no-cors"],
        &[],
    ] {
        assert_eq!(foreign(bad), Err(Foreign::FetchSite), "{bad:?}");
    }
    let post =
        Request { method: Method::POST, ..request(&[&link[..], &["sec-fetch-dest: document"]].concat()) };
    assert_eq!(decide(Rule::Page, &post), Err(Foreign::FetchSite), "a form");
    let head =
        Request { method: Method::HEAD, ..request(&[&link[..], &["sec-fetch-dest: document"]].concat()) };
    assert_eq!(decide(Rule::Page, &head), Err(Foreign::FetchSite));
    // The name is still asked for, and so is the machine.
    let rebound = ["host: evil.example", "sec-fetch-mode: navigate", "sec-fetch-dest: document"];
    assert_eq!(decide(Rule::Page, &request(&rebound)), Err(Foreign::Host));
    let tunnelled = ["host: localhost", "sec-fetch-mode: navigate", "sec-fetch-dest: document", "via: 1.1 x"];
    assert!(matches!(decide(Rule::Page, &request(&tunnelled)), Err(Foreign::Forwarded(_))));
    assert_eq!(decide(Rule::Page, &request(&["host: localhost"])), Ok(()), "curl looks at it too");
}

#[test]
fn no_browser_is_no_browser_of_whatever_origin() {
    for line in [
        "origin: http://localhost",
        "origin: https://app.example",
        "origin: null",
        "sec-fetch-site: none",
        "sec-fetch-site: same-origin",
        "sec-fetch-mode: cors",
        "sec-fetch-dest: empty",
        "sec-fetch-user: ?1",
        "sec-fetch-storage-access: active",
    ] {
        let request = request(&["host: localhost", line]);
        assert!(matches!(decide(Rule::NoBrowser, &request), Err(Foreign::Browser(_))), "{line}");
        assert!(no_browser(&request.headers).is_err(), "{line}");
    }
    let curl = request(&["host: localhost", "user-agent: curl/8", "accept: */*"]);
    assert_eq!((decide(Rule::NoBrowser, &curl), no_browser(&curl.headers)), (Ok(()), Ok(())));
    let proxied = request(&["host: localhost", "x-forwarded-for: 1"]);
    assert!(decide(Rule::NoBrowser, &proxied).is_err());
}

#[test]
fn origins_of_the_configuration_are_written_as_browsers_write_them() {
    for (text, written) in [
        ("https://app.example", "https://app.example"),
        ("https://APP.example:8443", "https://app.example:8443"),
        ("HTTPS://app.example:443", "https://app.example"),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:443", "http://localhost:443"),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ] {
        assert_eq!(page_origin(text).unwrap(), written);
    }
    for bad in [
        "*",
        "null",
        "app.example",
        "https://app.example/",
        "https://a.example/x",
        "ftp://a",
        "https://u@a",
        "",
    ] {
        assert_eq!(page_origin(bad), Err(bad.to_owned()));
    }
}
