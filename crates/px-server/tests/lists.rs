//! Lists over a store with a damaged row, and lists that are long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use px_core::{DeliveryId, RunId};
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, brain, verify};
use px_server::{InProcess, Options};
use px_store::{Admission, Error, HintBus, RowStats};
use px_store_rows::{Backing, Embedded, MemoryRows, Order, RowBatch, RowKey, RowOp, RowOutcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Anything(Value);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

mod own {
    use super::*;
    px_sdk::webhook! {
        slug = "own",
        payload = Anything,
        response = Nothing,
        verify = verify::unverified(),
        handler = receive,
    }
}

async fn receive(_: Anything) -> Result<Inbound<Nothing>> {
    Ok(Inbound::ignore("seen"))
}

fn idle() -> Brain<Nothing> {
    brain("idle").step("end", end).build()
}
px_sdk::brain!(idle);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Sold {
    order_id: u32,
    color: String,
}

fn ordering() -> Brain<Sold> {
    brain("ordering").label("/orderId").step("ship", ship).build()
}
px_sdk::brain!(ordering);

async fn ship(_: Cx, order: Sold) -> Result<Next<Sold>> {
    Ok(Next(order))
}

async fn end(_: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    Ok(Next(nothing))
}

/// Rows of which some can be damaged: in their own bytes, or with the page that they
/// are in, so that no range can be read over them.
struct Damaged {
    rows: MemoryRows,
    page: Mutex<Vec<Vec<u8>>>,
    /// Rows that were given out.
    read: AtomicUsize,
}

impl Damaged {
    fn check(&self, keys: &[&[u8]]) -> std::result::Result<(), Error> {
        let page = self.page.lock().unwrap();
        match keys.iter().any(|key| page.iter().any(|damaged| damaged == key)) {
            true => Err(Error::Corrupt("the test damaged its page".into())),
            false => Ok(()),
        }
    }
}

impl Backing for Damaged {
    fn get(&self, key: &[u8]) -> std::result::Result<Option<Bytes>, Error> {
        self.check(&[key])?;
        self.read.fetch_add(1, SeqCst);
        self.rows.get(key)
    }

    fn range(
        &self,
        from: &[u8],
        to: &[u8],
        order: Order,
        limit: usize,
    ) -> std::result::Result<Vec<(Vec<u8>, Bytes)>, Error> {
        let found = self.rows.range(from, to, order, limit)?;
        self.check(&found.iter().map(|(key, _)| &**key).collect::<Vec<_>>())?;
        self.read.fetch_add(found.len(), SeqCst);
        Ok(found)
    }

    fn postings(
        &self,
        list: &[u8],
        beyond: Option<[u8; 16]>,
        order: Order,
        limit: usize,
    ) -> std::result::Result<Vec<[u8; 16]>, Error> {
        self.rows.postings(list, beyond, order, limit)
    }

    fn submit(
        &self,
        batch: RowBatch,
        admission: Admission,
    ) -> futures_util::future::BoxFuture<'static, std::result::Result<RowOutcome, Error>> {
        self.rows.submit(batch, admission)
    }

    fn hints(&self) -> &Arc<HintBus> {
        self.rows.hints()
    }

    fn stats(&self) -> RowStats {
        self.rows.stats()
    }

    fn failure(&self) -> tokio::sync::watch::Receiver<Option<String>> {
        self.rows.failure()
    }

    fn close(&self) -> std::result::Result<(), Error> {
        self.rows.close()
    }
}

/// A server without an engine: runs that are started stay as they are.
async fn serve() -> (InProcess, Embedded<Damaged>) {
    let store =
        Embedded::new(Damaged { rows: MemoryRows::new(), page: Mutex::default(), read: AtomicUsize::new(0) });
    let options = Options::new(Arc::new(Registry::collect().unwrap()), Arc::new(store.clone()));
    (InProcess::new(options).await.unwrap(), store)
}

