//! Runs that tell a URL of their own.

use super::*;

#[test]
fn hooks_1_a_run_with_a_url_of_its_own_tells_it_everything_in_order_and_signed() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let own = json!({
        "webhookUrl": receiver.url("/own?tenant=1"), "webhookSecret": SECRET, "requestId": "req-7"
    });
    let run = start(&px, 1, own);
    let got = receiver.waits_for("/own", OF_A_RUN.len());
    assert_eq!(got.iter().map(Callback::kind).collect::<Vec<_>>(), OF_A_RUN);
    agrees_with_the_logs(&px, std::slice::from_ref(&run), &got);
    let mut from = Value::Null;
    for (place, callback) in got.iter().enumerate() {
        assert!(callback.is_signed_with(SECRET), "{callback:?}");
        let body = callback.json();
        assert_eq!(body["seq"], place + 1);
        assert_eq!(body["id"], callback.event());
        assert_eq!(body["isFinal"], callback.kind() == "run.completed");
        assert_eq!(body["run"]["brain"], "help-request");
        assert_eq!(body["run"]["requestId"], "req-7");
        let api = format!("http://{}/brains/runs/{run}", px.address);
        assert_eq!(body["api"]["runUrl"], api.as_str());
        assert_eq!(
            body["api"]["eventsUrl"],
            format!("{api}/events?after={}", body["data"]["logSeq"]).as_str()
        );
        assert!(callback.header("user-agent").starts_with("px/"));
        if !body["to"].is_null() {
            assert!(place == 0 || body["from"] == from, "the status changes from what it was: {body}");
            from = body["to"].clone();
        }
    }
    assert_eq!(from, "complete");
    let page = px.get(&format!("/deliveries?brainRunId={run}")).json();
    assert_eq!(page["deliveries"].as_array().unwrap().len(), OF_A_RUN.len(), "{page}");
}

#[test]
fn hooks_1_a_url_that_cannot_be_refuses_the_start_and_says_why() {
    let project = Project::new();
    let px = project.serve();
    for (url, status, part) in [
        ("not a url", 400, "url"),
        ("ftp://receiver.example/", 400, "scheme"),
        ("http://user:hunter2@receiver.example/", 400, "credentials"),
        ("http://169.254.169.254/latest", 422, "metadata"),
        ("http://2852039166/", 422, "metadata"),
        ("http://10.0.0.1/", 422, "private"),
    ] {
        let body = json!({"identifier": "help-request", "initialState": help(1), "webhookUrl": url});
        let reply = px.post_json("/brains/runs", &body);
        assert_eq!(reply.status, status, "{url}: {}", reply.text());
        assert!(reply.text().contains(part) && !reply.text().contains("hunter2"), "{}", reply.text());
        assert_eq!(px.post_json("/hooks", &json!({"url": url})).status, status, "{url}");
    }
    let body = json!({"identifier": "help-request", "initialState": help(1), "webhookSecret": SECRET});
    assert_eq!(px.post_json("/brains/runs", &body).status, 400, "a secret without a URL");
    assert_eq!(px.runs_of("help-request").len(), 0, "nothing was started");
}

/// Starts a run that waits for an answer, on which it then completes.
#[track_caller]
fn start_waiting(px: &Px, more: Value) -> String {
    let state = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let mut body = json!({"identifier": "customer-feedback", "initialState": state});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = px.post_json("/brains/runs", &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    px.reaches(&reply.run(), "waiting");
    reply.run()
}

#[track_caller]
fn signal(px: &Px, run: &str, body: &Value) {
    let reply = px.post_json(&format!("/brains/runs/{run}/signals"), body);
    assert_eq!(reply.status, 202, "{}", reply.text());
}

fn answer(px: &Px, run: &str) {
    let response = json!({"message": "good", "user": "U1", "channel": "C1", "thread": "t"});
    signal(px, run, &json!({"type": "WEBHOOK_RESPONSE", "response": response}));
}

/// They are signed, numbered from 1, and of this run.
#[track_caller]
fn is_a_story_of(run: &str, callbacks: &[Callback]) {
    for (place, callback) in callbacks.iter().enumerate() {
        assert!(callback.is_signed_with(SECRET), "{callback:?}");
        assert_eq!((callback.run(), &callback.json()["seq"]), (run.to_owned(), &json!(place + 1)));
    }
}

#[test]
fn hooks_1_resume_rerun_and_fork_take_a_url_of_their_own() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let own = |path: &str, more: Value| {
        let mut body = json!({"webhookUrl": receiver.url(path), "webhookSecret": SECRET});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    // A resume: from then on, and only there.
    let run = start_waiting(&px, own("/start", json!({})));
    signal(&px, &run, &json!({"type": "PAUSE"}));
    px.reaches(&run, "paused");
    let reply = px.post_json(&format!("/brains/runs/{run}/resume"), &own("/resume", json!({})));
    assert_eq!(reply.status, 202, "{}", reply.text());
    answer(&px, &run);
    px.reaches(&run, "complete");
    let got = receiver.waits_for("/resume", 5);
    is_a_story_of(&run, &got);
    let heard = kinds(&got);
    assert_eq!(heard.first().map(String::as_str), Some("run.resumed"), "{heard:?}");
    assert_eq!(heard.last().map(String::as_str), Some("run.completed"), "{heard:?}");
    assert_eq!(kinds(&receiver.got("/start")).last().map(String::as_str), Some("run.paused"));
    is_a_story_of(&run, &receiver.got("/start"));

    // A rerun: of the same run, from the step on.
    let body = own("/rerun", json!({"runId": run, "startsAt": 2}));
    let reply = px.post_json("/brains/runs/rerun", &body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let got = receiver.waits_for("/rerun", 4);
    is_a_story_of(&run, &got);
    assert_eq!(kinds(&got), ["run.resumed", "step.started", "step.completed", "run.completed"]);
    assert_eq!(got[0].json()["data"]["by"], "rerun");

    // A fork: a run of its own, with the caller's own name for it.
    let body = own("/fork", json!({"startsAt": 2, "requestId": "req-9"}));
    let reply = px.post_json(&format!("/brains/runs/{run}/fork"), &body);
    assert_eq!(reply.status, 201, "{}", reply.text());
    let forked = reply.run();
    px.reaches(&forked, "complete");
    let got = receiver.waits_for("/fork", 4);
    is_a_story_of(&forked, &got);
    assert_eq!(kinds(&got), OF_A_RUN);
    assert!(got.iter().all(|callback| callback.json()["run"]["requestId"] == "req-9"));

    // A URL that cannot be changes nothing.
    let seen = px.events(&run).len();
    for (path, body) in [
        ("/brains/runs/rerun".to_owned(), json!({"runId": run, "startsAt": 2})),
        (format!("/brains/runs/{run}/fork"), json!({"startsAt": 2})),
    ] {
        let mut body = body;
        body["webhookUrl"] = json!("http://169.254.169.254/");
        assert_eq!(px.post_json(&path, &body).status, 422, "{path}");
    }
    assert_eq!(px.events(&run).len(), seen);
    assert_eq!(px.runs_of("customer-feedback").len(), 2);
    assert!(px.stop().success());
    let audit = project.command(&["audit", "--data-dir"]).arg(project.data()).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
}
