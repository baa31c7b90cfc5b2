//! Rules of runs that are about what HTTP clients send and see, by their
//! number.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Again, Brain, Cx, Form, Next, Result, Waiting, brain, form, items, wait_for};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn bare() -> Brain<(), ()> {
    brain("bare").step("end", end).build()
}
px_sdk::brain!(bare);

async fn end(_: Cx, (): ()) -> Result<Next<()>> {
    Ok(Next(()))
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Tone {
    loudness: u8,
}

fn choosy() -> Brain<()> {
    brain("choosy").options::<Tone>().step("end", end).build()
}
px_sdk::brain!(choosy);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct List {
    words: Vec<String>,
}

fn every_form() -> Brain<List> {
    brain("every form")
        .guard("any", |list: &List| !list.words.is_empty())
        .map("each", items(|list: &List| list.words.clone(), shout), |_, words| List { words })
        .brain("inside", bare, |_: &List| (), |list, ()| list)
        .when("maybe", |_: &List| true, |b| b.step("keep", keep))
        .repeat_until("again", |_: &List| true, |b| b.step("keep", keep))
        .step("ask", ask)
        .each("listen", listen)
        .build()
}
px_sdk::brain!(every_form);

async fn shout(_: Cx, word: String) -> Result<String> {
    Ok(word.to_uppercase())
}

async fn keep(_: Cx, list: List) -> Result<Next<List>> {
    Ok(Next(list))
}

async fn ask(_: Cx, list: List) -> Result<Waiting<List, Form>> {
    Ok(wait_for(list, form::on("every form", "token")))
}

async fn listen(_: Cx, list: List, _: Form) -> Result<Again<List, Form, List>> {
    Ok(Again::done(list))
}

async fn serve() -> Running {
    support::serve(|_| {}).await
}

async fn send(server: &Running, method: &str, target: &str, body: &str) -> (u16, Value) {
    support::read_json(&support::send(server, method, target, "", body).await)
}

/// Starts a run, which must be taken, and waits for its end.
async fn started(server: &Running, body: &Value) -> Value {
    let (status, answer) = send(server, "POST", "/brains/runs", &body.to_string()).await;
    assert_eq!(status, 201, "{answer}");
    let path = format!("/brains/runs/{}", answer["brainRunId"].as_str().unwrap());
    for _ in 0..10_000 {
        let (_, shown) = send(server, "GET", &path, "").await;
        if shown["status"] == "complete" || shown["status"] == "error" {
            return shown;
        }
    }
    panic!("{path} did not end")
}

#[tokio::test]
async fn rule_30_an_absent_state_is_the_empty_one_and_a_brain_without_input_takes_it() {
    let server = serve().await;
    for state in [None, Some(Value::Null), Some(json!({}))] {
        let mut body = json!({"identifier": "bare"});
        if let Some(state) = state {
            body["initialState"] = state;
        }
        let shown = started(&server, &body).await;
        assert_eq!((&shown["status"], &shown["state"]), (&json!("complete"), &json!({})), "{body}");
    }
    let unfit = json!({"identifier": "every form", "initialState": {}}).to_string();
    assert_eq!(send(&server, "POST", "/brains/runs", &unfit).await.0, 422);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_30_bad_options_end_the_run_and_not_its_start() {
    let server = serve().await;
    let good = json!({"identifier": "choosy", "options": {"loudness": 7}});
    assert_eq!(started(&server, &good).await["status"], "complete");
    for (brain, options) in
        [("choosy", json!({"loudness": "very"})), ("choosy", json!({})), ("bare", json!({"a": 1}))]
    {
        let shown = started(&server, &json!({"identifier": brain, "options": options})).await;
        assert_eq!(shown["status"], "error", "{brain} {options}");
        assert!(shown["error"]["message"].as_str().unwrap().contains("ption"), "{shown}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_38_each_form_of_a_step_has_its_name() {
    let server = serve().await;
    let (_, shown) = send(&server, "GET", "/brains/every%20form", "").await;
    let steps = shown["steps"].as_array().unwrap();
    let found: Vec<_> =
        steps.iter().map(|step| (step["title"].as_str().unwrap(), step["type"].as_str().unwrap())).collect();
    let expected = [
        ("any", "guard"),
        ("each", "map"),
        ("inside", "brain"),
        ("maybe", "branch"),
        ("again", "repeat"),
        ("ask", "step"),
        ("listen", "loop"),
    ];
    assert_eq!(found, expected);
    let keep = json!([{"type": "step", "title": "keep"}]);
    assert_eq!(steps[3]["parts"], json!([{"arm": "yes", "steps": keep}, {"arm": "no", "steps": []}]));
    assert_eq!(steps[4]["parts"], json!([{"steps": keep}]));
    server.shutdown().await.unwrap();
}
