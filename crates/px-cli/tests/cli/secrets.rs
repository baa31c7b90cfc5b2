//! `px secrets`, beside a server and without one: values come in on stdin or at a
//! prompt and nowhere else.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::serving::Serving;
use crate::support::{Done, Project};

pub(crate) const VALUE: &str = "sk_live_0123456789";

/// Commands for the snapshots, each with what is on its stdin.
pub(crate) const SHOWN: &[(&str, &str)] = &[
    ("secrets set STRIPE_KEY", "sk_live_0123456789\n"),
    ("secrets set STRIPE_KEY", "short\n"),
    ("secrets import /dev/stdin", "SLACK_BOT_TOKEN=xoxb-0123456789\n"),
    ("secrets import nothing.env", ""),
    ("secrets list", ""),
    ("secrets reads STRIPE_KEY", ""),
    ("secrets reads NOBODY", ""),
    ("secrets rekey", ""),
    ("secrets delete STRIPE_KEY", ""),
    ("secrets delete STRIPE_KEY", ""),
];

/// Runs a command with this on its stdin.
pub(crate) fn fed(project: &Project, arguments: &[&str], input: &str) -> Done {
    let mut command = project.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn set(project: &Project, name: &str, value: &str) {
    let done = fed(project, &["secrets", "set", name], value);
    assert_eq!(done.code, 0, "{done:?}");
}

pub(crate) fn names(project: &Project) -> Vec<String> {
    let listed = project.px(&["secrets", "list", "--json"]).json();
    listed["secrets"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_secret_is_set_listed_and_deleted_without_a_server() {
    let project = Project::rooted();
    assert_eq!(names(&project), [""; 0]);
    let first = fed(&project, &["secrets", "set", "STRIPE_KEY"], &format!("{VALUE}\n"));
    assert!(first.code == 0 && first.stderr.ends_with(")\nSTRIPE_KEY is set.\n"), "{first:?}");
    let again =
        fed(&project, &["secrets", "set", "STRIPE_KEY", "--json", "--grace", "1h"], "sk_live_9876543210");
    let again = again.json();
    assert_eq!((&again["name"], &again["created"]), (&json!("STRIPE_KEY"), &json!(false)));
    assert!(again["oldValueUntil"].as_str().unwrap().ends_with('Z'), "{again}");
    assert_eq!(names(&project), ["STRIPE_KEY"]);
    let table = project.px(&["secrets", "list"]);
    assert!(table.stdout.contains("STRIPE_KEY") && !table.stdout.contains("sk_live"), "{table:?}");
    assert_eq!(project.px(&["secrets", "delete", "STRIPE_KEY"]).code, 0);
    assert_eq!(project.px(&["secrets", "delete", "STRIPE_KEY"]).code, 3);
    assert_eq!(names(&project), [""; 0]);
}

#[test]
fn a_value_as_an_argument_is_refused_and_not_repeated() {
    let project = Project::rooted();
    for arguments in [
        &["secrets", "set", "STRIPE_KEY", VALUE][..],
        &["secrets", "set", "STRIPE_KEY", VALUE, "x", "--json"],
    ] {
        let done = fed(&project, arguments, "");
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("not an argument") && !done.stderr.contains(VALUE), "{done:?}");
    }
    let done = fed(&project, &["secrets", "set", "STRIPE_KEY=sk_live_0123456789"], "");
    assert_eq!(done.code, 2, "{done:?}");
    assert!(
        !done.stderr.contains(VALUE) && done.stderr.contains("letters, digits and underscores"),
        "{done:?}"
    );
}

#[test]
fn what_cannot_be_a_secret_is_said_before_anything_is_opened() {
    let project = Project::rooted();
    for (arguments, input, says) in [
        (&["secrets", "set", "A"][..], "short\n", "8 to 32768 bytes; this one has 5"),
        (&["secrets", "set", "A"], "", "8 to 32768 bytes; this one has 0"),
        (&["secrets", "set", "A"], "           ", "not blank"),
        (&["secrets", "set", "ROOT_PUBLIC_KEY"], VALUE, "Cannot set ROOT_PUBLIC_KEY via API"),
        (&["secrets", "set", "A", "--grace", "8d"], VALUE, "at most 7 days"),
        (&["secrets", "set", "A", "--grace", "soon"], VALUE, "--grace"),
    ] {
        let done = fed(&project, arguments, input);
        assert!(done.code == 2 && done.stderr.contains(says), "{arguments:?}: {done:?}");
    }
    let long = fed(&project, &["secrets", "set", "A"], &"x".repeat(40_000));
    assert!(long.code == 2 && long.stderr.contains("8 to 32768 bytes"), "{long:?}");
    assert!(!project.path(".px").exists());
}

#[test]
fn a_terminal_is_asked_and_shows_nothing() {
    let project = Project::rooted();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || Stdio::from(File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap());
    let mut command = project.command(&["secrets", "set", "STRIPE_KEY"]);
    command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut terminal = File::from(terminal);
    let mut shown = Vec::new();
    // What is typed before the question would be thrown away with the echo.
    while !String::from_utf8_lossy(&shown).contains("not shown): ") {
        let mut byte = [0];
        terminal.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    crate::support::eventually("the terminal to hide what is typed", || {
        let modes = rustix::termios::tcgetattr(&terminal).unwrap().local_modes;
        (!modes.contains(rustix::termios::LocalModes::ECHO)).then_some(())
    });
    terminal.write_all(format!("{VALUE}\n").as_bytes()).unwrap();
    let _ = terminal.read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown).into_owned();
    assert!(shown.contains("STRIPE_KEY is set.") && !shown.contains("sk_live"), "{shown}");
}

#[test]
fn the_store_is_asked_which_webhooks_are_verified() {
    let project = Project::rooted();
    let listed = || project.px(&["webhooks", "list"]);
    assert!(listed().stderr.contains("CHAT_SECRET"), "{:?}", listed());
    set(&project, "CHAT_SECRET", VALUE);
    assert!(!listed().stderr.contains("CHAT_SECRET"), "{:?}", listed());
    let shown = project.px(&["webhooks", "show", "chat"]);
    assert!(shown.stdout.contains("the secret CHAT_SECRET is in the store (seen from here"), "{shown:?}");
    let serving = Serving::start(&project, &[]);
    assert!(!listed().stderr.contains("CHAT_SECRET"), "{:?}", listed());
    drop(serving);
}

#[test]
fn a_file_is_imported_as_a_whole_or_by_name() {
    let env = "PORT=8080\nexport STRIPE_KEY='sk_live_0123456789'\nSLACK=\"xoxb-0123456789\" # a token\n";
    let project = Project::rooted().file(".env", env).file("bad.env", "A=0123456789\nno line\n");
    let refused = project.px(&["secrets", "import", ".env"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(
        refused.stderr.contains(".env:1: A secret's value has 8") && !refused.stderr.contains("sk_live"),
        "{refused:?}"
    );
    // What stands before an equals sign may be the secret.
    let values = "postgres://u:hunter2@h/db?sslmode=require\nNAME=0123456789\naHVudGVyMmh1bnRlcjI=\n";
    let project = project.file("values.env", values);
    let refused = project.px(&["secrets", "import", "values.env"]);
    assert!(refused.code == 2 && refused.stderr.contains("values.env:1: A secret's name"), "{refused:?}");
    assert!(refused.stderr.contains("values.env:3: A secret's value"), "{refused:?}");
    assert!(!refused.stderr.contains("hunter2") && !refused.stderr.contains("aHVudGV"), "{refused:?}");
    assert_eq!(names(&project), [""; 0], "all of them or none");
    let done = project.px(&["secrets", "import", ".env", "SLACK", "STRIPE_KEY", "--json"]);
    assert_eq!(done.json(), json!({"created": 2, "updated": 0}));
    assert_eq!(names(&project), ["SLACK", "STRIPE_KEY"]);
    assert_eq!(project.px(&["secrets", "import", ".env", "NOBODY"]).code, 3);
    let bad = project.px(&["secrets", "import", "bad.env"]);
    assert!(
        bad.code == 2 && bad.stderr.contains("bad.env:2:") && !bad.stderr.contains("no line\n"),
        "{bad:?}"
    );
    assert_eq!(project.px(&["secrets", "import", "nothing.env"]).code, 2);
}

#[test]
fn beside_a_server_it_is_asked_and_knows_who_has_read() {
    let project = Project::rooted();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let done = fed(&project, &["secrets", "set", "CHAT_SECRET", "--url", &url], VALUE);
    assert_eq!(done.code, 0, "{done:?}");
    let reads = project.px(&["secrets", "reads", "CHAT_SECRET", "--url", &url]);
    assert!(reads.stdout.contains("verifier chat"), "{reads:?}");
    // The webhook that it verifies takes no unsigned request any more; the server signs one itself.
    let curl = project.px(&["webhooks", "send", "chat", "--identifier", "x", "--print-curl", "--url", &url]);
    assert!(curl.code == 0 && !curl.stdout.contains("signature"), "{curl:?}");
    let sent = project.px(&["webhooks", "send", "chat", "--identifier", "x", "--url", &url, "--json"]);
    assert!(sent.code == 0 && sent.json()["signed"] == true, "{sent:?}");
    assert_eq!(project.px(&["secrets", "reads", "NOBODY", "--url", &url]).code, 3);
    assert_eq!(project.px(&["secrets", "delete", "CHAT_SECRET", "--url", &url]).code, 0);
    assert_eq!(project.px(&["secrets", "list", "--url", &url, "--json"]).json()["count"], 0);
    drop(serving);
}

#[test]
fn a_hook_of_the_configuration_takes_its_secret_from_the_store() {
    let toml = "[[hooks]]\nname = 'billing'\nurl = 'http://127.0.0.1:9/x'\nsecret_env = 'BILLING_SECRET'\n";
    let project = Project::rooted().file("px.toml", toml);
    let missing = project.px(&["serve", "--port", "0"]);
    assert!(missing.stderr.contains("BILLING_SECRET, which secret_env names, is not set"), "{missing:?}");
    set(&project, "BILLING_SECRET", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
    let checked = project.px(&["check"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let serving = Serving::start(&project, &[]);
    let listed = project.px(&["hooks", "list", "--json", "--url", &serving.url]).json();
    assert_eq!(
        (&listed["hooks"][0]["name"], &listed["hooks"][0]["hasSecret"]),
        (&json!("billing"), &json!(true))
    );
    let reads =
        |url: &str| project.px(&["secrets", "reads", "BILLING_SECRET", "--json", "--url", url]).json();
    assert_eq!(reads(&serving.url)["reads"][0]["kind"], "hook");
    let set = ["secrets", "set", "BILLING_SECRET", "--url", &serving.url];
    assert_eq!(fed(&project, &set, "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw==").code, 0);
    assert_eq!(reads(&serving.url)["reads"][0]["count"], 2, "it has signed with the new one since");
    let wrong = fed(&project, &set, "whsec_no-base64-at-all!");
    assert!(wrong.code != 0 && wrong.stderr.contains("Hook 'billing'"), "{wrong:?}");
    assert!(!wrong.stderr.contains("no-base64"), "{wrong:?}");
    assert_eq!(reads(&serving.url)["reads"][0]["count"], 2);
    let (_, log) = serving.end();
    assert!(!log.contains("no-base64"), "{log}");
    // Without a server nobody knows what it is for.
    assert_eq!(fed(&project, &["secrets", "set", "BILLING_SECRET"], "whsec_no-base64-at-all!").code, 0);
    let refused = project.px(&["serve", "--port", "0"]);
    assert!(refused.stderr.contains("cannot sign as standard"), "{refused:?}");
}

#[test]
fn what_the_environment_says_comes_before_the_store() {
    let toml = "[[hooks]]\nname = 'billing'\nurl = 'http://127.0.0.1:9/x'\nsecret_env = 'BILLING_SECRET'\n";
    let of_env = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    let project = Project::rooted().file("px.toml", toml).with("BILLING_SECRET", of_env);
    set(&project, "BILLING_SECRET", "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0LW5ldw==");
    let serving = Serving::start(&project, &[]);
    let words = ["secrets", "reads", "BILLING_SECRET", "--json", "--url", &serving.url];
    let reads = || project.px(&words).json()["reads"].clone();
    assert_eq!(
        (&reads()[0]["kind"], &reads()[0]["count"]),
        (&json!("hook"), &json!(1)),
        "of the environment"
    );
    let set = ["secrets", "set", "BILLING_SECRET", "--url", &serving.url];
    assert_eq!(fed(&project, &set, "whsec_YW5vdGhlci1vbmUtYW5vdGhlci1vbmU=").code, 0);
    assert_eq!(reads()[0]["count"], 1, "the hook does not take it");
    drop(serving);
}

#[test]
fn who_has_read_a_secret_is_told_after_it_was_deleted() {
    let project = Project::rooted();
    let serving = Serving::start(&project, &[]);
    let url = ["--url", &serving.url];
    assert_eq!(fed(&project, &["secrets", "set", "CHAT_SECRET", "--url", &serving.url], VALUE).code, 0);
    let reads = || project.px(&[&["secrets", "reads", "CHAT_SECRET"], &url[..]].concat());
    let there = reads();
    assert!(there.stdout.contains("First read") && there.stdout.contains("Last read"), "{there:?}");
    assert_eq!(project.px(&[&["secrets", "delete", "CHAT_SECRET"], &url[..]].concat()).code, 0);
    let gone = reads();
    assert!(gone.code == 0 && gone.stdout.contains("verifier chat"), "{gone:?}");
    assert!(gone.stderr.contains("it was deleted, or the environment has it"), "{gone:?}");
    drop(serving);
}
