//! Webhooks, forms and the inbox.

use serde_json::{Value, json};

use super::support::hmac_sha256_hex;
use super::{Case, Suite, project};

pub const CASES: &[Case] = &[
    ("what_webhooks_are_answered", answers),
    ("handshakes_and_senders_that_are_not_believed", senders),
    ("what_cannot_be_taken", refusals),
    ("forms", forms),
    ("signed_links", links),
    ("the_inbox_and_its_operator", operator),
];

fn vote(id: &str, wish: &str) -> String {
    json!({"id": id, "who": "Bob", "wish": wish}).to_string()
}

fn waiting(suite: &Suite, brain: &str, id: &str, wish: &str) -> String {
    let run = suite.start(brain, &json!({"id": id, "who": "Ada", "wish": wish}));
    suite.px.reaches(&run, "waiting");
    run
}

fn answers(suite: &Suite) {
    let post = |id: Option<&str>, body: &str| suite.webhook("votes", id, body);
    let body = |mut reply: Value| {
        reply.as_object_mut().unwrap().remove("deliveryId").unwrap();
        reply
    };
    assert_eq!(body(post(None, &vote("a", "ignore")).json()), json!({"received": true, "action": "ignored"}));
    let started = post(None, &vote("a", "start"));
    started.is(201, "triggered");
    let queued = post(None, &vote("a1", ""));
    assert_eq!(body(queued.json()), json!({"received": true, "action": "queued", "identifier": "a1"}));
    assert_eq!(
        (queued.header("px-action"), queued.header("px-delivery-id")),
        (Some("queued"), Some(queued.field("deliveryId").as_str()))
    );

    let run = waiting(suite, "voting", "a2", "");
    let first = post(Some("p1"), &vote("a2", ""));
    let expected = json!({"received": true, "action": "resumed", "identifier": "a2", "brainRunId": run});
    assert_eq!((first.status, body(first.json())), (200, expected));
    assert_eq!(first.header("px-run-id"), Some(run.as_str()));
    let original = json!({"deliveryId": first.field("deliveryId"), "action": "resumed", "brainRunId": run});
    assert_eq!(
        body(post(Some("p1"), &vote("a2", "")).json()),
        json!({"received": true, "action": "duplicate", "original": original})
    );

    // Nobody waits, so a run is started, which owns the identifier (docs/rules.md#4).
    let owner = post(None, &vote("a3", "or start"));
    owner.is(201, "triggered");
    suite.px.reaches(&owner.run(), "waiting");
    post(None, &vote("a3", "or start")).is(200, "resumed");

    let pair = waiting(suite, "pair", "a4", "");
    let collected = post(None, &vote("a4", ""));
    assert_eq!(
        body(collected.json()),
        json!({"received": true, "action": "collected", "identifier": "a4", "have": 1, "need": 2, "brainRunId": pair})
    );
    post(None, &vote("a4", "")).is(200, "resumed");

    let cancelled = waiting(suite, "voting", "a5", "");
    suite.px.delete(&format!("/brains/runs/{cancelled}"));
    assert_eq!(
        body(post(None, &vote("a5", "")).json()),
        json!({"received": true, "action": "late", "identifier": "a5", "brainRunId": cancelled, "reason": "cancel"})
    );

    let guarded = waiting(suite, "voting", "a6", "token");
    assert_eq!(
        body(post(None, &vote("a6", "")).json()),
        json!({"received": true, "action": "ignored", "identifier": "a6", "brainRunId": guarded, "reason": "token"})
    );
    suite.webhook("votes?token=right", None, &vote("a6", "")).is(200, "resumed");
}

