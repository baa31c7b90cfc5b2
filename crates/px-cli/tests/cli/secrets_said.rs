//! Words of `px secrets` and of the commands beside it: who answers for a name, which value counts, and
//! advice that can be followed. None of them has a value.

use serde_json::json;

use crate::secrets::fed;
use crate::serving::Serving;
use crate::support::{Done, Project, eventually};

const VALUE: &str = "sk_live_0123456789";
const OTHER: &str = "sk_live_9876543210";

fn set(project: &Project, name: &str, value: &str, more: &[&str]) -> Done {
    let done = fed(project, &[&["secrets", "set", name], more].concat(), value);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(!done.stderr.contains("sk_live"), "{done:?}");
    done
}

#[test]
fn a_file_that_is_gone_leaves_its_webhook_shut_and_is_logged_once() {
    let project = Project::rooted().file("chat.secret", "the value of the file\n");
    let file = project.path("chat.secret");
    let project = project.with("CHAT_SECRET_FILE", file.to_str().unwrap());
    let serving = Serving::start(&project, &[]);
    let (url, listed) = (serving.url.clone(), || project.px(&["webhooks", "list"]));
    assert!(!listed().stderr.contains("chat"), "{:?}", listed());
    let shadowed = set(&project, "CHAT_SECRET", VALUE, &["--url", &url]);
    assert!(shadowed.stderr.contains("nobody gets this value of CHAT_SECRET"), "{shadowed:?}");
    std::fs::remove_file(&file).unwrap();
    eventually("the webhook to be shut", || listed().stderr.contains("refuses every request").then_some(()));
    // The store has a value, which is not asked for; and this machine is not let in.
    let sent = project.px(&["webhooks", "send", "chat", "--identifier", "x", "--url", &url]);
    assert!(sent.code == 1 && sent.stderr.contains("the server believes nobody"), "{sent:?}");
    assert!(sent.stderr.contains("its file cannot be read"), "{sent:?}");
    let shown = project.px(&["webhooks", "show", "chat"]);
    assert!(shown.stdout.contains("every request is refused"), "{shown:?}");
    let json = project.px(&["webhooks", "list", "--json"]).json();
    assert!(json["webhooks"].as_array().unwrap().iter().any(|one| one["refusesAll"].is_string()), "{json}");
    std::fs::write(&file, "another value\n").unwrap();
    eventually("the new value to count", || (!listed().stderr.contains("refuses")).then_some(()));
    let (_, log) = serving.end();
    assert_eq!(log.matches("the file of CHAT_SECRET cannot be read").count(), 1, "{log}");
    assert!(!log.contains("another value") && !log.contains("the value of the file"), "{log}");
}

#[test]
fn whoever_sets_a_secret_that_the_environment_has_is_told() {
    let project = Project::rooted().with("STRIPE_KEY", OTHER).file(".env", "STRIPE_KEY=sk_live_5555555555\n");
    let done = set(&project, "STRIPE_KEY", VALUE, &[]);
    assert!(done.stderr.contains("the variable STRIPE_KEY is set here"), "{done:?}");
    let listed = project.px(&["secrets", "list"]);
    assert!(listed.stdout.contains("the environment has a value"), "{listed:?}");
    let serving = Serving::start(&project, &[]);
    let url = ["--url", &serving.url];
    let done = set(&project, "STRIPE_KEY", OTHER, &url);
    assert!(done.stderr.contains("the environment of the server"), "{done:?}");
    let done = project.px(&[&["secrets", "import", ".env"], &url[..]].concat());
    assert!(done.code == 0 && done.stderr.contains("nobody gets this value of STRIPE_KEY"), "{done:?}");
    let listed = project.px(&[&["secrets", "list", "--json"], &url[..]].concat()).json();
    assert_eq!(listed["secrets"][0]["shadowed"], true);
    let deleted = project.px(&[&["secrets", "delete", "STRIPE_KEY"], &url[..]].concat());
    assert!(deleted.code == 0 && deleted.stderr.contains("STRIPE_KEY still has a value"), "{deleted:?}");
    drop(serving);
}

