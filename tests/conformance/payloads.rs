//! `[access] payloads = "operate"`: what a token that only reads is shown is still as the document says, over HTTP
//! and by the command line.

use serde_json::{Value, json};

use super::support::Project;
use super::{Case, Suite, project};

pub const CASES: &[Case] = &[("payloads_are_withheld_from_those_who_only_read", withheld)];

const PLANTED: &str = "planted-4417";

fn withheld(suite: &Suite) {
    let project = Project::of(std::env::current_exe().unwrap());
    let project = project.env("SLACK_SIGNING_SECRET", project::SLACK_SECRET);
    std::fs::write(project.path().join("px.toml"), "[access]\npayloads = \"operate\"\n").unwrap();
    let px = project.serve();
    let send = |method: &str, target: &str, token: &str, body: &Value| {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        let headers = [json, ("authorization".to_owned(), format!("Bearer {token}"))];
        px.try_send(method, target, &headers, body.to_string().as_bytes()).unwrap()
    };
    let make = |scope: &str, by: &str| {
        send("POST", "/tokens", by, &json!({"name": scope, "scope": scope})).field("token")
    };
    let admin = make("admin", "");
    let (operate, read) = (make("operate", &admin), make("read", &admin));
    let state = json!({"id": "w-1", "who": PLANTED});
    let started =
        send("POST", "/brains/runs", &operate, &json!({"identifier": "voting", "initialState": state}));
    let run = started.run();
    let vote = json!({"id": "w-2", "who": PLANTED}).to_string();
    let kind = [("content-type".to_owned(), "application/json".to_owned())];
    let came = px.try_send("POST", "/webhooks/votes", &kind, vote.as_bytes()).unwrap();
    let delivery = came.field("deliveryId");
    for (path, target) in [
        ("/brains/runs/{id}", format!("/brains/runs/{run}")),
        ("/brains/runs/{id}/events", format!("/brains/runs/{run}/events")),
        ("/brains/runs/{id}/diff", format!("/brains/runs/{run}/diff")),
        ("/webhooks/deliveries/{id}", format!("/webhooks/deliveries/{delivery}")),
        ("/brains/runs", "/brains/runs?include=standing,position".to_owned()),
        ("/webhooks/deliveries", "/webhooks/deliveries".to_owned()),
    ] {
        let whole = send("GET", &target, &operate, &json!({}));
        let part = send("GET", &target, &read, &json!({}));
        suite.book.check(&("GET".to_owned(), path.to_owned()), &part);
        assert_eq!((whole.status, part.status), (200, 200), "{target}: {}", part.text());
        assert!(!part.text().contains(PLANTED), "{target}: {}", part.text());
        if whole.text().contains(PLANTED) {
            assert!(part.text().contains("needs operate"), "{target}: {}", part.text());
        }
    }
    let shown = send("GET", &format!("/brains/runs/{run}"), &read, &json!({})).json();
    assert_eq!(shown["state"], json!({"withheld": "needs operate"}));
    let refused = send("GET", &format!("/brains/runs?where=/who={PLANTED}"), &read, &json!({}));
    suite.book.check(&("GET".to_owned(), "/brains/runs".to_owned()), &refused);
    assert_eq!((refused.status, refused.field("code")), (403, "PX0036".to_owned()));
    let url = format!("http://{}", px.address);
    for words in [
        &["runs", "show", &run][..],
        &["runs", "events", &run],
        &["webhooks", "deliveries", "show", &delivery],
    ] {
        let print = |token: &str| {
            let output =
                project.command(words).args(["--url", &url]).env("PX_TOKEN", token).output().unwrap();
            assert!(output.status.success(), "{words:?}: {output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert!(print(&operate).contains(PLANTED), "{words:?}");
        let shown = print(&read);
        assert!(!shown.contains(PLANTED) && shown.contains("needs operate"), "{words:?}: {shown}");
    }
    px.stop();
}
