//! The sample project, end to end: the real binary, real requests, real disks.
//! Each test serves from a directory of its own.
//!
//! What comes in over `/webhooks/…` is here; the API is in `api.rs`, what a
//! crash leaves in `crashes.rs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use app as _;
use serde_json::{Value, json};
use support::{
    GITHUB_SECRET, Project, Px, Reply, Request, github, hmac_sha256_hex, pull_request, slack, slack_at,
    twilio,
};

const REPOSITORY: &str = "octo-org/hello";
const FEEDBACK: &str = "customer-feedback";

fn opened_pull_request(px: &Px) -> String {
    let reply = px.post(&pull_request(REPOSITORY, 7, "opened"));
    reply.is(201, "triggered");
    reply.run()
}

fn ask_ada(px: &Px) -> (String, String) {
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start(FEEDBACK, &input);
    let thread = px.reaches(&run, "waiting")["state"]["slackThreadId"].as_str().unwrap().to_owned();
    (run, thread)
}

fn thread_reply(event_id: &str, thread: &str, text: &str) -> Request {
    let event = json!({
        "type": "message", "channel": "C1", "channel_type": "channel", "user": "U1",
        "text": text, "ts": "1700000100.000200", "thread_ts": thread
    });
    slack(event_id, &event)
}

fn direct_message(event_id: &str, text: &str) -> Request {
    let event = json!({
        "type": "message", "channel": "D1", "channel_type": "im", "user": "U7", "text": text, "ts": event_id
    });
    slack(event_id, &event)
}

fn count(replies: &[Reply], action: &str) -> usize {
    replies.iter().filter(|reply| reply.action() == action).count()
}

// Headers

/// The headers say what the body says, and nothing that it does not say.
#[track_caller]
fn headers_match(reply: &Reply) {
    let body = reply.json();
    let said = |value: &Value| value.as_str().map(str::to_owned);
    let header = |name: &str| reply.header(name).map(str::to_owned);
    assert_eq!(header("px-action"), said(&body["action"]), "{}", reply.text());
    assert_eq!(header("px-delivery-id"), said(&body["deliveryId"]), "{}", reply.text());
    // A repetition names the run of its original.
    let run =
        if body["action"] == "duplicate" { &body["original"]["brainRunId"] } else { &body["brainRunId"] };
    assert_eq!(header("px-run-id"), said(run), "{}", reply.text());
}

#[test]
fn rule_25_every_reply_says_in_headers_what_became_of_the_delivery() {
    let project = Project::new();
    let px = project.serve();
    let opened = pull_request(REPOSITORY, 7, "opened");
    let first = px.post(&opened);
    first.is(201, "triggered");
    headers_match(&first);
    let run = first.run();
    px.waits_with(&run, "/events", &json!(["opened"]));
    let resumed = px.post(&pull_request(REPOSITORY, 7, "labeled"));
    resumed.is(200, "resumed");
    let again = px.post(&opened);
    again.is(200, "duplicate");
    let ignored = px.post(&github("ping", "ping", json!({"zen": "Design for failure."}).to_string()));
    ignored.is(200, "ignored");
    // A text message to nobody is kept, and one to somebody who was answered meanwhile is late.
    let kept = px.post(&twilio("SM1", "+15550111", "is anybody there?"));
    kept.is(200, "queued");
    let (asked, thread) = ask_ada(&px);
    let answered = px.post(&thread_reply("Ev1", &thread, "I like it"));
    answered.is(200, "resumed");
    let late = px.post(&twilio("SM2", "+15550100", "too late"));
    late.is(200, "late");
    for message in [&kept, &late] {
        assert_eq!(message.header("content-type"), Some("application/json"), "the sample answers JSON");
    }
    for (reply, run) in [
        (&resumed, Some(&run)),
        (&again, Some(&run)),
        (&ignored, None),
        (&kept, None),
        (&answered, Some(&asked)),
        (&late, Some(&asked)),
    ] {
        headers_match(reply);
        assert_eq!(reply.header("px-run-id"), run.map(String::as_str), "{}", reply.text());
        assert!(reply.header("px-delivery-id").is_some_and(|id| id.starts_with("whd_")), "{reply:?}");
    }
    // What is set aside has a delivery and an action, but no action in its body.
    let unfit = px.post(&github("pull_request", "1", json!({"pull_request": 7}).to_string()));
    assert_eq!((unfit.status, unfit.header("px-action")), (422, Some("quarantined")), "{}", unfit.text());
    assert_eq!(unfit.header("px-delivery-id"), Some(unfit.field("deliveryId").as_str()));
    // What is not believed has no delivery, since nothing is kept of it there.
    let forged = px.post(&pull_request(REPOSITORY, 8, "opened").with_flipped_byte());
    assert_eq!((forged.status, forged.header("px-action")), (401, Some("rejected")), "{}", forged.text());
    assert_eq!((forged.header("px-run-id"), forged.header("px-delivery-id")), (None, None));
}

