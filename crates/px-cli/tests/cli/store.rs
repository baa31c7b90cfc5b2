//! `px store`: what is carried elsewhere is the same store, and what cannot be
//! carried whole is not there at all.

use crate::serving::{Serving, project};
use crate::support::Project;

/// A project whose store has a run that waits, a kept event, and one that was
/// taken; its server is down.
fn lived() -> (Project, String) {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let px = |arguments: &[&str]| {
        let done = project.px(&[arguments, &["--url", &serving.url]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        done.stdout.trim().to_owned()
    };
    let run = px(&["run", "feedback", "-s", "name=Ada", "-s", "phone=+1555"]);
    px(&["webhooks", "send", "sms", "--identifier", "+1777"]);
    px(&["run", "feedback", "-s", "name=Bo", "-s", "phone=+1777", "--wait"]);
    px(&["hooks", "create", "http://127.0.0.1:9/hook"]);
    assert_eq!(serving.end().0, 0);
    (project, run)
}

fn counts(project: &Project, dir: &str) -> serde_json::Value {
    let audited = project.px(&["audit", "--data-dir", dir, "--json"]);
    assert_eq!(audited.code, 0, "{audited:?}");
    audited.json()["counts"].clone()
}

/// Serves from a directory and lets the waiting run end there.
fn goes_on(project: &Project, dir: &str, run: &str) {
    let serving = Serving::start(project, &["--data-dir", dir]);
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &serving.url]].concat());
    assert_eq!(px(&["runs", "list", "--json"]).json()["runs"].as_array().map(Vec::len), Some(2));
    assert_eq!(px(&["runs", "list", "--status", "waiting", "--json"]).json()["runs"][0]["brainRunId"], run);
    assert_eq!(px(&["webhooks", "send", "sms", "--identifier", "+1555"]).code, 0);
    let status = |_| px(&["runs", "show", run, "--json"]).json()["status"] == "complete";
    assert!((0..200).any(status), "{run} goes on in {dir}");
    assert_eq!(px(&["hooks", "list", "--json"]).json()["hooks"].as_array().map(Vec::len), Some(1));
    assert_eq!(serving.end().0, 0);
}

/// Serves, and expects that it does not start; returns what it says.
fn refused(project: &Project) -> String {
    let done = project.px(&["serve", "--port", "0"]);
    assert_eq!(done.code, 1, "{done:?}");
    done.stderr
}

#[test]
fn w12_a_key_that_is_another_one_or_missing_keeps_px_from_serving() {
    let (project, run) = lived();
    let key = project.path(".px/data/secret.key");
    let kept = std::fs::read_to_string(&key).unwrap();
    let before = counts(&project, ".px/data");

    std::fs::write(&key, "ab".repeat(32)).unwrap();
    owners(&key);
    let said = refused(&project);
    assert!(said.contains("sealed under another key") && said.contains("hok_"), "it names the hook: {said}");
    assert!(said.contains("--new-secret-key") && !said.contains(&kept), "{said}");

    std::fs::remove_file(&key).unwrap();
    let said = refused(&project);
    assert!(said.contains("is missing") && said.contains("secret.key"), "{said}");
    assert!(!key.exists(), "no key is made anew where secrets rest");
    assert_eq!(counts(&project, ".px/data"), before, "who is refused changes nothing");

    std::fs::write(&key, kept).unwrap();
    let said = refused(&project);
    assert!(said.contains("can be read by others (mode 644)") && said.contains("chmod 600"), "{said}");
    owners(&key);
    goes_on(&project, ".px/data", &run);
}

/// Makes a file its owner's, as px makes its key.
fn owners(file: &std::path::Path) {
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn modes_below(dir: &std::path::Path) -> Vec<(std::path::PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(modes_below(&path));
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        found.push((path, mode & 0o777));
    }
    found
}

#[test]
fn rules_67_what_a_store_is_in_is_its_owners_and_so_are_its_copies() {
    let (project, _) = lived();
    let data = project.path(".px/data");
    let wide = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&data, wide).unwrap();
    let serving = Serving::start(&project, &[]);
    let (code, log) = serving.end();
    assert!(code == 0 && log.contains("was open to others on this machine (mode 755)"), "{log}");
    assert_eq!(project.px(&["store", "export", "px.jsonl"]).code, 0);
    assert_eq!(project.px(&["store", "backup", "copy"]).code, 0);
    for (path, mode) in [".px", "copy"].into_iter().flat_map(|dir| modes_below(&project.path(dir))) {
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
    }
    let mode = |name: &str| {
        let about = std::fs::metadata(project.path(name)).unwrap();
        std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777
    };
    assert_eq!((mode("px.jsonl"), mode("copy")), (0o600, 0o700));
}

