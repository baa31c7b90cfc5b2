//! `[access] payloads = "operate"`: every route of the API and every page that can show what runs and senders
//! bring, asked with a token that only reads. The routes are those of the document and of the page's table, so
//! that a new one is asked, too.

use std::collections::BTreeSet;

use px_dashboard::route::{self, Method};
use px_sdk::{Brain, Cx, File, Files, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_server::Running;
use px_store::tokens::Permission;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::browser::Browser;
use crate::support::{self, parts, read_json, request, status};
use crate::token;

/// Text that stands in each thing that a run or a sender brings.
const PLANTED: &str = "planted-7c21e0";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Claim {
    key: String,
    note: String,
    #[serde(default)]
    file: Option<File>,
}

mod claims {
    use super::*;
    px_sdk::webhook! {
        slug = "claims",
        payload = Claim,
        response = Claim,
        verify = verify::unverified(),
        handler = receive,
        files = Files::default(),
    }
    async fn receive(claim: Claim) -> Result<Inbound<Claim>> {
        Ok(Inbound::resume(claim.key.clone(), claim))
    }
}

fn planting() -> Brain<Claim> {
    brain("planting")
        .step("keep", keep)
        .step("ask", ask)
        .step("hear", hear)
        .step("ask again", ask_again)
        .step("end", hear)
        .build()
}
px_sdk::brain!(planting);

async fn keep(cx: Cx, claim: Claim) -> Result<Next<Claim>> {
    cx.kv::<String>("note").set(claim.note.clone()).await?;
    Ok(Next(claim))
}

async fn ask(_: Cx, claim: Claim) -> Result<Waiting<Claim, Claim>> {
    let on = claims::on(&claim.key);
    Ok(wait_for(claim, on))
}

async fn hear(_: Cx, _: Claim, answer: Claim) -> Result<Next<Claim>> {
    Ok(Next(answer))
}

async fn ask_again(_: Cx, claim: Claim) -> Result<Waiting<Claim, Claim>> {
    let on = claims::on(format!("{}-again", claim.key)).token(PLANTED);
    Ok(wait_for(claim, on))
}

/// A server that shows payloads to those who operate, with one of each thing that may have some.
struct Life {
    server: Running,
    operate: String,
    read: String,
    run: String,
    delivery: String,
    quarantined: String,
    upload: String,
    hook: String,
    callback: String,
}

impl Life {
    async fn begin() -> Self {
        let server = support::serve(|options| {
            options.payloads = Permission::Operate;
            options.hooks.allow_private = Some(true);
        });
        let server = server.await;
        let admin = token(&server, "admin", "").await;
        let (operate, read) = (token(&server, "operate", &admin).await, token(&server, "read", &admin).await);
        let by = format!("authorization: Bearer {admin}\r\n");
        let hook = json!({ "url": "http://127.0.0.1:9/told", "name": "told" }).to_string();
        let (status, hook) = read_json(&support::send(&server, "POST", "/hooks", &by, &hook).await);
        assert_eq!(status, 201, "{hook}");
        let state = json!({ "key": "k", "note": PLANTED });
        let start = json!({ "identifier": "planting", "initialState": state }).to_string();
        let (_, started) = read_json(&support::send(&server, "POST", "/brains/runs", &by, &start).await);
        let run = text(&started["brainRunId"]);
        let mut life = Self {
            hook: text(&hook["id"]),
            run,
            server,
            operate,
            read,
            delivery: String::new(),
            quarantined: String::new(),
            upload: String::new(),
            callback: String::new(),
        };
        life.until("\"identifier\":\"k\"").await;
        life.post().await;
        life.until("\"identifier\":\"k-again\"").await;
        let callbacks = life.json("/deliveries").await;
        life.callback = text(&callbacks["deliveries"][0]["id"]);
        life
    }

    /// Sends an event that the run takes, and a form with a file.
    async fn post(&mut self) {
        let body = json!({ "key": "k", "note": PLANTED }).to_string();
        let lines = format!("x-note: {PLANTED}\r\n");
        let target = format!("/webhooks/claims?q={PLANTED}");
        let (status, came) = read_json(&support::send(&self.server, "POST", &target, &lines, &body).await);
        assert_eq!(status, 200, "{came}");
        self.delivery = text(&came["deliveryId"]);
        // Its reason quotes the value that does not fit.
        let odd = json!({ "key": { "odd": PLANTED }, "note": "x" }).to_string();
        let (status, came) =
            read_json(&support::send(&self.server, "POST", "/webhooks/claims", "", &odd).await);
        assert_eq!(status, 422, "{came}");
        self.quarantined = text(&came["deliveryId"]);
        let part = |head: &str, text: &str| {
            format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{text}\r\n")
        };
        let file = format!("name=\"file\"; filename=\"{PLANTED}.txt\"");
        let form = [part("name=\"key\"", "nobody"), part("name=\"note\"", PLANTED), part(&file, PLANTED)];
        let form = format!("{}--b--\r\n", form.concat());
        let lines = "content-type: multipart/form-data; boundary=b\r\n";
        let (status, came) =
            read_json(&request(&self.server, "POST", "/webhooks/claims", lines, &form).await);
        assert!(status < 300, "{status}: {came}");
        self.upload = text(&came["deliveryId"]);
    }

    async fn until(&self, words: &str) {
        for _ in 0..10_000 {
            let shown = self.get(&format!("/brains/runs/{}", self.run), &self.operate).await;
            if shown.contains("\"status\":\"waiting\"") && shown.contains(words) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the run does not come to {words}");
    }

    async fn get(&self, target: &str, token: &str) -> String {
        request(&self.server, "GET", target, &format!("authorization: Bearer {token}\r\n"), "").await
    }

    async fn json(&self, target: &str) -> Value {
        read_json(&self.get(target, &self.operate).await).1
    }

    /// A stream up to these words.
    async fn stream(&self, target: &str, token: &str, words: &str) -> String {
        let mut stream = support::connect(&self.server).await;
        let head =
            format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut came = Vec::new();
        while !String::from_utf8_lossy(&came).contains(words) {
            assert!(stream.read_buf(&mut came).await.unwrap() > 0, "{target} ends early");
        }
        String::from_utf8(came).unwrap()
    }

    /// The target of a path with parameters.
    fn target(&self, path: &str) -> String {
        let id = match path {
            _ if path.contains("/files/") => &self.upload,
            _ if path.contains("runs/") => &self.run,
            _ if path.starts_with("/webhooks/deliveries/") || path.starts_with("inbox/") => &self.delivery,
            _ if path.contains("hooks/") => &self.hook,
            _ if path.starts_with("/deliveries/") || path.starts_with("outbox/") => &self.callback,
            _ => "planting",
        };
        let target = path.replace("{id}", id).replace("{place}", "0").replace("{slug}", "claims");
        let target = target.replace("{brain}", "planting").replace("{title}", "planting");
        target.replace("{scope}", "shared").replace("{key}", "note").replace("{name}", "NONE")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

#[tokio::test]
async fn no_route_that_a_reader_may_ask_shows_a_payload() {
    let life = Life::begin().await;
    let document = life.json("/openapi.json").await;
    let mut withheld = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods["get"]["x-px-scope"] != "read" || path.ends_with("/watch") {
            continue;
        }
        let target = life.target(path);
        let (whole, part) = (life.get(&target, &life.operate).await, life.get(&target, &life.read).await);
        assert!(!part.contains(PLANTED), "{target}: {part}");
        if whole.contains(PLANTED) {
            let says = status(&part) == 403 || part.contains("needs operate");
            assert!(says && !parts(&part).1.is_empty(), "{target} does not say so: {part}");
            withheld.insert(path.clone());
        } else {
            assert_eq!(status(&whole), status(&part), "{target}: {part}");
        }
    }
    let wanted = [
        "/brains/runs/{id}",
        "/brains/runs/{id}/diff",
        "/brains/runs/{id}/events",
        "/brains/runs/{id}/explain",
        "/store/{brain}/{scope}/{key}",
        "/webhooks/deliveries",
        "/webhooks/deliveries/{id}",
        "/webhooks/deliveries/{id}/files/{place}",
    ];
    let missing: Vec<_> = wanted.iter().filter(|path| !withheld.contains(**path)).collect();
    assert!(missing.is_empty(), "nothing is planted in {missing:?}; it is in {withheld:?}");
    let odd = format!("/webhooks/deliveries/{}", life.quarantined);
    assert!(life.get(&odd, &life.operate).await.contains(PLANTED));
    assert!(!life.get(&odd, &life.read).await.contains(PLANTED));
    let watch = format!("/brains/runs/{}/watch", life.run);
    assert!(life.stream(&watch, &life.operate, "k-again").await.contains(PLANTED));
    let shown = life.stream(&watch, &life.read, "k-again").await;
    assert!(!shown.contains(PLANTED) && shown.contains("needs operate"), "{shown}");
    let shown = life.stream("/brains/watch", &life.read, "userName").await;
    assert!(!shown.contains(PLANTED) && shown.contains("[withheld: needs operate]"), "{shown}");
    // Asking which states have a value is reading them.
    let asked = format!("/brains/runs?where=/note={PLANTED}");
    assert!(life.get(&asked, &life.operate).await.contains(&life.run));
    let refused = life.get(&asked, &life.read).await;
    assert!(status(&refused) == 403 && refused.contains("access.payloads"), "{refused}");
    life.server.shutdown().await.unwrap();
}

async fn log_in(server: &Running, token: &str) -> Browser {
    let mut browser = Browser::default();
    let mark = browser.get(server, "/ui/login").await.mark();
    assert_eq!(browser.post(server, "/ui/login", &mark, &format!("token={token}")).await.status, 200);
    browser
}

#[tokio::test]
async fn no_page_that_a_reader_may_open_shows_a_payload() {
    let life = Life::begin().await;
    let (mut operator, mut reader) =
        (log_in(&life.server, &life.operate).await, log_in(&life.server, &life.read).await);
    let mut withheld = BTreeSet::new();
    for page in route::all().filter(|route| route.method == Method::Get && *route != route::LIVE) {
        let target = format!("/ui/{}", life.target(page.path));
        let queries: &[&str] = match page {
            route::RUN => &["", "?at=1", "?all=1"],
            route::VALUE | route::STATE => &["?path=/note", ""],
            _ => &[""],
        };
        for query in queries {
            let target = format!("{target}{query}");
            let (whole, part) =
                (operator.get(&life.server, &target).await, reader.get(&life.server, &target).await);
            assert!(!part.body.contains(PLANTED) && !part.head.contains(PLANTED), "{target}: {}", part.body);
            if whole.body.contains(PLANTED) {
                let says = part.status == 403 || part.body.contains("operate");
                assert!(says, "{target} does not say so: {}", part.body);
                withheld.insert(page.path);
            }
        }
    }
    let wanted = [
        "inbox/{id}",
        "inbox/{id}/files/{place}",
        "runs/{id}",
        "runs/{id}/fork",
        "runs/{id}/state",
        "runs/{id}/value",
        "values/{brain}/{scope}/{key}",
    ];
    let missing: Vec<_> = wanted.iter().filter(|path| !withheld.contains(**path)).collect();
    assert!(missing.is_empty(), "nothing is planted in {missing:?}; it is in {withheld:?}");
    life.server.shutdown().await.unwrap();
}
