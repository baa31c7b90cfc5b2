//! Where callbacks may go, through the real connector: what is refused must
//! not open a connection, which a listener on loopback would see. Nothing here
//! leaves this machine: other addresses are only ever asked about.

#![expect(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use px_outbound::guard::{Client, Guarded, Policy, Range, Refused, Target, refusal};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A listener that must stay alone.
struct Quiet(std::net::TcpListener);

impl Quiet {
    fn on(ip: &str, port: u16) -> Self {
        let listener = std::net::TcpListener::bind((ip, port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// The kernel finishes a handshake without us, so whoever connected waits
    /// in the queue by the time their request has failed.
    fn saw_nobody(&self) -> bool {
        matches!(self.0.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

/// Answers each request on a connection of its own with `answer`, and counts.
async fn receiver(ip: &str, answer: String) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            if stream.read(&mut head).await.unwrap_or(0) > 0 {
                seen.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (address, count)
}

const OK: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

/// A resolver that knows these answers, one after the other; the last stays.
struct Answers {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Answers {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|one| one.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Answers {
    fn resolve(&self, _: Name) -> Resolving {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let found: Vec<_> = self.answers.get(at).unwrap().iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
        Box::pin(async move { Ok(Box::new(found.into_iter()) as Addrs) })
    }
}

fn client(policy: Policy, resolver: Arc<dyn Resolve>) -> Client {
    Client::new(policy, resolver).unwrap()
}

/// Posts, and gives the refusal wherever it came from.
async fn post(client: &Client, url: &str) -> Result<u16, Refused> {
    let request = client.post(&Target::parse(url)?)?;
    match request.body("{}").send().await {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(refusal(&error).unwrap_or_else(|| panic!("not refused but {error:?}")).clone()),
    }
}

fn private() -> Policy {
    Policy::public().with_private(true)
}

fn range(text: &str) -> Range {
    text.parse().unwrap()
}

#[tokio::test]
async fn hooks_5_a_name_that_flips_from_public_to_private_gains_nothing() {
    let quiet = Quiet::on("127.0.0.1", 0);
    let resolver = Answers::new(&[&["93.184.215.14"], &["127.0.0.1"]]);
    // Whoever looks before the connection sees a public address.
    let looked = resolver.resolve("flip.example".parse().unwrap()).await.unwrap().next().unwrap();
    assert_eq!(Policy::public().check(looked.ip()), Ok(()));
    let client = client(Policy::public(), resolver);
    let refused = post(&client, &format!("http://flip.example:{}/", quiet.port())).await.unwrap_err();
    assert_eq!(refused.rule.as_str(), "loopback");
    assert_eq!(refused.address, Some("127.0.0.1".parse().unwrap()));
    assert!(refused.to_string().contains("flip.example is 127.0.0.1"), "{refused}");
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_5_every_resolved_address_is_filtered() {
    let quiet = Quiet::on("127.0.0.1", 0);
    for (address, rule) in [
        ("127.0.0.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.31.0.1", "private"),
        ("192.168.0.1", "private"),
        ("fd12::1", "unique_local"),
        ("169.254.1.1", "link_local"),
        ("fe80::1", "link_local"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.64.0.1", "cgnat"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("64:ff9b::127.0.0.1", "nat64"),
        ("64:ff9b::169.254.169.254", "nat64"),
        ("64:ff9b:1::127.0.0.1", "nat64"),
        ("2002:7f00:1::", "6to4"),
        ("2001:0:7f00:1::", "teredo"),
    ] {
        let client = client(Policy::public(), Answers::new(&[&[address]]));
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://name.example:{}/", quiet.port());
            let refused = post(&client, &url).await.unwrap_err();
            assert_eq!(refused.rule.as_str(), rule, "{address}");
            assert!(refused.to_string().contains(&format!("rule {rule}")), "{refused}");
        }
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn rule_49_an_address_literal_is_refused_in_every_spelling() {
    let quiet = Quiet::on("127.0.0.1", 0);
    // A resolver that would open everything: literals never ask it.
    let client = client(Policy::public(), Answers::new(&[&["93.184.215.14"]]));
    for (host, rule) in [
        ("127.0.0.1", "loopback"),
        ("127.0.0.1.", "loopback"),
        ("2130706433", "loopback"),
        ("0x7f000001", "loopback"),
        ("0x7f.0.0.1", "loopback"),
        ("0177.0.0.1", "loopback"),
        ("017700000001", "loopback"),
        ("127.1", "loopback"),
        ("１２７.0.0.1", "loopback"),
        ("[::1]", "loopback"),
        ("[0:0:0:0:0:0:0:1]", "loopback"),
        ("[::ffff:127.0.0.1]", "loopback"),
        ("[::ffff:7f00:1]", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("0", "unspecified"),
        ("[::]", "unspecified"),
        ("169.254.169.254", "metadata"),
        ("2852039166", "metadata"),
        ("0xa9fea9fe", "metadata"),
        ("0251.0376.0251.0376", "metadata"),
        ("[::ffff:169.254.169.254]", "metadata"),
        ("[fd00:ec2::254]", "metadata"),
        ("10.1", "private"),
        ("[64:ff9b::7f00:1]", "nat64"),
        ("[64:ff9b::a9fe:a9fe]", "nat64"),
        ("[2002:7f00:1::]", "6to4"),
        ("[2001:0:7f00:1::]", "teredo"),
    ] {
        let refused = post(&client, &format!("http://{host}:{}/", quiet.port())).await.unwrap_err();
        assert_eq!(refused.rule.as_str(), rule, "{host}");
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_6_a_url_check_that_accepts_169_254_169_254() {
    for policy in [Policy::public(), private(), Policy::public().with_ranges([range("169.254.0.0/16")])] {
        let client = client(policy, Answers::new(&[&["169.254.169.254"]]));
        for url in ["http://169.254.169.254/latest/meta-data/", "http://metadata.google.internal/"] {
            assert_eq!(post(&client, url).await.unwrap_err().rule.as_str(), "metadata", "{url}");
        }
    }
}

#[tokio::test]
async fn hooks_6_redirects_followed_with_the_signature_attached() {
    let quiet = Quiet::on("127.0.0.2", 0);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.2:{}/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            quiet.port()
        );
        let (address, count) = receiver("127.0.0.1", answer).await;
        // Even where the policy would allow the second address.
        let client = client(private(), Answers::new(&[&["127.0.0.1"]]));
        let got = post(&client, &format!("http://{address}/")).await.unwrap();
        assert_eq!(got.to_string(), status.get(..3).unwrap());
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_5_credentials_in_a_url_are_refused_and_not_repeated() {
    let quiet = Quiet::on("127.0.0.1", 0);
    let client = client(private(), Answers::new(&[&["127.0.0.1"]]));
    for user in ["user", "user:hunter2", ":hunter2", "public.example:80"] {
        let url = format!("http://{user}@127.0.0.1:{}/", quiet.port());
        let refused = post(&client, &url).await.unwrap_err();
        assert_eq!(refused.rule.as_str(), "credentials");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn hooks_5_allow_private_opens_exactly_what_it_says() {
    let (address, count) = receiver("127.0.0.1", OK.to_owned()).await;
    let url = format!("http://{address}/");
    let named = format!("http://name.example:{}/", address.port());
    let resolver = || Answers::new(&[&["127.0.0.1"]]);
    for policy in [
        private(),
        Policy::public().with_loopback(true),
        Policy::public().with_ranges([range("127.0.0.1")]),
        Policy::public().with_ranges([range("127.0.0.0/8")]),
    ] {
        let client = client(policy, resolver());
        assert_eq!(post(&client, &url).await, Ok(204));
        assert_eq!(post(&client, &named).await, Ok(204));
    }
    assert_eq!(count.load(Ordering::SeqCst), 8);
    let other = Policy::public().with_ranges([range("127.0.0.2"), range("10.0.0.0/8")]);
    for policy in [Policy::public(), other] {
        let client = client(policy, resolver());
        assert_eq!(post(&client, &url).await.unwrap_err().rule.as_str(), "loopback");
        assert_eq!(post(&client, &named).await.unwrap_err().rule.as_str(), "loopback");
    }
    assert_eq!(count.load(Ordering::SeqCst), 8, "nothing more was sent");
    for still in ["169.254.1.1", "100.64.0.1", "64:ff9b::10.0.0.1", "0.0.0.0", "224.0.0.1"] {
        let client = client(private(), Answers::new(&[&[still]]));
        assert!(post(&client, &named).await.is_err(), "{still}");
    }
}

#[tokio::test]
async fn hooks_5_of_several_addresses_only_the_allowed_ones_are_tried() {
    let (address, count) = receiver("127.0.0.3", OK.to_owned()).await;
    let quiet = Quiet::on("127.0.0.1", address.port());
    let policy = Policy::public().with_ranges([range("127.0.0.3")]);
    let client = client(policy, Answers::new(&[&["127.0.0.1", "10.0.0.1", "127.0.0.3"]]));
    assert_eq!(post(&client, &format!("http://both.example:{}/", address.port())).await, Ok(204));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(quiet.saw_nobody());
}

#[tokio::test]
async fn a_connection_that_one_hook_may_have_is_never_anothers() {
    let (address, _) = receiver("127.0.0.1", "HTTP/1.1 204 No Content\r\n\r\n".to_owned()).await;
    let url = format!("http://pooled.example:{}/", address.port());
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let open = client(private(), Arc::clone(&resolver) as Arc<dyn Resolve>);
    let closed = client(Policy::public(), resolver);
    assert_eq!(post(&open, &url).await, Ok(204));
    assert_eq!(post(&closed, &url).await.unwrap_err().rule.as_str(), "loopback");
}

#[tokio::test]
async fn a_name_without_an_address_is_told_as_such() {
    let client = client(private(), Answers::new(&[&[]]));
    assert_eq!(post(&client, "http://empty.example/").await.unwrap_err().rule.as_str(), "no_address");
    let guarded = Guarded::new(Answers::new(&[&[]]), Policy::public());
    assert!(guarded.resolve("empty.example".parse().unwrap()).await.is_err());
}

/// The client is made in a process of its own, with proxies in its
/// environment: the test calls itself.
#[test]
fn rule_49_the_environments_proxies_are_not_used() {
    const ROLE: &str = "PX_TEST_TARGET";
    if let Ok(url) = std::env::var(ROLE) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let status =
            runtime.block_on(async { post(&client(private(), Answers::new(&[&["127.0.0.1"]])), &url).await });
        assert_eq!(status, Ok(204));
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (address, count) = runtime.block_on(receiver("127.0.0.1", OK.to_owned()));
    let proxy = Quiet::on("127.0.0.1", 0);
    let proxy_url = format!("http://127.0.0.1:{}", proxy.port());
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "rule_49_the_environments_proxies_are_not_used"]);
    child.env(ROLE, format!("http://target.example:{}/", address.port()));
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(name, &proxy_url);
    }
    let output = child.env_remove("NO_PROXY").env_remove("no_proxy").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert!(proxy.saw_nobody());
}
