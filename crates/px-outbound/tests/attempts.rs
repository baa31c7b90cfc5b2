//! Attempts over the real connector: what is recorded of an address that is
//! refused, of a receiver that cannot be reached, and of one that answers oddly.
//! All of it stays on this machine.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod rig;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use px_outbound::guard::{Policy, System};
use px_outbound::transport::{Http, Transport as _};
use px_store::outbox::{Attempt, Callback, CallbackState};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rig::{Rig, SCOPE};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Every name has the first of these addresses when it is asked for once, the
/// second afterwards.
struct Flips(std::sync::Mutex<Vec<IpAddr>>);

impl Resolve for Flips {
    fn resolve(&self, _: Name) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        let ip = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Box::pin(async move { Ok(Box::new([SocketAddr::new(ip, 0)].into_iter()) as Addrs) })
    }
}

fn resolver(addresses: &[&str]) -> Arc<dyn Resolve> {
    Arc::new(Flips(std::sync::Mutex::new(addresses.iter().map(|ip| ip.parse().unwrap()).collect())))
}

/// Sends one event to a URL over the real connector, with the policy that hooks
/// have by default; the hook was made while nothing was refused, as one is
/// whose name changes its address later.
async fn attempted(
    url: &str,
    resolver: Arc<dyn Resolve>,
    policy: Policy,
    allow_private: bool,
) -> (Callback, Attempt) {
    let (callback, attempt) = tried(url, resolver, policy, allow_private).await;
    (callback, attempt.unwrap())
}

/// The same, where there need not be an attempt.
async fn tried(
    url: &str,
    resolver: Arc<dyn Resolve>,
    policy: Policy,
    allow_private: bool,
) -> (Callback, Option<Attempt>) {
    let mut rig = Rig::new();
    let hook = rig
        .hook(|spec| {
            spec.events = vec!["run.started".into()];
            spec.timeout = Duration::from_millis(1_500);
            spec.allow_private = allow_private;
        })
        .await;
    rig.operator
        .change(hook.id, |hook| {
            hook.url = url.to_owned();
            Ok(())
        })
        .await
        .unwrap();
    rig.restart_with(policy.clone());
    rig.parts.transport = Arc::new(Http::new(policy, resolver).unwrap());
    rig.start().await;
    let jobs = rig.next_jobs().await;
    let report = jobs[0].run(&rig.parts).await;
    rig.scheduler.done(report);
    let callback = rig.of(hook.id).await.remove(0);
    let attempts = rig.store.outbox().attempts(SCOPE, callback.id, 0, 1).await.unwrap();
    (callback, attempts.into_iter().next())
}

/// A listener that must stay alone.
struct Quiet(TcpListener);

