//! The HTTP API over the real binary, route by route: statuses, texts, fields.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use app as _;
use serde_json::{Value, json};
use support::{Project, Px, pull_request, twilio};

const FEEDBACK: &str = "customer-feedback";

fn ada() -> Value {
    json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"})
}

fn ask_ada(px: &Px) -> String {
    let run = px.start(FEEDBACK, &ada());
    px.reaches(&run, "waiting");
    run
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn status_and_webhooks() {
    let project = Project::new();
    let px = project.serve();
    let reply = px.get("/status");
    assert_eq!((reply.status, reply.json()), (200, json!({"ready": true})));
    let listed = px.get("/webhooks").json();
    let webhooks = listed["webhooks"].as_array().unwrap();
    assert_eq!(listed["count"], webhooks.len());
    let named = |slug: &str| webhooks.iter().find(|one| one["slug"] == slug).unwrap();
    assert_eq!(
        (&named("slack")["provider"], &named("twilio")["provider"]),
        (&json!("slack"), &json!("twilio"))
    );
    let github = named("github");
    assert_eq!(github["description"], "Pull request events: starts or resumes a review");
    assert_eq!(github["url"], format!("http://{}/webhooks/github", px.address));
}

#[test]
fn brains() {
    let project = Project::new();
    let px = project.serve();
    let listed = px.get("/brains").json();
    let brains = listed["brains"].as_array().unwrap();
    assert_eq!(listed["count"], brains.len());
    let feedback = brains.iter().find(|one| one["title"] == FEEDBACK).unwrap();
    assert_eq!(keys(feedback), ["description", "filename", "title"]);
    assert_eq!((&feedback["title"], &feedback["filename"]), (&json!(FEEDBACK), &json!("customer_feedback")));
    assert_eq!(px.get("/brains?q=THREAD-HANDLER").json()["count"], 1);
    assert_eq!(px.get("/brains?q=").json()["count"], brains.len());
    assert_eq!(px.get("/brains?q=nothing").json(), json!({"brains": [], "count": 0}));

    // Case does not count, a name is as good as a title, and a part of either
    // or of the description is enough if it is the only one.
    for id in [FEEDBACK, "Customer-Feedback", "customer_feedback", "feedb"] {
        let shown = px.get(&format!("/brains/{id}")).json();
        assert_eq!(shown["title"], FEEDBACK, "{id}");
        let steps: Vec<_> =
            shown["steps"].as_array().unwrap().iter().map(|step| step["title"].clone()).collect();
        assert_eq!(steps, ["ask", "process"]);
        assert_eq!(shown["steps"][0]["type"], "step");
    }
    px.get("/brains/nothing").fails(404, "Brain 'nothing' not found");
    px.get("/brains/nothing/history").fails(404, "Brain 'nothing' not found");
    px.get("/brains/nothing/active-runs").fails(404, "Brain 'nothing' not found");
    let several = px.get("/brains/e");
    assert_eq!(several.status, 300);
    let body = several.json();
    assert_eq!(
        (&body["error"], &body["matchType"]),
        (&json!("Multiple brains match the identifier"), &json!("multiple"))
    );
    assert_eq!(keys(&body["candidates"][0]), ["description", "filename", "path", "title"]);
    let several = px.post_json("/brains/runs", &json!({"identifier": "e"}));
    assert_eq!((several.status, &several.json()["candidates"]), (409, &body["candidates"]));
}

#[test]
fn starting_a_run() {
    let project = Project::new();
    let px = project.serve();
    let started = px.post_json("/brains/runs", &json!({"identifier": FEEDBACK, "initialState": ada()}));
    assert_eq!((started.status, keys(&started.json())), (201, vec!["brainRunId"]));
    let by_title = px.post_json("/brains/runs", &json!({"brainTitle": FEEDBACK, "initialState": ada()}));
    assert_eq!(by_title.status, 201);
    let no_brain = px.post_json("/brains/runs", &json!({"identifier": "nothing"}));
    no_brain.fails(404, "Brain 'nothing' not found");
    for body in [json!({}), json!({"identifier": ""}), json!({"initialState": {}})] {
        px.post_json("/brains/runs", &body).fails(400, "Missing identifier or brainTitle in request body");
    }
    assert_eq!(px.post_json("/brains/runs", &json!("text")).status, 400);
    let json = [("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
    let no_json = px.try_send("POST", "/brains/runs", &json, b"{").unwrap();
    assert_eq!((no_json.status, no_json.field("error").is_empty()), (400, false));

    let unfit = px.post_json("/brains/runs", &json!({"identifier": FEEDBACK, "initialState": {"name": 7}}));
    assert_eq!(unfit.status, 422, "{}", unfit.text());
    let violations = unfit.json()["violations"].to_string();
    assert!(violations.contains("/name") && violations.contains("slackChannel"), "{violations}");
    let absent = px.post_json("/brains/runs", &json!({"identifier": FEEDBACK}));
    assert_eq!(absent.status, 422, "an absent state is the empty one: {}", absent.text());
}

#[test]
fn an_idempotency_key_starts_one_run() {
    let project = Project::new();
    let px = project.serve();
    let body = |name: &str| {
        let state = json!({"name": name, "slackChannel": "general", "phoneNumber": "+15550100"});
        json!({"identifier": FEEDBACK, "initialState": state, "idempotencyKey": "k1"})
    };
    let first = px.post_json("/brains/runs", &body("Ada"));
    let again = px.post_json("/brains/runs", &body("Ada"));
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.run(), again.run());
    assert_eq!(px.post_json("/brains/runs", &body("Bob")).status, 409);
    assert_eq!(px.runs_of(FEEDBACK).len(), 1);
}

#[test]
fn a_run_and_its_log() {
    let project = Project::new();
    let px = project.serve();
    let run = ask_ada(&px);
    let shown = px.run(&run);
    for field in [
        "brainRunId",
        "brainTitle",
        "brainDescription",
        "type",
        "status",
        "options",
        "error",
        "createdAt",
        "startedAt",
        "completedAt",
        "userName",
        "waitingFor",
        "state",
    ] {
        assert!(shown.get(field).is_some(), "{field}: {shown}");
    }
    assert_eq!((&shown["type"], &shown["status"]), (&json!("brain:webhook"), &json!("waiting")));
    assert_eq!(
        (&shown["options"], &shown["error"], &shown["userName"]),
        (&json!({}), &Value::Null, &json!("root"))
    );
    assert!(shown["createdAt"].as_u64().unwrap() > 1_600_000_000_000, "milliseconds");
    assert_eq!(shown["completedAt"], Value::Null);

    px.post(&twilio("SM1", "+15550100", "fine")).is(200, "resumed");
    px.reaches(&run, "complete");
    let events = px.events(&run);
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "brain:start",
            "step:status",
            "step:start",
            "step:status",
            "step:once",
            "step:once",
            "step:complete",
            "step:status",
            "brain:webhook",
            "brain:webhook_response",
            "step:start",
            "step:status",
            "step:complete",
            "step:status",
            "brain:complete"
        ]
    );
    assert!(events.iter().all(|event| event["brainRunId"] == run.as_str() && event["options"].is_object()));
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert_eq!(events[0]["initialState"], ada());
    assert_eq!(events[8]["timeout"], 3 * 24 * 3_600_000);
    assert_eq!(events[9]["response"], json!({"from": "+15550100", "to": "+15550199", "body": "fine"}));
    assert_eq!(events[14]["status"], "complete");

    let tail = px.get(&format!("/brains/runs/{run}/events?after={}", seqs[12])).json();
    assert_eq!((&tail["count"], &tail["events"][0]), (&json!(2), &events[13]));
    assert_eq!(px.get(&format!("/brains/runs/{run}/events?after=x")).status, 400);
}

