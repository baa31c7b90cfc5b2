//! The ledger audit: a store that px has written is clean, and each kind of
//! damage is found and named.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod damage;
mod project;

use std::collections::BTreeSet;
use std::sync::Arc;

use damage::deeds::{Damage, Deed, edit, edit_log, nobody, nobody_bytes, put, remove};
use damage::outbox::OUTBOX;
use damage::values::VALUES;
use damage::waits::{WAITS, timer};
use damage::{Parts, Rig, audited, load, plain, versioned};
use project::registry;
use px_core::RunStatus;
use px_store::audit::{KEPT_VIOLATIONS, Report, Rule};
use px_store::outbox::CallbackState;
use px_store::{InboxState, Store};
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use px_testkit::World;
use serde_json::{Value, json};

#[tokio::test]
async fn a_store_that_px_has_written_is_clean() {
    let report = Rig::loaded().await.audit().await;
    assert!(report.is_clean(), "{:#?}", report.violations);
    assert_has_everything(&report);
}

#[tokio::test]
async fn a_store_on_disk_is_clean_while_open_and_after_the_process_died() {
    let dir = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> {
        let options = Options { apply_bytes: 16 * 1024, checkpoint_bytes: 64 * 1024, ..Options::default() };
        Arc::new(Embedded::new(SledRows::open(dir.path(), options).unwrap()))
    };
    let store = open();
    let world = World::over(registry(), Arc::clone(&store), 0).unwrap();
    load(&world).await;
    let first = audited(&*store).await;
    assert!(first.is_clean(), "{:#?}", first.violations);
    drop((world, store));
    let store = open();
    assert_eq!(audited(&*store).await, first);
    store.close().unwrap();
    drop(store);
    assert_eq!(audited(&*open()).await, first);
    assert_eq!(Rig::loaded().await.audit().await, first, "in memory it is the same");
}

fn assert_has_everything(report: &Report) {
    let counts = &report.counts;
    for status in RunStatus::ALL.into_iter().filter(|status| *status != RunStatus::Pending) {
        assert!(counts.runs.contains_key(&status), "{status:?} in {counts:?}");
    }
    let unmade = [InboxState::Collected, InboxState::Rejected];
    for state in InboxState::ALL.into_iter().filter(|state| !unmade.contains(state)) {
        assert!(counts.events.contains_key(&state), "{state:?} in {counts:?}");
    }
    assert_eq!(counts.timers.len(), 5, "{counts:?}");
    for state in CallbackState::ALL {
        assert!(counts.callback.contains_key(&state), "{state:?} in {counts:?}");
    }
    assert_eq!((counts.hooks, counts.attempts, counts.tokens), (2, 5, 1), "{counts:?}");
    assert!(
        [counts.log_pieces, counts.queued, counts.work, counts.dedups, counts.kv].iter().all(|n| *n > 0),
        "{counts:?}"
    );
}

const LOGS: &[Damage] = &[
    (Rule::Unreadable, |rig| {
        let mut row = rig.run_that_is("survey", "complete");
        row.json = json!({});
        put(hex(&row), row)
    }),
    (Rule::LogGap, |rig| edit_log(rig.run_that_is("survey", "complete"), |log| drop(log.remove(3)))),
    (Rule::LogIllegal, |rig| {
        edit_log(rig.run_that_is("survey", "complete"), |log| {
            log[2]["event"]["data"]["step"] = json!("elsewhere");
        })
    }),
    (Rule::RunDiffers, |rig| {
        let run = rig.run("survey", "waits");
        edit(run.text("/id"), run, |run| run["frames"][0]["state"]["posted"] = json!(7))
    }),
    (Rule::LogOrphan, |rig| {
        let mut piece = rig.table(b'l').remove(0);
        piece.key[3..19].fill(0xff);
        put(format!("run_{}", "ff".repeat(16)), piece)
    }),
    (Rule::LogPieces, |rig| {
        let piece = rig.table(b'l').remove(0);
        remove(rig.run("thread", "long").text("/id"), piece)
    }),
    (Rule::ValueOrphan, |_| {
        // The name is the beginning of the digest of the JSON.
        let name = 0xcb6c_0dce_6bf1_19ad_f9dc_6069_c66c_c3d6_u128.to_be_bytes();
        put(nobody("run"), plain(b'g', &[nobody_bytes(), name].concat(), json!("a large value")))
    }),
    (Rule::Unreadable, |_| {
        let row = plain(b'g', &[nobody_bytes(), [7; 16]].concat(), json!("another value"));
        put(hex(&row), row)
    }),
    (Rule::RunUnlisted, |rig| {
        let run = rig.run("survey", "waits");
        edit(run.text("/id"), run, |run| run["brain"] = json!("other"))
    }),
    (Rule::EndedWithWaits, |rig| {
        let wait = rig.run("survey", "waits").json["waits"].clone();
        let run = rig.run_that_is("survey", "complete");
        edit(run.text("/id"), run, |run| run["waits"] = wait)
    }),
];

