//! Damage of waits, of the lines that they stand in, of owners, turns and timers.

use px_store::audit::Rule;
use serde_json::{Value, json};

use super::deeds::{Damage, edit, nobody, put, remove};
use super::{Parts, Rig, name, plain};

/// A timer of this kind.
pub fn timer(rig: &Rig, kind: &str) -> Parts {
    rig.find(b't', |timer| timer["kind"] == kind)
}

/// The row of the one who waits at this key of the webhook `mail`.
fn waiter(rig: &Rig, identifier: &str) -> Parts {
    let name = name("mail", identifier);
    rig.table(b'v').into_iter().find(|row| row.key[3..].starts_with(&name)).unwrap()
}

pub const WAITS: &[Damage] = &[
    (Rule::WaitNotInKey, |rig| {
        let waiter = waiter(rig, "waits");
        remove(waiter.text("/wait/wait"), waiter)
    }),
    (Rule::StrayWait, |rig| {
        let stray = json!([{"wait": nobody("wat"), "run": nobody("run"), "index": 0, "opened_at": 1}]);
        put(nobody("wat"), rig.new_key("stray", json!({"waits": stray})))
    }),
    (Rule::StrayWait, |rig| {
        let mut waiter = waiter(rig, "waits");
        waiter.json["wait"]["token"] = json!("another");
        put(waiter.text("/wait/wait"), waiter)
    }),
    (Rule::StrayWait, |rig| {
        let inline = json!({"wait": nobody("wat"), "run": nobody("run"), "index": 0, "opened_at": 1});
        put(nobody("run"), rig.new_key("twice", json!({"waits": [inline, inline]})))
    }),
    (Rule::LineCount, |rig| edit("mail 'waits'", rig.key("waits"), |key| key["line"]["count"] = json!(7))),
    (Rule::LineCount, |rig| edit("mail 'paused'", rig.key("paused"), |key| key["line"]["count"] = json!(7))),
    (Rule::LineCount, |rig| edit("mail 'paused'", rig.key("paused"), |key| key["within"][0][0] = json!(9))),
    (Rule::LineCount, |rig| {
        edit("mail 'waits'", rig.key("waits"), |key| {
            let alone =
                json!({"wait": {"wait": nobody("wat"), "run": nobody("run"), "index": 0, "opened_at": 1}});
            key["within"] = json!([[0, alone]]);
        })
    }),
    (Rule::StrayWait, |rig| {
        edit("mail 'paused'", rig.key("paused"), |key| {
            key["within"][0][1]["wait"]["token"] = json!("another")
        })
    }),
    (Rule::LineCount, |rig| edit("mail 'waits'", rig.key("waits"), |key| key["line"]["tokens"] = json!(1))),
    (Rule::LineCount, |rig| edit("mail 'waits'", rig.key("waits"), |key| key["line"]["head"] = json!(9))),
    (Rule::LineCount, |rig| {
        put("mail 'nobody'", rig.new_key("nobody", json!({"line": {"count": 1, "head": 0, "next": 1}})))
    }),
    (Rule::LineWithoutKey, |rig| remove("mail 'waits'", rig.key("waits"))),
    (Rule::WaiterUnfound, |rig| {
        let run = waiter(rig, "waits").text("/wait/run");
        remove(
            run,
            rig.table(b'x').into_iter().find(|row| row.key[3..].starts_with(&name("mail", "waits"))).unwrap(),
        )
    }),
    (Rule::StrayPlace, |rig| remove("mail 'waits'", waiter(rig, "waits"))),
    (Rule::WaitWithoutTimer, |rig| {
        let run = rig.run("survey", "waits").text("/id");
        let timer = rig.find(b't', |timer| timer["kind"] == "wait" && timer["run"] == run);
        remove(run, timer)
    }),
    (Rule::ReminderWithoutTimer, |rig| remove(timer(rig, "remind").text("/run"), timer(rig, "remind"))),
    (Rule::StrayTimer, |rig| {
        let mut timer = timer(rig, "remind");
        timer.key[4] = 1;
        put(timer.text("/wait"), timer)
    }),
    (Rule::RetryWithoutTimer, |rig| remove(timer(rig, "retry").text("/run"), timer(rig, "retry"))),
    (Rule::RunWithoutWork, |rig| remove(rig.run("thread", "busy").text("/id"), rig.table(b'w').remove(0))),
    (Rule::StrayWork, |rig| {
        let done = rig.run_that_is("survey", "complete");
        let mut work = rig.table(b'w').remove(0);
        work.key[3..].copy_from_slice(&done.key[3..]);
        put(done.text("/id"), work)
    }),
    (Rule::StrayTimer, |rig| {
        let mut timer = timer(rig, "wait");
        timer.key[4] = 1;
        put(timer.text("/wait"), timer)
    }),
    (Rule::TurnNotInKey, |rig| {
        let run = rig.run("survey", "waits");
        edit(run.text("/id"), run, |run| run["slot"] = json!({"slug": "px.slot", "identifier": "survey"}))
    }),
    (Rule::StrayTurn, |rig| put(nobody("run"), rig.new_key("turns", json!({"holders": [nobody("run")]})))),
    (Rule::EndUnheard, |rig| {
        let ended = rig.run_that_is("survey", "complete").text("/id");
        let run = rig.run("survey", "waits");
        edit(ended.clone(), run, |run| {
            run["waits"][0]["registrations"][0]["key"] = json!({"slug": "px.run", "identifier": ended});
        })
    }),
    (Rule::OwnerNotInKey, |rig| {
        let key = rig.key("busy");
        edit(key.text("/owner"), key, |key| key["owner"] = Value::Null)
    }),
    (Rule::OwnerGone, |rig| edit(nobody("run"), rig.key("busy"), |key| key["owner"] = json!(nobody("run")))),
    (Rule::OwnerEnded, |rig| {
        let done = rig.run_that_is("survey", "complete").text("/id");
        edit(done.clone(), rig.key("busy"), |key| key["owner"] = json!(done))
    }),
    (Rule::OwnerElsewhere, |rig| {
        let other = rig.run("thread", "long").text("/id");
        edit(other.clone(), rig.key("busy"), |key| key["owner"] = json!(other))
    }),
    (Rule::StartKeyToNowhere, |_| {
        let record = json!({"run": nobody("run"), "input": "[]"});
        put(nobody("run"), plain(b's', &name("survey", "once"), record))
    }),
];