#[test]
fn runs_that_do_not_exist() {
    let project = Project::new();
    let px = project.serve();
    let unknown = "run_00000000000070008000000000000000";
    for id in ["x", unknown] {
        let text = format!("Brain run '{id}' not found");
        px.get(&format!("/brains/runs/{id}")).fails(404, &text);
        px.get(&format!("/brains/runs/{id}/events")).fails(404, &text);
        px.get(&format!("/brains/runs/{id}/watch")).fails(404, &text);
        px.delete(&format!("/brains/runs/{id}")).fails(404, &text);
        px.post_json(&format!("/brains/runs/{id}/resume"), &json!({})).fails(404, &text);
        px.get(&format!("/webhooks/deliveries/{id}")).fails(404, &format!("Delivery '{id}' not found"));
    }
}

#[test]
fn lists_of_runs() {
    let project = Project::new();
    let px = project.serve();
    let runs: Vec<_> = (0..3).map(|_| ask_ada(&px)).collect();
    let closed = px.post(&pull_request("octo-org/hello", 7, "closed")).run();
    px.reaches(&closed, "complete");

    let ids = |path: &str| -> Vec<String> {
        let reply = px.get(path);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let listed = reply.json()["runs"].as_array().unwrap().clone();
        listed.iter().map(|run| run["brainRunId"].as_str().unwrap().to_owned()).collect()
    };
    let newest_first: Vec<_> = runs.iter().rev().cloned().collect();
    assert_eq!(ids("/brains/customer-feedback/history"), newest_first);
    assert_eq!(ids("/brains/customer-feedback/history?limit=2"), newest_first[..2]);
    assert_eq!(ids("/brains/customer-feedback/active-runs"), newest_first);
    assert_eq!(ids("/brains/pr-review/active-runs"), [""; 0]);
    assert_eq!(ids("/brains/runs").len(), 4);
    assert_eq!(ids("/brains/runs?status=complete"), std::slice::from_ref(&closed));
    assert_eq!(ids("/brains/runs?status=waiting,complete&brain=pr-review"), [closed]);

    let page = px.get("/brains/runs?limit=3").json();
    let cursor = page["nextCursor"].as_str().unwrap();
    assert_eq!(ids(&format!("/brains/runs?limit=3&cursor={cursor}")), [runs[0].clone()]);
    assert_eq!(px.get("/brains/runs?limit=4").json().get("nextCursor"), None);

    // In lists, options and error are texts.
    assert_eq!(px.runs_of(FEEDBACK)[0]["options"], "{}");
    for bad in ["status=sleeping", "since=x", "limit=x", "cursor=x"] {
        let reply = px.get(&format!("/brains/runs?{bad}"));
        assert_eq!((reply.status, reply.field("error").is_empty()), (400, false), "{bad}: {}", reply.text());
    }
}

