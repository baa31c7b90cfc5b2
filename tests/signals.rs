//! Signals over the real binary: which run takes which, and what follows
//! (docs/api.md).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]
#![allow(dead_code, unused_imports, reason = "the support module serves several suites")]

mod support;

use app as _;
use serde_json::{Value, json};
use support::{Project, Px};

fn waiting(px: &Px) -> String {
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let run = px.start("customer-feedback", &input);
    px.reaches(&run, "waiting");
    run
}

fn signal(px: &Px, run: &str, body: &Value) -> (u16, Value) {
    let reply = px.post_json(&format!("/brains/runs/{run}/signals"), body);
    (reply.status, reply.json())
}

#[test]
fn a_waiting_run_is_paused_resumed_and_killed() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    let (status, body) = signal(&px, &run, &json!({"type": "PAUSE"}));
    assert_eq!((status, &body["success"], &body["signal"]["type"]), (202, &json!(true), &json!("PAUSE")));
    assert!(body["signal"]["queuedAt"].is_u64());
    px.reaches(&run, "paused");
    let (status, body) = signal(&px, &run, &json!({"type": "PAUSE"}));
    assert_eq!((status, body["error"].as_str()), (409, Some("Cannot PAUSE brain in 'paused' state")));
    assert_eq!(signal(&px, &run, &json!({"type": "RESUME"})).0, 202);
    px.reaches(&run, "waiting");
    assert_eq!(signal(&px, &run, &json!({"type": "KILL"})).0, 202);
    px.reaches(&run, "cancelled");
    let (status, body) = signal(&px, &run, &json!({"type": "KILL"}));
    assert_eq!((status, body["error"].as_str()), (409, Some("Cannot KILL brain in 'cancelled' state")));
}

#[test]
fn an_answer_by_hand_and_an_early_end_of_the_wait() {
    let project = Project::new();
    let px = project.serve();
    let answered = waiting(&px);
    let response = json!({"message": "by hand", "user": "U1", "channel": "C1", "thread": "t"});
    assert_eq!(signal(&px, &answered, &json!({"type": "WEBHOOK_RESPONSE", "response": response})).0, 202);
    px.reaches(&answered, "complete");
    let run = px.get(&format!("/brains/runs/{answered}")).json();
    assert_eq!((&run["state"]["source"], &run["state"]["feedback"]), (&json!("slack"), &json!("by hand")));

    let ended = waiting(&px);
    assert_eq!(signal(&px, &ended, &json!({"type": "RESUME"})).0, 202);
    px.reaches(&ended, "complete");
    let run = px.get(&format!("/brains/runs/{ended}")).json();
    assert_eq!(run["state"]["source"], "none");
}

#[test]
fn what_is_wrong_is_said_in_this_order() {
    let project = Project::new();
    let px = project.serve();
    let nobody = format!("run_{}", "0".repeat(32));
    let (status, body) = signal(&px, &nobody, &json!({"type": "DANCE"}));
    assert_eq!((status, body["error"].as_str()), (400, Some("Invalid signal type")));
    let (status, body) = signal(&px, &nobody, &json!({"type": "KILL"}));
    assert_eq!((status, body["error"].as_str()), (404, Some("Brain run not found")));
    let run = waiting(&px);
    let (status, body) = signal(&px, &run, &json!({"type": "WEBHOOK_RESPONSE", "response": 7}));
    assert_eq!(status, 400, "{body}");
}

#[test]
fn a_get_that_is_no_handshake_is_not_taken_in() {
    let project = Project::new();
    let px = project.serve();
    px.get("/webhooks/github").fails(405, "Webhook 'github' takes POST");
    assert_eq!(px.get("/webhooks/deliveries").json()["deliveries"], json!([]));
    let mut connection = px.connect().unwrap();
    connection.send("OPTIONS", "/webhooks/github", &[], b"").unwrap();
    let options = connection.receive().unwrap();
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, GET, OPTIONS")));
}
