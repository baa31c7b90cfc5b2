//! Values that outlive runs, by the names of the API that px is compatible with.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("values_are_listed_shown_and_removed", values),
    ("values_are_listed_in_pages", pages),
    ("the_values_of_a_brain_are_removed_at_once", clear),
    ("the_ancestors_functions_of_the_store_are_content", ancestor),
];

/// A run that counts votes in the scopes that its key says, and is complete.
fn count(suite: &Suite, id: &str) {
    let run = suite.start("counting", &json!({"id": id, "who": "ada"}));
    for _ in 0..2_000 {
        match suite.get(&format!("/brains/runs/{run}")).field("status").as_str() {
            "complete" => return,
            "running" | "pending" => std::thread::yield_now(),
            other => panic!("the run is {other}"),
        }
    }
    panic!("the run does not end");
}

fn values(suite: &Suite) {
    assert_eq!(suite.get("/store").json(), json!({"brains": [], "count": 0}));
    assert_eq!(suite.get("/store/counting").json(), json!({"keys": [], "count": 0}));
    count(suite, "a");
    count(suite, "a");
    assert_eq!(suite.get("/store").json(), json!({"brains": ["counting"], "count": 1}));
    let listed = suite.get("/store/counting").json();
    let keys: Vec<[&Value; 3]> = listed["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| [&one["key"], &one["scope"], &one["size"]])
        .collect();
    assert_eq!(json!(keys), json!([["last/vote", "of a", 5], ["votes", "shared", 1]]));
    let at = listed["keys"][0]["lastModified"].as_str().unwrap();
    assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");

    let shown = suite.get("/store/counting/shared/votes").json();
    assert_eq!(
        (&shown["key"], &shown["value"], &shown["scope"]),
        (&json!("votes"), &json!(2), &json!("shared"))
    );
    let own = suite.get("/store/counting/of%20a/last%2Fvote").json();
    assert_eq!((&own["value"], &own["scope"]), (&json!("ada"), &json!("of a")));
    for target in ["/store/counting/shared/none", "/store/nobody/shared/none", "/store/counting/of%20b/none"]
    {
        suite.get(target).fails(404, "Key 'none' not found");
        suite.send("DELETE", target, &json!({})).fails(404, "Key 'none' not found");
    }
    assert_eq!(suite.send("DELETE", "/store/counting/shared/votes", &json!({})).status, 204);
    suite.get("/store/counting/shared/votes").fails(404, "Key 'votes' not found");
    count(suite, "a");
    assert_eq!(suite.get("/store/counting/shared/votes").json()["value"], 1, "it begins anew");
}

fn pages(suite: &Suite) {
    for id in ["a", "b", "c/d"] {
        count(suite, id);
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = suite.get(&format!("/store/counting?limit=1&cursor={cursor}")).json();
        assert_eq!(
            (page["keys"].as_array().unwrap().len(), &page["count"]),
            (1, &json!(4)),
            "that of all pages"
        );
        found.push(page["keys"][0]["scope"].as_str().unwrap().to_owned());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = next.replace('%', "%25").replace(' ', "%20").replace('/', "%2F");
    }
    assert_eq!(found, ["of a", "of b", "of c/d", "shared"]);
    let brains = suite.get("/store?limit=1").json();
    assert_eq!(brains, json!({"brains": ["counting"], "count": 1}));
    assert_eq!(suite.get("/store/counting?limit=x").status, 400);
    assert_eq!(suite.get("/store/counting?cursor=x").status, 400);
}

fn clear(suite: &Suite) {
    count(suite, "a");
    let keys = suite.get("/store/counting").json()["count"].clone();
    let cleared = suite.send("DELETE", "/store/counting", &json!({}));
    assert_eq!((cleared.status, cleared.json()), (200, json!({"deleted": keys})));
    assert_eq!(suite.send("DELETE", "/store/counting", &json!({})).json(), json!({"deleted": 0}));
    assert_eq!(suite.get("/store").json(), json!({"brains": [], "count": 0}));
}

/// What the ancestor's own specification asks of each route, without its users.
fn ancestor(suite: &Suite) {
    count(suite, "a");
    suite.send("DELETE", "/store/counting/of%20a/last%2Fvote", &json!({}));
    let brains = suite.get("/store").json();
    assert!(brains["brains"].is_array() && brains["count"].is_number());
    let listed = suite.get("/store/counting").json();
    assert!(listed["keys"].is_array() && listed["count"].is_number());
    for entry in listed["keys"].as_array().unwrap() {
        assert!(entry["key"].is_string() && entry["size"].is_number() && entry["lastModified"].is_string());
        assert_eq!(entry["scope"], "shared");
    }
    let shown = suite.get("/store/counting/shared/votes").json();
    assert_eq!((&shown["key"], &shown["scope"]), (&json!("votes"), &json!("shared")));
    assert!(!shown["value"].is_null());
    assert_eq!(suite.send("DELETE", "/store/counting/shared/votes", &json!({})).status, 204);
    assert!(suite.send("DELETE", "/store/counting", &json!({})).json()["deleted"].is_number());
}
