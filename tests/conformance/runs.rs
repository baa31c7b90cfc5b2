//! Runs: their start, their log, and what moves them.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("a_run_is_started", a_run_is_started),
    ("a_run_that_is_not_there", not_there),
    ("a_run_and_its_log", a_run_and_its_log),
    ("the_state_table_of_signals", signals),
    ("cancel_and_resume", cancel_and_resume),
    ("rerun_and_fork", rerun_and_fork),
];

fn vote(id: &str) -> Value {
    json!({"id": id, "who": "Ada"})
}

fn a_run_is_started(suite: &Suite) {
    let start = |body: &Value| suite.post("/brains/runs", body);
    assert_eq!(start(&json!({"brainTitle": "short", "initialState": vote("s")})).status, 201);
    let key = |who: &str| {
        let state = json!({"id": "k", "who": who});
        start(&json!({"identifier": "short", "initialState": state, "idempotencyKey": "k1"}))
    };
    assert_eq!((key("Ada").status, key("Ada").status), (201, 200));
    assert_eq!((key("Bob").status, key("Bob").field("code")), (409, "PX0014".to_owned()));
    start(&json!({})).fails(400, "Missing identifier or brainTitle in request body");
    start(&json!({"identifier": "nobody"})).fails(404, "Brain 'nobody' not found");
    let unfit = start(&json!({"identifier": "short", "initialState": {"id": 7}}));
    assert_eq!((unfit.status, unfit.field("code")), (422, "PX0013".to_owned()));
    assert_eq!(start(&json!("text")).status, 400);
    // The fields of an object have names: an array of their values is none.
    start(&json!(["short", null]))
        .fails(400, "The request's body is not what it should be: it is no JSON object");
    let hook = |url: &str| {
        start(&json!({"identifier": "short", "initialState": vote("h"), "webhookUrl": url})).status
    };
    assert_eq!((hook("no url"), hook("http://10.0.0.1/")), (400, 422));
    assert_eq!(hook(&format!("http://{}/status", suite.px.address)), 201);
    // docs/rules.md#30: bad options are the run's own failure, and absent state is the empty object.
    let bad = start(&json!({"identifier": "endless", "options": {"x": 1}}));
    assert_eq!(bad.status, 201);
    let shown = suite.px.reaches(&bad.run(), "error");
    assert!(shown["error"]["message"].is_string(), "{shown}");
    assert_eq!(suite.get(&format!("/brains/runs/{}", bad.run())).status, 200);
}

fn not_there(suite: &Suite) {
    for id in ["x", "run_00000000000070008000000000000000"] {
        let text = format!("Brain run '{id}' not found");
        for target in ["", "/events", "/watch"] {
            suite.get(&format!("/brains/runs/{id}{target}")).fails(404, &text);
        }
        suite.book.ask(&suite.px, "DELETE", &format!("/brains/runs/{id}"), &[], b"").fails(404, &text);
        suite.post(&format!("/brains/runs/{id}/resume"), &json!({})).fails(404, &text);
        suite.post(&format!("/brains/runs/{id}/fork"), &json!({"startsAt": 1})).fails(404, &text);
        suite.post("/brains/runs/rerun", &json!({"runId": id, "startsAt": 1})).fails(404, &text);
        suite
            .post(&format!("/brains/runs/{id}/signals"), &json!({"type": "KILL"}))
            .fails(404, "Brain run not found");
        suite
            .post(&format!("/brains/runs/{id}/signals"), &json!({"type": "NOD"}))
            .fails(400, "Invalid signal type");
    }
}