#[test]
fn what_a_set_has_done_is_said_as_it_is() {
    let project = Project::rooted().file(".env", "A=0123456789\nB=0123456789\n");
    let own =
        |stderr: String| stderr.lines().filter(|line| !line.starts_with('(')).collect::<Vec<_>>().join("\n");
    let said = |value: &str, more: &[&str]| own(set(&project, "A", value, more).stderr);
    assert_eq!(said(VALUE, &[]), "A is set.");
    assert_eq!(said(VALUE, &[]), "A has that value already; no value before it counts any more.");
    let changed = said(OTHER, &["--grace", "1h"]);
    assert!(changed.starts_with("A has a new value; values before it verify senders until 2"), "{changed}");
    assert!(said(OTHER, &[]).contains("already; values before it verify senders until 2"));
    let listed = project.px(&["secrets", "list"]);
    assert!(listed.stdout.contains("values before it count until 2"), "{listed:?}");
    // Of two in a row the earlier one may count for longer, and nobody is told that it ends with the last.
    let until = |said: &str| said.split_once("until ").unwrap().1.to_owned();
    let long = until(&said("sk_live_0000000003", &["--grace", "3d"]));
    let short = said("sk_live_0000000004", &["--grace", "1h"]);
    assert_eq!(short, format!("A has a new value; values before it verify senders until {long}"));
    assert!(long.ends_with(" at the latest."), "{long}");
    let listed = project.px(&["secrets", "list"]).stdout;
    assert!(listed.contains(&format!("count until {}", long.trim_end_matches('.'))), "{listed}");
    assert_eq!(said(VALUE, &["--grace", "0s"]), "A has a new value; no value before it counts any more.");
    assert_eq!(
        said(VALUE, &["--grace", "0s"]),
        "A has that value already; no value before it counts any more."
    );
    assert!(!project.px(&["secrets", "list"]).stdout.contains("count until"));
    let import = |more: &[&str]| {
        let done = project.px(&[&["secrets", "import", ".env"], more].concat());
        assert_eq!(done.code, 0, "{done:?}");
        own(done.stderr)
    };
    let both = import(&[]);
    assert!(both.starts_with("2 secrets set, 1 of them new."), "{both}");
    assert!(both.contains("Values before that of A verify senders until 2"), "{both}");
    let again = import(&["--grace", "0s"]);
    assert!(again.starts_with("2 secrets set, 0 of them new, 2 had that value already."), "{again}");
    assert!(again.ends_with("No value before these counts any more."), "{again}");
    assert_eq!(project.px(&["secrets", "import", ".env", "--grace", "8d"]).code, 2);
    let serving = Serving::start(&project, &[]);
    let url = ["--url", serving.url.as_str()];
    let unchanged = set(&project, "B", "0123456789", &url).stderr;
    assert_eq!(unchanged, "B has that value already; no value before it counts any more.\n");
    let changed = set(&project, "B", VALUE, &[&["--grace", "1h"], &url[..]].concat()).stderr;
    assert!(changed.contains("values before it verify senders until 2"), "{changed}");
    let back =
        project.px(&[&["secrets", "import", ".env", "--json", "--grace", "2h"], &url[..]].concat()).json();
    assert_eq!(back["oldValueUntil"].as_object().unwrap().keys().collect::<Vec<_>>(), ["B"], "{back}");
    drop(serving);
}

#[test]
fn there_is_no_way_to_a_value_and_it_is_said() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE, &[]);
    for words in
        [&["secrets", "get", "STRIPE_KEY"][..], &["secrets", "show", "STRIPE_KEY"], &["secrets", "get"]]
    {
        let done = project.px(words);
        assert!(done.code == 2 && done.stderr.contains("never shown again"), "{done:?}");
        assert!(done.stderr.contains("px secrets list") && !done.stderr.contains("sk_live"), "{done:?}");
    }
    let help = project.px(&["secrets", "--help"]);
    assert!(!help.stdout.contains("get"), "{help:?}");
}

#[test]
fn every_wrong_line_of_a_file_is_named_at_once() {
    let text = "A=0123456789\nno line\nB=short\n-\nC='open\n";
    let project = Project::rooted().file("bad.env", text);
    let done = project.px(&["secrets", "import", "bad.env"]);
    assert_eq!(done.code, 2, "{done:?}");
    for line in [
        "bad.env:2: it is no line",
        "bad.env:3: A secret's value",
        "bad.env:4: it is no",
        "bad.env:5: it is no",
    ] {
        assert!(done.stderr.contains(line), "{line}: {done:?}");
    }
    assert!(!done.stderr.contains("bad.env:1:") && !done.stderr.contains("short\n"), "{done:?}");
    assert_eq!(project.px(&["secrets", "list", "--json"]).json()["count"], 0);
    let help = project.px(&["secrets", "import", "--help"]);
    assert!(help.stdout.contains("4 MiB"), "{help:?}");
}