impl Quiet {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    fn saw_nobody(&self) -> bool {
        matches!(self.0.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

#[tokio::test]
async fn hooks_5_each_refusal_is_an_attempt_that_names_the_rule_and_opens_no_connection() {
    let quiet = Quiet::new();
    let port = quiet.port();
    let public = "93.184.215.14";
    for (url, addresses, rule) in [
        // Names, by what the connector's own resolver says at that moment.
        (format!("http://name.example:{port}/"), "127.0.0.1", "loopback"),
        (format!("http://name.example:{port}/"), "::ffff:127.0.0.1", "loopback"),
        (format!("http://name.example:{port}/"), "64:ff9b::127.0.0.1", "nat64"),
        (format!("http://name.example:{port}/"), "169.254.169.254", "metadata"),
        (format!("https://name.example:{port}/"), "10.0.0.1", "private"),
        // Address literals, which no resolver is asked about.
        (format!("http://[64:ff9b::7f00:1]:{port}/"), public, "nat64"),
        ("http://169.254.169.254/latest/meta-data/".to_owned(), public, "metadata"),
        // And a password, which is not repeated.
        (format!("http://user:hunter2@name.example:{port}/"), public, "credentials"),
    ] {
        let (callback, attempt) = attempted(&url, resolver(&[addresses]), Policy::public(), false).await;
        assert_eq!(attempt.error.as_deref(), Some("egress_denied"), "{url}: {attempt:?}");
        let message = attempt.message.unwrap();
        assert!(message.contains(&format!("rule {rule}")), "{url}: {message}");
        assert!(!message.contains("hunter2"));
        assert_eq!((attempt.status, callback.state), (None, CallbackState::Pending), "it is tried again");
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn rules_68_a_url_that_says_itself_that_it_is_this_machine_is_no_attempt_while_that_is_closed() {
    let quiet = Quiet::new();
    for host in ["127.0.0.1", "2130706433", "0177.0.0.1", "0x7f.1", "[::ffff:7f00:1]", "[::1]", "localhost"] {
        let url = format!("http://{host}:{}/", quiet.port());
        let (callback, attempt) = tried(&url, resolver(&["127.0.0.1"]), Policy::public(), false).await;
        assert_eq!((callback.state, callback.tries, attempt), (CallbackState::Held, 0, None), "{url}");
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_5_a_name_that_flips_is_refused_at_the_attempt_and_a_redirect_is_not_followed() {
    let quiet = Quiet::new();
    let flips = resolver(&["93.184.215.14", "127.0.0.1"]);
    // Whoever looks first sees the public address.
    let seen = flips.resolve("flip.example".parse().unwrap()).await.unwrap().next().unwrap();
    assert_eq!(Policy::public().check(seen.ip()), Ok(()));
    let url = format!("http://flip.example:{}/", quiet.port());
    let (_, attempt) = attempted(&url, flips, Policy::public(), false).await;
    assert!(attempt.message.unwrap().contains("rule loopback"));
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
        quiet.port()
    );
    let address = answering(answer.into_bytes()).await;
    let (callback, attempt) = attempted(
        &format!("http://{address}/"),
        resolver(&["127.0.0.1"]),
        Policy::public().with_loopback(true),
        false,
    )
    .await;
    assert_eq!((attempt.status, attempt.error.as_deref()), (Some(307), Some("redirect")));
    assert_eq!(callback.state, CallbackState::Pending, "a failure");
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_5_allow_private_of_a_hook_opens_this_machine_for_it() {
    let address = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
    let url = format!("http://private.example:{}/", address.port());
    let names = || resolver(&["127.0.0.1"]);
    let (callback, attempt) = attempted(&url, names(), Policy::public(), true).await;
    assert_eq!((attempt.status, callback.state), (Some(204), CallbackState::Delivered));
    assert!(attempt.timing.resolved_ms.is_some() && attempt.timing.head_ms.is_some(), "{:?}", attempt.timing);
    let (_, attempt) = attempted(&url, names(), Policy::public(), false).await;
    assert_eq!(attempt.error.as_deref(), Some("egress_denied"));
    let (_, attempt) = attempted(&url, resolver(&["169.254.169.254"]), Policy::public(), true).await;
    assert!(attempt.message.unwrap().contains("rule metadata"), "it opens no more than it says");
}

/// Answers each connection's first request with these bytes, and leaves it open.
async fn answering(bytes: Vec<u8>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8192];
            if stream.read(&mut request).await.unwrap_or(0) > 0 {
                let _ = stream.write_all(&bytes).await;
            }
            open.push(stream);
        }
    });
    address
}

async fn of(url: &str) -> (Callback, Attempt) {
    attempted(url, Arc::new(System), Policy::public().with_loopback(true), false).await
}

#[tokio::test]
async fn hooks_4_every_error_has_its_class() {
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let (_, attempt) = of(&format!("http://{nobody}/")).await;
    assert_eq!(attempt.error.as_deref(), Some("connection_refused"), "{attempt:?}");

    let (_, attempt) = attempted("http://name.example/", Arc::new(Unknown), Policy::public(), false).await;
    assert_eq!(attempt.error.as_deref(), Some("dns_error"), "{attempt:?}");

    // Accepts, reads, and hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hangs_up = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 8192];
            let _ = stream.read(&mut request).await;
        }
    });
    let (_, attempt) = of(&format!("http://{hangs_up}/")).await;
    assert_eq!(attempt.error.as_deref(), Some("connection_reset"), "{attempt:?}");

    let silent = answering(Vec::new()).await;
    let (_, attempt) = of(&format!("http://{silent}/")).await;
    assert_eq!(attempt.error.as_deref(), Some("timeout"), "{attempt:?}");

    let no_tls = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    let (_, attempt) = of(&format!("https://{no_tls}/")).await;
    assert_eq!(attempt.error.as_deref(), Some("tls_error"), "{attempt:?}");

    let no_http = answering(b"220 mail.example ESMTP\r\n".to_vec()).await;
    let (callback, attempt) = of(&format!("http://{no_http}/")).await;
    assert_eq!(attempt.error.as_deref(), Some("network_error"), "{attempt:?}");
    assert_eq!(callback.state, CallbackState::Pending, "all of these are tried again");
}

/// Knows no name.
struct Unknown;

impl Resolve for Unknown {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(async { Err(std::io::Error::new(ErrorKind::NotFound, "no such name").into()) })
    }
}

#[tokio::test]
async fn hooks_4_a_2xx_counts_though_its_body_never_ends_and_is_kept_up_to_a_bound() {
    let endless = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nso far".to_vec()).await;
    let (callback, attempt) = of(&format!("http://{endless}/")).await;
    assert_eq!((callback.state, attempt.body.as_str()), (CallbackState::Delivered, "so far"));
    let mut long =
        format!("HTTP/1.1 500 Oops\r\nx-long: {}\r\ncontent-length: 100000\r\n\r\n", "h".repeat(9_000));
    long.push_str(&"b".repeat(100_000));
    let long = answering(long.into_bytes()).await;
    let (_, attempt) = of(&format!("http://{long}/")).await;
    assert_eq!((attempt.status, attempt.body.len()), (Some(500), 16 * 1024));
    assert_eq!(attempt.headers[0].1.len(), 1_024);
}

