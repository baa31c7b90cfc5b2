//! Forms with files, from the way in to the step that reads them: in the store before the
//! answer, kept as long as a run may read them, and nothing left behind when something
//! fails. Each store is audited at the end, which takes the digest of every file.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod audited;
mod uploads;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use px_core::{DeliveryId, FileId};
use px_inbound::Retention;
use px_inbound::verify::FormWriter;
use px_sdk::Registry;
use px_store::Store as _;
use px_store_rows::Embedded;
use px_store_sled::{Options, SledRows};
use px_testkit::{Fault, World};
use serde_json::json;
use uploads::{DAY, Read, SCOPE, delivery, form, piece, pieces, send, send_raw, state, world};

#[tokio::test]
async fn a_step_reads_what_a_sender_has_posted_piece_by_piece_or_as_a_whole() {
    let world = world();
    let large: Vec<u8> = b"photo ".iter().copied().cycle().take(piece() + 10).collect();
    let form = form("1", "")
        .file("photo", "a b.jpg", "image/jpeg", large)
        .file("pages[]", "../../etc/passwd", "text/html", "page one")
        .file("pages[]", "", "", "page two")
        .file("pages[]", "empty", "", "");
    let answer = send(&world, "claims", form).await;
    assert_eq!((answer.status, answer.action), (201, Some("triggered")), "{}", answer.body);
    let of = |place| FileId { delivery: delivery(&answer), place };
    let expected = [(of(0), 0, piece()), (of(0), 1, 10), (of(1), 0, 8), (of(2), 0, 8)];
    assert_eq!(pieces(&world).await, expected, "the empty one has none");
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    let ended = state(&world, answer.run.unwrap()).await;
    let read = json!({ "bytes": piece() + 26, "pieces": 5, "first": "photo phpage onepage two" });
    assert_eq!((&ended["status"], &ended["state"]), (&json!("complete"), &read), "{ended}");
    let kept = world.inbox().await.unwrap().remove(0);
    let names: Vec<_> = kept.files.iter().map(|file| (&*file.field, &*file.name)).collect();
    let expected =
        [("photo", "a b.jpg"), ("pages[]", "../../etc/passwd"), ("pages[]", ""), ("pages[]", "empty")];
    assert_eq!(names, expected);
    assert!(kept.body.len() < 2_000 && kept.size > 1_000_000, "the body holds no file");
}