#[test]
fn advice_can_be_followed() {
    let project = Project::rooted();
    // Nobody listens there, and the data directory needs no server.
    let away = project.px(&["secrets", "list", "--url", "http://127.0.0.1:9"]);
    assert!(away.code == 5 && away.stderr.contains("without --url and PX_URL"), "{away:?}");
    let reads = project.px(&["secrets", "reads", "A", "--url", "http://127.0.0.1:9"]);
    assert!(reads.code == 5 && !reads.stderr.contains("without --url"), "reads need a server: {reads:?}");
    let grace = fed(&project, &["secrets", "set", "A", "--grace", VALUE], VALUE);
    assert!(
        grace.code == 2 && grace.stderr.contains("--grace") && !grace.stderr.contains("sk_live"),
        "{grace:?}"
    );
    let route = fed(&project, &["secrets", "set", "bulk"], VALUE);
    assert!(route.code == 2 && route.stderr.contains("is a route"), "{route:?}");

    let serving = Serving::start(&project, &[]);
    let url = ["--url", &serving.url];
    set(&project, "CHAT_SECRET", VALUE, &url);
    let sent = project.px(&[&["webhooks", "send", "chat", "--identifier", "x"], &url[..]].concat());
    assert!(sent.code == 0 && sent.stderr.contains("CHAT_SECRET is not set here, so the server"), "{sent:?}");
    let create = |name: &str| {
        project.px(&[&["hooks", "create", "http://127.0.0.1:9", "--secret-env", name], &url[..]].concat())
    };
    let done = create("CHAT_SECRET");
    assert!(done.code == 2 && done.stderr.contains("not set where this command runs"), "{done:?}");
    assert!(done.stderr.contains("shown to nobody"), "{done:?}");
    let done = create("whsec_no-name");
    assert!(done.code == 2 && !done.stderr.contains("no-name"), "{done:?}");
    assert_eq!(project.px(&[&["secrets", "delete", "CHAT_SECRET"], &url[..]].concat()).code, 0);
    let listed = project.px(&["webhooks", "list"]);
    assert!(listed.stderr.contains("webhook 'chat' refuses every request"), "{listed:?}");
    assert!(
        listed.stderr.contains("was deleted") && !listed.stderr.contains("'chat' is unverified"),
        "{listed:?}"
    );
    // What is so now, and what would be so after a restart.
    let checked = project.px(&["check"]);
    assert!(checked.stderr.contains("webhook 'chat' refuses every request"), "{checked:?}");
    assert!(checked.stderr.contains("'chat' has no secret: a px that is started anew takes"), "{checked:?}");
    assert!(!checked.stderr.contains("'chat' is unverified"), "{checked:?}");
    let sent = project.px(&[&["webhooks", "send", "chat", "--identifier", "x"], &url[..]].concat());
    assert!(
        sent.stderr.contains("the server believes nobody") && sent.stderr.contains("was deleted"),
        "{sent:?}"
    );
    drop(serving);
}

#[test]
fn the_place_of_a_webhooks_secret_is_the_one_that_the_server_sees() {
    let project = Project::rooted();
    let serving = Serving::start(&project, &[]);
    let shown = |project: &Project| project.px(&["webhooks", "show", "chat"]).stdout;
    assert!(shown(&project).contains("CHAT_SECRET is not set"), "{}", shown(&project));
    set(&project, "CHAT_SECRET", VALUE, &["--url", &serving.url]);
    // The environment of this command is another one than the server's.
    let project = project.with("CHAT_SECRET", OTHER);
    assert!(
        shown(&project).contains("CHAT_SECRET is in the store (so says the server)"),
        "{}",
        shown(&project)
    );
    let json = project.px(&["webhooks", "show", "chat", "--json"]).json();
    assert_eq!((&json["secretSource"], &json["secretSeenBy"]), (&json!("store"), &json!("server")));
    assert_eq!(serving.end().0, 0);
    let said = shown(&project);
    assert!(said.contains("in the variable CHAT_SECRET (seen from here"), "{said}");
    let serving = Serving::start(&project, &[]);
    assert!(
        shown(&project).contains("in the variable CHAT_SECRET (so says the server)"),
        "{}",
        shown(&project)
    );
    assert_eq!(serving.end().0, 0);
    let of_file = Project::rooted().file("chat.secret", VALUE);
    let file = of_file.path("chat.secret");
    let of_file = of_file.with("CHAT_SECRET_FILE", file.to_str().unwrap());
    assert!(shown(&of_file).contains("file that CHAT_SECRET_FILE names (seen"), "{}", shown(&of_file));
    let serving = Serving::start(&of_file, &[]);
    assert!(shown(&of_file).contains("file that CHAT_SECRET_FILE names (so says"), "{}", shown(&of_file));
    drop(serving);
}

