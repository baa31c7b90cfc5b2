//! Servers: the real one with two brains, one that answers what it is told to,
//! and a proxy that cuts connections.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use px_client::Client;
use px_client::api::StartRun;
use px_sdk::{Brain, Cx, Form, Next, Registry, Result, Waiting, brain, form, wait_for};
use px_server::{Options, Running};
use px_store::Store;
use px_store_rows::{Embedded, MemoryRows};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Page {
    id: String,
}

fn survey() -> Brain<Page> {
    brain("survey").step("ask", ask).step("note", note).build()
}
px_sdk::brain!(survey);

async fn ask(_: Cx, page: Page) -> Result<Waiting<Page, Form>> {
    let wait = form::on(&page.id, "token");
    Ok(wait_for(page, wait))
}

async fn note(_: Cx, _: Page, form: Form) -> Result<Next<Form>> {
    Ok(Next(form))
}

fn surveys() -> Brain<(), ()> {
    brain("surveys").step("end", end).build()
}
px_sdk::brain!(surveys);

async fn end(cx: Cx, (): ()) -> Result<Next<()>> {
    cx.kv::<u64>("ended").update(|count| count.unwrap_or(0) + 1).await?;
    cx.kv::<bool>("seen/once").scope("a b").set(true).await?;
    Ok(Next(()))
}

/// A server over this store, at this port of the loopback interface.
pub(crate) async fn serve_at(store: Arc<dyn Store>, port: u16) -> Running {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let options = Options { bind, ..Options::new(Arc::new(Registry::collect().unwrap()), store) };
    px_server::start(options).await.unwrap()
}

pub(crate) async fn serve() -> (Running, Client) {
    let server = serve_at(Arc::new(Embedded::new(MemoryRows::new())), 0).await;
    let client = client(server.local_addr());
    (server, client)
}

pub(crate) fn client(address: SocketAddr) -> Client {
    Client::builder(format!("http://{address}/")).timeout(Duration::from_secs(20)).build().unwrap()
}

/// Starts a survey, and comes back when it waits for its form.
pub(crate) async fn start(client: &Client, id: &str) -> String {
    let start = StartRun::of("survey").with_state(&json!({ "id": id })).unwrap();
    let run = client.start_run(&start).await.unwrap().brain_run_id.to_string();
    let mut events = client.watch_run(&run).events();
    while events.next().await.unwrap().unwrap().kind != "brain:webhook" {}
    run
}

/// Answers the form of a survey.
pub(crate) async fn answer(client: &Client, id: &str) -> px_client::WebhookAnswer {
    let url = format!("{}{}", client.base(), form::path(id, "token"));
    let mut headers = http::HeaderMap::new();
    headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    client.send_webhook(http::Method::POST, &url, headers, "name=Ada".into()).await.unwrap()
}

/// A server that gives each connection the next of these answers; after the last
/// one, and for an empty one, it closes without a word.
pub(crate) async fn canned(answers: &[&str]) -> Client {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let answers: Vec<String> = answers.iter().map(|text| (*text).to_owned()).collect();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap() == 0 {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    client
}

/// An answer of JSON, for [`canned`].
pub(crate) fn json_answer(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n{more}\r\n{body}"
    )
}

/// A proxy before a server that cuts each connection in the middle of the second
/// event that comes by it. The heads of the requests are noted.
pub(crate) async fn cutting(upstream: SocketAddr) -> (Client, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let client = client(listener.local_addr().unwrap());
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = TcpStream::connect(upstream).await.unwrap();
            let mut head = Vec::new();
            while !head.windows(4).any(|window| window == b"\r\n\r\n") {
                assert!(near.read_buf(&mut head).await.unwrap() > 0, "a request has a head");
            }
            noted.lock().unwrap().push(String::from_utf8(head.clone()).unwrap());
            far.write_all(&head).await.unwrap();
            let mut seen = Vec::new();
            loop {
                let before = seen.len();
                if far.read_buf(&mut seen).await.unwrap() == 0 {
                    break;
                }
                let text = String::from_utf8_lossy(&seen);
                let second = text.match_indices("\ndata: ").nth(1).map(|(at, found)| at + found.len() + 5);
                let end = second.unwrap_or(seen.len()).clamp(before, seen.len());
                if near.write_all(&seen[before..end]).await.is_err() || second.is_some() {
                    break;
                }
            }
        }
    });
    (client, heads)
}
