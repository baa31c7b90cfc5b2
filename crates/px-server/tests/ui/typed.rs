//! Forms that are filled with an example, and forms that were refused: they come back with what was
//! typed, and with what is wrong at its field.

use crate::browser::{Browser, Shown, encoded, fields_of};
use crate::support::{self, read_json, request};
use crate::{HOSTILE, token, waiting};

/// Fields of a form without its mark, one of them changed.
fn with(shown: &Shown, action: &str, changed: &[(&str, &str)]) -> String {
    let mut fields: Vec<_> =
        fields_of(shown, action).into_iter().filter(|(name, _)| name != "csrf").collect();
    for (name, value) in changed {
        // A field that is empty has no value in the page.
        fields.retain(|(own, _)| own != name);
        fields.push(((*name).to_owned(), (*value).to_owned()));
    }
    encoded(&fields)
}

fn value_of(shown: &Shown, action: &str, name: &str) -> String {
    let fields = fields_of(shown, action);
    fields.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("{name}: {fields:?}")).1.clone()
}

#[tokio::test]
async fn a_start_is_filled_with_an_example_and_comes_back_with_what_was_typed() {
    let server = support::serve(|_| {}).await;
    let mut browser = Browser::default();
    let shown = browser.get(&server, "/ui/brains/asking").await;
    let action = "../brains/asking/start";
    assert_eq!(value_of(&shown, action, "in:who"), "sample-who");
    let started = browser
        .post(&server, "/ui/brains/asking/start", &shown.mark(), &with(&shown, action, &[("in:who", "ada")]))
        .await;
    assert!(
        started.status == 200 && started.at.starts_with("/ui/runs/run_"),
        "{} {}",
        started.at,
        started.body
    );
    // Nothing in a field that is needed: the form again, with the key as it was typed.
    let fields = with(&shown, action, &[("in:who", ""), ("idempotencyKey", "my key")]);
    let refused = browser.send(&server, "/ui/brains/asking/start", &shown.mark(), &fields).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(
        refused.body.contains("is a required property") && refused.body.contains("f-in-who-why"),
        "{}",
        refused.body
    );
    assert_eq!(value_of(&refused, "./start", "idempotencyKey"), "my key");
    let mended = with(&refused, "./start", &[("in:who", "otto")]);
    let started = browser.post(&server, "/ui/brains/asking/start", &refused.mark(), &mended).await;
    assert!(
        started.status == 200 && started.at.starts_with("/ui/runs/run_"),
        "{} {}",
        started.at,
        started.body
    );
    // JSON that is none keeps its text, whatever it is.
    let text = format!("{{\"who\": {HOSTILE}");
    let sent = encoded(&[("state".to_owned(), text.clone())]);
    let refused = browser.send(&server, "/ui/brains/asking/start", &shown.mark(), &sent).await;
    assert!(refused.status == 422 && !refused.body.contains("<script>"), "{}", refused.body);
    assert_eq!(value_of(&refused, "./start", "state"), text);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_answer_is_filled_for_its_wait_and_a_refused_one_or_a_fork_loses_no_text() {
    let server = support::serve(|_| {}).await;
    let run = waiting(&server, "+15550100", "").await;
    let mut browser = Browser::default();
    let path = format!("/ui/runs/{run}");
    let shown = browser.get(&server, &path).await;
    let action = format!("../runs/{run}/answer");
    assert_eq!(
        value_of(&shown, &action, "in:who"),
        "+15550100",
        "as the handler makes it of a fitting payload"
    );
    let fields = encoded(&[
        ("slug".to_owned(), "answers".to_owned()),
        ("response".to_owned(), "{\"who\": 7}".to_owned()),
    ]);
    let refused = browser.send(&server, &format!("{path}/answer"), &shown.mark(), &fields).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert_eq!(value_of(&refused, "./answer", "response"), "{\"who\": 7}");
    assert_eq!(value_of(&refused, "./answer", "slug"), "answers", "it goes to the same webhook");
    let fork =
        encoded(&[("step".to_owned(), "1".to_owned()), ("state".to_owned(), "{ \"who\": ".to_owned())]);
    let refused = browser.send(&server, &format!("{path}/fork"), &shown.mark(), &fork).await;
    assert_eq!((refused.status, value_of(&refused, "./fork", "state")), (422, "{ \"who\": ".to_owned()));
    let answered =
        browser.post(&server, &format!("{path}/answer"), &shown.mark(), &with(&shown, &action, &[])).await;
    assert!(answered.status == 200 && answered.body.contains("The run has the answer"), "{}", answered.body);
    // Nothing that was typed: the refusal's own page. What goes on could be paused.
    super::reaches(&server, &run, "", "complete").await;
    let nothing = browser.send(&server, &format!("{path}/pause"), &shown.mark(), "").await;
    assert!(nothing.status == 409 && !nothing.body.contains("What you typed"), "{}", nothing.body);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn other_forms_lose_no_text_either() {
    let server = support::serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let mut browser = Browser::default();
    let login = browser.get(&server, "/ui/login").await;
    let shown =
        browser.post(&server, "/ui/login", &login.mark(), &encoded(&[("token".to_owned(), admin)])).await;
    let mark = shown.mark();
    for (path, fields, name) in [
        ("/ui/tokens", "name=&scope=my+scope", "scope"),
        ("/ui/inbox/whd_00000000000000000000000000000000/bind", "run=the+run+of+ada", "run"),
        ("/ui/hooks/hok_00000000000000000000000000000000/recover", "since=the+day+before", "since"),
        ("/ui/webhooks/nobody/test", "identifier=ada+x&payload=", "identifier"),
    ] {
        let refused = browser.send(&server, path, &mark, fields).await;
        assert!((400..500).contains(&refused.status), "{path}: {}", refused.status);
        let last = path.rsplit('/').next().unwrap();
        let kept = value_of(&refused, &format!("./{last}"), name);
        assert!(fields.contains(&kept.replace(' ', "+")) && !kept.is_empty(), "{path}: {kept}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_test_event_is_sent_from_the_page_of_its_webhook() {
    let server = support::serve(|_| {}).await;
    let run = waiting(&server, "emma", "").await;
    let mut browser = Browser::default();
    let shown = browser.get(&server, "/ui/webhooks/answers").await;
    let action = "../webhooks/answers/test";
    assert_eq!(value_of(&shown, action, "in:who"), "sample-who");
    let fields = with(&shown, action, &[("in:who", "emma")]);
    let sent = browser.post(&server, "/ui/webhooks/answers/test", &shown.mark(), &fields).await;
    assert!(sent.status == 200 && sent.at.starts_with("/ui/inbox/whd_"), "{} {}", sent.at, sent.body);
    assert!(
        sent.body.contains("The test event was sent") && sent.body.contains("</i> test"),
        "{}",
        sent.body
    );
    let (_, shown) = read_json(&request(&server, "GET", &format!("/brains/runs/{run}"), "", "").await);
    assert_ne!(shown["status"], "waiting", "{shown}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn whoever_may_only_look_asks_no_handler_and_sees_why_no_test_is_sent() {
    let server = support::serve(|options| {
        let own =
            px_server::WebhookOptions { allow_test: Some(false), ..px_server::WebhookOptions::default() };
        options.webhooks.insert("answers".into(), own);
    })
    .await;
    let mut browser = Browser::default();
    let shown = browser.get(&server, "/ui/webhooks/answers").await;
    assert!(shown.status == 200 && shown.body.contains("takes no test events"), "{}", shown.body);
    let mark = browser.get(&server, "/ui/brains/asking").await.mark();
    let refused = browser.send(&server, "/ui/webhooks/answers/test", &mark, "in:who=x").await;
    assert!(refused.status == 403 && refused.body.contains("PX0044"), "{}", refused.body);
    server.shutdown().await.unwrap();
}