#[tokio::test]
async fn rule_17_no_file_is_there_before_its_delivery_and_every_file_with_it() {
    for fault in [Fault::Refused, Fault::Full, Fault::DiesBefore, Fault::DiesAfter] {
        let mut world = World::new(Registry::collect().unwrap()).unwrap();
        world.store().plan(move |_, batch| (!batch.deliveries.is_empty()).then_some(fault));
        let form = form("1", "ignore").file("photo", "a.jpg", "", vec![7; 2 * piece()]);
        let (content_type, body) = form.finish();
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(&content_type).unwrap());
        let answered = world.send("claims", headers.clone(), body.clone()).await;
        match fault {
            Fault::Refused | Fault::Full => assert_eq!(answered.unwrap().status, 503, "{fault:?}"),
            _ => {
                answered.unwrap_err();
                world.restart().unwrap();
            }
        }
        world.store().plan(|_, _| None);
        let count = if fault == Fault::DiesAfter { 2 } else { 0 };
        assert_eq!(pieces(&world).await.len(), count, "{fault:?}");
        let again = world.send("claims", headers, body).await.unwrap();
        let action = if fault == Fault::DiesAfter { "duplicate" } else { "ignored" };
        assert_eq!(again.action, Some(action), "{fault:?}");
        assert_eq!(pieces(&world).await.len(), 2, "{fault:?}: a repeated delivery stores nothing twice");
        assert!(world.audit().await.unwrap().is_clean(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_form_that_comes_again_under_another_boundary_is_the_same_body() {
    let world = world();
    let body = |boundary: &str, text: &str| {
        Bytes::from(format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n1\r\n--{boundary}\r\n\
             Content-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\r\n{text}\r\n--{boundary}--\r\n"
        ))
    };
    let mut actions = Vec::new();
    for (boundary, text) in [("one", "bytes"), ("two", "bytes"), ("three", "other")] {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let answer = send_raw(&world, "bodies", &content_type, body(boundary, text)).await;
        actions.push(answer.action.unwrap());
    }
    assert_eq!(actions, ["ignored", "duplicate", "ignored"]);
    assert_eq!(pieces(&world).await.len(), 2);
}

#[tokio::test]
async fn a_replay_has_the_files_of_its_delivery() {
    let world = world();
    let ignored = send(&world, "claims", form("1", "ignore").file("photo", "a", "", "abc")).await;
    let again = world.replay(delivery(&ignored)).await.unwrap();
    assert_ne!(delivery(&again), delivery(&ignored), "a delivery of its own, with files of its own");
    let failed = send(&world, "claims", form("2", "fail").file("photo", "b", "", "defg")).await;
    assert_eq!(failed.status, 500);
    let replayed = world.replay(delivery(&failed)).await.unwrap();
    assert_eq!((replayed.status, delivery(&replayed)), (500, delivery(&failed)), "in its own row");
    let found: Vec<_> =
        pieces(&world).await.into_iter().map(|(file, _, bytes)| (file.delivery, bytes)).collect();
    let expected = [(delivery(&ignored), 3), (delivery(&again), 3), (delivery(&failed), 4)];
    let sorted = |mut rows: Vec<_>| {
        rows.sort();
        rows
    };
    assert_eq!(sorted(found), sorted(expected.to_vec()));
}

#[tokio::test]
async fn a_replay_that_turns_out_to_be_a_repetition_keeps_its_files_until_it_is_forgotten() {
    let world = world();
    let form = || form("of a retry", "").file("photo", "a", "", "abc");
    let failed = send(&world, "flaky", form()).await;
    assert_eq!(failed.status, 500, "{}", failed.body);
    let retried = send(&world, "flaky", form()).await;
    assert_eq!((retried.status, retried.action), (200, Some("ignored")), "{}", retried.body);
    let replayed = world.replay(delivery(&failed)).await.unwrap();
    assert_eq!(replayed.action, Some("duplicate"), "{}", replayed.body);
    let kept = world.store().delivery(SCOPE, delivery(&failed)).await.unwrap().unwrap();
    assert_eq!((kept.files.len(), pieces(&world).await.len()), (1, 2));
    assert!(world.audit().await.unwrap().is_clean());
    world.advance(21 * DAY).await.unwrap();
    world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
    assert_eq!(pieces(&world).await, []);
}

#[tokio::test]
async fn a_form_whose_json_is_broken_is_kept_as_it_is_though_its_files_are_large() {
    let world = world();
    let large = FormWriter::default().text("json", "{\"id\": ").file("photo", "a", "", vec![7; 5 * piece()]);
    let answer = send(&world, "wrapped", large).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let kept = world.inbox().await.unwrap().remove(0);
    assert!(!kept.emptied && String::from_utf8_lossy(&kept.body).contains("{\"id\": "));
    assert_eq!((kept.files.len(), pieces(&world).await.len()), (1, 5));
    let error = world.replay(kept.id).await.unwrap_err().to_string();
    assert!(error.contains("The stored body cannot be read"), "{error}");
}

#[tokio::test]
async fn files_stay_while_a_run_may_read_them_and_then_go_with_their_delivery() {
    let world = world();
    let retention = Retention { deliveries: DAY, ..Retention::default() };
    let answer = send(&world, "claims", form("1", "wait").file("photo", "a", "", "abc")).await;
    world.advance(21 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 0), "the run waits since three weeks");
    let few = Retention { payloads: 0, ..Retention::default() };
    assert_eq!(world.sweep(&few).await.unwrap(), (0, 0), "nor is it emptied");
    let answered = send(&world, "claims", form("2", "answer 1")).await;
    assert_eq!(answered.action, Some("resumed"), "{}", answered.body);
    let ended = state(&world, answer.run.unwrap()).await;
    assert_eq!(ended["state"]["bytes"], 3, "{ended}");
    assert_eq!(pieces(&world).await.len(), 1);
    let (forgotten, _) = world.sweep(&retention).await.unwrap();
    assert_eq!((forgotten, pieces(&world).await.len()), (1, 0));
}

#[tokio::test]
async fn a_delivery_that_loses_its_content_loses_its_files() {
    let world = world();
    let answer = send(&world, "claims", form("1", "ignore").file("photo", "a", "", "abc")).await;
    assert_eq!(world.sweep(&Retention { payloads: 0, ..Retention::default() }).await.unwrap(), (0, 1));
    assert_eq!(pieces(&world).await, []);
    let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
    assert!(kept.emptied && kept.files.is_empty());
}

#[tokio::test]
async fn a_fork_holds_the_files_that_it_begins_with_until_it_has_ended() {
    let world = world();
    let retention = Retention { deliveries: DAY, ..Retention::default() };
    let answer = send(&world, "claims", form("1", "wait").file("photo", "a", "", "abc")).await;
    let answered = send(&world, "claims", form("2", "answer 1")).await;
    assert_eq!(answered.action, Some("resumed"), "{}", answered.body);
    let first = answer.run.unwrap();
    assert_eq!(state(&world, first).await["status"], "complete");
    let [fork, other] =
        [world.fork(first, 1, None).await.unwrap(), world.fork(first, 1, None).await.unwrap()];
    world.settle().await.unwrap();
    world.cancel(other).await.unwrap();
    world.advance(21 * DAY).await.unwrap();
    let (forgotten, _) = world.sweep(&retention).await.unwrap();
    assert_eq!(
        (forgotten, pieces(&world).await.len()),
        (1, 1),
        "what answered may go, what has the file not"
    );
    assert_eq!(world.missing_files(fork).await.unwrap(), []);
    send(&world, "claims", form("3", "answer 1")).await;
    let ended = state(&world, fork).await;
    assert_eq!((&ended["status"], &ended["state"]["bytes"]), (&json!("complete"), &json!(3)), "{ended}");
    world.sweep(&retention).await.unwrap();
    assert_eq!(pieces(&world).await, []);
}

/// Of one MiB each; the second has a run that may read it.
async fn bounded(world: &World) {
    let file = |id: &str, then: &str| form(id, then).file("photo", "a", "", vec![7; piece()]);
    let mut sent = Vec::new();
    for (id, then) in [("1", "ignore"), ("2", "wait"), ("3", "ignore"), ("4", "ignore"), ("5", "ignore")] {
        sent.push(delivery(&send(world, "claims", file(id, then)).await));
        world.advance(Duration::from_secs(1)).await.unwrap();
    }
    let left = async || pieces(world).await.into_iter().map(|(file, ..)| file.delivery).collect::<Vec<_>>();
    let mebibyte = piece() as u64;
    let bound = |file_bytes| Retention { file_bytes: Some(file_bytes), ..Retention::default() };
    assert_eq!(world.sweep(&bound(5 * mebibyte)).await.unwrap(), (0, 0), "there is room for all");
    world.advance(DAY / 24).await.unwrap();
    assert_eq!(world.sweep(&bound(3 * mebibyte)).await.unwrap(), (0, 2));
    assert_eq!(left().await, [sent[1], sent[3], sent[4]], "the oldest went that nobody reads");
    let emptied = world.store().delivery(SCOPE, sent[0]).await.unwrap().unwrap();
    assert!(emptied.emptied && emptied.files.is_empty() && !emptied.events.is_empty());
    world.advance(DAY / 24).await.unwrap();
    assert_eq!(world.sweep(&bound(0)).await.unwrap(), (0, 2));
    assert_eq!(left().await, [sent[1]], "whatever the bound is, a run reads what it was given");
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn files_beyond_their_bound_go_the_oldest_first_and_none_that_a_run_may_read() {
    bounded(&world()).await;
    let dir = tempfile::tempdir().unwrap();
    let rows = SledRows::open(dir.path(), Options::default()).unwrap();
    let store = std::sync::Arc::new(Embedded::new(rows));
    bounded(&World::over(Registry::collect().unwrap(), store, 0).unwrap()).await;
}

/// No file outlives a newer one that has to go, though there would be room for it.
#[tokio::test]
async fn files_go_by_their_age_and_not_by_how_well_they_fit() {
    for (sizes, left) in [([60, 60, 30], &[60, 30][..]), ([30, 60, 60], &[60]), ([60, 30, 101], &[])] {
        let world = world();
        for (n, size) in (0..).zip(sizes) {
            let file = form(&format!("{n}"), "ignore").file("photo", "a", "", vec![7; size * 1_000]);
            send(&world, "claims", file).await;
            world.advance(Duration::from_secs(1)).await.unwrap();
        }
        let bound = Retention { file_bytes: Some(100_000), ..Retention::default() };
        world.sweep(&bound).await.unwrap();
        let sizes_left: Vec<_> =
            pieces(&world).await.into_iter().map(|(_, _, bytes)| bytes / 1_000).collect();
        assert_eq!(sizes_left, left, "of {sizes:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_given_to_no_run_is_kept_and_noted() {
    let world = world();
    let form_of =
        |id: &str, then: &str| form(id, then).file("photo", "a", "", "abc").file("pictur", "b", "", "abc");
    let unread = async |answer| {
        let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
        kept.files.iter().map(|file| (file.field.clone(), file.unread)).collect::<Vec<_>>()
    };
    let answer = send(&world, "claims", form_of("1", "wait")).await;
    assert_eq!(answer.action, Some("triggered"));
    assert_eq!(unread(answer).await, [("photo".to_owned(), false), ("pictur".to_owned(), true)]);
    assert_eq!(pieces(&world).await.len(), 2);
    // Nothing is expected of what the handler ignores.
    let ignored = send(&world, "claims", form_of("2", "ignore")).await;
    assert!(unread(ignored).await.iter().all(|(_, unread)| !unread));
}

/// A run that has ended holds nothing, and its reply says what is missing when it goes back.
#[tokio::test]
async fn a_run_that_goes_back_names_the_files_that_are_gone() {
    let world = world();
    let answer = send(&world, "claims", form("1", "").file("photo", "a", "", "abc")).await;
    let run = answer.run.unwrap();
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    assert_eq!(state(&world, run).await["status"], "complete");
    world.rerun(run, 1).await.unwrap();
    assert_eq!(world.missing_files(run).await.unwrap(), []);
    world.settle().await.unwrap();
    world.ring().await.unwrap();
    world.settle().await.unwrap();
    world.advance(21 * DAY).await.unwrap();
    world.sweep(&Retention { deliveries: DAY, ..Retention::default() }).await.unwrap();
    world.rerun(run, 1).await.unwrap();
    assert_eq!(world.missing_files(run).await.unwrap(), [FileId { delivery: delivery(&answer), place: 0 }]);
}

/// A reference counts only with the digest of what it refers to, so nobody reads by a
/// guessed id what was not sent to them. One whose delivery is gone says so.
#[tokio::test]
async fn a_reference_to_a_file_that_was_not_given_reads_nothing() {
    let world = world();
    let theirs = send(&world, "claims", form("1", "ignore").file("photo", "a", "", "secret")).await;
    let id = FileId { delivery: delivery(&theirs), place: 0 };
    let forged = |id: FileId, sha256: &str| {
        let photo = json!({ "id": id, "name": "a", "size": 6, "sha256": sha256 });
        json!({ "id": "2", "photo": photo })
    };
    let nobody = FileId { delivery: DeliveryId::from_bytes([9; 16]), place: 0 };
    for (id, why) in [(id, "has no such file"), (nobody, "was forgotten")] {
        let answer = world.post("plain", &forged(id, &"0".repeat(64))).await.unwrap();
        world.settle().await.unwrap();
        world.ring().await.unwrap();
        world.settle().await.unwrap();
        let ended = state(&world, answer.run.unwrap()).await;
        assert_eq!(ended["status"], "error", "{ended}");
        assert!(ended["error"].to_string().contains(why), "{ended}");
    }
}

#[test]
fn a_users_test_sends_forms_with_files() {
    let world = px_testkit::test::World::of(Registry::collect().unwrap());
    let answer = world.form("claims").text("id", "7").file("photo", "a.jpg", "abcd").send();
    answer.expect("triggered");
    world.skip(Duration::from_secs(1));
    let read: Read = world.run(answer.run()).expect_complete().state();
    assert_eq!((read.bytes, read.first.as_str()), (4, "abcd"));
}
