//! Forms on pages, and the feed of running runs, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{
    All, Brain, Collecting, Cx, Form, Next, Result, Waiting, brain, form, wait_for, wait_for_count,
};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Page {
    id: String,
    token: String,
}

fn survey() -> Brain<Page> {
    brain("survey").step("ask", ask).step("note", note).build()
}
px_sdk::brain!(survey);

async fn ask(_: Cx, page: Page) -> Result<Waiting<Page, Form>> {
    let wait = form::on(&page.id, &page.token);
    Ok(wait_for(page, wait))
}

async fn note(_: Cx, _: Page, form: Form) -> Result<Next<Form>> {
    Ok(Next(form))
}

/// Waits for two forms, of different people.
fn votes() -> Brain<Page> {
    brain("votes").step("ask", ask_two).step("note", note_two).build()
}
px_sdk::brain!(votes);

async fn ask_two(_: Cx, page: Page) -> Result<Collecting<Page, All<Vec<Form>>>> {
    let forms = ["1", "2"].map(|nth| form::on(format!("{}-{nth}", page.id), &page.token));
    Ok(wait_for_count(page, 2, forms.to_vec()).distinct_by_registration())
}

async fn note_two(_: Cx, _: Page, All(forms): All<Vec<Form>>) -> Result<Next<Noted>> {
    Ok(Next(Noted { names: forms.iter().filter_map(|form| form.text("name").map(str::to_owned)).collect() }))
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    names: Vec<String>,
}

async fn serve() -> Running {
    support::serve(|_| {}).await
}

async fn send(server: &Running, method: &str, target: &str, kind: &str, body: &str) -> (u16, Value) {
    let lines = format!("content-type: {kind}\r\n");
    support::read_json(&support::request(server, method, target, &lines, body).await)
}

const URLENCODED: &str = "application/x-www-form-urlencoded";

async fn start(server: &Running, id: &str, token: &str) -> String {
    start_of(server, "survey", id, token).await
}

async fn start_of(server: &Running, brain: &str, id: &str, token: &str) -> String {
    let body = json!({"identifier": brain, "initialState": {"id": id, "token": token}});
    let (status, body) = send(server, "POST", "/brains/runs", "application/json", &body.to_string()).await;
    assert_eq!(status, 201, "{body}");
    let run = body["brainRunId"].as_str().unwrap().to_owned();
    until(server, &run, "waiting").await;
    run
}

async fn until(server: &Running, run: &str, status: &str) -> Value {
    for _ in 0..10_000 {
        let (_, shown) = send(server, "GET", &format!("/brains/runs/{run}"), "", "").await;
        if shown["status"] == status {
            return shown;
        }
    }
    panic!("{run} never was {status}")
}

