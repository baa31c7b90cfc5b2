//! The index of waits, runs by what they hold, ids by their tails, and runs in words.

use serde_json::{Value, json};

use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("who_waits_for_what", who_waits_for_what),
    ("deadlines_soonest_first", deadlines),
    ("waits_that_are_late", late),
    ("runs_by_what_they_hold", runs_by_what_they_hold),
    ("runs_by_several_labels", runs_by_several_labels),
    ("ids_by_their_tails", ids_by_their_tails),
    ("a_run_in_words", a_run_in_words),
];

fn waiting(suite: &Suite, id: &str) -> String {
    let run = suite.start("voting", &json!({"id": id, "who": "Ada"}));
    suite.px.reaches(&run, "waiting");
    run
}

/// The ids of runs of a list, which ends within two pages.
fn runs(suite: &Suite, query: &str) -> Vec<String> {
    let page = suite.get(&format!("/brains/runs?{query}")).json();
    let ids = page["runs"].as_array().unwrap().iter();
    ids.map(|run| run["brainRunId"].as_str().unwrap().to_owned()).collect()
}

fn who_waits_for_what(suite: &Suite) {
    let first = waiting(suite, "w-1");
    let second = waiting(suite, "w-1");
    let other = waiting(suite, "w-2");
    let exact = suite.get("/waits?slug=votes&identifier=w-1").json();
    let key = &exact["keys"][0];
    assert_eq!(
        (&key["slug"], &key["identifier"], &key["count"]),
        (&json!("votes"), &json!("w-1"), &json!(2))
    );
    let named: Vec<&Value> =
        key["waiting"].as_array().unwrap().iter().map(|waiting| &waiting["brainRunId"]).collect();
    assert_eq!(named, [&json!(first), &json!(second)], "the one that takes the next event is the first");
    assert_eq!(key["waiting"][0]["brainTitle"], "voting");
    assert_eq!(key["waiting"][0]["step"], "note");
    // Nobody needs to know the webhook.
    assert_eq!(
        suite.get("/waits?identifier=w-2").json()["keys"][0]["waiting"][0]["brainRunId"],
        json!(other)
    );
    assert_eq!(suite.get("/waits?identifier=nobody").json()["keys"], json!([]));
    // All of a webhook that begin so, in pages of one.
    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..100 {
        let page = suite.get(&format!("/waits?slug=votes&prefix=w-&limit=1&cursor={cursor}")).json();
        found.extend(page["keys"].as_array().unwrap().iter().map(|key| key["identifier"].clone()));
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    found.sort_by_key(Value::to_string);
    assert_eq!(found, [json!("w-1"), json!("w-2")]);
    assert_eq!(suite.get("/waits?cursor=x").status, 400);
    // An event is kept where nobody waits, and the end of the last wait is told.
    suite.webhook("votes", None, r#"{"id": "w-early", "who": "Bob"}"#).is(200, "queued");
    assert_eq!(suite.get("/waits?identifier=w-early").json()["keys"][0]["queued"], 1);
    suite.px.delete(&format!("/brains/runs/{other}"));
    let ended = suite.get("/waits?identifier=w-2").json();
    assert_eq!(ended["keys"][0]["lastEnd"]["by"], "cancel");
    assert_eq!(ended["keys"][0]["lastEnd"]["brainRunId"], json!(other));
}

fn deadlines(suite: &Suite) {
    let run = suite.start("pair", &json!({"id": "due-1", "who": "Ada"}));
    suite.px.reaches(&run, "waiting");
    let page = suite.get("/waits/due?limit=1000").json();
    let of_run = page["due"].as_array().unwrap().iter().find(|due| due["brainRunId"] == json!(run)).unwrap();
    assert_eq!((&of_run["kind"], &of_run["brainTitle"]), (&json!("deadline"), &json!("pair")));
    let shown = suite.get(&format!("/brains/runs/{run}")).json();
    assert_eq!(of_run["at"], shown["waitingFor"][0]["deadline"]);
    assert_eq!(of_run["awaits"], json!([{"slug": "votes", "identifier": "due-1"}]));
    let times: Vec<u64> =
        page["due"].as_array().unwrap().iter().map(|due| due["at"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let before = of_run["at"].as_u64().unwrap() - 1;
    let earlier = suite.get(&format!("/waits/due?until={before}&limit=1000")).json();
    assert!(earlier["due"].as_array().unwrap().iter().all(|due| due["brainRunId"] != json!(run)));
    // Page by page each once.
    let (mut count, mut cursor) = (0, String::new());
    loop {
        let page = suite.get(&format!("/waits/due?limit=1&cursor={cursor}")).json();
        count += page["due"].as_array().unwrap().len();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(count, times.len());
    assert_eq!(suite.get("/waits/due?cursor=abcd").status, 400);
}

fn late(suite: &Suite) {
    let run = suite.start("hasty", &json!({"id": "late-1", "who": "Ada"}));
    suite.px.reaches(&run, "waiting");
    let found = super::support::eventually("the wait is late", || {
        let page = suite.get("/waits/late?limit=1000").json();
        let late = page["late"].as_array().unwrap().iter().find(|late| late["brainRunId"] == json!(run));
        late.cloned()
    });
    assert_eq!((&found["brainTitle"], &found["expectedWithin"]), (&json!("hasty"), &json!(1)));
    let shown = suite.get(&format!("/brains/runs/{run}")).json();
    assert_eq!(shown["waitingFor"][0]["expectedWithin"], 1);
    assert_eq!(shown["waitingFor"][0]["since"], found["since"]);
    assert_eq!(suite.get("/waits/late?cursor=abcd").status, 400);
    suite.px.delete(&format!("/brains/runs/{run}"));
}

fn runs_by_what_they_hold(suite: &Suite) {
    let (first, second) = (waiting(suite, "h-1"), waiting(suite, "h-1"));
    let both = [second.clone(), first.clone()];
    assert_eq!(runs(suite, "identifier=h-1"), both);
    assert_eq!(runs(suite, "identifier=h-1&slug=votes&order=oldest"), [first.clone(), second.clone()]);
    assert_eq!(runs(suite, "identifier=h-1&slug=slack"), [""; 0]);
    assert_eq!(runs(suite, "where=/id=h-1&brain=voting"), both);
    assert_eq!(runs(suite, "where=/id=h-1&brain=voting&order=oldest"), [first.clone(), second.clone()]);
    assert_eq!(runs(suite, "where=/id=h-1&step=nowhere"), [""; 0]);
    assert_eq!(runs(suite, "where=/id=h-1&step=note&status=waiting"), both);
    let looked = suite.get("/brains/runs?where=/id=h-1").json();
    assert!(looked["looked"].as_u64().unwrap() >= 2, "{looked}");
    assert!(suite.get("/brains/runs?limit=1").json().get("looked").is_none());
    let named = suite.post(
        "/brains/runs",
        &json!({"identifier": "voting", "initialState": {"id": "h-2", "who": "Ada"}, "requestId": "req-h"}),
    );
    assert_eq!(runs(suite, "requestId=req-h"), [named.run()]);
    // Pages go on where they ended, in either direction.
    for (order, expected) in [("newest", &both), ("oldest", &[first.clone(), second.clone()])] {
        let query = format!("where=/id=h-1&order={order}&limit=1");
        let page = suite.get(&format!("/brains/runs?{query}")).json();
        assert_eq!(page["runs"][0]["brainRunId"], json!(expected[0]));
        let next = page["nextCursor"].as_str().unwrap();
        assert_eq!(runs(suite, &format!("{query}&cursor={next}")), expected[1..]);
    }
    let created = suite.get(&format!("/brains/runs/{first}")).json()["createdAt"].as_u64().unwrap();
    assert!(!runs(suite, &format!("until={}", created - 1)).contains(&first));
    assert!(runs(suite, &format!("where=/id=h-1&until={created}")).contains(&first));
    let standing = suite.get("/brains/runs?identifier=h-1&limit=1&include=standing").json();
    let standing = &standing["runs"][0]["standing"];
    assert_eq!(standing["awaits"], json!([{"slug": "votes", "identifier": "h-1"}]));
    assert_eq!((&standing["step"], &standing["cause"]), (&json!("note"), &json!({"kind": "api"})));
    for bad in ["where=id", "order=up", "include=all", "slug=votes", "label=x"] {
        assert_eq!(suite.get(&format!("/brains/runs?{bad}")).status, 400, "{bad}");
    }
}

fn runs_by_several_labels(suite: &Suite) {
    let start = |id: &str, who: &str| {
        let run = suite.start("labelled", &json!({"id": id, "who": who}));
        suite.px.reaches(&run, "complete");
        run
    };
    let (first, of_bob, last) = (start("l-1", "Ada"), start("l-1", "Bob"), start("l-1", "Ada"));
    start("l-2", "Ada");
    assert_eq!(runs(suite, "label=vote=l-1"), [last.clone(), of_bob.clone(), first.clone()]);
    let both = "label=vote=l-1&label=voter=Ada";
    assert_eq!(runs(suite, both), [last.clone(), first.clone()]);
    assert_eq!(runs(suite, "label=voter=Ada&label=vote%3Dl-1"), [last.clone(), first.clone()]);
    assert_eq!(runs(suite, &format!("{both}&order=oldest&brain=labelled")), [first, last.clone()]);
    assert_eq!(runs(suite, "label=vote=l-1&label=&label=voter=Bob"), [of_bob], "what is empty is not said");
    for none in ["label=vote=l-1&label=vote=l-2", "label=vote=l-1&label=other=Ada"] {
        assert_eq!(runs(suite, none), [""; 0], "{none}");
    }
    // The rows of one of them are looked at, and the answer says how many.
    assert!(suite.get("/brains/runs?label=vote=l-1").json().get("looked").is_none());
    let looked = suite.get(&format!("/brains/runs?{both}")).json()["looked"].as_u64();
    assert!(looked.is_some_and(|looked| (2..=3).contains(&looked)), "{looked:?}");
    let many = vec!["label=vote=l-1"; 17].join("&");
    for bad in [&*many, "label=vote=l-1&label=x"] {
        assert_eq!(suite.get(&format!("/brains/runs?{bad}")).status, 400, "{bad}");
    }
    let would = |label: &Value| {
        let job = json!({"action": "cancel", "filter": {"label": label}, "dryRun": true});
        let preview = suite.post("/bulk", &job).json();
        preview["would"].as_u64().unwrap() + preview["cannot"].as_u64().unwrap()
    };
    assert_eq!(would(&json!("vote=l-1")), 3, "one label is a text, as ever");
    assert_eq!(would(&json!(["vote=l-1"])), 3);
    assert_eq!(would(&json!(["vote=l-1", "voter=Ada"])), 2);
    for nothing in [json!([]), json!("")] {
        let job = json!({"action": "cancel", "filter": {"label": nothing}, "dryRun": true});
        assert_eq!(suite.post("/bulk", &job).status, 400, "it would mean every run");
    }
    let job = json!({"action": "pause", "filter": {"label": ["vote=l-1", "voter=Ada"]}});
    let started = suite.post("/bulk", &job).json();
    assert_eq!(started["filter"]["label"], json!(["vote=l-1", "voter=Ada"]), "{started}");
}

fn ids_by_their_tails(suite: &Suite) {
    let run = waiting(suite, "t-1");
    let tail = &run[run.len() - 8..];
    let found = suite.get(&format!("/ids?tail={tail}")).json();
    let is_it = |found: &Value| found["id"] == json!(run);
    let it = found["ids"].as_array().unwrap().iter().find(|found| is_it(found)).unwrap();
    assert_eq!(
        (&it["kind"], &it["title"], &it["status"]),
        (&json!("run"), &json!("voting"), &json!("waiting"))
    );
    assert_eq!(
        suite.get(&format!("/ids?tail={}&kind=run", tail.to_uppercase())).json()["ids"][0]["id"],
        json!(run)
    );
    let of_hooks = suite.get(&format!("/ids?tail={tail}&kind=hook")).json();
    assert_eq!(of_hooks["ids"], json!([]));
    let delivery = suite.webhook("votes", None, r#"{"id": "t-2", "who": "Bob"}"#).field("deliveryId");
    let of_delivery =
        suite.get(&format!("/ids?tail={}&kind=delivery", &delivery[delivery.len() - 8..])).json();
    assert_eq!(of_delivery["ids"][0]["id"], json!(delivery));
    for bad in ["", "tail=abc", "tail=xyzw", "tail=abcd&kind=token"] {
        assert_eq!(suite.get(&format!("/ids?{bad}")).status, 400, "{bad}");
    }
}

fn a_run_in_words(suite: &Suite) {
    let run = waiting(suite, "e-1");
    let explained = suite.get(&format!("/brains/runs/{run}/explain")).json();
    assert_eq!((&explained["status"], &explained["brainTitle"]), (&json!("waiting"), &json!("voting")));
    assert!(
        explained["why"][0].as_str().unwrap().starts_with("It has waited for a webhook since"),
        "{explained}"
    );
    let wake = &explained["wake"][0];
    assert_eq!((&wake["slug"], &wake["identifier"]), (&json!("votes"), &json!("e-1")));
    assert!(wake["url"].as_str().unwrap().ends_with("/webhooks/votes"), "{wake}");
    suite.get("/brains/runs/x/explain").fails(404, "Brain run 'x' not found");

    suite.webhook("votes", None, r#"{"id": "e-1", "who": "Bob"}"#).is(200, "resumed");
    let ended = suite.px.reaches(&run, "complete");
    let diff = suite.get(&format!("/brains/runs/{run}/diff")).json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!(0), &ended["seq"]));
    assert_eq!(diff["patch"], json!([{"op": "replace", "path": "", "value": ended["state"]}]));
    let none = suite.get(&format!("/brains/runs/{run}/diff?from={0}&to={0}", ended["seq"])).json();
    assert_eq!(none["patch"], json!([]));
    assert_eq!(suite.get(&format!("/brains/runs/{run}/diff?from=3&to=2")).status, 400);
    assert_eq!(suite.get(&format!("/brains/runs/{run}/diff?to=1000")).status, 404);
    suite.get("/brains/runs/x/diff").fails(404, "Brain run 'x' not found");
}
