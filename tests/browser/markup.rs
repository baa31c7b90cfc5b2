//! Texts of outsiders, full of markup and of characters that are not seen: they show as text, wherever they stand.

use serde_json::{Value, json};

use super::Case;
use super::cdp::Browser;
use super::page::Visitor;
use super::seeded::{address, project, send};
use super::support::Request;

pub const CASES: &[Case] = &[("markup_of_outsiders_shows_as_text", markup)];

/// Whatever ends an attribute, an element or a comment, runs if it is taken for markup, or turns the direction.
const EVIL: &str = "\"'><script>window.pwned=1</script><img src=x onerror=window.pwned=1><!--</title></textarea>\u{1b}[31m\u{202e}&lt;b&gt;";

fn markup(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let state = json!({"id": EVIL, "customer": "<b onmouseover=window.pwned=1>Ada</b>", EVIL: EVIL, "nested": {EVIL: [EVIL]}});
    let run = px.start("refund-approval", &state);
    px.reaches(&run, "waiting");
    let failed = px.start(
        "nightly-reconciliation-of-card-settlements-with-the-general-ledger",
        &json!({"id": "s", "customer": EVIL, "wish": "fail"}),
    );
    px.reaches(&failed, "error");
    let body = json!({"id": format!("{EVIL}!"), "by": EVIL, "decision": EVIL}).to_string();
    let kept = Request::plain("/webhooks/approvals", "application/json", body)
        .header("x-evil", "<script>window.pwned=1</script>")
        .header("x-id", "<script>window.pwned=2</script>");
    let kept = px.post(&kept);
    kept.is(200, "queued");
    assert_eq!(send(&px, "approvals", &json!({EVIL: EVIL})).status, 422);
    let refused = px.deliveries("state=quarantined")[0]["id"].as_str().unwrap().to_owned();
    let query: String =
        "\"><script>window.pwned=1</script>".bytes().map(|byte| format!("%{byte:02X}")).collect();

    let page = Visitor::new(browser).page(address(&px));
    let screens = [
        "runs".to_owned(),
        format!("runs/{run}"),
        format!("runs/{run}?at=2"),
        format!("runs/{run}/fork?step=1"),
        format!("runs/{failed}"),
        "waits".into(),
        "waits?view=oldest".into(),
        "inbox".into(),
        format!("inbox/{}", kept.field("deliveryId")),
        format!("inbox/{refused}"),
        String::new(),
        format!("runs?identifier={query}&label={query}&where={query}&step={query}&cursor={query}"),
        format!("find?q={query}"),
        format!("brains/{query}"),
        format!("settings?next={query}"),
        format!("bulk?do={query}"),
    ];
    for screen in screens {
        let then = page.now();
        page.goto(&format!("/ui/{screen}"));
        page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
        assert_eq!(page.eval("window.pwned ?? null"), Value::Null, "{screen}");
        let odd = page.eval(
            "[...document.querySelectorAll('script:not([src]), img, body b, [onerror], [onmouseover]')].map((one) => one.outerHTML)",
        );
        assert_eq!(odd, json!([]), "{screen}");
        let unseen = page.eval("/[\\u001b\\u202e]/.test(document.body.innerText + document.title)");
        assert_eq!(unseen, false, "{screen}: what is not seen is shown by a sign");
        assert_eq!(page.complaints(then), Vec::<String>::new(), "{screen}");
    }
    page.goto(&format!("/ui/runs/{run}"));
    page.see("<script>window.pwned=1</script>");
    page.see("␛[31m");
    page.goto(&format!("/ui/inbox/{}", kept.field("deliveryId")));
    page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
    page.see("x-evil");
    page.see("<script>window.pwned=1</script>");
}
