//! What operators see of hooks, and do with them.

use super::*;

#[test]
fn hooks_3_public_keys_are_served_and_no_secret_is_shown_again() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let body = json!({"url": receiver.url("/a"), "signature": "standard-asymmetric"});
    let created = px.post_json("/hooks", &body).json();
    assert!(created["secret"].as_str().unwrap().starts_with("whsk_"), "shown once");
    assert!(created["publicKey"].as_str().unwrap().starts_with("whpk_"), "{created}");
    let id = created["id"].as_str().unwrap();
    let rotated = px.post_json(&format!("/hooks/{id}/rotate-secret"), &json!({"grace": "1h"})).json();
    assert_eq!(rotated["publicKeys"].as_array().unwrap().len(), 2, "both, for the grace period");
    let keys = px.get("/.well-known/webhooks-keys").json();
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let shown = px.get(&format!("/hooks/{id}")).text() + &px.get("/hooks").text() + &keys.to_string();
    assert!(!shown.contains("whsk_"), "{shown}");
    assert_eq!(px.delete(&format!("/hooks/{id}")).status, 204);
    assert_eq!(px.get("/.well-known/webhooks-keys").json(), json!({"keys": []}));
}

#[test]
fn hooks_4_a_dead_delivery_is_kept_shown_with_its_attempts_and_recovered() {
    let receiver = Receiver::answering(|_| Answer::Now(404));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "events": ["run.completed"]}));
    start(&px, 1, json!({}));
    let dead = eventually("a dead delivery", || {
        deliveries(&px, &id).into_iter().find(|delivery| delivery["state"] == "dead")
    });
    let shown = px.get(&format!("/deliveries/{}", dead["id"].as_str().unwrap())).json();
    assert_eq!((&shown["attempts"][0]["status"], &shown["attempts"][0]["number"]), (&json!(404), &json!(1)));
    assert!(shown["attempts"][0]["timing"]["totalMs"].is_u64(), "{shown}");
    assert_eq!(shown["body"]["id"], dead["eventId"]);
    receiver.answer(|_| Answer::Now(204));
    let dry = px.post_json(&format!("/hooks/{id}/recover"), &json!({"since": 0, "dryRun": true})).json();
    assert_eq!((&dry["deliveries"], &dry["dryRun"]), (&json!(1), &json!(true)));
    assert_eq!(receiver.count("/hook"), 1, "a dry run sends nothing");
    let done = px.post_json(&format!("/hooks/{id}/recover"), &json!({"since": 0})).json();
    assert_eq!(done["deliveries"], 1);
    let got = receiver.waits_for("/hook", 2);
    assert_eq!(
        (got[0].event(), &got[0].bytes),
        (got[1].event(), &got[1].bytes),
        "the same id, the same bytes"
    );
    all_delivered(&px, &id, 1);
}

#[test]
fn hooks_1_hooks_of_px_toml_are_what_the_file_says_and_are_changed_there() {
    let receiver = Receiver::start();
    let project = Project::new().env("TOLD_SECRET", SECRET);
    let file = |events: &str| {
        format!(
            "[[hooks]]\nname = \"told\"\nurl = \"{}\"\nsecret_env = \"TOLD_SECRET\"\nevents = [\"{events}\"]\n",
            receiver.url("/told")
        )
    };
    std::fs::write(project.path().join("px.toml"), file("run.started")).unwrap();
    let px = project.serve();
    let listed = px.get("/hooks").json();
    assert_eq!((&listed["count"], &listed["hooks"][0]["source"]), (&json!(1), &json!("config")));
    let id = listed["hooks"][0]["id"].as_str().unwrap().to_owned();
    start(&px, 1, json!({}));
    assert!(receiver.waits_for("/told", 1)[0].is_signed_with(SECRET));
    for reply in
        [px.delete(&format!("/hooks/{id}")), px.post_json(&format!("/hooks/{id}/rotate-secret"), &json!({}))]
    {
        assert_eq!(reply.status, 409, "{}", reply.text());
        assert!(reply.text().contains("px.toml"), "{}", reply.text());
    }
    all_delivered(&px, &id, 1);
    assert!(px.stop().success());
    std::fs::write(project.path().join("px.toml"), file("run.completed")).unwrap();
    let px = project.serve();
    start(&px, 2, json!({}));
    let got = receiver.waits_for("/told", 2);
    assert_eq!(kinds(&got), ["run.started", "run.completed"]);
    assert_eq!(px.get("/hooks").json()["hooks"][0]["id"], id.as_str(), "the same hook");
    all_delivered(&px, &id, 2);
    assert!(px.stop().success());
    std::fs::write(project.path().join("px.toml"), "").unwrap();
    let px = project.serve();
    assert_eq!(px.get("/hooks").json()["count"], 0, "what the file names no more is no more");
}