#[test]
fn the_inbox() {
    let project = Project::new();
    let px = project.serve();
    let queued = px.post(&twilio("SM1", "+15550177", "hello"));
    px.post(&pull_request("octo-org/hello", 7, "opened")).is(201, "triggered");

    let all = px.deliveries("");
    let states: Vec<_> = all.iter().map(|one| (one["slug"].clone(), one["state"].clone())).collect();
    assert_eq!(states, [(json!("github"), json!("started")), (json!("twilio"), json!("queued"))]);
    assert_eq!(px.deliveries("slug=twilio").len(), 1);
    assert_eq!(px.deliveries("state=queued").len(), 1);
    assert_eq!(px.deliveries("identifier=+15550177").len(), 1);
    assert_eq!(px.deliveries("slug=slack").len(), 0);
    let page = px.get("/webhooks/deliveries?limit=1").json();
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = px.get(&format!("/webhooks/deliveries?limit=1&cursor={cursor}")).json();
    assert_eq!(rest["deliveries"], json!([all[1]]));
    for bad in ["state=lost", "since=x", "limit=x", "cursor=x"] {
        let reply = px.get(&format!("/webhooks/deliveries?{bad}"));
        assert_eq!((reply.status, reply.field("error").is_empty()), (400, false), "{bad}: {}", reply.text());
    }

    let shown = px.get(&format!("/webhooks/deliveries/{}", queued.field("deliveryId"))).json();
    assert_eq!(shown["verdict"], "verified");
    let why = shown["why"].as_str().unwrap();
    let kept = "Nobody waits on twilio for '+15550177' yet; the event is kept for a wait to come, until ";
    assert!(why.starts_with(kept), "{why}");
    assert!(shown["payload"].as_str().unwrap().contains("MessageSid=SM1"), "{shown}");
    let signature = shown["headers"]["x-twilio-signature"].as_str().unwrap();
    assert!(!signature.ends_with('='), "redacted: {signature}");
}

