//! The key that secrets rest under: changed though a process dies of it, lost, copied or left out, and kept from
//! before for what rests under it.

use serde_json::json;

use crate::secrets::{VALUE, fed, names, set};
use crate::serving::Serving;
use crate::support::Project;

#[test]
fn rekey_changes_the_key_and_goes_on_where_it_was_interrupted() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE);
    let key = |name: &str| std::fs::read_to_string(project.path(&format!(".px/data/{name}")));
    let first = key("secret.key").unwrap();
    let done = project.px(&["secrets", "rekey", "--json"]);
    let old = ".px/data/secret.key.old";
    assert_eq!((done.code, done.json()), (0, json!({"hooks": 0, "secrets": 1, "oldKey": old})), "{done:?}");
    let second = key("secret.key").unwrap();
    assert!(second != first && key("secret.key.next").is_err());
    // It died when the new key was there and nothing was sealed under it yet.
    std::fs::write(project.path(".px/data/secret.key.next"), "ab".repeat(32)).unwrap();
    let mode = || std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(project.path(".px/data/secret.key.next"), mode()).unwrap();
    set(&project, "OTHER_KEY", VALUE);
    assert_eq!(key("secret.key").unwrap(), second, "the old key is the store's still");
    assert_eq!(project.px(&["secrets", "rekey"]).code, 0);
    assert_eq!(key("secret.key").unwrap(), "ab".repeat(32), "the key that was there is taken");
    // It died when all was sealed anew, and the new key had not its name yet.
    std::fs::rename(project.path(".px/data/secret.key"), project.path(".px/data/secret.key.next")).unwrap();
    std::fs::write(project.path(".px/data/secret.key"), &second).unwrap();
    std::fs::set_permissions(project.path(".px/data/secret.key"), mode()).unwrap();
    let serving = Serving::start(&project, &[]);
    assert!(key("secret.key.next").is_err(), "whoever opens the store finishes it");
    assert_eq!(key("secret.key").unwrap(), "ab".repeat(32));
    let running = project.px(&["secrets", "rekey"]);
    assert!(running.code == 4 && running.stderr.contains("stop that process first"), "{running:?}");
    drop(serving);
    assert_eq!(names(&project), ["OTHER_KEY", "STRIPE_KEY"]);
    // Each key from before is kept once, and no step that was done again has taken another one's place.
    assert_eq!((key("secret.key.old").unwrap(), key("secret.key.old.2").unwrap()), (first, second));
    assert!(key("secret.key.old.3").is_err());
}

#[test]
fn a_copy_from_before_a_rekey_is_opened_with_the_key_that_it_left() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE);
    assert_eq!(project.px(&["store", "backup", "copy"]).code, 0);
    let done = project.px(&["secrets", "rekey"]);
    assert!(done.code == 0 && done.stderr.contains("secret.key.old the old one"), "{done:?}");
    assert!(done.stderr.contains("Remove it once none of them is kept"), "{done:?}");
    let old = project.path(".px/data/secret.key.old");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&old).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    std::fs::copy(&old, project.path("copy/secret.key")).unwrap();
    let listed = project.px(&["secrets", "list", "--data-dir", "copy", "--json"]).json();
    assert_eq!((&listed["count"], listed["secrets"][0].get("unreadable")), (&json!(1), None));
    // A key that could not be changed leaves none behind.
    let other = Project::rooted().with("PX_SECRET_KEY", &"11".repeat(32));
    set(&other, "STRIPE_KEY", VALUE);
    assert_ne!(other.px(&["secrets", "rekey"]).code, 0);
    assert!(!other.path(".px/data/secret.key.old").exists());
    // Copies with the key have those from before, others have none.
    let there = |copy: &str| project.path(&format!("{copy}/secret.key.old")).exists();
    assert_eq!(project.px(&["store", "backup", "bare"]).code, 0);
    assert_eq!(project.px(&["store", "compact"]).code, 0);
    let whole = project.px(&["store", "backup", "whole", "--with-key"]);
    assert!(
        whole.code == 0 && whole.stderr.contains("the copy holds the key, whole/secret.key"),
        "{whole:?}"
    );
    assert_eq!((there("bare"), there("whole"), there(".px/data")), (false, true, true));
}

#[test]
fn names_need_no_key() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE);
    let key = project.path(".px/data/secret.key");
    std::fs::remove_file(&key).unwrap();
    let listed = project.px(&["secrets", "list"]);
    assert!(listed.code == 0 && listed.stdout.contains("STRIPE_KEY"), "{listed:?}");
    assert!(listed.stdout.contains("cannot be decrypted"), "{listed:?}");
    assert!(listed.stderr.contains("secret.key") && listed.stderr.contains("is missing"), "{listed:?}");
    let json = project.px(&["secrets", "list", "--json"]);
    assert_eq!(json.json()["secrets"][0]["unreadable"], true, "{json:?}");
    assert!(!key.exists(), "no key is made anew where secrets rest");
    assert_eq!(project.px(&["secrets", "delete", "STRIPE_KEY"]).code, 1);
}

