//! Attempts over the real connector: what is recorded of an address that is
//! refused, of a receiver that cannot be reached, and of one that answers oddly.
//! All of it stays on this machine.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod rig;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use px_outbound::guard::{Policy, System};
use px_outbound::transport::Http;
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
    rig.parts.transport = Arc::new(Http::new(policy, resolver).unwrap());
    rig.start().await;
    let jobs = rig.next_jobs().await;
    let report = jobs[0].run(&rig.parts).await;
    rig.scheduler.done(report);
    let callback = rig.of(hook.id).await.remove(0);
    let attempt = rig.store.outbox().attempts(SCOPE, callback.id, 0, 1).await.unwrap().remove(0);
    (callback, attempt)
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
        (format!("http://127.0.0.1:{port}/"), public, "loopback"),
        (format!("http://2130706433:{port}/"), public, "loopback"),
        (format!("http://0177.0.0.1:{port}/"), public, "loopback"),
        (format!("http://0x7f.1:{port}/"), public, "loopback"),
        (format!("http://[::ffff:7f00:1]:{port}/"), public, "loopback"),
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