#[test]
fn w12_a_lost_key_is_given_up_by_a_flag() {
    let (project, _) = lived();
    std::fs::remove_file(project.path(".px/data/secret.key")).unwrap();
    let serving = Serving::start(&project, &["--new-secret-key"]);
    let hooks = project.px(&["hooks", "list", "--json", "--url", &serving.url]).json();
    let id = hooks["hooks"][0]["id"].as_str().unwrap().to_owned();
    let rotated = project.px(&["hooks", "rotate-secret", &id, "--url", &serving.url]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert_eq!(serving.end().0, 0);
    let serving = Serving::start(&project, &[]);
    assert_eq!(serving.end().0, 0, "the new key is the store's now");
}

#[test]
fn an_export_becomes_the_same_store_again() {
    let (project, run) = lived();
    let exported = project.px(&["store", "export", "px.jsonl", "--json"]);
    assert_eq!(exported.code, 0, "{exported:?}");
    std::fs::create_dir(project.path("new")).unwrap();
    std::fs::copy(project.path(".px/data/secret.key"), project.path("new/secret.key")).unwrap();
    let imported = project.px(&["store", "import", "px.jsonl", "--data-dir", "new", "--json"]);
    assert_eq!(imported.code, 0, "{imported:?}");
    assert_eq!(imported.json()["rows"], exported.json()["rows"]);
    assert_eq!(counts(&project, "new"), counts(&project, ".px/data"));
    let again = project.px(&["store", "export", "-", "--data-dir", "new"]);
    let rows = |text: &str| {
        text.lines()
            .skip(1)
            .take_while(|line| line.starts_with("{\"t\""))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let first = std::fs::read_to_string(project.path("px.jsonl")).unwrap();
    assert_eq!(rows(&again.stdout), rows(&first), "every row is byte for byte the same");
    goes_on(&project, "new", &run);
}

#[test]
fn a_damaged_export_makes_no_store() {
    let (project, _) = lived();
    assert_eq!(project.px(&["store", "export", "px.jsonl"]).code, 0);
    let whole = std::fs::read_to_string(project.path("px.jsonl")).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without_one = [&lines[..2], &lines[3..]].concat().join("\n") + "\n";
    let torn = lines[..lines.len() - 1].join("\n") + "\n";
    let future = whole.replacen("\"format\":3", "\"format\":9", 1);
    let behind = |more: &str| format!("{whole}{more}");
    let (line, half, again) = (behind("\n"), behind("{"), behind(&whole));
    for (text, says) in [
        (line.as_str(), "something follows the last line"),
        (half.as_str(), "something follows the last line"),
        (again.as_str(), "something follows the last line"),
        (without_one.as_str(), "the checksum is another one"),
        (torn.as_str(), "it ends before its last line"),
        (future.as_str(), "its format is 9"),
        ("hello\n", "it is no export of px"),
        ("", "it ends before its last line"),
    ] {
        std::fs::write(project.path("bad.jsonl"), text).unwrap();
        let done = project.px(&["store", "import", "bad.jsonl", "--data-dir", "new"]);
        assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
        assert!(done.stderr.contains(says), "{done:?}");
        assert!(!project.path("new").exists() && !project.path("new.import").exists());
    }
    assert_eq!(project.px(&["store", "import", "none.jsonl", "--data-dir", "new"]).code, 3);
    assert_eq!(project.px(&["store", "import", "px.jsonl"]).code, 4, "there is a store already");
}

#[test]
fn a_backup_serves_as_the_store_did() {
    let (project, run) = lived();
    let before = counts(&project, ".px/data");
    let done = project.px(&["store", "backup", "copy", "--with-key"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(counts(&project, "copy"), before);
    assert_eq!(project.px(&["store", "backup", "copy", "--with-key"]).code, 4);
    goes_on(&project, "copy", &run);
    assert_eq!(counts(&project, ".px/data"), before, "the store itself is as it was");
}

#[test]
fn a_compacted_store_is_the_same_store() {
    let (project, run) = lived();
    let before = counts(&project, ".px/data");
    let done = project.px(&["store", "compact", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.json()["bytesAfter"].as_u64() <= done.json()["bytesBefore"].as_u64(), "{done:?}");
    assert_eq!(counts(&project, ".px/data"), before);
    assert!(!project.path(".px/data.compact").exists());
    goes_on(&project, ".px/data", &run);
}

#[test]
fn a_served_store_is_let_be() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    for arguments in
        [["store", "export", "px.jsonl"].as_slice(), &["store", "backup", "copy"], &["store", "compact"]]
    {
        let done = project.px(arguments);
        assert_eq!(done.code, 4, "{done:?}");
        assert!(done.stderr.contains("stop that process first"), "{done:?}");
    }
    assert!(!project.path("px.jsonl").exists() && !project.path("copy").exists());
    drop(serving);
}
