//! `px audit`: on no store, on one that is served, on a sound and on a damaged one.

use px_store::Admission;
use px_store_rows::{Backing as _, RowBatch, RowOp};
use px_store_sled::{Options, SledRows};

use crate::serving::{Serving, project, until_waiting};
use crate::support::Project;

#[test]
fn without_a_store_there_is_nothing_to_audit_and_nothing_is_made() {
    let project = Project::small();
    let done = project.px(&["audit", "--data-dir", "nowhere"]);
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.stderr.contains("there is no store in nowhere"), "{done:?}");
    assert!(!project.path("nowhere").exists());
    let done = project.px(&["audit", "--json"]);
    assert_eq!((done.code, &done.error()["exitCode"]), (3, &3.into()));
}

#[test]
fn a_served_store_is_refused_and_a_killed_one_is_proved() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let arguments = ["run", "customer-feedback", "-s", "name=Ada", "-s", "phone=+15550100", "--url", &url];
    let started = project.px(&arguments);
    until_waiting(&project, &url, started.stdout.trim());
    let done = project.px(&["audit"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.stderr.contains("is held by pid ") && done.stderr.contains(&url), "{done:?}");
    // Killed: what the journal holds is read all the same.
    drop(serving);
    let done = project.px(&["audit"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("waiting"), "{done:?}");
    assert!(done.stderr.contains("Everything adds up."), "{done:?}");
    let json = project.px(&["audit", "--json"]);
    assert_eq!((json.code, &json.json()["clean"]), (0, &true.into()));
    assert_eq!(json.json()["counts"]["runs"], serde_json::json!({"waiting": 1}));
    assert_eq!(json.stderr, "", "no progress where nobody looks");
    // The audit took nothing away: the run still waits when it is served again.
    let serving = Serving::start(&project, &[]);
    until_waiting(&project, &serving.url, started.stdout.trim());
    assert_eq!(serving.end().0, 0);
}

#[test]
fn a_damaged_token_is_named() {
    let project = Project::small();
    let rows = SledRows::open(&project.path("data"), Options::default()).unwrap();
    let key = [&[0, 0, b'c'][..], &[7; 16]].concat();
    let value = [&[0, 0, 0, 0, 0, 0, 0, 1][..], br#"{"name": "ada", "permission": "root"}"#].concat().into();
    let batch = RowBatch { ops: vec![RowOp::Put { key: key.into(), value }], ..RowBatch::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(rows.submit(batch, Admission::Wait)).unwrap();
    drop(rows);
    let done = project.px(&["audit", "--data-dir", "data", "--json"]);
    let report = done.json();
    assert_eq!((done.code, &report["broken"]["unreadable-row"]), (1, &1.into()), "{done:?}");
    assert_eq!(report["violations"][0]["ids"]["row"], format!("000063{}", "07".repeat(16)));
}

#[test]
fn damage_is_named_with_exit_code_1() {
    let project = Project::small();
    let rows = SledRows::open(&project.path("data"), Options::default()).unwrap();
    // A key that says nothing, as the store writes it.
    let key = [&[0, 0, b'k', 0, 0, 0, 4][..], b"mail", &[0, 0, 0, 1], b"x"].concat();
    let value = [&[0, 0, 0, 0, 0, 0, 0, 1][..], b"{}"].concat().into();
    let batch = RowBatch { ops: vec![RowOp::Put { key: key.into(), value }], ..RowBatch::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(rows.submit(batch, Admission::Wait)).unwrap();
    drop(rows);
    let done = project.px(&["audit", "--data-dir", "data"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(
        done.stdout.contains("key-orphan: a key has a record that says nothing\n    key mail 'x'"),
        "{done:?}"
    );
    assert!(done.stderr.contains("the store does not add up: 1 violation"), "{done:?}");
    let json = project.px(&["audit", "--data-dir", "data", "--json"]);
    let report = json.json();
    assert_eq!((json.code, &report["total"], &report["broken"]["key-orphan"]), (1, &1.into(), &1.into()));
    assert_eq!(report["violations"][0]["ids"]["key"], "mail 'x'");
}
