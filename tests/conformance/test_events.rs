//! Test events, which the server makes and signs itself.

use serde_json::json;

use super::{Case, Suite};

pub const CASES: &[Case] = &[("test_events", tests)];

fn tests(suite: &Suite) {
    let send = |asked| suite.post("/tests", &asked);
    let run = suite.start("voting", &json!({"id": "t1", "who": "Ada", "wish": ""}));
    suite.px.reaches(&run, "waiting");
    let sent = send(json!({"slug": "votes", "identifier": "t1"}));
    assert_eq!((sent.status, sent.field("action"), sent.run()), (200, "resumed".to_owned(), run));
    let sent = sent.json();
    assert_eq!((&sent["signed"], &sent["payload"]["id"]), (&json!(false), &json!("t1")), "{sent}");
    assert_eq!((&sent["status"], &sent["answer"]["action"]), (&json!(200), &json!("resumed")), "{sent}");
    let id = sent["deliveryId"].as_str().unwrap();
    let delivery = suite.get(&format!("/webhooks/deliveries/{id}"));
    assert_eq!(delivery.json()["test"], true, "{}", delivery.text());

    let signed = send(json!({"slug": "slack", "payload": {"type": "event_callback"}}));
    assert_eq!((signed.status, &signed.json()["signed"]), (200, &json!(true)), "{}", signed.text());

    let started = send(json!({"slug": "votes", "payload": {"id": "t2", "who": "Bo", "wish": "start"}}));
    assert_eq!((started.status, started.field("action")), (200, "triggered".to_owned()));
    let cause = suite.get(&format!("/brains/runs/{}", started.run())).json()["cause"].clone();
    assert_eq!((&cause["kind"], &cause["test"]), (&json!("event"), &json!(true)));

    send(json!({})).fails(400, "Missing slug in request body");
    send(json!({"slug": "nobody"})).fails(404, "Webhook 'nobody' not found");
    let unfit = send(json!({"slug": "votes", "payload": {"id": 7}}));
    assert_eq!((unfit.status, unfit.field("code")), (422, "PX0024".to_owned()), "{}", unfit.text());
    let failed = send(json!({"slug": "votes", "payload": {"id": "t3", "who": "Bo", "wish": "fail"}}));
    failed.fails(500, "Failed to process webhook");
    // Its configuration says so: `px.toml` of this suite.
    let refused = send(json!({"slug": "lenient"}));
    assert_eq!((refused.status, refused.field("code")), (403, "PX0044".to_owned()), "{}", refused.text());
}