// GitHub

#[test]
fn a_pull_request_is_followed_from_opened_to_closed() {
    let project = Project::new();
    let px = project.serve();

    let reply = px.post(&pull_request(REPOSITORY, 7, "opened"));
    reply.is(201, "triggered");
    let run = reply.run();
    assert_eq!(reply.json()["received"], true);
    assert_eq!(reply.header("px-action"), Some("triggered"));
    assert_eq!(reply.header("px-run-id"), Some(run.as_str()));
    assert_eq!(reply.header("px-delivery-id"), Some(reply.field("deliveryId").as_str()));
    let shown = px.waits_with(&run, "/events", &json!(["opened"]));
    assert_eq!(shown["waitingFor"][0]["waitFor"][0]["identifier"], "octo-org/hello#7");

    for action in ["synchronize", "labeled"] {
        let reply = px.post(&pull_request(REPOSITORY, 7, action));
        reply.is(200, "resumed");
        assert_eq!((reply.run(), reply.field("identifier")), (run.clone(), "octo-org/hello#7".to_owned()));
        px.until(&run, "past that event", |shown| {
            shown["status"] == "waiting"
                && shown["state"]["events"].as_array().unwrap().last() == Some(&json!(action))
        });
    }

    px.post(&pull_request(REPOSITORY, 7, "closed")).is(200, "resumed");
    let shown = px.reaches(&run, "complete");
    assert_eq!(
        shown["state"],
        json!({
            "repository": REPOSITORY, "number": 7, "author": "octocat",
            "events": ["opened", "synchronize", "labeled", "closed"]
        })
    );
    assert_eq!(px.runs_of("pr-review").len(), 1);
}

#[test]
fn what_is_not_about_a_pull_request_is_ignored() {
    let project = Project::new();
    let px = project.serve();
    let ping = json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Repository"}});
    let push = json!({"ref": "refs/heads/main", "commits": [], "repository": {"full_name": REPOSITORY}});
    let comment =
        json!({"action": "created", "issue": {"number": 7}, "repository": {"full_name": REPOSITORY}});
    for (event, payload) in [("ping", ping), ("push", push), ("issue_comment", comment)] {
        let request = github(event, event, payload.to_string());
        px.post(&request).is(200, "ignored");
        px.post(&request).is(200, "duplicate");
    }
    assert_eq!(px.runs_of("pr-review").len(), 0);
}

#[test]
fn a_delivery_that_is_posted_again_changes_nothing() {
    let project = Project::new();
    let px = project.serve();
    let run = opened_pull_request(&px);
    px.waits_with(&run, "/events", &json!(["opened"]));

    let labeled = pull_request(REPOSITORY, 7, "labeled");
    let first = px.post(&labeled);
    first.is(200, "resumed");
    px.waits_with(&run, "/events", &json!(["opened", "labeled"]));
    let log = px.events(&run);

    for request in [labeled, pull_request(REPOSITORY, 7, "opened")] {
        let again = px.post(&request);
        again.is(200, "duplicate");
        assert_eq!(again.json()["original"]["brainRunId"], run);
        assert_ne!(again.json()["original"]["deliveryId"], again.json()["deliveryId"]);
    }
    let original = px.deliveries("state=duplicate")[1]["events"][0]["original"].clone();
    assert_eq!(original, first.field("deliveryId"));
    assert_eq!(px.events(&run), log);
    assert_eq!(px.runs_of("pr-review").len(), 1);
}

