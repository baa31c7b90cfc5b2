//! Outbound hooks, and the outbox.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] = &[("hooks", hooks), ("what_is_not_there", not_there)];

fn hooks(suite: &Suite) {
    let url = format!("http://{}/nothing", suite.px.address);
    let made = suite.post("/hooks", &json!({"url": url, "events": ["run.completed"], "name": "one"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.field("id");
    assert!(!made.field("secret").is_empty(), "it is shown once");
    assert_eq!(suite.post("/hooks", &json!({"url": "no url"})).status, 400);
    let refused = suite.post("/hooks", &json!({"url": "http://10.0.0.1/"}));
    assert_eq!((refused.status, refused.field("code")), (422, "PX0033".to_owned()));
    let shown = suite.get(&format!("/hooks/{id}")).json();
    assert!(shown.get("secret").is_none() && shown["hasSecret"] == true);
    assert_eq!(suite.get("/hooks").json()["count"], 1);
    let change = |body: Value| suite.send("PATCH", &format!("/hooks/{id}"), &body);
    assert_eq!(change(json!({"name": "two"})).json()["name"], "two");
    assert_eq!(change(json!({"url": "http://10.0.0.1/"})).status, 422);
    assert_eq!(change(json!({"enabled": false})).json()["enabled"], false);
    assert_eq!(change(json!({"enabled": true})).json()["enabled"], true);
    let rotated = suite.post(&format!("/hooks/{id}/rotate-secret"), &json!({"grace": "1h"}));
    assert_eq!(rotated.status, 200);
    assert_eq!(suite.post(&format!("/hooks/{id}/rotate-secret"), &json!({"grace": "x"})).status, 400);
    let tested = suite.post(&format!("/hooks/{id}/test"), &json!({}));
    let delivery = tested.field("deliveryId");
    assert_eq!(tested.status, 202);
    let page = suite.get(&format!("/hooks/{id}/deliveries")).json();
    assert_eq!(page["deliveries"][0]["id"], delivery.as_str());
    assert_eq!(suite.get(&format!("/deliveries?hook={id}")).json()["deliveries"][0]["id"], delivery.as_str());
    assert_eq!(suite.get("/deliveries?state=lost").status, 400);
    let shown = super::support::eventually("an attempt", || {
        let shown = suite.get(&format!("/deliveries/{delivery}")).json();
        (!shown["attempts"].as_array()?.is_empty()).then_some(shown)
    });
    assert_eq!(shown["attempts"][0]["status"], 404);
    assert_eq!(suite.post(&format!("/deliveries/{delivery}/redeliver"), &json!({})).status, 202);
    assert_eq!(suite.get(&format!("/hooks/{id}/stats")).status, 200);
    let recover = |body: &Value| suite.post(&format!("/hooks/{id}/recover"), body);
    assert_eq!(recover(&json!({})).status, 400);
    assert_eq!(recover(&json!({"since": 0, "dryRun": true})).status, 200);
    assert_eq!(suite.get("/.well-known/webhooks-keys").json(), json!({"keys": []}));
    assert_eq!(suite.book.ask(&suite.px, "DELETE", &format!("/hooks/{id}"), &[], b"").status, 204);
    suite.get(&format!("/hooks/{id}")).fails(404, &format!("Hook '{id}' not found"));
}

fn not_there(suite: &Suite) {
    for id in ["x", "hok_00000000000070008000000000000000"] {
        let text = format!("Hook '{id}' not found");
        for part in ["", "/deliveries", "/stats"] {
            suite.get(&format!("/hooks/{id}{part}")).fails(404, &text);
        }
        for (part, body) in
            [("test", json!({})), ("rotate-secret", json!({})), ("recover", json!({"since": 0}))]
        {
            suite.post(&format!("/hooks/{id}/{part}"), &body).fails(404, &text);
        }
        suite.send("PATCH", &format!("/hooks/{id}"), &json!({"name": "x"})).fails(404, &text);
        suite.book.ask(&suite.px, "DELETE", &format!("/hooks/{id}"), &[], b"").fails(404, &text);
    }
    suite.get("/deliveries?hook=x").fails(404, "Hook 'x' not found");
    suite.get("/deliveries?brainRunId=x").fails(404, "Brain run 'x' not found");
    for id in ["x", "dlv_00000000000070008000000000000000"] {
        let text = format!("Delivery '{id}' not found");
        suite.get(&format!("/deliveries/{id}")).fails(404, &text);
        suite.post(&format!("/deliveries/{id}/redeliver"), &json!({})).fails(404, &text);
    }
}