async fn ask(server: &InProcess, method: &str, target: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
    let request = Request::builder().method(method).uri(target).header("content-type", "application/json");
    let remote: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let answer = server.call(remote, request.body(body).unwrap(), 64 << 20).await;
    let text = String::from_utf8(answer.body().to_vec()).unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn get(server: &InProcess, target: &str) -> (u16, Value) {
    ask(server, "GET", target, &Value::Null).await
}

async fn start(server: &InProcess) -> String {
    let (status, started) = ask(server, "POST", "/brains/runs", &json!({"identifier": "idle"})).await;
    assert_eq!(status, 201, "{started}");
    started["brainRunId"].as_str().unwrap().to_owned()
}

fn ids(list: &Value, name: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// Makes the row of this id unreadable.
async fn damage(store: &Embedded<Damaged>, id: [u8; 16], with_its_page: bool) {
    let rows = store.backing().rows.range(&[], &[u8::MAX; 64], Order::Ascending, usize::MAX).unwrap();
    // Rows that say that there is work for it, or that it is in a list, are small.
    let of_it = rows.iter().filter(|(row, _)| row.ends_with(&id));
    let (row, whole) = of_it.max_by_key(|(_, value)| value.len()).expect("it has a row");
    if with_its_page {
        store.backing().page.lock().unwrap().push(row.clone());
        return;
    }
    // As if the rest of a page were another one's: version and format stay.
    let value = Bytes::from([&whole[..9], b"no record"].concat());
    let batch =
        RowBatch { ops: vec![RowOp::Put { key: RowKey::from_slice(row), value }], ..RowBatch::default() };
    store.backing().submit(batch, Admission::Wait).await.unwrap();
}

#[tokio::test]
async fn a_damaged_row_is_500_with_a_code_of_its_own_and_lists_pass_over_it() {
    for with_its_page in [false, true] {
        damaged_rows(with_its_page).await;
    }
}

async fn damaged_rows(with_its_page: bool) {
    let (server, store) = serve().await;
    let runs = [start(&server).await, start(&server).await, start(&server).await];
    let mut deliveries = Vec::new();
    for _ in 0..3 {
        let (status, taken) = ask(&server, "POST", "/webhooks/own", &json!({})).await;
        assert_eq!(status, 200, "{taken}");
        deliveries.push(taken["deliveryId"].as_str().unwrap().to_owned());
    }
    assert_eq!(get(&server, "/health/ready").await, (200, json!({"status": "ready"})));
    damage(&store, runs[1].parse::<RunId>().unwrap().to_bytes(), with_its_page).await;
    damage(&store, deliveries[1].parse::<DeliveryId>().unwrap().to_bytes(), with_its_page).await;
    for (target, list, name, kept) in [
        ("/brains/runs", "runs", "brainRunId", [&runs[2], &runs[0]]),
        ("/brains/runs?status=running", "runs", "brainRunId", [&runs[2], &runs[0]]),
        ("/brains/runs?brain=idle", "runs", "brainRunId", [&runs[2], &runs[0]]),
        ("/brains/idle/history", "runs", "brainRunId", [&runs[2], &runs[0]]),
        ("/webhooks/deliveries", "deliveries", "id", [&deliveries[2], &deliveries[0]]),
        ("/webhooks/deliveries?slug=own", "deliveries", "id", [&deliveries[2], &deliveries[0]]),
    ] {
        let (status, listed) = get(&server, target).await;
        assert_eq!(status, 200, "{target}: {listed}");
        assert_eq!(ids(&listed[list], name), kept.map(String::clone), "{target}");
    }
    for target in [
        format!("/brains/runs/{}", runs[1]),
        format!("/brains/runs/{}/events", runs[1]),
        format!("/brains/runs/{}/watch", runs[1]),
        format!("/webhooks/deliveries/{}", deliveries[1]),
    ] {
        let (status, told) = get(&server, &target).await;
        assert_eq!((status, &told["code"]), (500, &"PX0040".into()), "{target}: {told}");
        assert!(told["error"].as_str().unwrap().contains("px audit"), "{told}");
    }
    let (status, health) = get(&server, "/health/ready").await;
    assert_eq!(
        (status, &health["status"], &health["reasons"][0]["code"]),
        (200, &"degraded".into(), &"store-damaged".into())
    );
    let (_, metrics) = get(&server, "/metrics").await;
    assert!(!metrics.as_str().unwrap().contains("px_store_damaged_reads_total 0"), "it is counted");
    // Everything else goes on.
    assert_eq!(ask(&server, "POST", "/webhooks/own", &json!({})).await.0, 200);
    start(&server).await;
}

#[tokio::test]
async fn running_runs_are_listed_to_the_last_page() {
    const RUNS: usize = 2_300;
    let (server, _) = serve().await;
    let mut started = Vec::new();
    for _ in 0..RUNS {
        started.push(start(&server).await);
    }
    started.reverse();
    for filter in ["status=running&", "status=running,waiting&", "", "brain=idle&"] {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let (_, page) = get(&server, &format!("/brains/runs?{filter}limit=700{cursor}")).await;
            found.extend(ids(&page["runs"], "brainRunId"));
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found.len(), RUNS, "{filter}");
        assert_eq!(found, started, "{filter}");
    }
}

#[tokio::test]
async fn a_page_has_a_cursor_exactly_if_something_comes_after_it() {
    let (server, _) = serve().await;
    let hook = json!({"url": "http://127.0.0.1:9/", "name": "all", "events": ["*"]});
    let (status, hook) = ask(&server, "POST", "/hooks", &hook).await;
    assert_eq!(status, 201, "{hook}");
    let runs = [start(&server).await, start(&server).await, start(&server).await];
    for _ in 0..3 {
        assert_eq!(ask(&server, "POST", "/webhooks/own", &json!({})).await.0, 200);
    }
    let of_hook = format!("/hooks/{}/deliveries?", hook["id"].as_str().unwrap());
    let of_run = format!("/brains/runs/{}/events?", runs[0]);
    for (target, list) in [
        ("/brains/runs?", "runs"),
        ("/brains/runs?brain=idle&", "runs"),
        ("/brains/runs?status=running&", "runs"),
        ("/webhooks/deliveries?", "deliveries"),
        ("/webhooks/deliveries?slug=own&", "deliveries"),
        ("/deliveries?", "deliveries"),
        (&of_hook, "deliveries"),
        (&of_run, "events"),
    ] {
        let (status, whole) = get(&server, &format!("{target}limit=1000")).await;
        assert_eq!(status, 200, "{target}: {whole}");
        let all = whole[list].as_array().unwrap();
        assert!(all.len() >= 2 && whole.get("nextCursor").is_none(), "{target}: {whole}");
        for limit in 1..=all.len() + 1 {
            let (_, page) = get(&server, &format!("{target}limit={limit}")).await;
            assert_eq!(page.get("nextCursor").is_some(), limit < all.len(), "{target}{limit}: {page}");
            let cursor = page["nextCursor"].to_string().replace('"', "");
            if limit < all.len() {
                let (_, rest) = get(&server, &format!("{target}limit=1000&cursor={cursor}")).await;
                let both = [page[list].as_array().unwrap().clone(), rest[list].as_array().unwrap().clone()];
                assert_eq!(&both.concat(), all, "{target}{limit}");
                assert!(rest.get("nextCursor").is_none(), "{target}{limit}: {rest}");
            }
        }
    }
}

#[tokio::test]
async fn a_value_at_a_labels_path_is_looked_up_among_the_labels() {
    const RUNS: usize = 400;
    let (server, store) = serve().await;
    for n in 0..RUNS {
        let state = json!({"orderId": n, "color": format!("c{n}")});
        let body = json!({"identifier": "ordering", "initialState": state});
        assert_eq!(ask(&server, "POST", "/brains/runs", &body).await.0, 201);
    }
    let looked_up = async |target: &str| {
        let before = store.backing().read.load(SeqCst);
        let (status, page) = get(&server, target).await;
        assert_eq!((status, page["runs"].as_array().map(Vec::len)), (200, Some(1)), "{target}: {page}");
        (store.backing().read.load(SeqCst) - before, page.get("looked").cloned())
    };
    for target in
        ["/brains/runs?brain=ordering&where=/orderId=7", "/brains/runs?brain=ordering&label=order-id=7"]
    {
        let (rows, looked) = looked_up(target).await;
        assert!(rows <= 10, "{target}: {rows} rows");
        assert_eq!(looked, None, "{target}: no row was looked through");
    }
    // Of several labels the rows of the one are read that fewest runs have.
    let target = "/brains/runs?brain=ordering&where=/orderId=7&label=order-id=7";
    let (rows, looked) = looked_up(target).await;
    assert!(rows <= 10, "{target}: {rows} rows");
    assert_eq!(looked, Some(1.into()));
    // Without a label each row is read.
    let (rows, looked) = looked_up("/brains/runs?brain=ordering&where=/color=c7").await;
    assert!(rows >= RUNS, "{rows} rows");
    assert_eq!(looked, Some(RUNS.into()));
}
