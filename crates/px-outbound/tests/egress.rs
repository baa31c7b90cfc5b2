//! Fetches through the real connector: where they may go, whom they tell who asks, and how
//! much they take.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use px_outbound::egress::{Egress, Error, Fetched};
use px_outbound::guard::{Policy, System};

/// A server that answers every request the same, and the heads that it has got.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn at(address: &str, answer: String) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let got = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                    head.push(byte[0]);
                }
                got.lock().unwrap().push(String::from_utf8_lossy(&head).to_lowercase());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { address, heads }
    }

    fn url(&self) -> String {
        format!("http://{}/media", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn file(content: &str) -> String {
    let length = content.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{content}"
    )
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
}

/// One that may go to this machine, for servers of the tests.
fn here() -> Egress {
    Egress::with(Policy::public().with_loopback(true), Arc::new(System)).unwrap()
}

#[tokio::test]
async fn a_file_is_fetched_with_credentials_for_one_host() {
    let server = Server::at("127.0.0.1", file("photo"));
    let fetched = here().get(server.url()).basic("127.0.0.1", "AC1", "token").send().await.unwrap();
    let expected = Fetched { bytes: "photo".into(), claimed_type: Some("image/jpeg".into()) };
    assert_eq!(fetched, expected);
    assert!(server.heads()[0].contains("authorization: basic qumxonrva2vu"), "{:?}", server.heads());
    here().get(server.url()).bearer("api.example", "token").send().await.unwrap();
    assert!(!server.heads()[1].contains("authorization"), "{:?}", server.heads());
}

#[tokio::test]
async fn a_redirect_takes_the_file_along_and_no_credentials() {
    let store = Server::at("127.0.0.2", file("photo"));
    let api = Server::at("127.0.0.1", redirect(&store.url()));
    let fetched = here().get(api.url()).basic("127.0.0.1", "AC1", "token").send().await.unwrap();
    assert_eq!(&*fetched.bytes, b"photo");
    assert!(api.heads()[0].contains("authorization"));
    assert!(!store.heads()[0].contains("authorization"), "{:?}", store.heads());
}

#[tokio::test]
async fn no_fetch_goes_to_this_machine_or_its_neighbours_however_it_is_led_there() {
    let server = Server::at("127.0.0.1", file("secret"));
    let public = Egress::new().unwrap();
    let port = server.address.port();
    for url in [
        server.url(),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "http://169.254.169.254/latest/meta-data".into(),
        "http://10.0.0.1/".into(),
        "file:///etc/passwd".into(),
        format!("http://user:hunter2@127.0.0.1:{port}/"),
    ] {
        let refused = public.get(url.clone()).send().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{url}: {refused}");
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
    for to in ["http://10.0.0.1/", "http://169.254.169.254/", "ftp://127.0.0.1/", "http://a:b@127.0.0.1/"] {
        let leads = Server::at("127.0.0.1", redirect(to));
        let refused = here().get(leads.url()).send().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{to}: {refused}");
    }
    assert!(server.heads().is_empty(), "{:?}", server.heads());
}

#[tokio::test]
async fn what_is_too_large_leads_on_and_on_or_never_comes_is_an_error() {
    let announced = Server::at("127.0.0.1", file(&"x".repeat(100)));
    let fetch = |url: String| async move { here().get(url).at_most(99).send().await.unwrap_err() };
    assert_eq!(fetch(announced.url()).await, Error::TooLarge(99));
    let endless = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned() + &"x".repeat(100);
    assert_eq!(fetch(Server::at("127.0.0.1", endless).url()).await, Error::TooLarge(99));
    let circle = Server::at("127.0.0.1", redirect("/media"));
    assert_eq!(fetch(circle.url()).await, Error::Redirect("the URL leads on and on"));
    assert_eq!(circle.heads().len(), 6);
    assert_eq!(
        fetch(Server::at("127.0.0.1", file("x").replace("200 OK", "404 Not Found")).url()).await,
        Error::Status(404)
    );
    let cut = file(&"x".repeat(50)).replace("content-length: 50", "content-length: 60");
    assert!(matches!(fetch(Server::at("127.0.0.1", cut).url()).await, Error::Failed(_)));
    // It takes the connection and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let late = here().get(url).timeout(Duration::from_millis(20)).send().await.unwrap_err();
    assert!(late.to_string().contains("longer than 20ms"), "{late}");
}

#[tokio::test]
async fn credentials_go_nowhere_in_the_clear() {
    let error =
        here().get("http://api.example/media").basic("api.example", "a", "b").send().await.unwrap_err();
    assert!(matches!(error, Error::Credentials(_)), "{error}");
    let error =
        here().get("https://api.example/media").bearer("api.example", "a\nb").send().await.unwrap_err();
    assert!(matches!(error, Error::Credentials(_)), "{error}");
}
