//! One thing with many runs: preview, job, and who may.

use serde_json::{Value, json};

use super::support::eventually;
use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("many_runs_are_cancelled_at_once", cancel),
    ("many_runs_are_paused_and_resumed", pause_and_resume),
    ("a_bulk_job_wants_a_filter_and_a_known_action", refusals),
];

fn ended(suite: &Suite, job: &Value) -> Value {
    let target = format!("/bulk/{}", job["id"].as_str().unwrap());
    eventually("the job to end", || Some(suite.get(&target).json()).filter(|job| job["state"] != "running"))
}

fn cancel(suite: &Suite) {
    let runs: Vec<String> =
        (0..5).map(|_| suite.start("voting", &json!({"id": "bulk-1", "who": "Ada"}))).collect();
    for run in &runs {
        suite.px.reaches(run, "waiting");
    }
    suite.send("DELETE", &format!("/brains/runs/{}", runs[0]), &json!({}));
    // The state of its start stays with one that is over.
    let filter = json!({"brain": "voting", "where": "/id=bulk-1"});
    let wanted = |dry_run: bool| json!({"action": "cancel", "filter": filter, "dryRun": dry_run});
    let preview = suite.post("/bulk", &wanted(true));
    assert_eq!(preview.status, 200);
    let preview = preview.json();
    assert_eq!((&preview["would"], &preview["cannot"]), (&json!(4), &json!(1)));
    assert_eq!(preview["reasons"], json!([{"text": "over", "count": 1}]));
    assert_eq!(preview["first"].as_array().unwrap().len(), 4);
    assert_eq!(suite.px.run(&runs[1])["status"], "waiting", "nothing was done");
    let too_many = json!({"action": "cancel", "filter": filter, "atMost": 3});
    assert_eq!(suite.post("/bulk", &too_many).status, 409);

    let started = suite.post("/bulk", &wanted(false));
    assert_eq!(started.status, 202, "{}", started.text());
    let started = started.json();
    assert_eq!((&started["total"], &started["refused"]), (&json!(4), &json!(1)));
    assert_eq!((&started["by"], &started["filter"]), (&json!("this machine"), &filter));
    let ended = ended(suite, &started);
    assert_eq!(
        (&ended["state"], &ended["done"], &ended["refused"], &ended["left"]),
        (&json!("done"), &json!(4), &json!(1), &json!(0))
    );
    assert_eq!(ended["refusals"], json!([{"brainRunId": runs[0], "why": "over"}]));
    for run in &runs {
        assert_eq!(suite.px.run(run)["status"], "cancelled");
    }
    let listed = suite.get("/bulk").json();
    assert_eq!(listed["jobs"][0], ended, "the newest first");
    let target = format!("/bulk/{}", ended["id"].as_str().unwrap());
    assert_eq!(suite.send("DELETE", &target, &json!({})).status, 409, "it is over");
    // Values of brains they are not.
    assert!(!suite.get("/store").text().contains("blk_"));
}

fn pause_and_resume(suite: &Suite) {
    let runs: Vec<String> =
        (0..3).map(|n| suite.start("voting", &json!({"id": format!("bulk-2-{n}"), "who": "Bo"}))).collect();
    for run in &runs {
        suite.px.reaches(run, "waiting");
    }
    let wait = json!({"identifier": "bulk-2-1", "slug": "votes"});
    let paused = suite.post("/bulk", &json!({"action": "pause", "filter": wait})).json();
    assert_eq!(ended(suite, &paused)["done"], 1);
    assert_eq!(suite.px.run(&runs[1])["status"], "paused");
    assert_eq!(suite.px.run(&runs[0])["status"], "waiting");
    let resumed = suite.post("/bulk", &json!({"action": "resume", "filter": wait})).json();
    assert_eq!(ended(suite, &resumed)["done"], 1);
    assert_eq!(suite.px.run(&runs[1])["status"], "waiting");
}

fn refusals(suite: &Suite) {
    for bad in [
        json!({"action": "cancel", "filter": {}}),
        json!({"action": "burn", "filter": {"brain": "voting"}}),
        json!({"action": "cancel", "filter": {"stauts": "paused"}}),
        json!({"action": "cancel"}),
        json!({"action": "cancel", "filter": {"status": "asleep"}}),
        json!({"action": "cancel", "filter": {"slug": "votes"}}),
    ] {
        assert_eq!(suite.post("/bulk", &bad).status, 400, "{bad}");
    }
    assert_eq!(suite.post("/bulk", &json!({"action": "cancel", "filter": {"brain": "nobody"}})).status, 404);
    for method in ["GET", "DELETE"] {
        assert_eq!(suite.send(method, "/bulk/nobody", &json!({})).status, 404);
        assert_eq!(suite.send(method, &format!("/bulk/blk_{}", "0".repeat(32)), &json!({})).status, 404);
    }
}
