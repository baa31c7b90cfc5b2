//! The server at one look: its counts are those of the lists that it links to.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] =
    &[("an_overview_counts_what_its_links_list", counts), ("runs_by_the_time_of_their_end", ended_since)];

/// The item of a kind, if there is one.
fn item(overview: &Value, kind: &str) -> Option<Value> {
    overview["attention"].as_array().unwrap().iter().find(|item| item["kind"] == kind).cloned()
}

/// Number of things that a route lists.
fn listed(suite: &Suite, link: &str) -> u64 {
    let page = suite.get(&format!("{link}&limit=1000")).json();
    let list = ["runs", "deliveries", "due"].iter().find_map(|name| page[name].as_array());
    list.unwrap_or_else(|| panic!("{link} lists nothing: {page}")).len() as u64
}

fn counts(suite: &Suite) {
    let before = suite.get("/overview").json();
    assert_eq!(before["version"], env!("CARGO_PKG_VERSION"));
    assert!(before["upSince"].as_u64() <= before["at"].as_u64());
    assert!(before["store"]["diskBytes"].as_u64().unwrap() > 0, "{before}");
    let waiting = |overview: &Value| overview["runs"]["waiting"]["count"].as_u64().unwrap();
    let paused = |overview: &Value| overview["runs"]["paused"]["count"].as_u64().unwrap();
    let (first, second) = (
        suite.start("voting", &json!({"id": "over-1", "who": "Ada"})),
        suite.start("voting", &json!({"id": "over-2", "who": "Ada"})),
    );
    suite.px.reaches(&first, "waiting");
    suite.px.reaches(&second, "waiting");
    suite.post(&format!("/brains/runs/{second}/signals"), &json!({"type": "PAUSE"}));
    suite.px.reaches(&second, "paused");
    let total = before["webhooks"]["total"].as_u64().unwrap();
    suite.webhook("votes", None, r#"{"id": "over-nobody", "who": "Bob"}"#).is(200, "queued");
    // What comes after a cancel has nobody who does something about it.
    let third = suite.start("voting", &json!({"id": "over-3", "who": "Ada"}));
    suite.px.reaches(&third, "waiting");
    suite.send("DELETE", &format!("/brains/runs/{first}"), &json!({}));
    suite.webhook("votes", None, r#"{"id": "over-1", "who": "Ada"}"#).is(200, "late");
    suite.webhook("slack", None, "{}");
    suite.webhook("votes", None, r#"{"who": 7}"#);

    let after = suite.get("/overview").json();
    assert_eq!((waiting(&after), paused(&after)), (waiting(&before) + 1, paused(&before) + 1));
    assert!(after["webhooks"]["total"].as_u64().unwrap() > total, "{after}");
    let late = |overview: &Value| item(overview, "late").map_or(0, |item| item["count"].as_u64().unwrap());
    assert_eq!(late(&after), late(&before) + 1);
    for kind in ["paused", "rejected", "quarantined", "late"] {
        let item = item(&after, kind).unwrap_or_else(|| panic!("nothing {kind}: {after}"));
        let number = item["count"].as_u64().unwrap();
        assert_eq!(listed(suite, item["link"].as_str().unwrap()), number, "{item}");
        assert!(item["text"].as_str().unwrap().starts_with(&format!("{number} ")), "{item}");
        assert!(item["command"].as_str().unwrap().starts_with("px "), "{item}");
    }
    for kind in ["failed", "dead", "overdue"] {
        if let Some(item) = item(&after, kind) {
            assert_eq!(json!(listed(suite, item["link"].as_str().unwrap())), item["count"], "{item}");
        }
    }
}

fn ended_since(suite: &Suite) {
    let run = suite.start("short", &json!({"id": "ended-1", "who": "Ada"}));
    let ended = suite.px.reaches(&run, "complete")["completedAt"].as_u64().unwrap();
    let ids = |since: u64| {
        let page = suite.get(&format!("/brains/runs?status=complete&endedSince={since}&limit=1000")).json();
        assert!(page["looked"].as_u64().unwrap() >= 1, "{page}");
        page["runs"].as_array().unwrap().iter().any(|one| one["brainRunId"] == json!(run))
    };
    assert!(ids(ended) && !ids(ended + 1));
    assert_eq!(suite.get("/brains/runs?endedSince=1700000000").status, 400, "that is seconds");
}
