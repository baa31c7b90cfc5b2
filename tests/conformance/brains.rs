//! The server itself, and brains.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("status_and_health", status_and_health),
    ("brains_are_listed_and_found", brains_are_listed_and_found),
    ("an_ambiguous_brain_is_300_by_get_and_409_by_post", ambiguous),
    ("lists_of_runs", lists_of_runs),
    ("the_feed_of_running_runs", the_feed),
];

fn status_and_health(suite: &Suite) {
    assert_eq!(suite.get("/status").json(), json!({"ready": true}));
    assert_eq!(suite.get("/health/live").json(), json!({"status": "live"}));
    assert_eq!(suite.get("/health/ready").json(), json!({"status": "ready"}));
    assert_eq!(suite.get("/openapi.json").status, 200);
    let figures = suite.get("/metrics");
    assert_eq!(figures.header("content-type"), Some("text/plain; version=0.0.4"));
    for name in [
        "px_inbox_events_total{state=\"queued\"}",
        "px_webhook_ack_seconds_bucket{le=\"+Inf\"}",
        "px_ready_runs{claimed=\"false\"}",
        "px_step_seconds_count",
        "px_timer_late_seconds_count",
        "# TYPE px_outbox_depth gauge",
        "# TYPE px_outbox_age_seconds gauge",
        "px_store_group_bytes_count",
        "px_store_sync_seconds_count",
    ] {
        assert!(figures.text().lines().any(|line| line.starts_with(name)), "{name}\n{}", figures.text());
    }
    let listed = suite.get("/webhooks").json();
    assert_eq!(listed["count"], listed["webhooks"].as_array().unwrap().len());
    let nothing = suite.px.get("/nothing");
    assert_eq!((nothing.status, nothing.field("code")), (404, "PX0001".to_owned()));
    let wrong = suite.px.try_send("PUT", "/brains", &[], b"").unwrap();
    assert_eq!((wrong.status, wrong.field("code")), (405, "PX0002".to_owned()));
}

fn brains_are_listed_and_found(suite: &Suite) {
    let listed = suite.get("/brains").json();
    assert_eq!(listed["count"], listed["brains"].as_array().unwrap().len());
    let voting = listed["brains"].as_array().unwrap().iter().find(|one| one["title"] == "voting").unwrap();
    assert_eq!(*voting, json!({"title": "voting", "filename": "project", "description": "voting brain"}));
    assert_eq!(suite.get("/brains?q=short").json()["count"], 1);
    for id in ["short", "SHORT", "shor", "done%20at%20once"] {
        let shown = suite.get(&format!("/brains/{id}")).json();
        assert_eq!((&shown["title"], &shown["steps"][0]["type"]), (&json!("short"), &json!("step")), "{id}");
        assert_eq!(shown["input"]["type"], "object");
    }
    for target in ["/brains/nobody", "/brains/nobody/history", "/brains/nobody/active-runs"] {
        suite.get(target).fails(404, "Brain 'nobody' not found");
    }
    assert_eq!(suite.get("/brains/short/history?limit=x").status, 400);
}

fn ambiguous(suite: &Suite) {
    for target in ["/brains/e", "/brains/e/history", "/brains/e/active-runs", "/brains/runs?brain=e"] {
        let reply = suite.get(target);
        reply.fails(300, "Multiple brains match the identifier");
        let body = reply.json();
        assert_eq!((&body["matchType"], &body["code"]), (&json!("multiple"), &json!("PX0012")));
        assert!(body["candidates"].as_array().unwrap().len() > 1);
    }
    suite
        .post("/brains/runs", &json!({"identifier": "e"}))
        .fails(409, "Multiple brains match the identifier");
}

fn lists_of_runs(suite: &Suite) {
    let vote = json!({"id": "lists", "who": "Ada"});
    let runs: Vec<String> = (0..3).map(|_| suite.start("pair", &vote)).collect();
    runs.iter().for_each(|run| drop(suite.px.reaches(run, "waiting")));
    let ids = |target: &str| -> Vec<Value> {
        let reply = suite.get(target);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()["runs"].as_array().unwrap().iter().map(|run| run["brainRunId"].clone()).collect()
    };
    let newest_first: Vec<Value> = runs.iter().rev().map(|run| json!(run)).collect();
    assert_eq!(ids("/brains/pair/history?limit=3"), newest_first);
    assert_eq!(ids("/brains/pair/active-runs")[..3], newest_first[..]);
    assert_eq!(ids("/brains/runs?brain=pair&status=waiting&limit=3"), newest_first);
    let page = suite.get("/brains/runs?brain=pair&limit=2").json();
    let cursor = page["nextCursor"].as_str().unwrap();
    assert_eq!(ids(&format!("/brains/runs?brain=pair&limit=2&cursor={cursor}"))[0], newest_first[2]);
    // In lists, options and error are texts.
    assert_eq!(suite.get("/brains/pair/history").json()["runs"][0]["options"], "{}");
    suite.get("/brains/runs?brain=nobody").fails(404, "Brain 'nobody' not found");
    for bad in ["status=sleeping", "since=x", "limit=x", "cursor=x"] {
        assert_eq!(suite.get(&format!("/brains/runs?{bad}")).status, 400, "{bad}");
    }
}

fn the_feed(suite: &Suite) {
    let mut connection = suite.px.connect().unwrap();
    connection.send("GET", "/brains/watch", &[], b"").unwrap();
    let mut feed = connection.watch().unwrap();
    assert_eq!(feed.header("content-type"), Some("text/event-stream"));
    suite.book.note("GET /brains/watch", 200);
    let first = feed.next().unwrap();
    assert!(first.id.is_none() && first.data["runningBrains"].is_array(), "{:?}", first.data);
    let run = suite.start("endless", &json!({}));
    let shown = feed
        .find_map(|frame| {
            let runs = frame.data["runningBrains"].as_array().unwrap().clone();
            runs.into_iter().find(|one| one["brainRunId"] == run.as_str())
        })
        .unwrap();
    assert_eq!(
        (&shown["status"], &shown["options"], &shown["error"], &shown["userName"]),
        (&json!("running"), &json!("{}"), &Value::Null, &json!("root"))
    );
    assert_eq!(suite.book.ask(&suite.px, "DELETE", &format!("/brains/runs/{run}"), &[], b"").status, 204);
    assert!(feed.any(|frame| !frame.data["runningBrains"].to_string().contains(&run)), "its end is told");
}