fn a_run_and_its_log(suite: &Suite) {
    let run = suite.start("voting", &vote("log"));
    suite.px.reaches(&run, "waiting");
    let shown = suite.get(&format!("/brains/runs/{run}")).json();
    assert_eq!(shown["waitingFor"][0]["waitFor"], json!([{"slug": "votes", "identifier": "log"}]));
    suite.webhook("votes", None, r#"{"id": "log", "who": "Bob"}"#).is(200, "resumed");
    suite.px.reaches(&run, "complete");
    let events = suite.get(&format!("/brains/runs/{run}/events")).json();
    assert_eq!(events["count"], events["events"].as_array().unwrap().len());
    let types: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types[..4], ["brain:start", "step:status", "step:start", "step:status"]);
    assert_eq!(types.last(), Some(&"brain:complete"));
    let after = suite.get(&format!("/brains/runs/{run}/events?after=3")).json();
    assert_eq!(after["events"][0]["seq"], 4);
    assert_eq!(suite.get(&format!("/brains/runs/{run}/events?after=x")).status, 400);
    // However far beyond the end.
    let beyond = suite.get(&format!("/brains/runs/{run}/events?after={}", u64::MAX)).json();
    assert_eq!(beyond, json!({"count": 0, "events": []}));

    // The run as it was after an event of its log: the first, one in the middle, the last.
    let at = |seq: &str| suite.get(&format!("/brains/runs/{run}?at={seq}"));
    let first = at("1").json();
    assert_eq!((&first["status"], &first["seq"]), (&json!("running"), &json!(1)));
    assert_eq!(first["state"], vote("log"));
    let opened = types.iter().position(|kind| *kind == "brain:webhook").unwrap() + 1;
    let waiting = at(&opened.to_string()).json();
    assert_eq!((&waiting["status"], &waiting["waitingFor"]), (&json!("waiting"), &shown["waitingFor"]));
    assert_eq!(waiting["completedAt"], Value::Null);
    assert_eq!(at(&types.len().to_string()).json(), suite.get(&format!("/brains/runs/{run}")).json());
    for beyond in ["0", &(types.len() + 1).to_string()] {
        let text = format!("Brain run '{run}' has no event {beyond}: its events are 1 to {}", types.len());
        at(beyond).fails(404, &text);
    }
    assert_eq!(at("x").status, 400);
    assert_eq!(at("").json()["status"], "complete");

    // The stream: history, ids, an end, and the rest after `Last-Event-ID`.
    let frames: Vec<_> = suite.px.watch(&run, None).collect();
    suite.book.note("GET /brains/runs/{id}/watch", 200);
    let data: Vec<&Value> = frames.iter().map(|frame| &frame.data).collect();
    assert_eq!(data, events["events"].as_array().unwrap().iter().collect::<Vec<_>>());
    assert!(frames.iter().all(|frame| frame.id == frame.data["seq"].as_u64()));
    let rest = suite.px.watch(&run, frames[2].id).count();
    assert_eq!(rest, frames.len() - 3);
    assert_eq!(suite.px.watch(&run, Some(u64::MAX)).count(), 0);
    suite.book.note("GET /brains/runs/{id}/watch", 204);
}

