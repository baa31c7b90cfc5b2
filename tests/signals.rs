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

#[test]
fn a_response_that_fits_nothing_is_422_and_the_run_still_waits() {
    let project = Project::new();
    let px = project.serve();
    let run = waiting(&px);
    let sms = json!({"from": "+15550100", "to": "+15550199", "body": "by hand"});
    for body in [
        json!({"type": "WEBHOOK_RESPONSE", "response": {"nonsense": 1}}),
        json!({"type": "WEBHOOK_RESPONSE", "response": {}}),
        json!({"type": "WEBHOOK_RESPONSE"}),
        json!({"type": "WEBHOOK_RESPONSE", "response": sms, "slug": "slack"}),
        json!({"type": "WEBHOOK_RESPONSE", "response": sms, "slug": "github"}),
    ] {
        let (status, reply) = signal(&px, &run, &body);
        assert_eq!((status, &reply["code"]), (422, &json!("PX0024")), "{body}: {reply}");
        assert!(reply["violations"][0]["message"].is_string(), "{reply}");
        px.reaches(&run, "waiting");
    }
    let misspelt = json!({"type": "WEBHOOK_RESPONSE", "respnose": sms});
    assert_eq!(signal(&px, &run, &misspelt).0, 400);
    let answer = json!({"type": "WEBHOOK_RESPONSE", "response": sms, "slug": "twilio"});
    assert_eq!(signal(&px, &run, &answer).0, 202);
    px.reaches(&run, "complete");
    let run = px.get(&format!("/brains/runs/{run}")).json();
    assert_eq!((&run["state"]["source"], &run["state"]["feedback"]), (&json!("sms"), &json!("by hand")));
}

#[test]
fn what_is_passed_over_at_a_start_is_said_and_what_is_misspelt_is_refused() {
    let project = Project::new();
    let px = project.serve();
    let input = json!({"name": "Ada", "slackChannel": "general", "phoneNumber": "+15550100"});
    let body = json!({"identifier": "customer-feedback", "initialState": input, "webhookFormat": "forge"});
    let reply = px.post_json("/brains/runs", &body);
    assert_eq!((reply.status, reply.header("px-warning")), (201, Some("unknown field webhookFormat")));
    let body = json!({"identifier": "customer-feedback", "initialState": input, "webhook_url": "http://127.0.0.1:9"});
    let reply = px.post_json("/brains/runs", &body);
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"].as_str().unwrap().contains("did you mean 'webhookUrl'?"));
    // Texts that are fixed come first.
    let reply = px.post_json("/brains/runs", &json!({"initialstat": {}}));
    assert!(reply.json()["error"].as_str().unwrap().starts_with("Missing identifier"));
}
