//! Going back over the real binary: rerun, and fork (docs/api.md, docs/rules.md#31).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]
#![allow(dead_code, unused_imports, reason = "the support module serves several suites")]

mod support;

use app as _;
use base64::Engine as _;
use serde_json::{Value, json};
use support::{Project, Px};

const RERUN: &str = "/brains/runs/rerun";

fn waiting(px: &Px) -> String {
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start("customer-feedback", &input);
    px.reaches(&run, "waiting");
    run
}

fn answered(px: &Px, run: &str) {
    let response = json!({"message": "good", "user": "U1", "channel": "C1", "thread": "t"});
    let body = json!({"type": "WEBHOOK_RESPONSE", "response": response});
    assert_eq!(px.post_json(&format!("/brains/runs/{run}/signals"), &body).status, 202);
    px.reaches(run, "complete");
}

fn audited(project: &Project, px: Px) {
    px.stop();
    let audit = project.command(&["audit", "--data-dir"]).arg(project.data()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
}

fn field(px: &Px, run: &str, pointer: &str) -> Value {
    px.run(run).pointer(pointer).cloned().unwrap_or_default()
}

#[test]
fn rule_31_a_rerun_gives_the_step_its_state_and_response_again_and_deletes_nothing() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    answered(&px, &run);
    let before = px.events(&run);
    let reply = px.post_json(RERUN, &json!({"runId": run, "startsAt": 2}));
    assert_eq!(
        (reply.status, reply.json()),
        (200, json!({"brainRunId": run, "brainTitle": "customer-feedback"}))
    );
    let shown = px.until(&run, "end again", |run| {
        run["seq"].as_u64() > Some(before.len() as u64 + 2) && run["status"] == "complete"
    });
    assert_eq!((&shown["state"]["feedback"], &shown["state"]["source"]), (&json!("good"), &json!("slack")));
    let after = px.events(&run);
    assert_eq!(after[..before.len()], before[..], "the log is append-only");
    let rerun = &after[before.len()];
    assert_eq!((&rerun["type"], &rerun["startsAt"]), (&json!("brain:rerun"), &json!(2)));
    let given = before.iter().find(|event| event["type"] == "brain:webhook_response").unwrap();
    assert_eq!(rerun["resetTo"], given["seq"]);
    let steps = |events: &[Value]| -> Vec<Value> {
        events
            .iter()
            .filter(|event| event["type"] == "step:start")
            .map(|event| event["stepTitle"].clone())
            .collect()
    };
    assert_eq!(steps(&after[before.len()..]), [json!("process")]);
    audited(&project, px);
}

#[test]
fn a_rerun_from_before_a_wait_waits_again_and_the_old_wait_is_closed() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    let first = field(&px, &run, "/waitingFor/0/waitId");
    let remembered = || px.event_types(&run).iter().filter(|kind| *kind == "step:once").count();
    assert_eq!(remembered(), 2);
    let reply = px.post_json(RERUN, &json!({"runId": run, "startsAt": 1}));
    assert_eq!(reply.status, 200);
    let shown = px.until(&run, "wait again", |run| {
        run["status"] == "waiting" && run.pointer("/waitingFor/0/waitId") != Some(&first)
    });
    assert_eq!(shown["waitingFor"].as_array().map(Vec::len), Some(1));
    assert_eq!(remembered(), 4, "its side effects are made again");
    answered(&px, &run);
    // A run that was killed while it waited had no response.
    let killed = waiting(&px);
    assert_eq!(px.delete(&format!("/brains/runs/{killed}")).status, 204);
    px.post_json(RERUN, &json!({"runId": killed, "startsAt": 2})).fails(
        409,
        "Step 2, 'process', takes a response and the run has had none; begin at step 1, which waits for it",
    );
    assert_eq!(px.post_json(RERUN, &json!({"runId": killed, "startsAt": 1})).status, 200);
    px.reaches(&killed, "waiting");
    answered(&px, &killed);
    audited(&project, px);
}

#[test]
fn a_rerun_survives_the_death_of_the_process() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    answered(&px, &run);
    assert_eq!(px.post_json(RERUN, &json!({"runId": run, "startsAt": 1})).status, 200);
    px.kill();
    let px = project.serve();
    px.reaches(&run, "waiting");
    answered(&px, &run);
    audited(&project, px);
}

#[test]
fn what_is_wrong_with_a_rerun_is_said() {
    let project = Project::new();
    let px = project.serve();
    let nobody = format!("run_{}", "0".repeat(32));
    px.post_json(RERUN, &json!({})).fails(400, "Missing runId in request body");
    for starts_at in [json!(null), json!(0), json!(-1), json!("2"), json!(1.5)] {
        px.post_json(RERUN, &json!({"runId": nobody, "startsAt": starts_at}))
            .fails(400, "Missing or invalid startsAt in request body (must be >= 1)");
    }
    px.post_json(RERUN, &json!({"runId": nobody, "startsAt": 1}))
        .fails(404, &format!("Brain run '{nobody}' not found"));
    let run = waiting(&px);
    px.post_json(RERUN, &json!({"runId": run, "startsAt": 9}))
        .fails(400, "The run has 2 steps, and startsAt is 9");
    let url = json!({"runId": run, "startsAt": 1, "webhookUrl": "ftp://example.com"});
    assert_eq!(px.post_json(RERUN, &url).status, 400);
    assert_eq!(field(&px, &run, "/status"), "waiting", "nothing was done");
}