#[test]
fn a_lost_key_leaves_the_secret_unreadable_and_its_webhook_shut() {
    let project = Project::rooted();
    set(&project, "CHAT_SECRET", VALUE);
    std::fs::remove_file(project.path(".px/data/secret.key")).unwrap();
    let refused = project.px(&["serve", "--port", "0"]);
    assert!(refused.stderr.contains("these secrets cannot be read: 'CHAT_SECRET'"), "{refused:?}");
    let checked = project.px(&["check"]);
    assert!(checked.code == 1 && checked.stderr.contains("these secrets cannot be read"), "{checked:?}");
    let serving = Serving::start(&project, &["--new-secret-key"]);
    let sent =
        project.px(&["webhooks", "send", "chat", "--identifier", "x", "--url", &serving.url, "--json"]);
    assert_eq!(sent.code, 1, "to verify nobody would let everybody in: {sent:?}");
    assert_eq!(fed(&project, &["secrets", "set", "CHAT_SECRET", "--url", &serving.url], VALUE).code, 0);
    let (_, log) = serving.end();
    assert!(log.contains("cannot be decrypted") && log.contains("CHAT_SECRET"), "{log}");
    let done = project.px(&["check"]);
    assert_eq!(done.code, 0, "{done:?}");
}

#[test]
fn a_key_of_the_environment_is_changed_by_two_variables() {
    let (one, two) = ("11".repeat(32), "22".repeat(32));
    let project = Project::rooted().with("PX_SECRET_KEY", &one);
    set(&project, "STRIPE_KEY", VALUE);
    let alone = project.px(&["secrets", "rekey"]);
    assert!(alone.code == 2 && alone.stderr.contains("PX_SECRET_KEY_NEW"), "{alone:?}");
    let project = project.with("PX_SECRET_KEY_NEW", &two);
    let done = project.px(&["secrets", "rekey"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(!done.stderr.contains(&two), "{done:?}");
    // Until the variables are swapped the new key is the store's, and seals.
    set(&project, "SET_MEANWHILE", VALUE);
    let serving = Serving::start(&project, &[]);
    assert_eq!(fed(&project, &["secrets", "set", "SET_BY_SERVER", "--url", &serving.url], VALUE).code, 0);
    let (_, log) = serving.end();
    assert!(log.contains("give PX_SECRET_KEY its value, and unset PX_SECRET_KEY_NEW"), "{log}");
    let project = project.with("PX_SECRET_KEY_NEW", &two).with("PX_SECRET_KEY", &two);
    let checked = project.px(&["check"]);
    assert!(checked.code == 0 && !checked.stderr.contains("cannot be read"), "{checked:?}");
    let project = project.with("PX_SECRET_KEY_NEW", &one);
    assert_eq!(names(&project), ["SET_BY_SERVER", "SET_MEANWHILE", "STRIPE_KEY"]);
    let other = project.with("PX_SECRET_KEY_NEW", &one).with("PX_SECRET_KEY", &"33".repeat(32));
    let refused = other.px(&["secrets", "delete", "STRIPE_KEY"]);
    assert!(refused.code == 1 && refused.stderr.contains("another key"), "{refused:?}");
}

/// It would count for nothing there, and whoever set it would take it for the store's.
#[test]
fn a_new_key_of_the_environment_is_refused_where_a_file_has_the_key() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE);
    let files = || {
        let names = std::fs::read_dir(project.path(".px/data")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("secret")).collect();
        names.sort();
        (names, std::fs::read_to_string(project.path(".px/data/secret.key")).unwrap())
    };
    let before = files();
    let two = "22".repeat(32);
    let refused = project.command(&["secrets", "rekey"]).env("PX_SECRET_KEY_NEW", &two).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    for words in ["counts only where PX_SECRET_KEY has the key", "unset PX_SECRET_KEY_NEW"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!said.contains(&two), "{said}");
    assert_eq!(files(), before, "nothing was changed");
    assert_eq!(names(&project), ["STRIPE_KEY"]);
}

#[test]
fn a_backup_has_no_key_unless_it_is_asked_for() {
    let project = Project::rooted();
    set(&project, "STRIPE_KEY", VALUE);
    let done = project.px(&["store", "backup", "copy"]);
    assert!(done.code == 0 && done.stderr.contains("secret.key is not in it"), "{done:?}");
    assert!(!project.path("copy/secret.key").exists());
    let listed = |dir: &str| project.px(&["secrets", "list", "--data-dir", dir, "--json"]);
    let refused = project.px(&["secrets", "delete", "STRIPE_KEY", "--data-dir", "copy"]);
    assert!(
        refused.code == 1 && refused.stderr.contains("these secrets cannot be read: 'STRIPE_KEY'"),
        "{refused:?}"
    );
    assert!(!project.path("copy/secret.key").exists(), "no new key in the place of one that is missing");
    std::fs::copy(project.path(".px/data/secret.key"), project.path("copy/secret.key")).unwrap();
    assert_eq!(listed("copy").json()["count"], 1);
    // A process that died while it made a key has left this.
    for name in ["secret.4711.new", "secret.key.4711.new", "secret.key.next"] {
        std::fs::write(project.path(&format!(".px/data/{name}")), "ab".repeat(32)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(project.path(&format!(".px/data/{name}")), mode).unwrap();
    }
    assert_eq!(project.px(&["store", "backup", "third"]).code, 0);
    let copied = std::fs::read_dir(project.path("third")).unwrap().map(|entry| entry.unwrap().file_name());
    let copied: Vec<String> = copied.map(|name| name.into_string().unwrap()).collect();
    assert!(copied.iter().all(|name| !name.starts_with("secret")) && !copied.is_empty(), "{copied:?}");
    assert_eq!(names(&project), ["STRIPE_KEY"]);
    assert!(!project.path(".px/data/secret.4711.new").exists(), "it is nobody's");
    assert_eq!(project.px(&["store", "compact"]).code, 0);
    assert!(project.path(".px/data/secret.key.next").exists(), "an unfinished change can go on");
    assert_eq!(project.px(&["store", "backup", "whole", "--with-key"]).code, 0);
    assert_eq!(listed("whole").json()["count"], 1);
}
