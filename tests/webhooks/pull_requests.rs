//! Deliveries of GitHub, and the runs that follow from them.

use super::*;

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
