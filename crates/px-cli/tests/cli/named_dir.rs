//! Commands that are told a data directory: they change what lies there, by way of the
//! server that has it open if one does, and never another server's store.

use std::fs::File;

use crate::secrets::fed;
use crate::serving::{Serving, project};
use crate::support::Project;

/// The port of a server.
fn port_of(serving: &Serving) -> String {
    serving.url.rsplit(':').next().unwrap().to_owned()
}

fn tokens(project: &Project, arguments: &[&str]) -> usize {
    let listed = project.px(&[&["tokens", "list", "--json"], arguments].concat());
    assert_eq!(listed.code, 0, "{listed:?}");
    listed.json()["tokens"].as_array().unwrap().len()
}

#[test]
fn a_token_is_made_where_its_directory_says_and_in_no_other_px() {
    let other = project();
    let other_server = Serving::start(&other, &[]);
    // The configuration of this one names the port where the other listens.
    let mine = project().with("PX_PORT", &port_of(&other_server));
    let dir = mine.path("data");
    let dir = ["--data-dir", dir.to_str().unwrap()];

    let serving = Serving::start(&mine, &dir);
    let created = mine.px(&[&["tokens", "create", "me", "--scope", "admin", "--json"], &dir[..]].concat());
    assert_eq!(created.code, 0, "{created:?}");
    assert_eq!(tokens(&other, &["--url", &other_server.url]), 0, "the other px has none");
    let refused = mine.px(&["tokens", "list", "--url", &serving.url]);
    assert_ne!(refused.code, 0, "it is made in the px that has the directory open: {refused:?}");
    let token = created.json()["token"].as_str().unwrap().to_owned();
    let mine = mine.with("PX_TOKEN", &token);
    assert_eq!(tokens(&mine, &dir), 1);
    let listed = mine.px(&[&["secrets", "list", "--json"], &dir[..]].concat());
    assert_eq!(listed.code, 0, "as secrets are: {listed:?}");
    let mine = mine.with("PX_DATA_DIR", dir[1]);
    let checked = mine.px(&["check", "--json"]);
    assert_eq!(checked.json()["parkedRuns"]["lookedAt"], 0, "and runs that are parked: {checked:?}");

    // Nobody serves it any more, and the other px still listens.
    assert_eq!(serving.end().0, 0);
    assert_eq!(tokens(&mine, &dir), 1);
    assert_eq!(tokens(&other, &["--url", &other_server.url]), 0);
}

#[test]
fn a_directory_that_is_open_and_not_served_is_left_alone() {
    let other = project();
    let other_server = Serving::start(&other, &[]);
    let mine = project().with("PX_PORT", &port_of(&other_server)).file("px.toml", "");
    assert_eq!(mine.px(&["tokens", "create", "me", "--scope", "admin"]).code, 0);
    // As `px audit` has it while it reads.
    let lock = File::options().write(true).open(mine.path(".px/data/px.lock")).unwrap();
    lock.lock().unwrap();
    let refused = mine.px(&["tokens", "create", "you", "--scope", "admin"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("px.lock") && refused.stderr.contains("serves nobody"), "{refused:?}");
    assert_eq!(tokens(&other, &["--url", &other_server.url]), 0);
}

/// A store in a folder that is nobody's would take what is meant for another one, in silence.
#[test]
fn no_store_is_made_in_a_folder_that_nothing_says_is_a_project() {
    let bare = project().file(".env", "STRIPE_KEY=sk_live_0123456789\n");
    for words in [
        &["secrets", "set", "STRIPE_KEY"][..],
        &["secrets", "import", ".env"],
        &["tokens", "create", "me", "--scope", "admin"],
    ] {
        let refused = fed(&bare, words, "sk_live_0123456789");
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.stderr.contains("is no px project"), "{refused:?}");
        assert!(refused.stderr.contains("--data-dir .px/data"), "{refused:?}");
        assert!(!bare.path(".px").exists(), "{words:?}");
    }
    let dir = bare
        .path("mine")
        .canonicalize()
        .unwrap_or_else(|_| bare.dir.path().canonicalize().unwrap().join("mine"));
    let dir = dir.to_str().unwrap();
    let set = |project: &Project, words: &[&str]| {
        let done = fed(project, &[&["secrets", "set", "STRIPE_KEY"], words].concat(), "sk_live_0123456789");
        assert_eq!(done.code, 0, "{done:?}");
        done.stderr
    };
    assert!(
        set(&bare, &["--data-dir", dir]).starts_with(&format!("(there was no store: made one in {dir})\n"))
    );
    let said = set(&bare, &["--data-dir", dir]);
    assert!(said.starts_with(&format!("(nobody serves it: this is the store in {dir})\n")), "{said}");
    for words in [&["secrets", "list"][..], &["secrets", "delete", "STRIPE_KEY"], &["tokens", "list"]] {
        let done = bare.px(&[words, &["--data-dir", dir]].concat());
        assert!(done.code == 0 && done.stderr.contains(&format!("the store in {dir})")), "{done:?}");
    }
    let nowhere = bare.px(&["secrets", "list"]);
    assert!(nowhere.code == 0 && nowhere.stderr.contains("there is no store in "), "{nowhere:?}");
    // The advice is one that works here, where `px secrets set NAME` is refused.
    assert!(!nowhere.stderr.contains("`px secrets set NAME` sets one"), "{nowhere:?}");
    assert!(nowhere.stderr.contains("`--data-dir .px/data` makes one here"), "{nowhere:?}");
    let nowhere = bare.px(&["tokens", "list"]);
    assert!(
        nowhere.code == 0 && nowhere.stderr.contains("`--data-dir .px/data` makes one here"),
        "{nowhere:?}"
    );
    let nowhere = bare.px(&["secrets", "delete", "STRIPE_KEY"]);
    assert!(nowhere.code == 3 && nowhere.stderr.contains("there is no store in "), "{nowhere:?}");
    assert!(!bare.path(".px").exists());
    let by_variable = project().with("PX_DATA_DIR", dir);
    assert!(set(&by_variable, &[]).contains("this is the store in"));
    let by_file = project().file("px.toml", "");
    assert!(set(&by_file, &[]).contains("made one in"));
    // A store that is there says enough.
    std::fs::remove_file(by_file.path("px.toml")).unwrap();
    assert!(set(&by_file, &[]).contains("this is the store in"));
}

#[test]
fn check_finds_a_directory_in_which_no_store_can_be_made() {
    let project = project().file("taken", "");
    for (dir, why) in [("/proc/px-nowhere", "create /proc/px-nowhere"), ("taken/data", "create taken/data")] {
        let toml = format!("[store]\ndata_dir = \"{dir}\"\n");
        std::fs::write(project.path("px.toml"), toml).unwrap();
        let checked = project.px(&["check"]);
        assert_eq!(checked.code, 1, "{checked:?}");
        assert!(checked.stderr.contains(why), "{checked:?}");
        assert_eq!(project.px(&["serve", "--port", "0"]).code, 1, "as it does not serve");
    }
    std::fs::write(project.path("px.toml"), "[store]\ndata_dir = \"\"\n").unwrap();
    let checked = project.px(&["check"]);
    assert!(checked.code != 0 && checked.stderr.contains("data_dir"), "{checked:?}");
    assert_ne!(project.px(&["serve", "--port", "0"]).code, 0);
    std::fs::remove_file(project.path("px.toml")).unwrap();
    assert_eq!(project.px(&["check"]).code, 0);
    assert!(!project.path(".px").exists(), "nothing is left behind");
}