#[tokio::test]
async fn a_form_resumes_the_run_that_waits_for_it() {
    let server = serve().await;
    let run = start(&server, "form 1", "s&cret").await;
    let path = form::path("form 1", "s&cret");
    let (status, body) =
        send(&server, "POST", &path, URLENCODED, "name=Ada+L&days%5B%5D=1&days[]=2&x=1&x=2").await;
    assert_eq!(status, 200, "{body}");
    let delivery = body["deliveryId"].as_str().unwrap().to_owned();
    let expected = json!({
        "received": true, "action": "resumed", "identifier": "form 1", "brainRunId": run, "deliveryId": delivery,
    });
    assert_eq!(body, expected);
    let done = until(&server, &run, "complete").await;
    assert_eq!(done["state"], json!({"name": "Ada L", "days": ["1", "2"], "x": ["1", "2"]}));
    // It is a delivery as any other one, and its token is not kept in the target.
    let (_, shown) = send(&server, "GET", &format!("/webhooks/deliveries/{delivery}"), "", "").await;
    assert_eq!((&shown["slug"], &shown["state"]), (&json!("page-form"), &json!("resumed")));
    assert!(!shown["target"].as_str().unwrap().contains("cret"), "{shown}");
    // A second click finds nobody.
    let (status, body) = send(&server, "POST", &path, URLENCODED, "name=Ada").await;
    assert_eq!((status, &body["action"]), (404, &json!("not_found")));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_multipart_form_has_texts_and_no_files() {
    let server = serve().await;
    let run = start(&server, "f2", "t").await;
    let part =
        |head: &str, text: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{text}\r\n");
    let kind = "multipart/form-data; boundary=b";
    let path = form::path("f2", "t");
    let file = format!("{}--b--\r\n", part("name=\"cv\"; filename=\"a.txt\"", "x"));
    assert_eq!(send(&server, "POST", &path, kind, &file).await.0, 400);
    assert_eq!(send(&server, "POST", &path, "multipart/form-data", &file).await.0, 400);
    assert_eq!(send(&server, "POST", &path, kind, "--b\r\nnothing").await.0, 400);
    assert_eq!(send(&server, "POST", &path, "application/json", "{}").await.0, 415);
    let form = [
        part("name=\"name\"", "Ada\r\nLovelace"),
        part("name=\"days[]\"", "1"),
        part("name=\"file\"; filename=\"\"", ""),
        "--b--\r\n".to_owned(),
    ];
    let (status, body) = send(&server, "POST", &path, kind, &form.concat()).await;
    assert_eq!((status, &body["brainRunId"]), (200, &json!(run)), "{body}");
    let done = until(&server, &run, "complete").await;
    assert_eq!(done["state"], json!({"name": "Ada\r\nLovelace", "days": ["1"], "file": ""}));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_that_fits_no_wait_changes_nothing_and_leaves_no_record() {
    let server = serve().await;
    start(&server, "f3", "right").await;
    let post = async |query: &str| {
        send(&server, "POST", &format!("/webhooks/system/page-form{query}"), URLENCODED, "a=1").await
    };
    let missing = json!({"error": "Missing required query parameter \"identifier\""});
    for query in ["", "?token=right", "?identifier=&token=right"] {
        let (status, body) = post(query).await;
        assert_eq!((status, &body["error"]), (400, &missing["error"]));
    }
    let refused = |reason: &str| {
        (403, json!({"received": false, "action": "ignored", "identifier": "f3", "reason": reason}))
    };
    assert_eq!(post("?identifier=f3").await, refused("Missing form token"));
    assert_eq!(post("?identifier=f3&token=wrong").await, refused("Invalid form token"));
    let (status, body) = post("?identifier=f4&token=right").await;
    assert_eq!(status, 404);
    assert_eq!(
        (&body["received"], &body["action"], &body["identifier"], body["message"].is_string()),
        (&json!(true), &json!("not_found"), &json!("f4"), true)
    );
    let (_, listed) = send(&server, "GET", "/webhooks/deliveries", "", "").await;
    assert_eq!(listed["deliveries"], json!([]));
    assert_eq!(send(&server, "GET", "/webhooks/system/page-form", "", "").await.0, 405);
    // Nobody gets in by the name that waits know it by.
    assert_eq!(send(&server, "POST", "/webhooks/page-form?token=right", URLENCODED, "a=1").await.0, 503);
    server.shutdown().await.unwrap();
}

/// The next frame of a stream, without its `data: `.
async fn frame(stream: &mut TcpStream, text: &mut String) -> Value {
    loop {
        if let Some((frame, rest)) = text.split_once("\n\n") {
            let frame = frame.rsplit_once("data: ").expect("data").1;
            let value = serde_json::from_str(frame.trim()).unwrap();
            *text = rest.to_owned();
            return value;
        }
        let mut bytes = [0; 4096];
        let count = stream.read(&mut bytes).await.unwrap();
        assert!(count > 0, "the stream goes on: {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
}

#[tokio::test]
async fn rule_37_the_feed_of_running_runs_begins_at_once_and_tells_of_each_change() {
    let server = serve().await;
    let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
    stream.write_all(b"GET /brains/watch HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    assert_eq!(frame(&mut stream, &mut text).await, json!({"runningBrains": []}));
    // The run is parked before a frame could show it: there is a frame all the same.
    start(&server, "f5", "t").await;
    let seen = frame(&mut stream, &mut text).await;
    assert!(seen["runningBrains"].is_array(), "{seen}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_that_has_its_answer_is_told_so_and_not_that_its_token_is_wrong() {
    let server = serve().await;
    let run = start_of(&server, "votes", "v", "t").await;
    let vote = async |nth: &str, name: &str| {
        let path = form::path(&format!("v-{nth}"), "t");
        send(&server, "POST", &path, URLENCODED, &format!("name={name}")).await
    };
    let (status, body) = vote("1", "Ada").await;
    assert_eq!((status, &body["action"]), (200, &json!("collected")), "{body}");
    let (status, body) = vote("1", "Eve").await;
    let told = (status, &body["received"], &body["action"], &body["reason"]);
    assert_eq!(told, (200, &json!(true), &json!("ignored"), &json!("not distinct")), "{body}");
    let delivery = body["deliveryId"].as_str().unwrap();
    let (_, kept) = send(&server, "GET", &format!("/webhooks/deliveries/{delivery}"), "", "").await;
    assert_eq!((&kept["status"], &kept["state"]), (&json!(200), &json!("ignored")), "{kept}");
    assert_eq!(vote("2", "Bob").await.0, 200);
    assert_eq!(until(&server, &run, "complete").await["state"], json!({"names": ["Ada", "Bob"]}));
    server.shutdown().await.unwrap();
}

/// The door of forms on pages reads no other forms than that of webhooks.
#[tokio::test]
async fn an_encoded_part_is_decoded_and_what_is_none_is_no_text() {
    let server = serve().await;
    let run = start(&server, "f5", "t").await;
    let part = |head: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"name\"{head}\r\n\r\nQWRh\r\n--b--\r\n")
    };
    let kind = "multipart/form-data; boundary=b";
    for (head, status) in [
        ("\r\nContent-Transfer-Encoding: x-uuencode", 415),
        ("\r\nContent-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: base64", 400),
        (";\r\n filename=\"a\"", 400),
        ("\r\nX-A : b", 400),
    ] {
        let (told, body) = send(&server, "POST", &form::path("f5", "t"), kind, &part(head)).await;
        assert_eq!(told, status, "{head:?}: {body}");
    }
    let encoded = part("\r\nContent-Transfer-Encoding: base64");
    let broken = encoded.replace("QWRh", "QW*h");
    assert_eq!(send(&server, "POST", &form::path("f5", "t"), kind, &broken).await.0, 400);
    assert_eq!(send(&server, "POST", &form::path("f5", "t"), kind, &encoded).await.0, 200);
    assert_eq!(until(&server, &run, "complete").await["state"]["name"], "Ada");
    server.shutdown().await.unwrap();
}
