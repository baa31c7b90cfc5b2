//! Text of outsiders at a terminal: senders, receivers and whoever may start a
//! run choose what stands in identifiers, reasons, states, answers and errors,
//! and none of it may be obeyed there (docs/rules.md#56).

use serde_json::{Value, json};

use crate::against_a_server::{RUN, server};
use crate::support::Project;
use crate::terminal;

/// A title of the window, a colour, a C1 introducer, a direction, a line of its
/// own, and what takes back what was written.
const EVIL: &str = "A\u{1b}]0;owned\u{7}\u{1b}[8mB\u{9b}31mC\u{202e}D\nError: E\rF\u{7f}G";

const HOOK: &str = "hok_0197c1f0a1b27000800000000000cafe";
const CALLBACK: &str = "dlv_0197c1f0a1b27000800000000000cafe";
const DELIVERY: &str = "whd_0197c1f0a1b27000800000000000cafe";

fn event_of_inbox() -> Value {
    json!({ "id": "evt_0197c1f0a1b27000800000000000cafe", "state": "queued", "identifier": EVIL,
            "providerId": EVIL, "since": 1, "brainRunId": null, "waitId": null, "reason": EVIL, "passed": [],
            "original": null, "response": null, "wouldStart": null })
}

fn delivery(full: bool) -> Value {
    let mut delivery = json!({
        "id": DELIVERY, "slug": "sms", "receivedAt": 1, "state": "queued", "identifier": EVIL,
        "brainRunId": null, "status": 200, "size": 1, "events": [event_of_inbox()],
    });
    let more = json!({
        "method": "POST", "target": EVIL, "remote": EVIL, "headers": { "x-a": EVIL }, "verdict": EVIL,
        "tookMicros": 1, "payload": { EVIL: EVIL }, "emptied": false, "why": EVIL,
    });
    extend(&mut delivery, more, full);
    delivery
}

fn run(full: bool) -> Value {
    let mut run = json!({
        "brainRunId": RUN, "brainTitle": EVIL, "brainDescription": EVIL, "type": "brain:start",
        "status": "waiting", "options": "{}", "error": null, "createdAt": 1, "startedAt": 1,
        "completedAt": null, "userName": "root",
    });
    let more = json!({
        "state": { "who": EVIL }, "options": {}, "seq": 1, "cause": { "kind": "api" },
        "steps": [{ "id": "a", "title": EVIL, "status": "running" }],
        "waitingFor": [{
            "waitId": "wat_0197c1f0a1b27000800000000000cafe", "mode": "any", "since": 0, "deadline": null,
            "have": 0, "need": 1, "waitFor": [{ "slug": "sms", "identifier": EVIL }],
        }],
    });
    extend(&mut run, more, full);
    run
}

fn hook() -> Value {
    json!({
        "id": HOOK, "name": EVIL, "url": EVIL, "events": [EVIL], "brains": [EVIL], "format": "px",
        "signature": "standard", "hasSecret": true, "oldSecretsUntil": [], "retry": "standard",
        "headers": [EVIL], "timeoutMs": 1, "maxInFlight": 1, "rate": null, "ordered": true,
        "allowPrivate": false, "enabled": true, "createdAt": 1, "source": "api", "brainRunId": null,
        "disabled": null, "failingSince": null,
    })
}

fn callback(full: bool) -> Value {
    let attempt = json!({ "at": 1, "status": null, "error": EVIL, "durationMs": 1 });
    let mut callback = json!({
        "id": CALLBACK, "hookId": HOOK, "eventId": "evt_0197c1f0a1b27000800000000000cafe", "type": EVIL,
        "brainRunId": null, "state": "dead", "createdAt": 1, "attempts": [attempt], "seq": null,
        "nextAttemptAt": null, "parkedUntil": null, "reason": EVIL,
    });
    let attempt = json!({
        "number": 1, "at": 1, "status": null, "error": EVIL, "message": EVIL, "durationMs": 1,
        "timing": { "resolvedMs": null, "headMs": null, "totalMs": 1 }, "retryAfter": null,
        "response": { "headers": {}, "body": EVIL },
    });
    extend(&mut callback, json!({ "attempts": [attempt], "format": "px", "body": { "x": EVIL } }), full);
    callback
}