/// The id of a row that cannot be read is its key.
fn hex(row: &Parts) -> String {
    row.key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token that is not as it was written, with this done to it.
fn spoiled_token(rig: &Rig, change: impl FnOnce(&mut Parts)) -> Deed {
    let mut row = rig.table(b'c').remove(0);
    change(&mut row);
    put(hex(&row), row)
}

const TOKENS: &[Damage] = &[
    (Rule::Unreadable, |rig| spoiled_token(rig, |token| token.json = json!({}))),
    (Rule::Unreadable, |rig| spoiled_token(rig, |token| token.json["permission"] = json!("root"))),
    (Rule::Unreadable, |rig| spoiled_token(rig, |token| token.json["digest"] = json!([1, 2, 3]))),
    (Rule::Unreadable, |rig| spoiled_token(rig, |token| token.json["name"] = json!(null))),
    // Under another token's id, where the server would look for that one.
    (Rule::Unreadable, |rig| spoiled_token(rig, |token| token.key[3..].fill(8))),
];

const QUEUES: &[Damage] = &[
    (Rule::KeyOrphan, |rig| put("mail 'orphan'", rig.new_key("orphan", json!({"head": 3, "next": 3})))),
    (Rule::QueueCount, |rig| edit("mail 'early'", rig.key("early"), |key| key["queued"] = json!(9))),
    (Rule::QueueCount, |rig| {
        edit("mail 'empty'", rig.new_key("empty", json!({"queued": 1, "next": 1})), |_| {})
    }),
    (Rule::QueueWithoutKey, |rig| remove("mail 'early'", rig.key("early"))),
    (Rule::QueuedWithoutRow, |rig| {
        let row = rig.table(b'q').remove(0);
        remove(row.text("/event"), row)
    }),
    (Rule::QueueRowStray, |rig| {
        let mut row = rig.find(b'q', |row| row["expires_at"].is_u64());
        *row.key.last_mut().unwrap() += 7;
        put(row.text("/event"), row)
    }),
    (Rule::QueuedWithoutTimer, |rig| {
        let timer = timer(rig, "expire");
        remove(timer.text("/event"), timer)
    }),
    (Rule::EventMissesWait, |rig| {
        let run = rig.run_that_is("survey", "paused");
        edit(run.text("/waits/0/id"), run, |run| run["status"] = json!("waiting"))
    }),
];

const INBOX: &[Damage] = &[
    (Rule::ResponseUnaccounted, |rig| {
        let delivery = rig.delivery("resumed");
        edit(delivery.text("/events/0/id"), delivery, |delivery| {
            delivery["events"][0]["state"] = json!("expired");
        })
    }),
    (Rule::ResumedWithoutResponse, |rig| {
        let run = rig.run("survey", "waits").text("/id");
        let delivery = rig.delivery("late");
        edit(delivery.text("/events/0/id"), delivery, |delivery| {
            delivery["events"][0]["state"] = json!("resumed");
            delivery["events"][0]["run"] = json!(run);
        })
    }),
    (Rule::ResponseFromNowhere, |rig| {
        let delivery = rig.delivery("resumed");
        remove(delivery.text("/id"), delivery)
    }),
    (Rule::ConsumedTwice, |rig| {
        let is_response = |entry: &Value| entry["event"]["type"] == "brain:webhook_response";
        let other = rig.run("thread", "thread");
        let answered = rig.find(b'd', |delivery| {
            delivery["slug"] == "phone" && delivery["events"][0]["state"] == "resumed"
        });
        // The answer of one run put into the log of another one as well.
        let mut deed = edit_log(other, |log| {
            let entry = log.iter_mut().find(|entry| is_response(entry)).unwrap();
            entry["event"]["data"]["event"] = answered.json["events"][0]["id"].clone();
            entry["event"]["data"]["delivery"] = answered.json["id"].clone();
        });
        deed.names = answered.text("/events/0/id");
        deed
    }),
    (Rule::ConsumedTwice, |rig| {
        let is_response = |entry: &&mut Value| entry["event"]["type"] == "brain:webhook_response";
        let run = rig.run("thread", "short");
        edit_log(run, |log| {
            let mut responses = log.iter_mut().filter(is_response);
            let (first, second) = (responses.next().unwrap(), responses.next().unwrap());
            second["event"]["data"]["event"] = first["event"]["data"]["event"].clone();
            second["event"]["data"]["delivery"] = first["event"]["data"]["delivery"].clone();
        })
    }),
    (Rule::StartedWithoutRun, |rig| {
        let run = rig.run("thread", "busy");
        remove(run.text("/id"), run)
    }),
    (Rule::StartUnaccounted, |rig| {
        let run = rig.run("thread", "busy");
        let id = run.text("/id");
        remove(id.clone(), rig.find(b'd', |delivery| delivery["events"][0]["run"] == id))
    }),
    (Rule::DuplicateOfNothing, |rig| {
        let delivery = rig.delivery("duplicate");
        edit(delivery.text("/id"), delivery, |delivery| {
            delivery["events"][0]["original"] = json!(nobody("whd"));
        })
    }),
    (Rule::LateWithoutRun, |rig| {
        let delivery = rig.delivery("late");
        edit(delivery.text("/id"), delivery, |delivery| {
            delivery["events"][0]["run"] = json!(nobody("run"));
        })
    }),
    (Rule::EventTwice, |rig| {
        let mut delivery = rig.delivery("started");
        delivery.key[3..].fill(0xff);
        delivery.json["id"] = json!(format!("whd_{}", "ff".repeat(16)));
        put(delivery.text("/events/0/id"), delivery)
    }),
    (Rule::EventOrphan, |rig| {
        let event = rig.delivery("resumed").json["events"][0].clone();
        put(nobody("whd"), versioned(b'm', &[&nobody_bytes()[..], &[0; 4]].concat(), event))
    }),
    (Rule::DeliveryUnlisted, |rig| {
        let delivery = rig.delivery("quarantined");
        edit(delivery.text("/id"), delivery, |delivery| delivery["slug"] = json!("other"))
    }),
    (Rule::DedupMissing, |rig| {
        let dedup = rig.table(b'u').remove(0);
        remove(dedup.text("/delivery"), dedup)
    }),
    (Rule::DedupToNowhere, |rig| {
        let dedup = rig.table(b'u').remove(0);
        edit(nobody("whd"), dedup, |dedup| dedup["delivery"] = json!(nobody("whd")))
    }),
    (Rule::SetAsideToNowhere, |rig| {
        let set_aside = rig.table(b'z').remove(0);
        edit(nobody("whd"), set_aside, |row| row["delivery"] = json!(nobody("whd")))
    }),
];

async fn each_is_found(damages: &[Damage]) {
    for (rule, damage) in damages {
        let rig = Rig::loaded().await;
        let deed = damage(&rig);
        for row in &deed.put {
            rig.put(row).await;
        }
        for row in &deed.remove {
            rig.remove(row).await;
        }
        let report = rig.audit().await;
        let named = |id: &String| id.contains(&deed.names);
        let found = report
            .violations
            .iter()
            .any(|violation| violation.code == *rule && violation.ids.values().any(named));
        assert!(found, "{} of {} in {:#?}", rule.code(), deed.names, report.violations);
    }
}

#[tokio::test]
async fn damage_of_runs_and_logs_is_found() {
    each_is_found(LOGS).await;
}

#[tokio::test]
async fn damage_of_tokens_is_found() {
    each_is_found(TOKENS).await;
}

#[tokio::test]
async fn damage_of_waits_owners_and_timers_is_found() {
    each_is_found(WAITS).await;
}

#[tokio::test]
async fn damage_of_keys_and_queues_is_found() {
    each_is_found(QUEUES).await;
}

#[tokio::test]
async fn damage_of_the_inbox_is_found() {
    each_is_found(INBOX).await;
}

#[tokio::test]
async fn damage_of_the_outbox_is_found() {
    each_is_found(OUTBOX).await;
}

#[tokio::test]
async fn damage_of_values_that_outlive_runs_is_found() {
    each_is_found(VALUES).await;
}

#[test]
fn every_rule_has_a_kind_of_damage_and_a_name_of_its_own() {
    let damaged: BTreeSet<Rule> = [LOGS, TOKENS, WAITS, QUEUES, INBOX, OUTBOX, VALUES]
        .concat()
        .into_iter()
        .map(|(rule, _)| rule)
        .collect();
    assert_eq!(damaged, Rule::ALL.iter().copied().collect());
    let codes: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.code()).collect();
    assert_eq!(codes.len(), Rule::ALL.len());
}

#[tokio::test]
async fn what_is_too_much_to_keep_is_counted() {
    let rig = Rig::loaded().await;
    for n in 0..KEPT_VIOLATIONS + 50 {
        rig.put(&rig.new_key(&format!("orphan-{n}"), json!({}))).await;
    }
    let report = rig.audit().await;
    assert_eq!(report.violations.len(), KEPT_VIOLATIONS);
    assert_eq!(report.total(), KEPT_VIOLATIONS as u64 + 50);
    assert_eq!(report.broken[&Rule::KeyOrphan], report.total());
}