#[test]
fn a_wrong_signature_is_refused_and_burns_no_id() {
    let project = Project::new();
    let px = project.serve();
    let good = pull_request(REPOSITORY, 7, "opened");
    let other_key = format!("sha256={}", hmac_sha256_hex("another secret", &good.body));
    let bad = [
        good.clone().with_flipped_byte(),
        good.clone().without("x-hub-signature-256"),
        good.clone().header("x-hub-signature-256", &other_key),
        good.clone().header("x-hub-signature-256", "sha256=zz"),
        good.clone().header("x-hub-signature-256", ""),
    ];
    for request in bad {
        let reply = px.post(&request);
        assert_eq!(reply.status, 401, "{}", reply.text());
        assert!(!reply.field("error").is_empty() && !reply.text().contains(GITHUB_SECRET));
    }
    assert_eq!(px.runs_of("pr-review").len(), 0);
    let rejected = px.deliveries("state=rejected");
    assert_eq!(rejected.len(), 5);
    let signature = other_key.trim_start_matches("sha256=");
    for delivery in &rejected {
        let shown = px.get(&format!("/webhooks/deliveries/{}", delivery["id"].as_str().unwrap()));
        let headers = shown.json()["headers"].to_string();
        assert!(!headers.contains("sha256="), "signatures are redacted: {headers}");
        assert!(!shown.text().contains(signature), "signatures are redacted: {}", shown.text());
    }
    px.post(&good).is(201, "triggered");
}

#[test]
fn four_events_of_one_pull_request_at_once_are_one_run_that_sees_each_once() {
    let project = Project::new();
    let px = project.serve();
    for number in 1..=5 {
        let actions = ["opened", "labeled", "assigned", "synchronize"];
        let replies = px.post_together(&actions.map(|action| pull_request(REPOSITORY, number, action)));
        assert_eq!(count(&replies, "triggered"), 1, "{replies:?}");
        assert_eq!(count(&replies, "queued") + count(&replies, "resumed"), 3, "{replies:?}");
        let run = replies[0].run();
        assert!(replies.iter().all(|reply| reply.run() == run), "{replies:?}");
        let shown = px.until(&run, "waiting with four events", |shown| {
            shown["status"] == "waiting"
                && shown["state"]["events"].as_array().is_some_and(|seen| seen.len() == 4)
        });
        let mut seen: Vec<_> = shown["state"]["events"].as_array().unwrap().clone();
        seen.sort_by_key(Value::to_string);
        assert_eq!(seen, [json!("assigned"), json!("labeled"), json!("opened"), json!("synchronize")]);
    }
    assert_eq!(px.runs_of("pr-review").len(), 5);
}

#[test]
fn closed_and_then_opened_are_two_runs() {
    let project = Project::new();
    let px = project.serve();
    let closed = px.post(&pull_request(REPOSITORY, 7, "closed"));
    closed.is(201, "triggered");
    px.reaches(&closed.run(), "complete");
    let opened = px.post(&pull_request(REPOSITORY, 7, "opened"));
    opened.is(201, "triggered");
    px.reaches(&opened.run(), "waiting");
    assert_ne!(opened.run(), closed.run());

    // Also when the second comes while the first run is still busy.
    for number in 100..120 {
        let [closed, opened] =
            ["closed", "opened"].map(|action| px.post(&pull_request(REPOSITORY, number, action)));
        closed.is(201, "triggered");
        px.reaches(&closed.run(), "complete");
        assert!(matches!(opened.action().as_str(), "triggered" | "queued"), "{}", opened.text());
        let of_this = || {
            let states =
                px.runs_of("pr-review").into_iter().map(|run| px.run(run["brainRunId"].as_str().unwrap()));
            states.filter(|run| run["state"]["number"] == number).collect::<Vec<_>>()
        };
        let runs = support::eventually("the second run to wait", || {
            Some(of_this()).filter(|runs| runs.len() == 2 && runs[0]["status"] == "waiting")
        });
        assert_eq!(runs[0]["state"]["events"], json!(["opened"]));
        assert_eq!(runs[1]["state"]["events"], json!(["closed"]));
    }
}