fn extend(of: &mut Value, more: Value, full: bool) {
    if let (Value::Object(of), Value::Object(more), true) = (of, more, full) {
        of.extend(more);
    }
}

fn events() -> Value {
    let event = json!({ "type": "brain:error", "seq": 1, "timestamp": 1, "brainRunId": RUN, "options": {},
                        "error": { "kind": "step", "name": EVIL, "message": EVIL, "stack": EVIL } });
    json!({ "events": [event], "count": 1 })
}

#[test]
fn rules_56_nothing_that_an_outsider_wrote_is_obeyed_by_a_terminal() {
    let ok = |value: Value| ("200 OK", value.to_string());
    let refusal = || ("404 Not Found", json!({ "error": EVIL, "details": EVIL }).to_string());
    let frame = json!({ "type": "brain:error", "seq": 1, "timestamp": 1, "brainRunId": RUN, "options": {},
                        "status": "error", "error": { "kind": "step", "name": EVIL, "message": EVIL } });
    type Answers = Vec<(&'static str, String)>;
    let cases: Vec<(&[&str], Answers)> = vec![
        (&["webhooks", "deliveries", "list"], vec![ok(json!({ "deliveries": [delivery(false)] }))]),
        (&["webhooks", "deliveries", "show", DELIVERY], vec![ok(delivery(true))]),
        (&["webhooks", "deliveries", "show", DELIVERY], vec![refusal()]),
        (&["runs", "list"], vec![ok(json!({ "runs": [run(false)], "count": 1 }))]),
        (&["runs", "show", RUN], vec![ok(run(true))]),
        (&["runs", "show", RUN], vec![refusal()]),
        (&["runs", "events", RUN], vec![ok(events()), ok(events())]),
        (
            &["runs", "explain", RUN],
            vec![ok(run(true)), ok(events()), ok(events()), ok(json!({ "webhooks": [], "count": 0 }))],
        ),
        (&["runs", "watch", RUN], vec![("200 OK", format!("id: 1\ndata: {frame}\n\n")), ok(run(true))]),
        (&["hooks", "list"], vec![ok(json!({ "hooks": [hook()], "count": 1 }))]),
        (&["hooks", "show", HOOK], vec![ok(hook())]),
        (&["hooks", "deliveries"], vec![ok(json!({ "deliveries": [callback(false)] }))]),
        (&["hooks", "delivery", CALLBACK], vec![ok(callback(true))]),
        (&["hooks", "delivery", CALLBACK], vec![refusal()]),
    ];
    for (arguments, answers) in cases {
        let answers: Vec<(&str, &str)> = answers.iter().map(|(status, body)| (*status, &**body)).collect();
        let (url, _seen) = server(&answers);
        let done = terminal::px(&Project::small().with("PX_URL", &url), arguments);
        let out = &done.stdout;
        for obeyed in ["\u{1b}]", "\u{1b}[8m", "\u{9b}", "\u{202e}", "\u{7}", "\u{7f}", "\nError: E", "\rF"] {
            assert!(!out.contains(obeyed), "{arguments:?} wrote {obeyed:?}: {out:?}");
        }
        // Tables break long texts, between words and within the last column.
        let text: String = out.chars().filter(|letter| !letter.is_whitespace() && *letter != '│').collect();
        assert!(
            text.contains("\\x1b]0;owned\\x07") || text.contains("\\u001b]0;owned\\u0007"),
            "{arguments:?}: {out}"
        );
    }
}

#[test]
fn rules_56_json_is_json() {
    let (url, _seen) = server(&[("200 OK", &delivery(true).to_string())]);
    let shown = ["webhooks", "deliveries", "show", DELIVERY, "--json"];
    assert_eq!(Project::small().with("PX_URL", &url).px(&shown).json()["identifier"], EVIL);
}
