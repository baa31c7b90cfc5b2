//! What comes of forms: kept through a login or not, a fork that nobody edited, a job over a
//! list, and the news of a run.

use crate::browser::{Browser, Shown, encoded, fields_of};
use crate::support::{self, read_json, request, status};
use crate::{token, waiting};

#[tokio::test]
async fn what_a_page_of_somebody_else_sent_is_not_carried_through_a_login() {
    let server = support::serve(|_| {}).await;
    token(&server, "admin", "").await;
    let foreign = "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n\
                   content-type: application/x-www-form-urlencoded\r\n";
    let mut browser = Browser::default();
    for (path, body) in [
        ("/ui/tokens", "name=mine&scope=admin"),
        ("/ui/login", "token=x&kept-path=tokens&kept%3Aname=mine&kept%3Ascope=admin"),
    ] {
        let shown = browser.ask(&server, "POST", path, foreign, body).await;
        assert!(matches!(shown.status, 401 | 403), "{path}: {}", shown.status);
        assert!(!shown.body.contains("kept:") && !shown.body.contains("mine"), "{path}: {}", shown.body);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn news_of_a_run_come_though_its_hints_are_lost() {
    let mut hints = None;
    let server = support::serve(|options| hints = Some(std::sync::Arc::clone(options.store.hints()))).await;
    let run = waiting(&server, "anna", "").await;
    hints.unwrap().mute();
    let mut stream = support::connect(&server).await;
    let head = format!(
        "GET /ui/live?topic=run:{run} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut paused = false;
    while !seen.contains("event: changed") {
        let mut bytes = [0; 4_096];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes);
        let read = tokio::time::timeout(support::LONG, read).await.expect("news come").unwrap();
        assert!(read > 0, "the stream ended: {seen}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        if !std::mem::replace(&mut paused, true) {
            let body = r#"{"type":"PAUSE"}"#;
            let path = format!("/brains/runs/{run}/signals");
            assert_eq!(status(&support::send(&server, "POST", &path, "", body).await), 202);
        }
    }
    drop(stream);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_fork_that_nobody_edited_has_the_values_that_the_page_does_not_show() {
    const PLANTED: &str = "sk_live_planted_1";
    let server = support::serve(|options| {
        options.env = Box::new(|name| (name == "PLANTED").then(|| PLANTED.to_owned()));
        options.secret_names.push("PLANTED".to_owned());
    })
    .await;
    let run = waiting(&server, PLANTED, "").await;
    let mut browser = Browser::default();
    let form = browser.get(&server, &format!("/ui/runs/{run}/fork?step=1")).await;
    assert!(!form.body.contains(PLANTED) && form.body.contains("[secret PLANTED]"), "{}", form.body);
    let mut fields = fields_of(&form, &format!("../../runs/{run}/fork"));
    let sent: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
    let path = format!("/ui/runs/{run}/fork");
    let forked = browser.post(&server, &path, &form.mark(), &encoded(&sent)).await;
    assert_eq!(forked.status, 200, "{}", forked.body);
    let fork = forked.at.split(['/', '?']).nth(3).unwrap().to_owned();
    assert_ne!(fork, run);
    let (_, state) = read_json(&request(&server, "GET", &format!("/brains/runs/{fork}"), "", "").await);
    assert_eq!(
        state["initialState"]["who"].as_str().or(state["state"]["who"].as_str()),
        Some(PLANTED),
        "{state}"
    );
    // Edited elsewhere, with the label left in, it is refused.
    for (name, value) in &mut fields {
        if name == "state" {
            *value = value.replace("\n}", ",\n  \"more\": 1\n}");
        }
    }
    let sent: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
    let refused = browser.post(&server, &path, &forked.mark(), &encoded(&sent)).await;
    assert!(refused.status == 400 && refused.body.contains("label of a secret"), "{}", refused.body);
    server.shutdown().await.unwrap();
}

/// A filter that lost one of its labels on the way would mean more runs than were shown.
#[tokio::test]
async fn a_filter_with_several_labels_keeps_all_of_them_from_the_list_to_the_job() {
    let server = support::serve(|_| {}).await;
    waiting(&server, "anna", "").await;
    let mut browser = Browser::default();
    let labels = "label=order%3Do2&label=outcome%3Dpaid%2C+in+part";
    let list = browser.get(&server, &format!("/ui/runs?{labels}")).await;
    let of = |shown: &Shown, target: &str| -> Vec<String> {
        let fields = fields_of(shown, target).into_iter().filter(|(name, _)| name == "label");
        fields.map(|(_, value)| value).filter(|value| !value.is_empty()).collect()
    };
    let both = ["order=o2", "outcome=paid, in part"];
    assert_eq!(list.status, 200, "{}", list.body);
    assert_eq!(of(&list, "./runs"), both, "{}", list.body);
    let shown = browser.get(&server, &format!("/ui/bulk?do=cancel&{labels}")).await;
    assert_eq!(shown.status, 200);
    assert!(
        shown.body.contains("label=order%3Do2&amp;label=outcome%3Dpaid%2C%20in%20part"),
        "{}",
        shown.body
    );
    // The job is for what was shown: no run has both.
    let fields = [("do", "cancel"), ("count", "9"), ("label", both[0]), ("label", both[1])];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let with_a_form = browser.get(&server, "/ui/bulk?do=cancel&status=waiting").await;
    let job = browser.post(&server, "/ui/bulk", &with_a_form.mark(), &encoded(&fields)).await;
    assert!(job.status == 200 && job.at.starts_with("/ui/bulk/"), "{} {}", job.at, job.body);
    let target = format!("/bulk/{}", job.at.rsplit('/').next().unwrap());
    let (_, kept) = read_json(&request(&server, "GET", &target, "", "").await);
    assert_eq!((&kept["filter"]["label"], &kept["total"]), (&serde_json::json!(both), &0.into()), "{kept}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_job_over_a_filtered_list_is_shown_first_and_then_done() {
    let server = support::serve(|_| {}).await;
    let first = waiting(&server, "anna", "").await;
    waiting(&server, "otto", "").await;
    let mut browser = Browser::default();
    let shown = browser.get(&server, "/ui/bulk?do=cancel&status=waiting&order=oldest&brain=").await;
    let (_, title) = shown.body.split_once("<h1>").unwrap();
    assert!(
        shown.status == 200 && title.replace('\u{a0}', " ").starts_with("Cancel 2 runs?"),
        "{}",
        title.get(..600).unwrap_or(title)
    );
    // One that comes after the preview is not in the job.
    let later = waiting(&server, "emma", "").await;
    let fields: Vec<_> = fields_of(&shown, "./bulk").into_iter().filter(|(name, _)| name != "csrf").collect();
    let job = browser.post(&server, "/ui/bulk", &shown.mark(), &encoded(&fields)).await;
    assert!(job.status == 200 && job.at.starts_with("/ui/bulk/"), "{} {}", job.at, job.body);
    let of = async |run: &str| {
        read_json(&request(&server, "GET", &format!("/brains/runs/{run}"), "", "").await).1["status"].clone()
    };
    for _ in 0..10_000 {
        if of(&first).await == "cancelled" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((of(&first).await, of(&later).await), ("cancelled".into(), "waiting".into()));
    server.shutdown().await.unwrap();
}