#[test]
fn fifty_copies_at_once_have_one_effect() {
    let project = Project::new();
    let px = project.serve();

    let starting = vec![pull_request(REPOSITORY, 7, "opened"); 50];
    let replies = px.post_together(&starting);
    assert_eq!((count(&replies, "triggered"), count(&replies, "duplicate")), (1, 49));
    let started = replies.iter().find(|reply| reply.action() == "triggered").unwrap();
    started.is(201, "triggered");
    for duplicate in replies.iter().filter(|reply| reply.action() == "duplicate") {
        let original = json!({
            "deliveryId": started.field("deliveryId"), "action": "triggered", "brainRunId": started.run()
        });
        assert_eq!((duplicate.status, &duplicate.json()["original"]), (200, &original));
    }
    let run = started.run();
    px.waits_with(&run, "/events", &json!(["opened"]));

    let replies = px.post_together(&vec![pull_request(REPOSITORY, 7, "labeled"); 50]);
    assert_eq!((count(&replies, "resumed"), count(&replies, "duplicate")), (1, 49));
    px.waits_with(&run, "/events", &json!(["opened", "labeled"]));
    assert_eq!(px.runs_of("pr-review").len(), 1);
    let responses = px.event_types(&run).iter().filter(|kind| *kind == "brain:webhook_response").count();
    assert_eq!(responses, 1);
}

// Slack

#[test]
fn slack_is_answered_its_challenge_if_it_is_signed() {
    let project = Project::new();
    let px = project.serve();
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = json!({"type": "url_verification", "token": "x", "challenge": "3eZbrw1aB"}).to_string();
    let reply = px.post(&slack_at(now, body.clone().into_bytes()));
    assert_eq!((reply.status, reply.json()), (200, json!({"challenge": "3eZbrw1aB"})));
    let unsigned = slack_at(now, body.clone().into_bytes()).with_flipped_byte();
    assert_eq!(px.post(&unsigned).status, 401, "an endpoint that echoes anything is an oracle");
    for at in [now - 310, now + 310] {
        assert_eq!(px.post(&slack_at(at, body.clone().into_bytes())).status, 401);
    }
    assert_eq!(px.deliveries("state=ignored").len(), 0, "a handshake is no delivery");
}

#[test]
fn a_mention_is_acknowledged() {
    let project = Project::new();
    let px = project.serve();
    for (id, thread) in [("Ev1", None), ("Ev2", Some("4.0"))] {
        let event = json!({
            "type": "app_mention", "channel": "C1", "user": "U1", "text": "<@B1> help", "ts": "5.1", "thread_ts": thread
        });
        let reply = px.post(&slack(id, &event));
        reply.is(201, "triggered");
        let shown = px.reaches(&reply.run(), "complete");
        assert_eq!(shown["brainTitle"], "help-request");
        assert_eq!(shown["state"]["thread"], thread.unwrap_or("5.1"));
    }
}

#[test]
fn a_reply_in_a_thread_that_nobody_waits_for_is_handled() {
    let project = Project::new();
    let px = project.serve();
    let reply = px.post(&thread_reply("Ev1", "1.0", "and how do I stop it?"));
    reply.is(201, "triggered");
    let shown = px.reaches(&reply.run(), "complete");
    assert_eq!((&shown["brainTitle"], &shown["state"]["answered"]), (&json!("thread-handler"), &json!(true)));
}

