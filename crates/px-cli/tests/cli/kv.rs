//! `px kv`, beside a server and without one: the same values by the same words, and names that are a slip told
//! from names that have no values.

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::support::{Done, Project, eventually};

/// A project with values of two scopes, and its server.
fn with_values() -> (Project, Serving) {
    let project = Project::of("counting").file("px.toml", "");
    let serving = Serving::start(&project, &[]);
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &serving.url]].concat());
    let run = px(&["run", "counting", "-s", "who=ada"]);
    assert_eq!(run.code, 0, "{run:?}");
    let id = run.stdout.trim().to_owned();
    eventually("the run to end", || {
        (px(&["runs", "show", &id, "--json"]).json()["status"] == "complete").then_some(())
    });
    (project, serving)
}

fn px(project: &Project, words: &str) -> Done {
    project.px(&words.split(' ').collect::<Vec<_>>())
}

/// Asks for a brain and a key, and for slips of both, whoever answers.
fn told(project: &Project) {
    let json = |words: &str| -> Value { px(project, &format!("{words} --json")).json() };
    assert_eq!(json("kv list"), json!({"brains": ["counting"], "count": 1}));
    let keys = json("kv list counting");
    let named: Vec<_> =
        keys["keys"].as_array().unwrap().iter().map(|one| [&one["key"], &one["scope"]]).collect();
    assert_eq!(json!(named), json!([["greeted", "of ada"], ["runs", "shared"]]));
    let first = json("kv list counting --limit 1");
    let cursor = first["nextCursor"].as_str().unwrap();
    let next = project.px(&["kv", "list", "counting", "--cursor", cursor, "--json"]).json();
    assert_eq!((&next["keys"][0]["key"], &next["count"]), (&json!("runs"), &json!(2)));
    assert_eq!(px(project, "kv get counting runs").stdout, "1\n");
    assert_eq!(json("kv get counting runs")["scope"], "shared");
    // A brain that is known and has no values is none that is not there.
    let none = px(project, "kv list idle");
    assert!(none.code == 0 && none.stderr.contains("No values"), "{none:?}");
    let none = px(project, "kv delete idle --all");
    assert!(none.code == 0 && none.stderr.contains("Removed 0 values"), "{none:?}");
    for words in
        ["kv list countin", "kv get countin runs", "kv delete countin runs", "kv delete countin --all"]
    {
        let refused = px(project, words);
        assert_eq!(refused.code, 3, "{words}: {refused:?}");
        assert!(refused.stderr.contains("did you mean 'counting'?"), "{words}: {refused:?}");
    }
    let stranger = px(project, "kv list somebody-else --json");
    assert_eq!((stranger.code, stranger.stdout.as_str()), (3, ""), "{stranger:?}");
    for words in ["kv get counting greeted", "kv delete counting greeted"] {
        let refused = px(project, words);
        assert!(refused.code == 3 && refused.stderr.contains("in another scope: 'of ada'"), "{refused:?}");
    }
    let slip = px(project, "kv get counting rusn");
    assert!(slip.code == 3 && slip.stderr.contains("did you mean 'runs'?"), "{slip:?}");
}

#[test]
fn values_are_the_same_through_a_server_and_without_one() {
    let (project, serving) = with_values();
    told(&project);
    assert!(!px(&project, "kv list").stderr.contains("nobody serves it"));
    assert_eq!(serving.end().0, 0);
    told(&project);
    let listed = px(&project, "kv list");
    assert!(listed.stderr.contains("nobody serves it: this is the store in"), "{listed:?}");
    let deleted = project.px(&["kv", "delete", "counting", "greeted", "--scope", "of ada"]);
    assert_eq!(deleted.code, 0, "{deleted:?}");
    assert_eq!(px(&project, "kv list counting --json").json()["count"], 1);
    let cleared = px(&project, "kv delete counting --all --json");
    assert_eq!(cleared.json(), json!({"deleted": 1}), "{cleared:?}");
    assert_eq!(px(&project, "kv list --json").json(), json!({"brains": [], "count": 0}));
    let audited = px(&project, "audit");
    assert_eq!(audited.code, 0, "the counts are right: {audited:?}");
}

#[test]
fn a_directory_without_a_store_is_said_and_none_is_made() {
    let project = Project::rooted();
    for words in ["kv list", "kv get counting runs", "kv list --data-dir elsewhere"] {
        let refused = px(&project, words);
        assert!(refused.code == 3 && refused.stderr.contains("there is no store in"), "{refused:?}");
    }
    assert!(!project.path(".px").exists() && !project.path("elsewhere").exists());
    let away = px(&project, "kv list --url http://127.0.0.1:9");
    assert!(away.code == 5 && away.stderr.contains("without --url and PX_URL"), "{away:?}");
}

#[test]
fn fields_are_known_by_their_type_though_a_list_is_empty() {
    let project = Project::rooted();
    let done = px(&project, "secrets list --json=name,updatedAt,oldValueUntil");
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("[]\n", ""), "{done:?}");
    let slip = px(&project, "secrets list --json=nmae");
    assert!(slip.stderr.contains("nothing here has a field 'nmae'"), "{slip:?}");
    let serving = Serving::start(&project, &[]);
    for (words, fields) in [
        ("runs list", "id,status,labels"),
        ("hooks list", "id,url,name"),
        ("webhooks deliveries list", "id,slug,state"),
        ("webhooks list", "slug,secretSource"),
        ("tokens list", "id,scope"),
        ("kv list customer-feedback", "key,scope,lastModified"),
    ] {
        let done = px(&project, &format!("{words} --json={fields} --url {}", serving.url));
        assert!(done.code == 0 && done.stderr.is_empty(), "{words}: {done:?}");
        let spaced = px(&project, &format!("{words} --url {} --json {fields}", serving.url));
        assert_ne!(spaced.code, 0, "{spaced:?}");
        assert!(spaced.stderr.contains(&format!("--json={fields}")), "{words}: {spaced:?}");
    }
    drop(serving);
}
