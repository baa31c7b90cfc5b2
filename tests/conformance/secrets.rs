//! Secrets: the contract of their routes, who may read them, and their rotation.

use serde_json::{Value, json};

use super::planted::{HUB_SECRET, OLD_HUB_SECRET, STORE_KEY, ping};
use super::{Case, Suite, support};

pub const CASES: &[Case] = &[
    ("secrets_are_set_listed_and_deleted_and_never_shown", contract),
    ("a_secret_that_cannot_be_is_refused", refusals),
    ("a_brain_reads_what_it_declares_and_nothing_else", lists),
    ("a_new_secret_verifies_at_once_and_the_old_one_for_its_grace", rotation),
];

fn contract(suite: &Suite) {
    assert_eq!(suite.get("/secrets").json(), json!({"secrets": [], "count": 0}));
    let set = |name: &str, value: &str| suite.post("/secrets", &json!({"name": name, "value": value}));
    let made = set("STRIPE_KEY", "sk_live_0123456789");
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let fields: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["createdAt", "name", "updatedAt"]);
    assert!(made["createdAt"].as_str().unwrap().ends_with('Z'), "{made}");
    assert_eq!(set("STRIPE_KEY", "sk_live_9876543210").status, 201);
    let listed = suite.get("/secrets");
    assert_eq!(
        (&listed.json()["count"], &listed.json()["secrets"][0]["name"]),
        (&json!(1), &json!("STRIPE_KEY"))
    );
    assert!(!listed.text().contains("sk_live"), "{}", listed.text());
    let exists = |name: &str| suite.get(&format!("/secrets/{name}/exists")).json();
    assert_eq!((exists("STRIPE_KEY"), exists("OTHER")), (json!({"exists": true}), json!({"exists": false})));
    let bulk = json!({"secrets": [
        {"name": "STRIPE_KEY", "value": "sk_live_0000000000"}, {"name": "SLACK_BOT_TOKEN", "value": "xoxb-0123456789"},
    ]});
    let done = suite.post("/secrets/bulk", &bulk);
    assert_eq!((done.status, done.json()), (201, json!({"created": 1, "updated": 1})));
    assert_eq!(suite.get("/secrets/STRIPE_KEY/reads").json(), json!({"reads": [], "count": 0}));
    let delete = |name: &str| suite.book.ask(&suite.px, "DELETE", &format!("/secrets/{name}"), &[], b"");
    for name in ["STRIPE_KEY", "SLACK_BOT_TOKEN"] {
        assert_eq!(delete(name).status, 204);
        delete(name).fails(404, &format!("Secret '{name}' not found"));
    }
    suite.get("/secrets/NOBODY/reads").fails(404, "Secret 'NOBODY' not found");
    assert_eq!(suite.get("/secrets").json()["count"], 0);
}

fn refusals(suite: &Suite) {
    let set = |body: &Value| suite.post("/secrets", body);
    set(&json!({"value": "0123456789"})).fails(400, "Missing required field \"name\"");
    set(&json!({"name": "", "value": "0123456789"})).fails(400, "Missing required field \"name\"");
    set(&json!({"name": "A"})).fails(400, "Missing required field \"value\"");
    for (body, says) in [
        (json!({"name": "A", "value": "1234567"}), "8 to 32768 bytes; this one has 7"),
        (json!({"name": "A", "value": "x".repeat(32_769)}), "8 to 32768 bytes; this one has 32769"),
        (json!({"name": "A", "value": "          "}), "not blank"),
        (json!({"name": "sk_live-012", "value": "0123456789"}), "letters, digits and underscores"),
        (json!({"name": "bulk", "value": "0123456789"}), "`/secrets/bulk` is a route"),
        (json!({"name": "A", "value": "0123456789", "grace": "8d"}), "at most 7 days"),
        (json!({"name": "A", "value": 123_456_789}), "string"),
        (json!({"name": "A", "value": [123_456_789]}), "string"),
        (json!({"name": "A", "value": "0123456789", "vaule": 1}), "value"),
    ] {
        let refused = set(&body);
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
        assert!(refused.text().contains(says), "{body}: {}", refused.text());
        assert!(
            !refused.text().contains("sk_live-012") && !refused.text().contains("123456789"),
            "what is no name may be the value, and so may a number: {}",
            refused.text()
        );
    }
    let root = set(&json!({"name": "ROOT_PUBLIC_KEY", "value": "0123456789"}));
    assert_eq!((root.status, root.field("code")), (403, "PX0042".to_owned()));
    assert!(root.text().contains("Cannot set ROOT_PUBLIC_KEY via API"), "{}", root.text());
    let delete = suite.book.ask(&suite.px, "DELETE", "/secrets/ROOT_PUBLIC_KEY", &[], b"");
    assert_eq!(delete.status, 403);
    assert!(delete.text().contains("Cannot delete ROOT_PUBLIC_KEY via API"), "{}", delete.text());
    let bulk = |secrets: Value| suite.post("/secrets/bulk", &json!({ "secrets": secrets }));
    suite.post("/secrets/bulk", &json!({})).fails(400, "Missing required field \"secrets\" (array)");
    assert_eq!(
        bulk(json!([{"name": "GOOD", "value": "0123456789"}, {"name": "BAD", "value": "x"}])).status,
        400
    );
    let root =
        json!([{"name": "GOOD", "value": "0123456789"}, {"name": "ROOT_PUBLIC_KEY", "value": "0123456789"}]);
    assert_eq!(bulk(root).status, 403);
    assert_eq!(suite.get("/secrets").json()["count"], 0, "all of them or none");
}

