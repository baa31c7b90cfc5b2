//! Signed links over real sockets: the routes, their headers, and what strangers,
//! scanners and other pages get.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use px_sdk::link::{self, Answered};
use px_sdk::{Brain, Cx, Next, Result, Waiting, brain, wait_for};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{parts, status};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Question {
    words: String,
    /// The link, which nobody should keep there: the tests need it.
    #[serde(default)]
    url: String,
    #[serde(default)]
    answer: String,
}

fn linked() -> Brain<Question> {
    brain("linked").step("ask", ask).step("note", note).build()
}
px_sdk::brain!(linked);

async fn ask(cx: Cx, question: Question) -> Result<Waiting<Question, Answered<String>>> {
    let link = link::ask(&cx, "anna", &question.words)
        .answer("yes".to_owned(), "Yes, do it")
        .answer("no".to_owned(), "No")
        .approver("anna@example.com")
        .await?;
    let question = Question { url: link.url().to_owned(), ..question };
    Ok(wait_for(question, link.on()))
}

async fn note(_: Cx, question: Question, answered: Answered<String>) -> Result<Next<Question>> {
    Ok(Next(Question { answer: answered.answer, ..question }))
}

async fn get(server: &Running, target: &str, lines: &str) -> Value {
    let answer = support::request(server, "GET", target, lines, "").await;
    support::read_json(&answer).1
}

async fn until(server: &Running, run: &str, wanted: &str) -> Value {
    for _ in 0..10_000 {
        let shown = get(server, &format!("/brains/runs/{run}"), "").await;
        assert_ne!(shown["status"], "error", "{shown}");
        if shown["status"] == wanted {
            return shown;
        }
    }
    panic!("{run} never was {wanted}")
}

