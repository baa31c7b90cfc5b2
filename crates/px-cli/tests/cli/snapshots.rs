//! Every command, as it goes well and as it fails, with what it prints where
//! and its exit code; some of them at a terminal too. The snapshots are held by
//! `snapshots/`; what differs from run to run (ids, times, ports) is replaced.

use std::io::Read as _;
use std::process::Stdio;

use regex::Regex;

use crate::book::{Book, split};
use crate::serving::Serving;
use crate::support::{Done, Project};

/// Commands that the snapshots leave out, with where they are tried.
const ELSEWHERE: &[(&str, &str)] = &[
    ("px dev", "ok: tests/scripts/new-project, which builds a project"),
    (
        "px bulk stop",
        "ok: px-testkit/tests/bulk.rs, since a job of few runs is over before it can be stopped",
    ),
    ("px webhooks deliveries file", "ok: tests/files.rs"),
];

fn held(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots" }, {
        insta::assert_snapshot!(name, text);
    });
}

fn sources() -> String {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().display().to_string()
}

#[test]
fn without_a_server() {
    let project = Project::small()
        .with("CHAT_SECRET", "a")
        .with("CODE_SECRET", "b")
        .with("SMS_SECRET", "c")
        .with("PX_PORT", "1");
    let px = sources();
    let mut book = Book::new(project);
    let dir = book.project.dir.path().canonicalize().unwrap().display().to_string();
    book.both("--version");
    book.both("nonsense");
    book.px("");
    book.both(&format!("new demo --path {px}"));
    book.both(&format!("new demo --path {px}"));
    book.px("new demo");
    book.both("brains list");
    book.px("brains list --json");
    book.px("brains list --nonsense");
    book.both("brains show feedback");
    book.both("brains show nobody");
    book.both("webhooks list");
    book.px("webhooks list --url nonsense");
    book.both("webhooks show sms");
    book.both("webhooks show smss");
    book.both("webhooks send smss");
    book.both("check");
    book.px("check --config nowhere.toml");
    book.px("config show --port 7");
    book.px("config show --port 70000");
    book.both("audit");
    book.px("serve --bind home");
    book.px("dev");
    book.px("explain PX0008");
    book.both("explain PX9999");
    book.head("completions bash", 3);
    book.px("completions tcsh");
    let curl =
        book.project.px(&["webhooks", "send", "code", "--identifier", "octo/repo#7", "--print-curl"]).stdout;
    let body = Regex::new("--data-raw '([^']*)'").unwrap().captures(&curl).unwrap()[1].to_owned();
    let header = Regex::new("'(x-hub-signature-256: [^']*)'").unwrap().captures(&curl).unwrap()[1].to_owned();
    std::fs::write(book.project.path("body.json"), body).unwrap();
    book.px(&format!("webhooks verify code --payload body.json --header '{header}'"));
    book.px("webhooks verify code --payload body.json --header 'X-Hub-Signature-256: sha256=00'");
    for words in [
        "run feedback",
        "status",
        "top",
        "bulk list",
        "runs list",
        "runs show run_1",
        "runs events run_1",
        "runs watch run_1",
        "runs cancel run_1",
        "runs pause run_1",
        "runs resume run_1",
        "runs rerun run_1 --from 1",
        "runs fork run_1 --from 1",
        "runs explain run_1",
        "runs export run_1",
        "webhooks deliveries list",
        "webhooks deliveries show whd_1",
        "hooks list",
        "kv list",
        "tokens list",
        "secrets list",
    ] {
        book.px(words);
    }
    book.both("runs list --json");
    book.project = Project::of("duplicate_slug");
    for words in ["webhooks list", "check", "serve"] {
        book.px(words);
    }
    let text = book.settled(&[(&dir, "DIR"), (&px, "SOURCES")]);
    held("without_a_server", &text);
}