#[test]
fn direct_messages_are_one_conversation_until_bye() {
    let project = Project::new();
    let px = project.serve();
    let hello = px.post(&direct_message("Ev1", "hello"));
    hello.is(201, "triggered");
    let run = hello.run();
    px.waits_with(&run, "/messages", &json!(["hello"]));
    px.post(&direct_message("Ev2", "how are you")).is(200, "resumed");
    px.waits_with(&run, "/messages", &json!(["hello", "how are you"]));
    px.post(&direct_message("Ev2", "how are you")).is(200, "duplicate");
    px.post(&direct_message("Ev3", "bye")).is(200, "resumed");
    let shown = px.reaches(&run, "complete");
    assert_eq!(shown["state"]["messages"], json!(["hello", "how are you", "bye"]));
    let again = px.post(&direct_message("Ev4", "me again"));
    again.is(201, "triggered");
    assert_ne!(again.run(), run);
}

#[test]
fn what_bots_say_and_other_events_are_ignored() {
    let project = Project::new();
    let px = project.serve();
    let events = [
        json!({"type": "message", "channel": "D1", "channel_type": "im", "bot_id": "B1", "text": "beep", "ts": "1.1"}),
        json!({"type": "message", "subtype": "message_changed", "channel": "C1", "ts": "1.2"}),
        json!({"type": "message", "channel": "C1", "user": "U1", "text": "lunch?", "ts": "1.3"}),
        json!({"type": "reaction_added", "user": "U1", "item": {"type": "message", "channel": "C1", "ts": "1.1"}}),
        json!({"type": "channel_created", "channel": {"id": "C9", "name": "new"}}),
    ];
    for (number, event) in events.iter().enumerate() {
        px.post(&slack(&format!("Ev{number}"), event)).is(200, "ignored");
    }
    assert_eq!(px.get("/brains/runs").json()["runs"], json!([]));
}

// Slack and Twilio

#[test]
fn feedback_by_slack() {
    let project = Project::new();
    let px = project.serve();
    let (run, thread) = ask_ada(&px);
    let reply = px.post(&thread_reply("Ev1", &thread, "I like it"));
    reply.is(200, "resumed");
    assert_eq!(reply.run(), run);
    let state = px.reaches(&run, "complete")["state"].clone();
    assert_eq!((&state["feedback"], &state["source"]), (&json!("I like it"), &json!("slack")));
    // The other way is closed with it: this is no answer to a later question.
    let late = px.post(&twilio("SM1", "+15550100", "also by SMS"));
    late.is(200, "late");
    assert_eq!((late.field("reason").as_str(), late.run()), ("sibling", run));
}

#[test]
fn feedback_by_sms() {
    let project = Project::new();
    let px = project.serve();
    let (run, _) = ask_ada(&px);
    let sms = twilio("SM1", "+15550100", "Ça va, 100% & more");
    let forged = sms.clone().with_flipped_byte();
    assert_eq!(px.post(&forged).status, 401);
    let reply = px.post(&sms);
    reply.is(200, "resumed");
    assert_eq!(reply.run(), run);
    let state = px.reaches(&run, "complete")["state"].clone();
    assert_eq!((&state["feedback"], &state["source"]), (&json!("Ça va, 100% & more"), &json!("sms")));
    // Twilio acts on the body, so its repetitions are answered like the first.
    assert_eq!(px.post(&sms).body, reply.body);
}

#[test]
fn a_text_message_of_somebody_unknown_is_kept_for_a_while() {
    let project = Project::new();
    let px = project.serve();
    let early = px.post(&twilio("SM1", "+15550100", "asked before?"));
    early.is(200, "queued");
    assert_eq!((early.field("identifier").as_str(), early.run().as_str()), ("+15550100", ""));
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start(FEEDBACK, &input);
    assert_eq!(px.reaches(&run, "complete")["state"]["feedback"], "asked before?");
}

// Requests that are no deliveries

#[test]
fn bodies_that_cannot_be_read_are_refused() {
    let project = Project::new();
    let px = project.serve();
    let reply = px.post(&github("push", "1", "{\"action\": "));
    assert_eq!((reply.status, reply.field("error").is_empty()), (400, false), "{}", reply.text());
    let reply = px.post(&github("push", "2", "{}").header("content-type", "text/html"));
    assert_eq!((reply.status, reply.field("error").is_empty()), (415, false), "{}", reply.text());
    let kept = px.deliveries("state=rejected");
    assert_eq!(kept.len(), 2, "a believed sender wrote them");
    let reasons: Vec<_> = kept.iter().map(|one| one["events"][0]["reason"].as_str().unwrap()).collect();
    assert!(reasons.iter().all(|reason| reason.starts_with("unreadable: ")), "{reasons:?}");
    let shown = px.get(&format!("/webhooks/deliveries/{}", kept[1]["id"].as_str().unwrap())).json();
    assert_eq!(shown["payload"], "{\"action\": ");
    assert!(shown["why"].as_str().unwrap().contains("could not be read"), "{shown}");
}

