//! What `px webhooks deliveries show` says of a delivery: which rule applied,
//! which wait took it, or what was missing. And what the inbox forgets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use app as _;
use serde_json::json;
use support::{Project, Px, eventually, github, pull_request, slack, twilio};

fn ask_ada(px: &Px) -> String {
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start("customer-feedback", &input);
    px.reaches(&run, "waiting");
    run
}

fn why(px: &Px, delivery: &str) -> String {
    let shown = px.get(&format!("/webhooks/deliveries/{delivery}"));
    shown.field("why")
}

/// The newest delivery in this state, and why it is.
fn why_newest(px: &Px, state: &str) -> String {
    let newest = px.deliveries(&format!("state={state}"));
    why(px, newest[0]["id"].as_str().unwrap())
}

#[test]
fn hard_case_03_one_event_and_two_runs_show_names_both() {
    let project = Project::new();
    let px = project.serve();
    let (first, second) = (ask_ada(&px), ask_ada(&px));
    let reply = px.post(&twilio("SM1", "+15550100", "fine"));
    reply.is(200, "resumed");
    assert_eq!(reply.run(), first, "the oldest wait wins");
    let said = why(&px, &reply.field("deliveryId"));
    assert!(said.starts_with(&format!("{first} waited on twilio for '+15550100' (wat_")), "{said}");
    let other = format!("took the event: the oldest wait does. {second} waited too, and goes on waiting.");
    assert!(said.ends_with(&other), "{said}");
    assert_eq!(px.run(&second)["status"], "waiting");

    let url = format!("http://{}", px.address);
    let words = ["webhooks", "deliveries", "show", &reply.field("deliveryId"), "--url", &url];
    let shown = project.command(&words).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("Why        {said}\n")), "{shown}");
}

#[test]
fn every_state_is_explained() {
    let project = Project::new();
    let px = project.serve();
    let queued = px.post(&twilio("SM1", "+15550177", "hello"));
    let said = why(&px, &queued.field("deliveryId"));
    let kept = "Nobody waits on twilio for '+15550177' yet; the event is kept for a wait to come, until ";
    assert!(said.starts_with(kept), "{said}");

    // Twilio gets the first reply again, byte for byte (docs/rules.md#18).
    assert_eq!(px.post(&twilio("SM1", "+15550177", "hello")).body, queued.body);
    let said = why_newest(&px, "duplicate");
    let original = queued.field("deliveryId");
    assert!(said.starts_with("The provider's id 'SM1"), "{said}");
    assert!(said.ends_with(&format!("was seen before, in {original}; nothing was done again.")), "{said}");

    let started = px.post(&pull_request("octo-org/hello", 7, "opened"));
    let run = started.run();
    let place = "github for 'octo-org/hello#7'";
    assert_eq!(
        why(&px, &started.field("deliveryId")),
        format!(
            "Nobody waited on {place}, no live run owned it, and the handler said to start one: {run} was started, \
             and owns it until it ends."
        )
    );
    px.reaches(&run, "waiting");
    let paused = px.post_json(&format!("/brains/runs/{run}/signals"), &json!({"type": "PAUSE"}));
    assert_eq!(paused.status, 202, "{}", paused.text());
    px.reaches(&run, "paused");
    let kept = px.post(&pull_request("octo-org/hello", 7, "synchronize"));
    let said = why(&px, &kept.field("deliveryId"));
    assert!(said.starts_with(&format!("{run} waits on {place} and is paused;")), "{said}");

    let asked = ask_ada(&px);
    assert_eq!(px.delete(&format!("/brains/runs/{asked}")).status, 204);
    let late = px.post(&twilio("SM2", "+15550100", "fine"));
    late.is(200, "late");
    let said = why(&px, &late.field("deliveryId"));
    assert!(
        said.starts_with(&format!(
            "{asked} had waited on twilio for '+15550100', but the event came too late"
        )),
        "{said}"
    );
    assert!(said.contains("px webhooks deliveries bind whd_"), "{said}");

    let ignored = px.post(&github("push", "guid-push", "{}"));
    let said = why(&px, &ignored.field("deliveryId"));
    assert!(said.starts_with("The handler said to ignore the event: "), "{said}");

    let bad =
        json!({"action": "opened", "pull_request": {"number": "x"}, "repository": {"full_name": "a/b"}});
    assert_eq!(px.post(&github("pull_request", "bad", bad.to_string())).status, 422);
    let said = why_newest(&px, "quarantined");
    assert!(said.contains("set aside") && said.contains("/pull_request/number"), "{said}");

    assert_eq!(px.post(&pull_request("o/r", 1, "opened").with_flipped_byte()).status, 401);
    let said = why_newest(&px, "rejected");
    assert!(said.starts_with("The sender was not believed: "), "{said}");
    assert!(said.contains("x-hub-signature-256") && said.contains("signed over"), "{said}");
}

#[test]
fn the_inbox_is_swept_by_number_and_the_audit_knows_it() {
    let project = Project::new();
    std::fs::write(
        project.path().join("px.toml"),
        "[retention]\nmax_rejected = 3\nmax_payloads_per_webhook = 4\n",
    )
    .unwrap();
    let px = project.serve();
    for n in 0..5 {
        px.post(&github("push", &format!("guid-{n}"), "{}")).is(200, "ignored");
        let nobody = slack(&format!("Ev{n}"), &json!({"type": "message"})).with_flipped_byte();
        assert_eq!(px.post(&nobody).status, 401);
    }
    let failed =
        json!({"action": "opened", "pull_request": {"number": "x"}, "repository": {"full_name": "a/b"}});
    assert_eq!(px.post(&github("pull_request", "bad", failed.to_string())).status, 422);
    assert!(px.stop().success());
    // It sweeps at its start, and then once a minute.
    let px = project.serve();
    eventually("the rejected requests to be swept", || {
        (px.deliveries("state=rejected").len() == 3).then_some(())
    });
    let emptied = || {
        let ignored = px.deliveries("state=ignored");
        let of = |one: &serde_json::Value| {
            let shown = px.get(&format!("/webhooks/deliveries/{}", one["id"].as_str().unwrap())).json();
            shown["emptied"] == true && shown["why"].as_str().unwrap().contains("payload were dropped")
        };
        (ignored.len(), ignored.iter().filter(|one| of(one)).count())
    };
    // The newest four are the quarantined one and three of these.
    eventually("old payloads to be dropped", || (emptied().1 >= 2).then_some(()));
    assert_eq!(emptied().0, 5, "records stay as long as their ids");
    assert_eq!(px.deliveries("state=quarantined").len(), 1, "it can still be replayed");
    px.post(&github("push", "guid-0", "{}")).is(200, "duplicate");
    assert!(px.stop().success());

    let data = project.data().to_str().unwrap();
    let audit = project.command(&["audit", "--json", "--data-dir", data]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&audit.stdout).unwrap();
    assert_eq!(audit.status.code(), Some(0), "{said}");
    assert!(said.to_string().contains("\"forgotten\":2"), "{said}");
}