fn signals(suite: &Suite) {
    let send = |run: &str, body: &Value| suite.post(&format!("/brains/runs/{run}/signals"), body);
    let kind = |name: &str| json!({"type": name});
    let cannot = |run: &str, name: &str, status: &str| {
        let reply = send(run, &kind(name));
        reply.fails(409, &format!("Cannot {name} brain in '{status}' state"));
        assert_eq!(reply.field("code"), "PX0017");
    };
    // Running: KILL, PAUSE, WEBHOOK_RESPONSE.
    let running = suite.start("endless", &json!({}));
    suite.px.reaches(&running, "running");
    cannot(&running, "RESUME", "running");
    let paused = send(&running, &kind("PAUSE"));
    assert_eq!((paused.status, &paused.json()["signal"]["type"]), (202, &json!("PAUSE")));
    assert!(paused.json()["signal"]["queuedAt"].is_u64() && paused.json()["success"] == true);
    assert_eq!(send(&running, &kind("KILL")).status, 202);
    suite.px.reaches(&running, "cancelled");
    for name in ["KILL", "PAUSE", "RESUME", "WEBHOOK_RESPONSE"] {
        cannot(&running, name, "cancelled");
    }
    // Waiting: all, RESUME only with a timeout.
    let waiting = suite.start("voting", &vote("signals"));
    suite.px.reaches(&waiting, "waiting");
    cannot(&waiting, "RESUME", "waiting");
    assert_eq!(send(&waiting, &kind("PAUSE")).status, 202);
    suite.px.reaches(&waiting, "paused");
    // Paused: KILL, RESUME; what comes meanwhile is kept for the run (docs/rules.md#9).
    cannot(&waiting, "PAUSE", "paused");
    cannot(&waiting, "WEBHOOK_RESPONSE", "paused");
    let kept = suite.webhook("votes", None, r#"{"id": "signals", "who": "Bob"}"#);
    kept.is(200, "queued");
    assert_eq!(kept.run(), waiting);
    assert_eq!(send(&waiting, &kind("RESUME")).status, 202);
    suite.px.reaches(&waiting, "complete");
    // A response by signal, and a wait that is ended as timed out.
    let answered = suite.start("voting", &vote("signals 2"));
    suite.px.reaches(&answered, "waiting");
    let unfit = send(&answered, &json!({"type": "WEBHOOK_RESPONSE", "response": {"nonsense": 1}}));
    assert_eq!(unfit.status, 422, "{}", unfit.text());
    let response = json!({"type": "WEBHOOK_RESPONSE", "response": {"id": "x", "who": "Eve"}});
    assert_eq!(send(&answered, &response).status, 202);
    assert_eq!(suite.px.reaches(&answered, "complete")["state"]["who"], "Eve");
    let timed = suite.start("pair", &vote("signals 3"));
    suite.px.reaches(&timed, "waiting");
    assert_eq!(send(&timed, &kind("RESUME")).status, 202);
    suite.px.reaches(&timed, "complete");
}

fn cancel_and_resume(suite: &Suite) {
    let run = suite.start("voting", &vote("cancel"));
    suite.px.reaches(&run, "waiting");
    let resume = || suite.post(&format!("/brains/runs/{run}/resume"), &json!({}));
    let cannot =
        |status: &str| format!("Cannot resume brain in '{status}' state. Only paused brains can be resumed.");
    resume().fails(409, &cannot("waiting"));
    assert_eq!(suite.post(&format!("/brains/runs/{run}/signals"), &json!({"type": "PAUSE"})).status, 202);
    suite.px.reaches(&run, "paused");
    let resumed = resume();
    assert_eq!((resumed.status, resumed.json()), (202, json!({"success": true, "action": "resumed"})));
    let cancel = || suite.book.ask(&suite.px, "DELETE", &format!("/brains/runs/{run}"), &[], b"");
    let cancelled = cancel();
    assert_eq!((cancelled.status, cancelled.body.len()), (204, 0));
    assert_eq!(suite.px.event_types(&run).last().map(String::as_str), Some("brain:cancelled"));
    cancel().fails(409, "Brain run is not active or already completed");
    resume().fails(409, &cannot("cancelled"));
}

fn rerun_and_fork(suite: &Suite) {
    let run = suite.start("short", &vote("rerun"));
    suite.px.reaches(&run, "complete");
    let rerun = |body: &Value| suite.post("/brains/runs/rerun", body);
    rerun(&json!({"startsAt": 1})).fails(400, "Missing runId in request body");
    for at in [json!(0), json!("x"), Value::Null] {
        rerun(&json!({"runId": run, "startsAt": at}))
            .fails(400, "Missing or invalid startsAt in request body (must be >= 1)");
    }
    let reply = rerun(&json!({"runId": run, "startsAt": 2}));
    assert_eq!((reply.status, reply.json()), (200, json!({"brainRunId": run, "brainTitle": "short"})));
    let fork = |at: u32, state: Value| {
        suite.post(&format!("/brains/runs/{run}/fork"), &json!({"startsAt": at, "state": state}))
    };
    suite.px.reaches(&run, "complete");
    let forked = fork(1, vote("forked"));
    assert_eq!(forked.status, 201);
    assert_eq!(suite.px.reaches(&forked.run(), "complete")["state"]["id"], "forked");
    assert_eq!(fork(9, vote("x")).status, 400, "there is no such step");
    let unfit = fork(1, json!({"id": 7}));
    assert_eq!((unfit.status, unfit.field("code")), (422, "PX0019".to_owned()), "{}", unfit.text());
    // One that waits is at no later step yet.
    let waiting = suite.start("voting", &vote("rerun 2"));
    suite.px.reaches(&waiting, "waiting");
    assert_eq!(rerun(&json!({"runId": waiting, "startsAt": 2})).status, 409);
    let early = suite.post(&format!("/brains/runs/{waiting}/fork"), &json!({"startsAt": 2}));
    assert_eq!(early.status, 409, "{}", early.text());
}