#[test]
fn a_payload_that_does_not_fit_is_set_aside_with_every_violation() {
    let project = Project::new();
    let px = project.serve();
    let payload = json!({
        "action": "opened", "pull_request": {"number": "seven", "user": {"login": 7}},
        "repository": {"full_name": REPOSITORY}
    });
    let reply = px.post(&github("pull_request", "1", payload.to_string()));
    assert_eq!(reply.status, 422, "{}", reply.text());
    let violations = reply.json()["violations"].clone();
    let paths: Vec<_> =
        violations.as_array().unwrap().iter().map(|one| one["path"].as_str().unwrap()).collect();
    for path in ["/pull_request/number", "/pull_request/user/login"] {
        assert!(paths.contains(&path), "{violations}");
    }
    assert_eq!(px.deliveries("state=quarantined").len(), 1);
    // Its id is not burnt: the sender may repair it and post it again.
    let repaired = pull_request(REPOSITORY, 7, "opened").header("x-github-delivery", "1");
    px.post(&repaired).is(201, "triggered");
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_read() {
    let project = Project::new();
    let px = project.serve();
    // Only announced: the answer comes without the body.
    let mut connection = px.connect().unwrap();
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                content-length: 99999999\r\n\r\n";
    connection.send_raw(head.as_bytes()).unwrap();
    let reply = connection.receive().unwrap();
    assert_eq!((reply.status, reply.field("error").is_empty()), (413, false), "{}", reply.text());

    // Not announced: it is cut off where the limit is.
    let mut connection = px.connect().unwrap();
    let head = "POST /webhooks/github HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    connection.send_raw(head.as_bytes()).unwrap();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&[b' '; 0x10000]);
    chunk.extend_from_slice(b"\r\n");
    // The server may hang up before all of it is written.
    let _ = (0..=80).try_for_each(|_| connection.send_raw(&chunk));
    if let Ok(reply) = connection.receive() {
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    px.post(&pull_request(REPOSITORY, 7, "opened")).is(201, "triggered");
}

#[test]
fn an_unknown_slug_is_not_found() {
    let project = Project::new();
    let px = project.serve();
    for slug in ["gitlab", "GitHub", "no-such-thing"] {
        let reply = px.post(&Request::plain(&format!("/webhooks/{slug}"), "application/json", "{}"));
        reply.fails(404, &format!("Webhook '{slug}' not found"));
    }
}

#[test]
fn without_a_secret_only_this_machine_may_send() {
    let project = Project::new().without("GITHUB_WEBHOOK_SECRET");
    let px = project.serve();
    let warnings = px.greeting["warnings"].to_string();
    assert!(
        warnings.contains("webhook 'github' is UNVERIFIED") && warnings.contains("GITHUB_WEBHOOK_SECRET")
    );
    assert!(!warnings.contains("'slack'"), "{warnings}");

    let unsigned = pull_request(REPOSITORY, 7, "opened").without("x-hub-signature-256");
    for header in ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded"] {
        let reply = px.post(&unsigned.clone().header(header, "203.0.113.9"));
        assert_eq!(reply.status, 401, "{header}: a tunnel also comes from loopback");
    }
    px.post(&unsigned).is(201, "triggered");
}

#[test]
fn an_open_address_wants_every_webhook_verified() {
    let project = Project::new().without("GITHUB_WEBHOOK_SECRET");
    let output =
        project.command(&["serve", "--port", "0", "--bind", "0.0.0.0", "--insecure"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("github") && said.contains("GITHUB_WEBHOOK_SECRET"), "{said}");
}