#[test]
fn cancelling_and_resuming() {
    let project = Project::new();
    let px = project.serve();
    let run = ask_ada(&px);
    px.post_json(&format!("/brains/runs/{run}/resume"), &json!({}))
        .fails(409, "Cannot resume brain in 'waiting' state. Only paused brains can be resumed.");
    let cancelled = px.delete(&format!("/brains/runs/{run}"));
    assert_eq!((cancelled.status, cancelled.body.len()), (204, 0));
    assert_eq!(px.run(&run)["status"], "cancelled");
    assert_eq!(px.event_types(&run).last().map(String::as_str), Some("brain:cancelled"));
    px.delete(&format!("/brains/runs/{run}")).fails(409, "Brain run is not active or already completed");
    px.post_json(&format!("/brains/runs/{run}/resume"), &json!({}))
        .fails(409, "Cannot resume brain in 'cancelled' state. Only paused brains can be resumed.");
    let late = px.post(&twilio("SM1", "+15550100", "fine"));
    late.is(200, "late");
    assert_eq!(late.field("reason"), "cancel");
}

#[test]
fn a_watch_stream_has_history_and_ids_and_ends_with_the_run() {
    let project = Project::new();
    let px = project.serve();
    let run = ask_ada(&px);
    let mut live = px.watch(&run, None);
    assert_eq!(live.header("content-type"), Some("text/event-stream"));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|frame: &support::Frame| frame.kind() != "brain:webhook") {
        seen.push(live.next().unwrap());
    }
    assert_eq!(seen[0].kind(), "brain:start");
    px.post(&twilio("SM1", "+15550100", "fine")).is(200, "resumed");
    // The stream ends by itself: else this would not return.
    seen.extend(live);
    let logged = px.events(&run);
    assert_eq!(seen.iter().map(|frame| frame.data.clone()).collect::<Vec<_>>(), logged);
    assert!(seen.iter().all(|frame| frame.id == frame.data["seq"].as_u64()));
    assert_eq!(seen.last().unwrap().kind(), "brain:complete");

    let after = seen[5].id.unwrap();
    let rest: Vec<_> = px.watch(&run, Some(after)).map(|frame| frame.id.unwrap()).collect();
    assert_eq!(rest, (after + 1..=seen.last().unwrap().id.unwrap()).collect::<Vec<_>>());
    assert_eq!(px.watch(&run, Some(rest.len() as u64 + after)).count(), 0);
}

#[test]
fn every_refusal_is_json_with_an_error() {
    let project = Project::new();
    let px = project.serve();
    let long = vec![b' '; 9_000_000];
    let refusals: [(u16, &str, &str, &[u8]); 8] = [
        (404, "GET", "/nothing", b""),
        (400, "GET", "/brains/runs/%ff", b""),
        (400, "GET", "/brains/runs/%ff/events", b""),
        (400, "GET", "/brains/%ff", b""),
        (400, "POST", "/webhooks/%ff", b""),
        (405, "PUT", "/brains", b""),
        (405, "DELETE", "/webhooks/github", b""),
        (413, "POST", "/brains/runs", &long),
    ];
    for (status, method, path, body) in refusals {
        let json = [("content-type".to_owned(), "application/json".to_owned())];
        let reply = px.try_send(method, path, &json, body).unwrap();
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        assert!(!reply.field("error").is_empty(), "{method} {path}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/json"), "{method} {path}");
    }
}
