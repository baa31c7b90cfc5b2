//! The pages of `docs/` that show commands: each block of them is run by `sh`
//! against a served sample project, in the order of the page, and those marked
//! `stopped` when its server is down. Rust on the pages is compiled with the
//! documentation of the crate `px`; webhooks.md has a test of its own, and
//! getting-started.md is run in `tests/template`, for it needs that project.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::path::Path;

use app as _;
use support::Project;

/// The blocks of a page, with what their fence says.
fn blocks(page: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    fenced
        .filter_map(|block| block.split_once('\n'))
        .map(|(fence, code)| (fence.into(), code.into()))
        .collect()
}

/// Runs a block by `sh`, with the project's binary as `px`.
fn run(project: &Project, script: &str, url: Option<&str>) {
    let command = project.command(&[]);
    let bin = project.path().join("bin");
    if !bin.exists() {
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(command.get_program(), bin.join("px")).unwrap();
    }
    let mut sh = std::process::Command::new("sh");
    sh.args(["-euc", script]).current_dir(project.path()).env_clear();
    sh.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    sh.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    sh.env("PX_DATA_DIR", project.data());
    if let Some(url) = url {
        sh.env("PX_URL", url);
    }
    let done = sh.output().unwrap();
    let said = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
    assert!(done.status.success(), "{script}\n{said}");
}

fn lives_through(page: &str) {
    let project = Project::new();
    let px = project.serve();
    let url = format!("http://{}", px.address);
    let (stopped, served): (Vec<_>, Vec<_>) = blocks(page)
        .into_iter()
        .filter(|(fence, _)| fence.starts_with("sh"))
        .partition(|(fence, _)| fence == "sh,stopped");
    assert!(!served.is_empty(), "{page} has commands");
    served.iter().for_each(|(_, script)| run(&project, script, Some(&url)));
    px.stop();
    stopped.iter().for_each(|(_, script)| run(&project, script, None));
}

#[test]
fn the_commands_of_brains() {
    lives_through("brains.md");
}

#[test]
fn the_commands_of_values_that_outlive_runs() {
    lives_through("kv.md");
}

#[test]
fn the_commands_of_waits() {
    lives_through("waits.md");
}

#[test]
fn the_commands_of_operating() {
    lives_through("operating.md");
}

#[test]
fn the_commands_of_secrets() {
    lives_through("secrets.md");
}

/// Every page is in the index, and what pages link to is there.
#[test]
fn the_index_has_every_page_and_links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = root.join("docs");
    let index = std::fs::read_to_string(docs.join("README.md")).unwrap();
    for entry in std::fs::read_dir(&docs).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && name != "README.md" {
            assert!(index.contains(&format!("({name})")), "docs/README.md does not name {name}");
        }
        let text = std::fs::read_to_string(docs.join(&name)).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") && !file.contains(' ') {
                assert!(docs.join(file).exists(), "docs/{name} links to {link}, which is not there");
            }
        }
    }
}

/// No page shows a flag or a command that there is not.
#[test]
fn pages_name_commands_that_there_are() {
    let reference =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md")).unwrap();
    let known: Vec<&str> = reference.lines().filter_map(|line| line.strip_prefix("## px ")).collect();
    let pages = ["README.md", "getting-started.md", "brains.md", "waits.md", "operating.md"];
    for page in pages {
        let text =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
        for rest in text.split("`px ").skip(1) {
            let command = rest.split('`').next().unwrap();
            let first = command.split(' ').next().unwrap();
            let is_known = known.iter().any(|path| path.split(' ').next() == Some(first));
            assert!(is_known || first.starts_with('<') || first == "check", "{page} says `px {command}`");
        }
    }
}