#[test]
fn keys_that_are_mistaken_are_named_and_not_shown() {
    let key = "11".repeat(32);
    let project =
        Project::rooted().with("PX_SECRET_KEY", &key).with("PX_SECRET_KEY_NEW", &key.to_uppercase());
    set(&project, "STRIPE_KEY", VALUE, &[]);
    let same = project.px(&["secrets", "rekey"]);
    assert!(same.code == 2 && same.stderr.contains("nothing would be changed"), "{same:?}");
    assert!(!same.stderr.contains(&key), "{same:?}");
    let checked = project.px(&["check"]);
    assert!(!checked.stderr.contains("give PX_SECRET_KEY its value"), "it has it: {checked:?}");
    // The key was changed, and the variable has the old one.
    let project = project.with("PX_SECRET_KEY_NEW", &"22".repeat(32));
    assert_eq!(project.px(&["secrets", "rekey"]).code, 0);
    let late = project.with("PX_SECRET_KEY_NEW", &"33".repeat(32));
    let refused = late.px(&["secrets", "delete", "STRIPE_KEY"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("after `px secrets rekey` that is the new one"),
        "{refused:?}"
    );

    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE, &[]);
    std::fs::write(project.path(".px/data/secret.key"), "hunter2").unwrap();
    let wrong = project.px(&["secrets", "delete", "STRIPE_KEY"]);
    assert!(wrong.code == 1 && wrong.stderr.contains("secret.key does not hold 64"), "{wrong:?}");
    assert!(!wrong.stderr.contains("hunter2"), "{wrong:?}");
}

/// Past values that the key does not open are nobody's, and keep no px from its start.
#[test]
fn what_cannot_be_decrypted_is_listed_and_keeps_nobody_from_the_start() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE, &[]);
    set(&project, "STRIPE_KEY", OTHER, &["--grace", "0s"]);
    set(&project, "GONE", VALUE, &[]);
    assert_eq!(project.px(&["secrets", "delete", "GONE"]).code, 0);
    std::fs::remove_file(project.path(".px/data/secret.key")).unwrap();
    let serving = Serving::start(&project, &["--new-secret-key"]);
    let listed =
        || project.px(&["secrets", "list", "--url", &serving.url, "--json"]).json()["secrets"].clone();
    assert_eq!((&listed()[0]["name"], &listed()[0]["unreadable"]), (&json!("STRIPE_KEY"), &json!(true)));
    let table = project.px(&["secrets", "list", "--url", &serving.url]);
    assert!(table.stdout.contains("cannot be decrypted"), "{table:?}");
    set(&project, "STRIPE_KEY", VALUE, &["--url", &serving.url]);
    assert_eq!(listed()[0].get("unreadable"), None);
    drop(serving);
    let serving = Serving::start(&project, &[]);
    drop(serving);
}

#[test]
fn a_hook_of_the_configuration_signs_with_what_its_file_holds() {
    let toml = "[[hooks]]\nname = 'billing'\nurl = 'http://127.0.0.1:9/x'\nsecret_env = 'BILLING_SECRET'\n";
    let project = Project::rooted()
        .file("px.toml", toml)
        .file("billing.secret", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n");
    let file = project.path("billing.secret");
    let project = project.with("BILLING_SECRET_FILE", file.to_str().unwrap());
    let serving = Serving::start(&project, &[]);
    let words = ["secrets", "reads", "BILLING_SECRET", "--json", "--url", &serving.url];
    let count = || project.px(&words).json()["reads"][0]["count"].clone();
    assert_eq!(count(), 1);
    std::fs::write(&file, "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw==\n").unwrap();
    eventually("the hook to sign with the new one", || (count() == 2).then_some(()));
    let (_, log) = serving.end();
    assert!(!log.contains("bmV3") && !log.contains("c2VjcmV0"), "{log}");
}

#[test]
fn texts_of_a_secret_that_are_not_looked_for_are_warned_of_once() {
    let project = Project::rooted();
    let texts: Vec<String> = (0..70).map(|n| format!("sk_live_{n:08}")).collect();
    set(&project, "KEYS", &json!(texts).to_string(), &[]);
    let serving = Serving::start(&project, &[]);
    set(&project, "OTHER", VALUE, &["--url", &serving.url]);
    let (_, log) = serving.end();
    assert_eq!(log.matches("6 texts within the JSON of KEYS are not taken out").count(), 1, "{log}");
    assert!(!log.contains("sk_live"), "{log}");
}