fn lists(suite: &Suite) {
    let spend = |names: &[&str]| {
        let run = suite.start("spender", &json!({"names": names, "tells": false}));
        support::eventually("the end of the run", || {
            let run = suite.get(&format!("/brains/runs/{run}")).json();
            matches!(run["status"].as_str(), Some("complete" | "error")).then_some(run)
        })
    };
    let refused = spend(&["OTHER"]);
    let says = refused["error"]["message"].as_str().unwrap();
    assert!(says.contains("add `.secrets([\"OTHER\"])` to `brain(\"spender\")`"), "{refused}");
    let missing = spend(&["NOWHERE"]);
    assert!(missing["error"]["message"].as_str().unwrap().contains("`px secrets set NOWHERE`"), "{missing}");
    // No restart between.
    let set = json!({"name": "STORE_KEY", "value": STORE_KEY});
    assert_eq!(suite.post("/secrets", &set).status, 201);
    let done = spend(&["STORE_KEY"]);
    assert_eq!(done["state"]["read"], json!([format!("STORE_KEY has {} bytes", STORE_KEY.len())]), "{done}");
    let reads = suite.get("/secrets/STORE_KEY/reads").json();
    let read = &reads["reads"][0];
    assert_eq!((&read["kind"], &read["reader"]), (&json!("step"), &json!("spender")), "{reads}");
    assert_eq!((&read["step"], &read["count"]), (&json!("spend"), &json!(1)), "{reads}");
    assert_eq!(read["brainRunId"], done["brainRunId"], "{reads}");
    assert_eq!(suite.book.ask(&suite.px, "DELETE", "/secrets/STORE_KEY", &[], b"").status, 204);
}

fn rotation(suite: &Suite) {
    assert_eq!(ping(&suite.px, "whatever-is-signed").status, 200, "nobody is verified yet");
    let set = |value: &str, grace: &str| {
        let body = json!({"name": "HUB_SECRET", "value": value, "grace": grace});
        assert_eq!(suite.post("/secrets", &body).status, 201);
    };
    let believed = || [OLD_HUB_SECRET, HUB_SECRET].map(|secret| ping(&suite.px, secret).status == 200);
    set(OLD_HUB_SECRET, "24h");
    assert_eq!(believed(), [true, false]);
    set(HUB_SECRET, "24h");
    assert_eq!(believed(), [true, true]);
    set("hub-secret-of-tomorrow", "0s");
    assert_eq!(believed(), [false, false], "others know it, and may know those before it");
    let reads = suite.get("/secrets/HUB_SECRET/reads").json();
    assert_eq!(
        (&reads["reads"][0]["kind"], &reads["reads"][0]["reader"]),
        (&json!("verifier"), &json!("hub"))
    );
    assert_eq!(suite.book.ask(&suite.px, "DELETE", "/secrets/HUB_SECRET", &[], b"").status, 204);
    assert_eq!(believed(), [false, false], "to verify nobody would let everybody in");
}
