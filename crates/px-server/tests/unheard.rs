//! Nothing that a client says is silently not heard: parameters of queries, and bodies of routes that take none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Brain, Cx, Next, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::{read_json, request, send, serve};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Order {
    order: String,
}

fn orders() -> Brain<Order> {
    brain("orders").step("end", async |_: Cx, order: Order| Ok(Next(order))).build()
}
px_sdk::brain!(orders);

fn idle() -> Brain<Nothing> {
    brain("idle").step("end", end).build()
}
px_sdk::brain!(idle);

async fn end(_: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    Ok(Next(nothing))
}

/// Lists whose filters are easily misspelt, each with a slip and what was meant.
const SLIPS: [(&str, &str, &str); 8] = [
    ("/brains/runs", "lable=order%3Do2", "label"),
    ("/brains/runs", "%6Cable=order%3Do2", "label"),
    ("/brains/runs", "status=error&Brain=idle", "brain"),
    ("/webhooks/deliveries", "sulg=own", "slug"),
    ("/waits", "identifer=a", "identifier"),
    ("/waits/due", "utnil=1", "until"),
    ("/waits/late", "limt=1", "limit"),
    ("/deliveries", "stat=dead", "state"),
];

#[tokio::test]
async fn a_slip_in_a_query_is_refused_and_the_rest_is_named() {
    let server = serve(|_| {}).await;
    for (path, query, meant) in SLIPS {
        let (status, answer) = read_json(&request(&server, "GET", &format!("{path}?{query}"), "", "").await);
        assert_eq!(status, 400, "{path}?{query}: {answer}");
        let text = answer["error"].as_str().unwrap();
        assert!(text.starts_with("The query has an unknown field '"), "{text}");
        assert!(text.contains(&format!("did you mean '{meant}'?")), "{text}");
    }
    let passed = request(&server, "GET", "/brains/runs?utm_source=mail&_=1&limit=1", "", "").await;
    assert_eq!(read_json(&passed).0, 200);
    let head = passed.to_lowercase();
    assert!(head.contains("px-warning: unknown field utm_source\r\n"), "{head}");
    assert!(head.contains("px-warning: unknown field _\r\n"), "{head}");
    let heard = request(&server, "GET", "/brains?q=idle&", "", "").await;
    assert!(!heard.to_lowercase().contains("px-warning"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_refused_if_it_says_something() {
    let server = serve(|_| {}).await;
    let nothing = "whd_00000000000000000000000000000000";
    let replay = format!("/webhooks/deliveries/{nothing}/replay");
    for (body, expected) in [("{\"frob\":1}", 400), ("[1]", 400), ("{}", 404), (" ", 404), ("", 404)] {
        let (status, answer) = read_json(&send(&server, "POST", &replay, "", body).await);
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let (status, answer) = read_json(&send(&server, "DELETE", "/hooks/hok_1", "", "{\"force\":true}").await);
    assert_eq!(status, 400, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("takes no body"), "{answer}");
    // The ancestor's route passes it over, and says so.
    let cancel = "/brains/runs/run_00000000000000000000000000000000";
    let answer = send(&server, "DELETE", cancel, "", "{\"reason\":\"late\"}").await;
    let head = answer.to_lowercase();
    assert!(head.contains(" 404 ") && head.contains("px-warning: unknown field reason\r\n"), "{head}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_what_was_passed_over_since_that_may_be_its_cause() {
    let server = serve(|_| {}).await;
    let body = r#"{"brainTitle":"orders","input":{"order":"o1"}}"#;
    let answer = send(&server, "POST", "/brains/runs", "", body).await;
    assert_eq!(read_json(&answer).0, 422, "{answer}");
    assert!(answer.to_lowercase().contains("px-warning: unknown field input\r\n"), "{answer}");
    // A slip comes before a state that does not fit, and behind what the ancestor says.
    let slip = r#"{"brainTitle":"orders","initialstate":{"order":"o1"}}"#;
    let answer = send(&server, "POST", "/brains/runs", "", slip).await;
    assert!(answer.contains(" 400 ") && answer.contains("did you mean 'initialState'?"), "{answer}");
    let nobody = r#"{"brainTitle":"nobody","initialstate":{}}"#;
    assert_eq!(read_json(&send(&server, "POST", "/brains/runs", "", nobody).await).0, 404);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_there_twice_is_refused_from_operators_as_from_senders() {
    let server = serve(|_| {}).await;
    let twice = r#"{"brainTitle":"orders","initialState":{"order":"o1","order":"o2"}}"#;
    let (status, answer) = read_json(&send(&server, "POST", "/brains/runs", "", twice).await);
    assert!(status == 400 && answer["error"].as_str().unwrap().contains("`order`"), "{answer}");
    let once = r#"{"brainTitle":"orders","initialState":{"order":"o1"}}"#;
    let (status, started) = read_json(&send(&server, "POST", "/brains/runs", "", once).await);
    assert_eq!(status, 201, "{started}");
    let run = started["brainRunId"].as_str().unwrap();
    for (target, body) in [
        (format!("/brains/runs/{run}/fork"), r#"{"startsAt":1,"state":{"order":"o1","order":"o2"}}"#),
        (format!("/brains/runs/{run}/signals"), r#"{"type":"WEBHOOK_RESPONSE","response":{"a":1,"a":2}}"#),
        ("/tests".to_owned(), r#"{"slug":"x","payload":{"a":1,"a":2}}"#),
    ] {
        let (status, answer) = read_json(&send(&server, "POST", &target, "", body).await);
        assert_eq!(status, 400, "{target}: {answer}");
    }
    server.shutdown().await.unwrap();
}