#[test]
fn with_a_server() {
    let project = Project::small().with("CHAT_SECRET", "a").with("CODE_SECRET", "b").with("SMS_SECRET", "c");
    let serving = Serving::start(&project, &[]);
    // Without a desktop, whoever runs the test.
    let project = project.with("PX_URL", &serving.url).with("DISPLAY", "").with("WAYLAND_DISPLAY", "");
    let mut book = Book::new(project);
    let dir = book.project.dir.path().canonicalize().unwrap().display().to_string();
    let url = serving.url.clone();
    let nobody = format!("run_{}", "0".repeat(32));
    let id = |done: &Done| done.stdout.trim().lines().next().unwrap_or_default().to_owned();

    book.px("runs list");
    book.both("status");
    let ada = id(&book.px("run feedback -s name=Ada -s phone=+1555"));
    book.px("run feedback -s name=Ada");
    book.both("run nobody");
    settle(&book.project, &ada, "waiting");
    book.px("runs list");
    book.px("runs list --status nonsense");
    book.px("runs list --status error --ended-since 1d");
    book.px("runs list --label order=o2 --label outcome=refused");
    book.px("runs list --label order=o2 --label refused");
    book.px("top");
    book.px(&format!("runs show {ada}"));
    book.px(&format!("runs show {ada} --at 1"));
    book.px(&format!("runs show {ada} --at 999"));
    book.px(&format!("runs show {ada} --web"));
    book.both("runs show nonsense");
    book.both(&format!("runs explain {ada}"));
    book.px(&format!("runs explain {nobody}"));
    book.px(&format!("runs pause {ada}"));
    book.px(&format!("runs pause {nobody}"));
    book.both("status");
    book.px(&format!("runs resume {ada}"));
    book.px(&format!("runs resume {ada}"));
    book.px("webhooks send sms --identifier +1555");
    book.px("webhooks send open");
    settle(&book.project, &ada, "complete");
    book.both_wide(&format!("runs events {ada}"));
    book.px(&format!("runs events {nobody}"));
    book.px(&format!("runs watch {ada}"));
    book.both(&format!("runs watch {nobody}"));
    book.px(&format!("runs export {ada} --output {}", book.project.path("run.json").display()));
    book.px(&format!("runs export {ada} --output {}", book.project.path("run.json").display()));
    book.px(&format!("runs cancel {ada}"));
    book.px(&format!("runs cancel {ada} --brain feedback"));
    book.px("runs cancel");
    book.px("runs cancel --brain feedback --dry-run");
    book.px("runs cancel --brain feedback --status complete");
    book.px(&format!("runs rerun {ada} --from nonsense"));
    book.px(&format!("runs fork {ada} --from nonsense"));
    let forked = id(&book.px(&format!("runs fork {ada} --from 1")));
    settle(&book.project, &forked, "waiting");
    book.px(&format!("runs rerun {ada} --from 1"));
    book.px(&format!("runs cancel {forked}"));
    book.px("runs pause --waits-for sms:+1555 --yes");
    book.px("runs pause --waits-for sms:+1555 --dry-run --json");
    book.px("runs resume --status paused");
    book.px("runs resume --status paused --yes");
    book.px("runs cancel --brain feedback --yes");
    let jobs = book.px("bulk list --json").json();
    let job = jobs["jobs"][0]["id"].as_str().unwrap().to_owned();
    book.both("bulk list");
    for command in ["show", "stop"] {
        book.px(&format!("bulk {command} {job}"));
        book.px(&format!("bulk {command} nonsense"));
    }

    let of_values = "list;list customer-feedback;list nobody;list --limit nonsense;get customer-feedback answers;\
                     get customer-feedback answers --scope customer-7;delete customer-feedback;\
                     delete customer-feedback nonsense;delete customer-feedback answers;delete customer-feedback --all";
    for words in of_values.split(';') {
        book.px(&format!("kv {words}"));
    }

    book.px("inbox");
    book.px("inbox --state nonsense");
    book.px("outbox");
    book.px("outbox --state nonsense");
    book.px("webhooks deliveries list");
    book.px("webhooks deliveries list --state nonsense");
    let listed = book.project.px(&["webhooks", "deliveries", "list", "--json"]).json();
    let delivery = listed["deliveries"][0]["id"].as_str().unwrap().to_owned();
    book.px(&format!("webhooks deliveries show {delivery}"));
    book.px("webhooks deliveries show nonsense");
    book.px("webhooks deliveries file nonsense");
    book.px(&format!("webhooks deliveries replay {delivery}"));
    book.px("webhooks deliveries replay nonsense");
    book.px("webhooks send chat --identifier thread-1");
    let listed = book.project.px(&["webhooks", "deliveries", "list", "--slug", "chat", "--json"]).json();
    let kept = listed["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let waiting = id(&book.px("run feedback -s name=Bo -s phone=+1666"));
    settle(&book.project, &waiting, "waiting");
    book.px(&format!("webhooks deliveries bind {kept} {waiting}"));
    book.px(&format!("webhooks deliveries bind {kept} {nobody}"));

    let hook = book.project.px(&["hooks", "create", "http://127.0.0.1:9/hook", "--json"]).json();
    let hook = hook["id"].as_str().unwrap().to_owned();
    book.px("hooks create nonsense");
    book.px("hooks create http://127.0.0.1:9/other --name other");
    book.both("hooks list");
    for command in ["show", "stats", "deliveries", "rotate-secret"] {
        book.px(&format!("hooks {command} {hook}"));
        book.px(&format!("hooks {command} hok_nonsense"));
    }
    book.px(&format!("hooks update {hook} --name billing"));
    book.px("hooks update hok_nonsense --name billing");
    book.px(&format!("hooks recover {hook} --since 1h --dry-run"));
    book.px(&format!("hooks recover {hook} --since nonsense"));
    book.px("hooks test hok_nonsense");
    let sent = id(&book.px(&format!("hooks test {hook}")));
    let is_tried = |_| {
        let shown = book.project.px(&["hooks", "delivery", &sent, "--json"]).json();
        shown["attempts"].as_array().is_some_and(|attempts| attempts.len() == 1)
    };
    assert!((0..200).any(is_tried), "{sent} is not tried");
    book.px(&format!("hooks delivery {sent}"));
    book.px("hooks delivery nonsense");
    book.px(&format!("hooks redeliver {sent}"));
    book.px("hooks redeliver nonsense");
    book.px(&format!("hooks delete {hook}"));
    book.px("hooks delete hok_nonsense");

    book.px("webhooks send code --by-server --identifier octo/repo#7");
    book.px("webhooks send code --by-server --identifier nothing");
    book.px("webhooks send code --by-server --print-curl");

    book.px("tokens create ci --scope read");
    book.px("tokens create ci --scope nonsense");
    book.px("audit");
    book.px("serve --port 0");
    let token = book.px("tokens create me --scope admin").stdout;
    book.px("tokens list");
    book.px("runs list");
    book.px("secrets list");
    book.project = book.project.with("PX_TOKEN", token.trim());
    book.px("tokens list");
    for (words, input) in crate::secrets::SHOWN {
        let done = crate::secrets::fed(&book.project, &split(words), input);
        book.write("", words, &done);
    }
    let made = book.project.px(&["tokens", "list", "--json"]).json();
    book.px("tokens revoke nonsense");
    book.px(&format!("tokens revoke {}", made["tokens"][0]["id"].as_str().unwrap()));
    assert_eq!(serving.end().0, 0);
    book.px("secrets rekey");
    book.px("audit");
    book.px("store backup copy");
    book.px("store backup copy");
    book.px("store export px.jsonl");
    book.px("store export px.jsonl");
    book.px("store import px.jsonl --data-dir new");
    book.px("store import px.jsonl --data-dir new");
    book.px("store compact");
    book.px("store compact --data-dir nowhere");
    let text = book.settled(&[(token.trim(), "TOKEN"), (&url, "URL"), (&dir, "DIR")]);
    held("with_a_server", &text);
}

#[test]
fn serving_says_where_and_what() {
    let project = Project::small().with("CHAT_SECRET", "a").with("CODE_SECRET", "b").with("SMS_SECRET", "c");
    let mut child = project
        .command(&["serve", "--port", "0"])
        .env("PX_LOG", "off")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut stdout = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&stdout).contains('┘') {
        assert_eq!(out.read(&mut byte).unwrap(), 1, "it ended");
        stdout.push(byte[0]);
    }
    assert!(
        std::process::Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    out.read_to_end(&mut stdout).unwrap();
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let code = child.wait().unwrap().code().unwrap_or(-1);
    let mut book = Book::new(project);
    book.write("", "serve --port 0", &Done { code, stdout: String::from_utf8(stdout).unwrap(), stderr });
    let dir = book.project.dir.path().canonicalize().unwrap().display().to_string();
    held("serving", &book.settled(&[(&dir, "DIR")]));
}

/// Waits until a run is in this status.
fn settle(project: &Project, run: &str, status: &str) {
    let is = |_| project.px(&["runs", "show", run, "--json"]).json()["status"] == status;
    assert!((0..200).any(is), "{run} does not come to {status}");
}

/// Every command of the help tree is in the snapshots, going well and failing.
#[test]
fn every_command_is_in_the_snapshots() {
    let read =
        |path: String| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let reference = read(format!("{}/docs/cli.md", sources()));
    let paths: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let leaves: Vec<&str> = paths
        .iter()
        .copied()
        .filter(|path| !paths.iter().any(|other| other.starts_with(&format!("{path} "))))
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for name in ["without_a_server", "with_a_server", "serving"] {
        let text = read(format!("{}/tests/snapshots/{name}.snap", env!("CARGO_MANIFEST_DIR")));
        for step in text.split("$ px ").skip(1) {
            let words = format!("px {} ", step.lines().next().unwrap_or_default());
            let went_well = step.contains("\n  exit 0\n");
            for leaf in leaves.iter().filter(|leaf| words.starts_with(&format!("{leaf} "))) {
                seen.insert((*leaf, went_well));
            }
        }
    }
    let mut missing = Vec::new();
    for leaf in leaves {
        for (went_well, how) in [(true, "ok"), (false, "failing")] {
            let is_elsewhere =
                ELSEWHERE.iter().any(|(known, where_)| *known == leaf && where_.starts_with(how));
            if !seen.contains(&(leaf, went_well)) && !is_elsewhere {
                missing.push(format!("{leaf}, {how}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the snapshots: {missing:#?}");
}