/// A run that waits, and the path of its link.
async fn started(server: &Running, words: &str) -> (String, String) {
    let body = json!({"identifier": "linked", "initialState": {"words": words}}).to_string();
    let (status, body) = support::read_json(&support::send(server, "POST", "/brains/runs", "", &body).await);
    assert_eq!(status, 201, "{body}");
    let run = body["brainRunId"].as_str().unwrap().to_owned();
    let url = until(server, &run, "waiting").await["state"]["url"].as_str().unwrap().to_owned();
    let at = url.find("/webhooks/").unwrap();
    (run, url[at..].to_owned())
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = parts(answer).0.lines().skip(1);
    lines.filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The fields that a press of a page's button posts.
fn form(page: &str, answer: u8) -> String {
    let nonce = page.split("name=\"nonce\" value=\"").nth(1).expect("a nonce").split('"').next().unwrap();
    format!("nonce={nonce}&answer={answer}")
}

const FORM: &str = "content-type: application/x-www-form-urlencoded\r\n";
const OWN: &str = "content-type: application/x-www-form-urlencoded\r\norigin: http://localhost\r\n";

async fn page(server: &Running, path: &str) -> String {
    support::request(server, "GET", path, "", "").await
}

async fn post(server: &Running, path: &str, lines: &str, body: &str) -> String {
    support::request(server, "POST", path, lines, body).await
}

#[tokio::test]
async fn a_person_opens_the_page_presses_a_button_and_sees_the_answer() {
    let server = support::serve(|_| {}).await;
    let (run, path) = started(&server, "Refund <b>order</b> o2 of 120 EUR?").await;
    let shown = page(&server, &path).await;
    assert_eq!(status(&shown), 200);
    assert!(shown.contains("Refund &lt;b&gt;order&lt;/b&gt; o2 of 120 EUR?") && !shown.contains("<script"));
    let answered = post(&server, &path, OWN, &form(&shown, 1)).await;
    assert_eq!((status(&answered), header(&answered, "location")), (303, Some("?answered")), "{answered}");
    assert_eq!(header(&answered, "px-action"), Some("resumed"));
    let delivery = header(&answered, "px-delivery-id").unwrap();
    assert_eq!(until(&server, &run, "complete").await["state"]["answer"], "no");
    let after = page(&server, &format!("{path}?answered")).await;
    assert!(status(&after) == 200 && after.contains("<bdi>No</bdi>") && after.contains("anna@example.com"));
    assert!(!after.contains("<form"), "{after}");
    // A second click, and a reload of it, find the same page.
    let again = post(&server, &path, OWN, &form(&shown, 0)).await;
    assert_eq!((status(&again), header(&again, "location")), (303, Some("?answered")));
    // It is a delivery as any other one, without the token.
    let kept = get(&server, &format!("/webhooks/deliveries/{delivery}"), "").await;
    assert_eq!(
        (&kept["slug"], &kept["state"], &kept["brainRunId"]),
        (&json!("px.link"), &json!("resumed"), &json!(run))
    );
    assert_eq!(kept["target"], "/webhooks/system/link/[redacted]");
    assert!(!kept.to_string().contains("pxl_"), "{kept}");
    let listed = get(&server, "/webhooks/deliveries", "").await;
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 1, "{listed}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rule_22_a_link_needs_no_token_and_120_looks_of_a_scanner_change_nothing() {
    let server = support::serve(|_| {}).await;
    let (run, path) = started(&server, "Refund?").await;
    let before = get(&server, &format!("/brains/runs/{run}"), "").await;
    for at in 0..120 {
        let method = if at % 3 == 0 { "HEAD" } else { "GET" };
        let scanner = "user-agent: MailScanner/7\r\nsec-purpose: prefetch\r\n";
        let answer = support::request(&server, method, &path, scanner, "").await;
        assert_eq!((status(&answer), parts(&answer).1.is_empty()), (200, method == "HEAD"), "{answer}");
    }
    assert_eq!(get(&server, &format!("/brains/runs/{run}"), "").await, before);
    let figures = support::request(&server, "GET", "/webhooks/deliveries", "", "").await;
    assert_eq!(support::read_json(&figures).1["deliveries"], json!([]));
    let options = support::request(&server, "OPTIONS", &path, "", "").await;
    assert_eq!((status(&options), header(&options, "allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = support::request(&server, method, &path, "", "").await;
        assert_eq!(status(&answer), 405, "{method}");
    }
    let shown = page(&server, &path).await;
    assert_eq!(status(&post(&server, &path, OWN, &form(&shown, 0)).await), 303);
    assert_eq!(until(&server, &run, "complete").await["state"]["answer"], "yes");
    // With API tokens it is open all the same.
    let made = support::send(&server, "POST", "/tokens", "", r#"{"name":"x","scope":"admin"}"#).await;
    assert_eq!(status(&made), 201);
    assert_eq!(status(&page(&server, &path).await), 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_page_is_kept_framed_indexed_and_referred_to_by_nobody() {
    let server = support::serve(|_| {}).await;
    let (_, path) = started(&server, "Refund?").await;
    let open = page(&server, &path).await;
    let wrong = page(&server, "/webhooks/system/link/pxl_wrong").await;
    let answered = post(&server, &path, OWN, &form(&open, 0)).await;
    for answer in [&open, &wrong, &answered] {
        for (name, wanted) in [
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("x-robots-tag", "noindex, nofollow, noarchive"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(header(answer, name), Some(wanted), "{name}: {answer}");
        }
        let policy = header(answer, "content-security-policy").unwrap();
        for part in
            ["default-src 'none'", "style-src 'sha256-", "form-action 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"), "{policy}");
        assert!(!answer.contains("pxl_"), "no answer repeats the token: {answer}");
    }
    assert_eq!(header(&open, "content-type"), Some("text/html; charset=utf-8"));
    for elsewhere in ["http:", "https:", "//", "<script", "<img", "<link", "url("] {
        assert!(!parts(&open).1.contains(elsewhere), "{elsewhere}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn whoever_has_no_link_learns_nothing() {
    let server = support::serve(|_| {}).await;
    let other = support::serve(|_| {}).await;
    let ((run, path), (_, of_other)) = (started(&server, "Refund?").await, started(&other, "Refund?").await);
    let shown = page(&server, &path).await;
    let nothing = page(&server, "/webhooks/system/link/x").await;
    assert_eq!(status(&nothing), 404);
    let at = path.find("pxl_").unwrap() + 4;
    let mut wrong: Vec<String> = vec![
        of_other,
        path[..path.len() - 1].to_owned(),
        format!("{path}A"),
        path.replace("pxl_", "PXL_"),
        "/webhooks/system/link/%ff%00%2f..%2f".to_owned(),
        format!("/webhooks/system/link/pxl_{}", "A".repeat(8_000)),
        // An id is no token.
        format!("/webhooks/system/link/{run}"),
    ];
    for digit in at..path.len() {
        let other = if &path[digit..=digit] == "A" { "B" } else { "A" };
        wrong.push(format!("{}{other}{}", &path[..digit], &path[digit + 1..]));
    }
    for path in wrong {
        let answer = page(&server, &path).await;
        assert_eq!((status(&answer), parts(&answer).1), (404, parts(&nothing).1), "{path}");
        let answer = post(&server, &path, OWN, &form(&shown, 0)).await;
        assert_eq!((status(&answer), parts(&answer).1), (404, parts(&nothing).1), "{path}");
    }
    let long = page(&server, &format!("/webhooks/system/link/pxl_{}", "A".repeat(100_000))).await;
    assert!(matches!(status(&long), 414 | 431), "{long}");
    // A link that a mailer has encoded on the way is the same one.
    let encoded: String = path[at..].bytes().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(status(&page(&server, &format!("{}{encoded}", &path[..at])).await), 200);
    assert_eq!(get(&server, &format!("/brains/runs/{run}"), "").await["status"], "waiting");
    server.shutdown().await.unwrap();
    other.shutdown().await.unwrap();
}

#[tokio::test]
async fn another_page_cannot_answer_and_a_large_body_is_not_read() {
    let server = support::serve(|_| {}).await;
    let (run, path) = started(&server, "Refund?").await;
    let shown = page(&server, &path).await;
    let good = form(&shown, 0);
    for lines in [
        FORM.to_owned(),
        format!("{FORM}origin: null\r\n"),
        format!("{FORM}origin: https://evil.example\r\n"),
        format!("{FORM}origin: https://localhost\r\n"),
        format!("{FORM}origin: http://localhost:1\r\n"),
        format!("{OWN}origin: http://localhost\r\n"),
        format!("{OWN}sec-fetch-site: cross-site\r\n"),
        format!("{FORM}referer: http://localhost{path}\r\n"),
    ] {
        let answer = post(&server, &path, &lines, &good).await;
        assert_eq!(status(&answer), 403, "{lines}");
        assert!(answer.contains("Not from here") && !answer.contains("Refund?"), "{answer}");
    }
    let json =
        post(&server, &path, "content-type: application/json\r\norigin: http://localhost\r\n", "{}").await;
    assert_eq!(status(&json), 409);
    assert_eq!(status(&post(&server, &path, OWN, &"x".repeat(16 * 1024 + 1)).await), 413);
    assert_eq!(get(&server, &format!("/brains/runs/{run}"), "").await["status"], "waiting");
    assert_eq!(get(&server, "/webhooks/deliveries", "").await["deliveries"], json!([]));
    assert_eq!(status(&post(&server, &path, OWN, &good).await), 303);
    // Nobody gets in by the name that waits know it by.
    let (_, second) = started(&server, "Another?").await;
    let body = json!({"answer": "yes"}).to_string();
    assert_eq!(status(&support::send(&server, "POST", "/webhooks/px.link", "", &body).await), 503);
    assert_eq!(status(&page(&server, &second).await), 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn links_lie_below_the_public_url_and_answers_come_from_its_pages() {
    let server = support::serve(|options| {
        options.bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        options.insecure = true;
        options.public_url = Some("https://px.example/base".into());
    })
    .await;
    let (run, path) = started(&server, "Refund?").await;
    let url = get(&server, &format!("/brains/runs/{run}"), "").await["state"]["url"].clone();
    assert!(url.as_str().unwrap().starts_with("https://px.example/base/webhooks/system/link/pxl_"), "{url}");
    let good = form(&page(&server, &path).await, 0);
    assert_eq!(status(&post(&server, &path, OWN, &good).await), 403);
    let public = format!("{FORM}origin: https://px.example\r\n");
    assert_eq!(status(&post(&server, &path, &public, &good).await), 303);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_server_for_others_without_a_public_url_makes_no_links_and_says_why() {
    let server = support::serve(|options| {
        options.bind = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        options.insecure = true;
    })
    .await;
    let body = json!({"identifier": "linked", "initialState": {"words": "Refund?"}}).to_string();
    let (_, body) = support::read_json(&support::send(&server, "POST", "/brains/runs", "", &body).await);
    let run = body["brainRunId"].as_str().unwrap().to_owned();
    for _ in 0..10_000 {
        let shown = get(&server, &format!("/brains/runs/{run}"), "").await;
        if shown["status"] == "error" {
            let message = shown["error"]["message"].as_str().unwrap();
            assert!(message.contains("public_url") && message.contains("PX_PUBLIC_URL"), "{message}");
            server.shutdown().await.unwrap();
            return;
        }
    }
    panic!("the step made a link")
}

#[tokio::test]
async fn below_admin_a_token_is_not_shown_and_explain_tells_the_question() {
    let server = support::serve(|_| {}).await;
    let (run, path) = started(&server, "Refund?").await;
    let token = path.rsplit('/').next().unwrap();
    let target = format!("/brains/runs/{run}");
    let admin = support::send(&server, "POST", "/tokens", "", r#"{"name":"a","scope":"admin"}"#).await;
    let admin = support::read_json(&admin).1["token"].as_str().unwrap().to_owned();
    let bearer = |token: &str| format!("authorization: Bearer {token}\r\n");
    let read =
        support::send(&server, "POST", "/tokens", &bearer(&admin), r#"{"name":"r","scope":"read"}"#).await;
    let read = support::read_json(&read).1["token"].as_str().unwrap().to_owned();
    let (whole, redacted) =
        (get(&server, &target, &bearer(&admin)).await, get(&server, &target, &bearer(&read)).await);
    assert!(whole["state"]["url"].as_str().unwrap().ends_with(token));
    assert!(
        redacted["state"]["url"].as_str().unwrap().ends_with("/webhooks/system/link/[link]"),
        "{redacted}"
    );
    assert!(!redacted.to_string().contains("pxl_"));
    let ask = &redacted["waitingFor"][0]["waitFor"][0]["ask"];
    assert_eq!((&ask["words"], &ask["approver"]), (&json!("Refund?"), &json!("anna@example.com")));
    assert_eq!(ask["answers"][0], json!({"label": "Yes, do it", "value": "yes"}));
    let events = support::request(&server, "GET", &format!("{target}/events"), &bearer(&read), "").await;
    assert!(status(&events) == 200 && !events.contains("pxl_"), "{events}");
    server.shutdown().await.unwrap();
}
