//! Values that outlive runs over HTTP: a name is what it is, whatever it would mean in a path.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Brain, Cx, Next, Result, brain};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::{read_json, request, send, serve};

/// Names that are ways, escapes, marks of URLs, flags, or more than one letter where one is seen.
const NAMES: [&str; 14] = [
    "../x",
    "..%2f..",
    "%2F",
    "%252F",
    "a/b",
    "a//b",
    "/",
    "a?b=c#d",
    "a b;c",
    "\u{fc}\u{1f600}",
    "a\u{301}",
    "\u{e1}",
    "\\",
    "--all",
];

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Named {
    names: Vec<String>,
}

fn first() -> Brain<Named> {
    brain("first/../second").step("keep", keep).build()
}
px_sdk::brain!(first);

fn second() -> Brain<Named> {
    brain("second").step("keep", keep).build()
}
px_sdk::brain!(second);

async fn keep(cx: Cx, named: Named) -> Result<Next<Named>> {
    for name in &named.names {
        cx.kv::<u64>(name).scope(name).update(|n| n.unwrap_or(0) + 1).await?;
    }
    Ok(Next(named))
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

async fn ask(server: &Running, method: &str, target: &str) -> (u16, Value) {
    read_json(&request(server, method, target, "", "").await)
}

/// The run of a brain at its end.
async fn run(server: &Running, title: &str, names: &[&str]) -> Value {
    let body = json!({"brainTitle": title, "initialState": {"names": names}}).to_string();
    let (status, started) = read_json(&send(server, "POST", "/brains/runs", "", &body).await);
    assert_eq!(status, 201, "{started}");
    let target = format!("/brains/runs/{}", started["brainRunId"].as_str().unwrap());
    let ended = async {
        loop {
            let (_, run) = ask(server, "GET", &target).await;
            if matches!(run["status"].as_str().unwrap(), "complete" | "error") {
                return run;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::LONG, ended).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_found_by_its_name_and_no_other_is() {
    let server = serve(|_| {}).await;
    for title in ["first/../second", "second"] {
        assert_eq!(run(&server, title, &NAMES).await["status"], "complete");
    }
    assert_eq!(run(&server, "second", &NAMES).await["status"], "complete");
    let target =
        |title: &str, name: &str| format!("/store/{}/{}/{}", encoded(title), encoded(name), encoded(name));
    for (title, value) in [("first/../second", 1), ("second", 2)] {
        let (_, listed) = ask(&server, "GET", &format!("/store/{}", encoded(title))).await;
        assert_eq!(listed["count"], NAMES.len(), "{listed}");
        for name in NAMES {
            let (status, shown) = ask(&server, "GET", &target(title, name)).await;
            assert_eq!(
                (status, &shown["value"], &shown["key"]),
                (200, &json!(value), &json!(name)),
                "{title} {name}"
            );
        }
    }
    // One after the other goes, and those of the other brain stay.
    for (gone, name) in NAMES.iter().enumerate() {
        assert_eq!(ask(&server, "DELETE", &target("second", name)).await.0, 204, "{name}");
        assert_eq!(ask(&server, "DELETE", &target("second", name)).await.0, 404, "{name}");
        let (_, listed) = ask(&server, "GET", "/store/second").await;
        assert_eq!(listed["count"], NAMES.len() - gone - 1, "{name}");
    }
    assert_eq!(ask(&server, "GET", "/store").await.1, json!({"brains": ["first/../second"], "count": 1}));
    let (_, listed) = ask(&server, "GET", &format!("/store/{}", encoded("first/../second"))).await;
    assert_eq!(listed["count"], NAMES.len(), "{listed}");
    server.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_url_can_say_is_refused_when_it_is_written_and_finds_nothing() {
    let server = serve(|_| {}).await;
    let long = "x".repeat(256);
    for name in ["", ".", "..", "\u{0}", "a\nb", long.as_str()] {
        let ended = run(&server, "second", &[name]).await;
        assert_eq!(ended["status"], "error", "{name:?}: {ended}");
    }
    assert_eq!(ask(&server, "GET", "/store").await.1, json!({"brains": [], "count": 0}));
    for target in [
        "/store/second/%2e%2e/votes",
        "/store/second//votes",
        "/store/second/%00/votes",
        "/store/second/../second",
        "/store//shared/votes",
        "/store/second/a/b/votes",
        "/store/second/shared/",
    ] {
        for method in ["GET", "DELETE"] {
            assert_eq!(ask(&server, method, target).await.0, 404, "{method} {target}");
        }
    }
    assert_eq!(ask(&server, "GET", "/store/second/%ff/votes").await.0, 400);
    for query in
        ["limit=-1", "limit=x", "limit=99999999999999999999", "cursor=x", "cursor=%00", "cursor=sealed.x"]
    {
        assert_eq!(ask(&server, "GET", &format!("/store/second?{query}")).await.0, 400, "{query}");
    }
    server.shutdown().await.unwrap();
}