/// What a receiver does with the requests of one connection, in turn.
#[derive(Clone, Copy)]
enum Does {
    Answers,
    /// Reads the request and closes the connection.
    Closes,
    /// Says nothing, and keeps the connection.
    Waits,
}

/// A receiver that follows a script for each connection, the last one for all
/// that come after. Counts the requests that it has read.
async fn scripted(scripts: &'static [&'static [Does]]) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&requests);
    tokio::spawn(async move {
        let mut open = Vec::new();
        for connection in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            for does in scripts[connection.min(scripts.len() - 1)] {
                let mut request = [0; 8192];
                if stream.read(&mut request).await.unwrap_or(0) == 0 {
                    break;
                }
                read.fetch_add(1, Ordering::Relaxed);
                match does {
                    Does::Answers => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                    Does::Closes => break,
                    Does::Waits => {
                        open.push(stream);
                        break;
                    }
                }
                if matches!(does, Does::Waits) {
                    break;
                }
            }
        }
    });
    (address, requests)
}

/// The classes of two requests in a row over one transport; `ok` is an answer.
async fn two_in_a_row(address: SocketAddr) -> [String; 2] {
    let transport = Http::new(Policy::public().with_loopback(true), Arc::new(System)).unwrap();
    let mut said = [String::new(), String::new()];
    for ended in &mut said {
        let request = px_outbound::transport::Request {
            url: format!("http://{address}/"),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::from_static(b"{}"),
            timeout: Duration::from_millis(1_500),
            allow_private: false,
        };
        *ended = match transport.send(request).await {
            Ok(answer) => answer.status.to_string(),
            Err(failure) => failure.class.as_str().to_owned(),
        };
        // The client's own task gives the connection back.
        for _ in 0..256 {
            tokio::task::yield_now().await;
        }
    }
    said
}

#[tokio::test]
async fn rules_57_no_answer_on_a_kept_connection_goes_out_again_once_over_a_new_one() {
    use Does::{Answers, Closes, Waits};
    type Scripts = &'static [&'static [Does]];
    let cases: [(&str, Scripts, [&str; 2], usize); 5] = [
        ("kept and used again", &[&[Answers, Answers]], ["200", "200"], 2),
        ("closed as the next request comes", &[&[Answers, Closes], &[Answers]], ["200", "200"], 3),
        ("closed each time", &[&[Answers, Closes], &[Closes]], ["200", "connection_reset"], 3),
        ("closed on a new connection", &[&[Closes], &[Closes]], ["connection_reset", "connection_reset"], 2),
        ("too slow is no broken connection", &[&[Answers, Waits], &[Answers]], ["200", "timeout"], 2),
    ];
    for (case, scripts, expected, requests) in cases {
        let (address, read) = scripted(scripts).await;
        assert_eq!(two_in_a_row(address).await, expected, "{case}");
        assert_eq!(read.load(Ordering::Relaxed), requests, "{case}");
    }
}

#[tokio::test]
async fn rules_57_a_2xx_with_an_odd_head_is_delivered_up_to_its_bounds() {
    let head = |status: &str, lines: usize, bytes: usize| {
        let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n");
        (1..lines).for_each(|line| head.push_str(&format!("x-{line}: {}\r\n", "v".repeat(bytes))));
        (head + "\r\n").into_bytes()
    };
    let cases = [
        ("120 lines", head("200 OK", 120, 1), CallbackState::Delivered),
        ("256 lines", head("204 No Content", 256, 1), CallbackState::Delivered),
        ("257 lines", head("200 OK", 257, 1), CallbackState::Pending),
        ("a line of 60,000 bytes", head("200 OK", 2, 60_000), CallbackState::Delivered),
        ("a line of 66,000 bytes", head("200 OK", 2, 66_000), CallbackState::Pending),
        ("no reason", b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n".to_vec(), CallbackState::Delivered),
        (
            "a byte above ASCII",
            b"HTTP/1.1 200 OK\r\nx: \xe9\r\ncontent-length: 0\r\n\r\n".to_vec(),
            CallbackState::Delivered,
        ),
        ("a status above 599", head("777 Odd", 1, 1), CallbackState::Pending),
    ];
    for (case, answer, expected) in cases {
        let address = answering(answer).await;
        let (callback, attempt) = of(&format!("http://{address}/")).await;
        assert_eq!(callback.state, expected, "{case}: {attempt:?}");
        assert!(attempt.headers.len() <= px_outbound::transport::MAX_ANSWER_HEADERS, "{case}");
    }
}
