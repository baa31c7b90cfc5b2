//! `px new`, and handing over to another project's binary.

use std::path::Path;

use crate::support::Project;

/// The folder with px's own sources.
fn px() -> &'static str {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_str().unwrap()
}

#[test]
fn a_new_project_has_the_documented_shape() {
    let project = Project::small();
    let made = project.px(&["new", "demo", "--path", px()]);
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.stdout.trim(), project.path("demo").canonicalize().unwrap().to_str().unwrap());
    assert!(made.stderr.contains("cargo run -- serve"), "{made:?}");
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "px.toml",
        ".gitignore",
        ".rustfmt.toml",
        ".github/workflows/ci.yml",
        "brains/lib.rs",
        "brains/main.rs",
        "brains/approval.rs",
        "webhooks/mod.rs",
        "webhooks/decisions.rs",
        "tests/approval.rs",
    ] {
        let text = std::fs::read_to_string(project.path("demo").join(file)).unwrap();
        assert!(!text.contains("{{"), "{file}");
    }
    let manifest: toml::Table =
        std::fs::read_to_string(project.path("demo/Cargo.toml")).unwrap().parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("demo"));
    // Projects that share a target folder do not overwrite each other's program.
    assert_eq!(manifest["bin"][0]["name"].as_str(), Some("demo"));
    assert_eq!(manifest["package"]["metadata"]["px"]["program"].as_str(), Some("demo"));
    assert_eq!(manifest["dependencies"]["px"]["path"].as_str(), Some(&*format!("{}/crates/px", px())));
    let told = project.px(&["new", "other", "--path", px(), "--json"]).json();
    assert_eq!((&told["name"], told["files"].as_array().map(Vec::len)), (&"other".into(), Some(12)));
}

#[test]
fn the_configuration_of_a_new_project_is_valid() {
    let project = Project::small();
    assert_eq!(project.px(&["new", "demo", "--path", px()]).code, 0);
    let checked = project.px(&["check", "--config", "demo/px.toml"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    // So is what it shows, with the comment signs taken away.
    let text = std::fs::read_to_string(project.path("demo/px.toml")).unwrap();
    let is_setting = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let shown: Vec<&str> =
        text.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).filter(is_setting).collect();
    std::fs::write(project.path("demo/px.toml"), shown.join("\n")).unwrap();
    let project = project.with("BILLING_SECRET", &format!("whsec_{}", "A".repeat(44)));
    let checked = project.px(&["check", "--config", "demo/px.toml", "--json"]);
    assert_eq!(
        (checked.code, checked.json()["problems"].as_array().map(Vec::len)),
        (0, Some(0)),
        "{checked:?}"
    );
    assert!(checked.json()["config"]["publicUrl"].as_str().is_some(), "it was read: {checked:?}");
}

#[test]
fn px_check_looks_at_the_hooks_too() {
    let project = Project::small().file("px.toml", "[[hooks]]\nurl = 'https://a.example'\n");
    let checked = project.px(&["check"]);
    assert_eq!(checked.code, 1, "{checked:?}");
    assert!(checked.stderr.contains("  - px.toml, hook 1: it has no name"), "{checked:?}");
    assert!(checked.stderr.contains("px does not serve until this is mended"), "{checked:?}");
}

#[test]
fn what_cannot_be_made_is_said() {
    let project = Project::small().file("file", "");
    std::fs::create_dir(project.path("there")).unwrap();
    for (arguments, code, says) in [
        (vec!["new", "demo"], 2, "px is not published yet"),
        (vec!["new", "Demo App", "--path", px()], 2, "'demo-app' can"),
        (vec!["new", "match", "--path", px()], 2, "it is a word of Rust"),
        (vec!["new", "demo", "--path", "there"], 3, "it has no crates/px/Cargo.toml"),
        (vec!["new", "none/demo", "--path", px()], 3, "there is no folder none"),
        (vec!["new", "there", "--path", px()], 4, "there is there already"),
        (vec!["new", "file", "--path", px()], 4, "file is there already"),
        (vec!["new", "--path", px()], 2, "<NAME>"),
    ] {
        let done = project.px(&arguments);
        assert_eq!((done.code, done.stdout.as_str()), (code, ""), "{done:?}");
        assert!(done.stderr.contains(says), "{done:?}");
    }
    assert!(!project.path("demo").exists());
}

/// `echo` in the place of cargo says with which words it was called.
#[test]
fn in_another_projects_directory_px_hands_over() {
    let project = Project::small()
        .file("px.toml", "")
        .file("Cargo.toml", "[package]\nname = 'other'\n[dependencies]\npx = '1'\n")
        .with("CARGO", "/bin/echo");
    let done = project.px(&["brains", "list", "--json"]);
    assert_eq!((done.code, done.stdout.trim()), (0, "run --quiet -- brains list --json"), "{done:?}");
    let done = project.px(&["serve"]);
    assert!(done.stderr.starts_with("Handing over to the px of "), "{done:?}");
    assert!(done.stderr.contains("(cargo run, which builds it first)."), "it may take a while: {done:?}");
    let help = project.px(&["serve", "--help"]);
    assert!(help.stdout.starts_with("Serve the webhooks"), "{help:?}");

    let project = project.with("PX_HANDED_OVER", "1");
    let done = project.px(&["brains", "list", "--json"]);
    assert!(done.code == 0 && done.json()["brains"].is_array(), "{done:?}");
}

#[test]
fn without_cargo_px_says_whose_directory_it_is() {
    let project = Project::small()
        .file("px.toml", "")
        .file("Cargo.toml", "[package]\nname = 'other'\n[dependencies]\npx = '1'\n")
        .with("CARGO", "/nowhere/cargo");
    let done = project.px(&["brains", "list"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("of which this px is not the binary")
            && done.stderr.contains("PX_HANDED_OVER=1"),
        "{done:?}"
    );
}

#[test]
fn px_dev_wants_a_project() {
    let done = Project::small().px(&["dev"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("is in no px project"), "{done:?}");
}