#[test]
fn a_fork_begins_where_the_run_was_and_leaves_it_as_it_is() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    answered(&px, &run);
    let before = (px.run(&run), px.events(&run));
    let fork = |body: Value| px.post_json(&format!("/brains/runs/{run}/fork"), &body);
    let reply = fork(json!({"startsAt": 2}));
    assert_eq!(reply.status, 201);
    let same = reply.json()["brainRunId"].as_str().unwrap().to_owned();
    assert_ne!(same, run);
    assert_eq!(px.reaches(&same, "complete")["state"], before.0["state"]);
    assert_eq!(field(&px, &same, "/cause/id"), json!(run));

    let edited = json!({"name": "Bob", "slackChannel": "c", "phoneNumber": "+1", "slackThreadId": "x"});
    let reply = fork(json!({"startsAt": 2, "state": edited, "requestId": "mine"}));
    let other = reply.json()["brainRunId"].as_str().unwrap().to_owned();
    let shown = px.reaches(&other, "complete");
    assert_eq!((&shown["state"]["name"], &shown["state"]["feedback"]), (&json!("Bob"), &json!("good")));
    assert_eq!(shown["requestId"], "mine");

    let reply = fork(json!({"startsAt": 1}));
    let again = reply.json()["brainRunId"].as_str().unwrap().to_owned();
    px.reaches(&again, "waiting");
    answered(&px, &again);

    assert_eq!(fork(json!({"startsAt": 2, "state": {"name": 7}})).status, 422);
    fork(json!({"startsAt": 2, "state": 7})).fails(400, "The state must be a JSON object");
    assert_eq!(fork(json!({"startsAt": 3})).status, 400);
    assert_eq!((px.run(&run), px.events(&run)), before);
    audited(&project, px);
}

#[test]
fn the_command_line_goes_back_by_number_and_by_title() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    answered(&px, &run);
    let url = format!("http://{}", px.address);
    let say = |words: &[&str]| {
        let out = project.command(words).env("PX_URL", &url).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    };
    let (code, out, error) = say(&["runs", "fork", &run, "--from", "process"]);
    assert_eq!(code, Some(0), "{error}");
    px.reaches(out.trim(), "complete");
    let (code, out, _) = say(&["runs", "rerun", &run, "--from", "1", "--json"]);
    assert_eq!((code, out.contains("customer-feedback")), (Some(0), true));
    px.reaches(&run, "waiting");
    let (code, _, error) = say(&["runs", "rerun", &run, "--from", "nowhere"]);
    assert_eq!((code, error.contains("its steps are 1 'ask', 2 'process'")), (Some(2), true), "{error}");
    let (code, ..) = say(&["runs", "rerun", &format!("run_{}", "0".repeat(32)), "--from", "1"]);
    assert_eq!(code, Some(3));
    let (code, _, error) = say(&["runs", "fork", &run, "--from", "2", "--state", "{"]);
    assert_eq!((code, error.contains("--state")), (Some(2), true), "{error}");
}

/// Posts JSON within a trace.
fn post_traced(px: &Px, path: &str, trace: &str, body: &Value) -> String {
    let headers = [("content-type", "application/json"), ("traceparent", trace)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let reply = px.try_send("POST", path, &headers, body.to_string().as_bytes()).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.run()
}

/// The runs' rows of a store that is not served, as an export has them.
fn stored_runs(project: &Project) -> Vec<String> {
    let output =
        project.command(&["store", "export", "-", "--data-dir"]).arg(project.data()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row["t"] == "r")
        .map(|row| base64::engine::general_purpose::STANDARD.decode(row["v"].as_str().unwrap()).unwrap())
        .map(|value| String::from_utf8_lossy(&value).into_owned())
        .collect()
}

#[test]
fn rule_32_a_run_keeps_the_trace_of_the_request_that_started_it() {
    let project = Project::new();
    let px = project.serve();
    let [started, forked] = ["4bf92f3577b34da6a3ce929d0e0e4736", "0af7651916cd43dd8448eb211c80319c"]
        .map(|trace| format!("00-{trace}-00f067aa0ba902b7-01"));
    let ada = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let start = json!({"identifier": "customer-feedback", "initialState": ada});
    let traced = post_traced(&px, "/brains/runs", &started, &start);
    let malformed = post_traced(&px, "/brains/runs", "00-0-0-01", &start);
    let untraced = px.start("customer-feedback", &ada);
    for run in [&traced, &malformed, &untraced] {
        px.reaches(run, "waiting");
    }
    let fork = format!("/brains/runs/{traced}/fork");
    let fork = post_traced(&px, &fork, &forked, &json!({"startsAt": 1}));
    px.reaches(&fork, "waiting");
    // It outlives the process, and a rerun is the same run in the same trace.
    px.kill();
    let px = project.serve();
    assert_eq!(px.post_json(RERUN, &json!({"runId": traced, "startsAt": 1})).status, 200);
    px.until(&traced, "wait again", |run| run["status"] == "waiting");
    px.stop();
    let rows = stored_runs(&project);
    assert_eq!(rows.len(), 4);
    for (run, trace) in
        [(&traced, Some(&started)), (&fork, Some(&forked)), (&malformed, None), (&untraced, None)]
    {
        let row = rows.iter().find(|row| row.contains(&format!("\"id\":\"{run}\""))).unwrap();
        match trace {
            Some(trace) => assert!(row.contains(&format!("\"traceparent\":\"{trace}\"")), "{row}"),
            None => assert!(!row.contains("traceparent"), "{row}"),
        }
    }
}