fn senders(suite: &Suite) {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().to_string();
    let body = r#"{"type":"url_verification","challenge":"c4"}"#;
    let signature =
        format!("v0={}", hmac_sha256_hex(project::SLACK_SECRET, format!("v0:{now}:{body}").as_bytes()));
    let send = |time: &str, signature: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-slack-request-timestamp", time),
            ("x-slack-signature", signature),
        ];
        suite.book.ask(&suite.px, "POST", "/webhooks/slack", &headers, body.as_bytes())
    };
    let handshake = send(&now, &signature);
    assert_eq!(handshake.status, 200);
    assert!(handshake.text().contains("c4"), "{}", handshake.text());
    for refused in [send(&now, "v0=00"), send("1", &signature), suite.webhook("slack", None, body)] {
        assert_eq!((refused.status, refused.field("code")), (401, "PX0023".to_owned()), "{}", refused.text());
    }
    let allowed = suite.book.ask(&suite.px, "OPTIONS", "/webhooks/votes", &[], b"");
    assert_eq!((allowed.status, allowed.header("allow")), (204, Some("POST, GET, OPTIONS")));
    assert_eq!(suite.get("/webhooks/votes").status, 405);
    assert_eq!(suite.get("/webhooks/nobody").status, 404);
}

fn refusals(suite: &Suite) {
    suite.webhook("nobody", None, "{}").fails(404, "Webhook 'nobody' not found");
    let failed = suite.webhook("votes", None, &vote("r", "fail"));
    failed.fails(500, "Failed to process webhook");
    let unfit = suite.webhook("votes", None, r#"{"id": 7}"#);
    assert_eq!((unfit.status, unfit.field("code")), (422, "PX0024".to_owned()));
    assert!(unfit.json()["violations"].as_array().unwrap().iter().all(|one| one["message"].is_string()));
    assert_eq!(suite.webhook("lenient", None, r#"{"id": 7}"#).status, 202);
    assert_eq!(suite.webhook("votes", None, "{").status, 400);
    let kind = [("content-type", "image/png")];
    assert_eq!(suite.book.ask(&suite.px, "POST", "/webhooks/votes", &kind, b"x").status, 415);
}

fn forms(suite: &Suite) {
    let urlencoded = "application/x-www-form-urlencoded";
    let post = |query: &str, kind: &str, body: &str| {
        let target = format!("/webhooks/system/page-form{query}");
        suite.book.ask(&suite.px, "POST", &target, &[("content-type", kind)], body.as_bytes())
    };
    let run = waiting(suite, "paper", "f1", "");
    post("", urlencoded, "").fails(400, "Missing required query parameter \"identifier\"");
    let refused =
        |reason: &str| json!({"received": false, "action": "ignored", "identifier": "f1", "reason": reason});
    let reply = post("?identifier=f1", urlencoded, "a=1");
    assert_eq!((reply.status, reply.json()), (403, refused("Missing form token")));
    let reply = post("?identifier=f1&token=x", urlencoded, "a=1");
    assert_eq!((reply.status, reply.json()), (403, refused("Invalid form token")));
    assert_eq!(post("?identifier=f1&token=s3cret", "text/plain", "a=1").status, 415);
    post("?identifier=f2&token=s3cret", urlencoded, "a=1").is(404, "not_found");
    let taken = post("?identifier=f1&token=s3cret", urlencoded, "a=1&k[]=2&k[]=3&b=4&b=5");
    taken.is(200, "resumed");
    assert_eq!(taken.run(), run);
    let state = json!({"a": "1", "k": ["2", "3"], "b": ["4", "5"]});
    assert_eq!(suite.px.reaches(&run, "complete")["state"], state);
    let run = waiting(suite, "paper", "f3", "");
    let body = "--b\r\ncontent-disposition: form-data; name=\"k[]\"\r\n\r\n2\r\n--b--\r\n";
    post("?identifier=f3&token=s3cret", "multipart/form-data; boundary=b", body).is(200, "resumed");
    assert_eq!(suite.px.reaches(&run, "complete")["state"], json!({"k": ["2"]}));
}

fn links(suite: &Suite) {
    let link = |id: &str| {
        let run = waiting(suite, "linked", id, "");
        let url = suite.px.run(&run)["state"]["wish"].as_str().unwrap().to_owned();
        (run, url[url.find("/webhooks/").unwrap()..].to_owned())
    };
    let own = format!("http://{}", suite.px.address);
    let post = |target: &str, origin: &str, body: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded"), ("origin", origin)];
        suite.book.ask(&suite.px, "POST", target, &headers, body.as_bytes())
    };
    let (run, path) = link("l1");
    let page = suite.get(&path);
    assert!(page.status == 200 && page.text().contains("May &lt;Ada&gt; do it?"), "{}", page.text());
    let allowed = suite.book.ask(&suite.px, "OPTIONS", &path, &[], b"");
    assert_eq!((allowed.status, allowed.header("allow")), (204, Some("GET, HEAD, POST, OPTIONS")));
    let nonce = page.text().split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let good = format!("nonce={nonce}&answer=0");
    for wrong in ["/webhooks/system/link/pxl_x", &path[..path.len() - 2]] {
        assert_eq!((suite.get(wrong).status, post(wrong, &own, &good).status), (404, 404), "{wrong}");
    }
    assert_eq!(post(&path, "null", &good).status, 403);
    assert_eq!(post(&path, &own, "nonce=x&answer=0").status, 409);
    assert_eq!(post(&path, &own, &format!("nonce={nonce}&answer=7")).status, 422);
    let taken = post(&path, &own, &good);
    assert_eq!(
        (taken.status, taken.header("location"), taken.header("px-run-id")),
        (303, Some("?answered"), Some(&*run))
    );
    assert_eq!(suite.px.reaches(&run, "complete")["state"]["who"], "Ada: true");
    assert!(suite.get(&format!("{path}?answered")).text().contains("Ada"));
    let (cancelled, path) = link("l2");
    suite.px.delete(&format!("/brains/runs/{cancelled}"));
    assert_eq!(suite.get(&path).status, 410);
}

fn operator(suite: &Suite) {
    let queued = suite.webhook("votes", None, &vote("o1", ""));
    let id = queued.field("deliveryId");
    let page = suite.get("/webhooks/deliveries?limit=1&identifier=o1").json();
    assert_eq!(page["deliveries"][0]["id"], id.as_str());
    assert_eq!(suite.get("/webhooks/deliveries?state=lost").status, 400);
    let shown = suite.get(&format!("/webhooks/deliveries/{id}")).json();
    assert_eq!((&shown["state"], &shown["payload"]["id"]), (&json!("queued"), &json!("o1")));

    let bind = |id: &str, body: &Value| suite.post(&format!("/webhooks/deliveries/{id}/bind"), body);
    let run = waiting(suite, "voting", "o2", "");
    bind(&id, &json!({})).fails(400, "Missing brainRunId in request body");
    bind(&id, &json!({"brainRunId": "x"})).fails(404, "Brain run 'x' not found");
    let bound = bind(&id, &json!({"brainRunId": run}));
    assert_eq!((bound.status, bound.run()), (200, run.clone()));
    assert_eq!(bind(&id, &json!({"brainRunId": run})).status, 409);

    let replay = |id: &str| suite.post(&format!("/webhooks/deliveries/{id}/replay"), &json!({}));
    assert_eq!(replay(&suite.webhook("votes", None, &vote("o3", "ignore")).field("deliveryId")).status, 200);
    assert_eq!(replay(&suite.webhook("votes", None, &vote("o4", "start")).field("deliveryId")).status, 201);
    suite.webhook("votes", Some("o5"), &vote("o5", "ignore"));
    let duplicate = suite.webhook("votes", Some("o5"), &vote("o5", "ignore"));
    assert_eq!(replay(&duplicate.field("deliveryId")).status, 409);
    for id in ["x", "whd_00000000000070008000000000000000"] {
        let text = format!("Delivery '{id}' not found");
        suite.get(&format!("/webhooks/deliveries/{id}")).fails(404, &text);
        replay(id).fails(404, &text);
        bind(id, &json!({"brainRunId": run})).fails(404, &text);
    }
}
