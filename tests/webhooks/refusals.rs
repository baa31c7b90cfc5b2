//! Requests that are refused or set aside, and who may send at all.

use super::*;

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
