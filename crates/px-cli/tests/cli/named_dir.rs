//! Commands that are told a data directory: they change what lies there, by way of the
//! server that has it open if one does, and never another server's store.

use std::fs::File;

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
    let mine = project().with("PX_PORT", &port_of(&other_server));
    assert_eq!(mine.px(&["tokens", "create", "me", "--scope", "admin"]).code, 0);
    // As `px audit` has it while it reads.
    let lock = File::options().write(true).open(mine.path(".px/data/px.lock")).unwrap();
    lock.lock().unwrap();
    let refused = mine.px(&["tokens", "create", "you", "--scope", "admin"]);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stderr.contains("px.lock") && refused.stderr.contains("serves nobody"), "{refused:?}");
    assert_eq!(tokens(&other, &["--url", &other_server.url]), 0);
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
