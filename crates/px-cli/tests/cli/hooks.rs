//! `px hooks …` against a real server: what each command prints, what it says
//! of bad input, and with which exit code. No hook here can be reached.

use serde_json::json;

use crate::serving::{Serving, project};
use crate::support::Done;

/// An address that nobody answers at: callbacks stay on this machine.
const NOBODY: &str = "http://127.0.0.1:9/hook";

#[track_caller]
fn is(done: &Done, code: i32, says: &str) {
    assert_eq!(done.code, code, "{done:?}");
    assert!(done.stdout.contains(says) || done.stderr.contains(says), "'{says}' in {done:?}");
}

#[test]
fn a_hook_is_made_shown_changed_and_deleted() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let px = |arguments: &[&str]| project.px(&[&["hooks"], arguments, &["--url", &url]].concat());
    is(&px(&["list"]), 0, "px hooks create <URL>");
    let made = px(&["create", NOBODY, "--name", "ci", "--event", "run.*", "--retry", "0,5s,1m", "--json"]);
    assert_eq!(made.code, 0, "{made:?}");
    let hook = made.json();
    assert_eq!((&hook["url"], &hook["events"]), (&json!(NOBODY), &json!(["run.*"])));
    assert_eq!(hook["retry"], json!(["0ms", "5000ms", "60000ms"]));
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"));
    let id = hook["id"].as_str().unwrap();
    is(&px(&["list"]), 0, "ci");
    assert_eq!(px(&["list", "--json"]).json()["count"], 1);
    for named in [id, "ci"] {
        is(&px(&["show", named]), 0, NOBODY);
    }
    assert!(!px(&["show", "ci", "--json"]).stdout.contains("whsec_"), "never again");
    is(&px(&["update", "ci", "--event", "run.failed", "--timeout", "5s"]), 0, "run.failed");
    assert_eq!(px(&["show", "ci", "--json"]).json()["timeoutMs"], 5_000);
    is(&px(&["update", "ci", "--disable"]), 0, "by operator");
    is(&px(&["test", "ci"]), 4, "enable it first");
    assert_eq!(px(&["update", "ci", "--enable", "--json"]).json()["enabled"], true);
    let rotated = px(&["rotate-secret", "ci", "--grace", "48h", "--json"]).json();
    assert_ne!(rotated["secret"], hook["secret"]);
    assert_eq!(rotated["oldSecretsUntil"].as_array().unwrap().len(), 1);
    let sent = px(&["test", "ci", "--json"]).json();
    let delivery = sent["deliveryId"].as_str().unwrap();
    is(&px(&["delivery", delivery]), 0, "hook.test");
    assert_eq!(px(&["delivery", delivery, "--json"]).json()["type"], "hook.test");
    is(&px(&["redeliver", delivery]), 0, "pending");
    is(&px(&["deliveries", "--wide"]), 0, delivery);
    is(&px(&["deliveries", "--quiet"]), 0, delivery);
    is(&px(&["delivery", "@last"]), 0, delivery);
    is(&px(&["delivery", &delivery[delivery.len() - 8..]]), 0, delivery);
    is(&px(&["deliveries", "ci", "--state", "parked"]), 0, "No deliveries.");
    assert_eq!(px(&["deliveries", "ci", "--json"]).json()["deliveries"][0]["id"], delivery);
    is(&px(&["recover", "ci", "--since", "2d", "--dry-run"]), 0, "0 deliveries would go out again.");
    assert_eq!(px(&["recover", "ci", "--since", "2d", "--json"]).json()["dryRun"], false);
    is(&px(&["stats", "ci"]), 0, "Deliveries");
    assert_eq!(px(&["stats", "ci", "--json"]).json()["states"]["pending"], 1);
    assert_eq!(px(&["delete", "ci", "--json"]).json()["deleted"], true);
    is(&px(&["delete", "ci"]), 3, "px hooks list");
}

#[test]
fn hooks_that_cannot_be_are_refused_with_a_reason() {
    let project = project().with("SHORT", "short");
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let px = |arguments: &[&str]| project.px(&[&["hooks"], arguments, &["--url", &url]].concat());
    is(&px(&["create", NOBODY, "--name", "taken"]), 0, "Keep the secret");
    for (arguments, code, says) in [
        (&["create"][..], 2, "<URL>"),
        (&["create", "nonsense"], 1, "url"),
        (&["create", "ftp://a.example/"], 1, "scheme"),
        (&["create", "http://user:hunter2@a.example/"], 1, "credentials"),
        (&["create", "http://169.254.169.254/"], 1, "metadata"),
        (&["create", "http://10.0.0.1/"], 1, "allow_private"),
        (&["create", NOBODY, "--name", "taken"], 4, "a hook named 'taken'"),
        (&["create", NOBODY, "--event", "run.begun"], 1, "run.started"),
        (&["create", NOBODY, "--retry", "often"], 1, "forge"),
        (&["create", NOBODY, "--retry", "0,soon"], 1, "500ms"),
        (&["create", NOBODY, "--timeout", "1h"], 1, "120 s"),
        (&["create", NOBODY, "--max-in-flight", "0"], 1, "between 1 and 256"),
        (&["create", NOBODY, "--header", "Authorization"], 2, "Authorization: Bearer"),
        (&["create", NOBODY, "--header", "Webhook-Id: 1"], 1, "reserved"),
        (&["create", NOBODY, "--signature", "md5"], 2, "standard-asymmetric"),
        (&["create", NOBODY, "--secret-env", "NOT_SET"], 2, "NOT_SET is not set"),
        (&["create", NOBODY, "--secret-env", "SHORT"], 1, "whsec_"),
        (&["update", "taken"], 2, "nothing to change"),
        (&["update", "taken", "--enable", "--disable"], 2, "cannot be used with"),
        (&["update", "taken", "--discard-kept"], 2, "--enable"),
        (&["update", "taken", "--timeout", "soon"], 1, "10s"),
        (&["update", "nobody", "--enable"], 3, "px hooks list"),
        (&["rotate-secret", "taken", "--grace", "8d"], 1, "at most 7 days"),
        (&["show", "hok_7"], 3, "px hooks list"),
        (&["stats", "nobody"], 3, "px hooks list"),
        (&["test", "nobody"], 3, "px hooks list"),
        (&["delivery", "dlv_7"], 3, "32 hexadecimal digits"),
        (&["redeliver", "dlv_0197c1f0a1b27000800000000000cafe"], 3, "px hooks deliveries"),
        (&["deliveries", "nobody"], 3, "px hooks list"),
        (&["deliveries", "--run", "run_7"], 3, "run_7"),
        (&["deliveries", "--state", "lost"], 2, "parked"),
        (&["deliveries", "--since", "soon"], 2, "soon"),
        (&["recover", "taken"], 2, "--since"),
        (&["recover", "taken", "--since", "1h", "--type", "run.begun"], 1, "run.begun"),
        (&["recover", "nobody", "--since", "1h"], 3, "px hooks list"),
    ] {
        let done = px(arguments);
        is(&done, code, says);
        assert!(!done.stderr.contains("hunter2"), "{done:?}");
        let told = px(&[arguments, &["--json"]].concat()).error();
        assert_eq!(told["exitCode"], code, "{arguments:?}: {told}");
    }
    let nowhere = project.px(&["hooks", "list", "--url", "http://127.0.0.1:9"]);
    is(&nowhere, 5, "px serve");
}
