//! The overdue radar over real sockets: a wait that is older than its brain expects is named wherever somebody
//! looks, and goes on waiting.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::time::Duration;

use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{read_json, request, send, serve};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Asked {
    who: String,
}

mod answers {
    use super::*;
    px_sdk::webhook! {
        slug = "answers",
        payload = Asked,
        response = Asked,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(asked: Asked) -> Result<Inbound<Asked>> {
        Ok(Inbound::resume(asked.who.clone(), asked))
    }
}

fn hasty() -> Brain<Asked> {
    brain("hasty").step("ask", ask).expect(Duration::from_millis(1)).step("hear", hear).build()
}
px_sdk::brain!(hasty);

fn patient() -> Brain<Asked> {
    brain("patient").step("ask", ask).expect(Duration::from_hours(1)).step("hear", hear).build()
}
px_sdk::brain!(patient);

fn indifferent() -> Brain<Asked> {
    brain("indifferent").step("ask", ask).step("hear", hear).build()
}
px_sdk::brain!(indifferent);

async fn ask(_: Cx, asked: Asked) -> Result<Waiting<Asked, Asked>> {
    let on = answers::on(&asked.who);
    Ok(wait_for(asked, on))
}

async fn hear(_: Cx, _: Asked, answer: Asked) -> Result<Next<Asked>> {
    Ok(Next(answer))
}

async fn get(server: &Running, target: &str) -> Value {
    let (status, answer) = read_json(&request(server, "GET", target, "", "").await);
    assert_eq!(status, 200, "{target}: {answer}");
    answer
}

/// Starts a run, and gives its id once it waits.
async fn waiting(server: &Running, brain: &str, who: &str) -> String {
    let body = json!({ "identifier": brain, "initialState": { "who": who } }).to_string();
    let (_, started) = read_json(&send(server, "POST", "/brains/runs", "", &body).await);
    let run = started["brainRunId"].as_str().unwrap().to_owned();
    while get(server, &format!("/brains/runs/{run}")).await["status"] != "waiting" {
        tokio::task::yield_now().await;
    }
    run
}

/// The late runs, in pages of one; once there are so many.
async fn late(server: &Running, count: usize) -> Vec<Value> {
    loop {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = get(server, &format!("/waits/late?limit=1&cursor={cursor}")).await;
            found.extend(page["late"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        if found.len() >= count {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_wait_that_is_older_than_expected_needs_attention_until_it_is_answered() {
    let server = serve(|_| {}).await;
    let calm = get(&server, "/overview").await;
    assert_eq!((&calm["attention"], &get(&server, "/waits/late").await["looked"]), (&json!([]), &json!(0)));
    waiting(&server, "patient", "p").await;
    waiting(&server, "indifferent", "i").await;
    let (first, second) = (waiting(&server, "hasty", "a").await, waiting(&server, "hasty", "b").await);
    let found = late(&server, 2).await;
    let runs: Vec<_> = found.iter().map(|late| late["brainRunId"].as_str().unwrap()).collect();
    assert_eq!(runs, [&first, &second], "the oldest first");
    let shown =
        json!([found[0]["brainTitle"], found[0]["step"], found[0]["expectedWithin"], found[0]["awaits"]]);
    assert_eq!(shown, json!(["hasty", "hear", 1, [{ "slug": "answers", "identifier": "a" }]]));
    let attention = get(&server, "/overview").await["attention"].clone();
    assert_eq!(
        (&attention[0]["kind"], &attention[0]["count"]),
        (&json!("unanswered"), &json!(2)),
        "{attention}"
    );
    assert_eq!(attention[0]["text"], "2 waits older than expected: hasty");
    let metrics = request(&server, "GET", "/metrics", "", "").await;
    assert!(metrics.contains("px_waits_overdue{brain=\"hasty\"} 2\n"), "{metrics}");
    assert!(metrics.contains("px_waits_overdue{brain=\"patient\"} 0\n"), "{metrics}");
    assert!(!metrics.contains("px_waits_overdue{brain=\"indifferent\"}"));
    let explained = get(&server, &format!("/brains/runs/{first}/explain")).await;
    assert!(explained["why"].to_string().contains("expected an answer within"), "{explained}");
    let page = request(&server, "GET", "/ui/waits?view=late", "", "").await;
    assert!(page.contains(&first) && page.contains("older than their brain expects"), "{page}");
    let log = get(&server, &format!("/brains/runs/{first}/events")).await;
    assert!(!log.to_string().contains("expect"), "nothing of it is stored: {log}");
    // Whoever answers is heard, however late.
    let (_, heard) = read_json(&send(&server, "POST", "/webhooks/answers", "", r#"{"who":"a"}"#).await);
    assert_eq!(heard["action"], "resumed", "{heard}");
    let left = late(&server, 1).await;
    assert_eq!((left.len(), &left[0]["brainRunId"]), (1, &json!(second)));
    let (status, _) = read_json(&request(&server, "GET", "/waits/late?cursor=abcd", "", "").await);
    assert_eq!(status, 400);
    server.shutdown().await.unwrap();
}
