//! Forms with files, from the way in to the step that reads them: in the store before the
//! answer, kept as long as a run may read them, and nothing left behind when something
//! fails. Each store is audited at the end, which takes the digest of every file.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says by panicking that it failed")]

mod audited;

use std::time::Duration;

use audited::Audited;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use px_core::{DeliveryId, FILE_PIECE_BYTES, FileId, RunId, Scope};
use px_inbound::verify::FormWriter;
use px_inbound::{Answer, Retention};
use px_sdk::{
    Brain, Cx, File, Files, Inbound, Next, Registry, Result, Timed, Waiting, brain, verify, wait_for,
};
use px_store::{InboxState, Row, Store as _, Table};
use px_testkit::{Fault, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SCOPE: Scope = Scope(0);
const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Claim {
    id: String,
    #[serde(default)]
    photo: Option<File>,
    #[serde(default)]
    pages: Vec<File>,
    #[serde(default)]
    then: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Verdict {
    text: String,
}

mod claims {
    use super::*;
    px_sdk::webhook! {
        slug = "claims",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified().dedup_pointer("/id").remember(Duration::from_hours(24)),
        handler = receive,
        files = Files::default().bytes(3 * 1024 * 1024),
    }
    async fn receive(claim: Claim) -> Result<Inbound<Verdict>> {
        Ok(match claim.then.as_str() {
            "fail" => px_sdk::bail!("the handler fails"),
            "ignore" => Inbound::ignore("asked to"),
            "answer" => Inbound::resume(claim.id.clone(), Verdict { text: claim.id }),
            _ => Inbound::start(handling, claim),
        })
    }
}

mod bodies {
    use super::*;
    px_sdk::webhook! {
        slug = "bodies",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified(),
        handler = receive,
        files = Files::default(),
        dedup = px_sdk::dedup::body(Duration::from_hours(1)),
    }
    async fn receive(_: Claim) -> Result<Inbound<Verdict>> {
        Ok(Inbound::ignore("counted"))
    }
}

mod plain {
    use super::*;
    px_sdk::webhook! {
        slug = "plain",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(claim: Claim) -> Result<Inbound<Verdict>> {
        Ok(Inbound::start(handling, claim))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Read {
    bytes: u64,
    pieces: u32,
    first: String,
}

/// Reads what it is given: at once, or once somebody has said what becomes of it.
fn handling() -> Brain<Claim> {
    brain("handling").step("ask", ask).step("read", read).build()
}
px_sdk::brain!(handling);

async fn ask(_: Cx, claim: Claim) -> Result<Waiting<Claim, Timed<Verdict>>> {
    let time = if claim.then == "wait" { 365 * DAY } else { Duration::ZERO };
    let on = claims::on(&claim.id);
    Ok(wait_for(claim, on).timeout(time))
}

async fn read(cx: Cx, claim: Claim, _: Timed<Verdict>) -> Result<Next<Read>> {
    let mut read = Read { bytes: 0, pieces: 0, first: String::new() };
    for file in claim.photo.iter().chain(&claim.pages) {
        let mut stream = file.stream(&cx);
        while let Some(piece) = stream.next().await {
            read.bytes += piece?.len() as u64;
            read.pieces += 1;
        }
        let whole = file.bytes(&cx, 3 * 1024 * 1024).await?;
        assert_eq!(whole.len() as u64, file.size());
        let too_large = file.bytes(&cx, file.size().saturating_sub(1)).await;
        assert!(file.size() == 0 || too_large.is_err_and(|error| error.name() == "FileTooLarge"));
        let begin = whole.get(..whole.len().min(8)).unwrap_or_default();
        read.first.push_str(&String::from_utf8_lossy(begin));
    }
    Ok(Next(read))
}

fn world() -> Audited {
    Audited::new(Registry::collect().expect("the project is sound"))
}

fn form(id: &str, then: &str) -> FormWriter {
    FormWriter::default().text("id", id).text("then", then)
}

async fn send(world: &World, slug: &str, form: FormWriter) -> Answer {
    let (content_type, body) = form.finish();
    send_raw(world, slug, &content_type, body).await
}

async fn send_raw(world: &World, slug: &str, content_type: &str, body: Bytes) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    let answer = world.send(slug, headers, body).await.unwrap();
    world.settle().await.unwrap();
    answer
}

/// The pieces of all files, by delivery.
async fn pieces(world: &World) -> Vec<(FileId, u32, usize)> {
    let rows = world.store().scan(SCOPE, Table::File, None, 10_000).await.unwrap().rows;
    let pieces = rows.into_iter().map(|row| match row {
        Row::File(file, piece, bytes) => (file, piece, bytes.len()),
        other => panic!("{other:?}"),
    });
    pieces.collect()
}

fn delivery(answer: &Answer) -> DeliveryId {
    answer.delivery.unwrap_or_else(|| panic!("{}", answer.body))
}

async fn state(world: &World, run: RunId) -> Value {
    let run = world.store().run(SCOPE, run).await.unwrap().unwrap().run;
    json!({ "status": run.status.as_str(), "state": run.state(), "error": run.error })
}

fn piece() -> usize {
    usize::try_from(FILE_PIECE_BYTES).unwrap()
}

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
async fn files_stay_while_a_run_may_read_them_and_then_go_with_their_delivery() {
    let world = world();
    let retention = Retention { deliveries: DAY, ..Retention::default() };
    let answer = send(&world, "claims", form("1", "wait").file("photo", "a", "", "abc")).await;
    world.advance(21 * DAY).await.unwrap();
    assert_eq!(world.sweep(&retention).await.unwrap(), (0, 0), "the run waits since three weeks");
    let few = Retention { payloads: 0, ..Retention::default() };
    assert_eq!(world.sweep(&few).await.unwrap(), (0, 0), "nor is it emptied");
    send(&world, "claims", form("1", "answer")).await;
    let run = answer.run.unwrap();
    assert_eq!(state(&world, run).await["state"]["bytes"], 3);
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

#[tokio::test]
async fn more_than_a_webhook_takes_is_refused_in_words_and_leaves_no_file() {
    let world = world();
    let many = (0..11).fold(form("1", ""), |form, n| form.file("pages[]", &n.to_string(), "", "x"));
    let large = form("1", "").file("photo", "a", "", vec![0; 3 * 1024 * 1024 + 1]);
    let parts = (0..10_000).fold(form("1", ""), |form, _| form.text("x", "y"));
    for (form, words) in [
        (many, "11 files, and this webhook takes at most 10"),
        (large, "3145729 bytes together, and this webhook takes at most 3145728"),
        (parts, "more than 1000 parts"),
    ] {
        let answer = send(&world, "claims", form).await;
        assert_eq!(answer.status, 413, "{}", answer.body);
        assert!(answer.body.contains(words), "{}", answer.body);
    }
    let off = send(&world, "plain", form("1", "").file("photo", "a", "", "x")).await;
    assert_eq!(off.status, 415, "{}", off.body);
    assert_eq!(pieces(&world).await, []);
    let states = world.inbox().await.unwrap();
    assert!(states.iter().all(|kept| kept.events.iter().all(|event| event.state == InboxState::Rejected)));
}

/// Names, types and forms that somebody made up to do harm: each is a text, or is
/// refused, and none panics, writes beside the store or is taken for something else.
#[tokio::test]
async fn ten_hostile_names_and_types_are_texts() {
    let world = world();
    let names = [
        "../../../../etc/cron.d/px",
        "/etc/passwd",
        "..\\..\\boot.ini",
        "C:\\Windows\\system.ini",
        "a\0b.pdf",
        "photo.jpg\u{202e}gpj.exe",
        "'; DROP TABLE files; --",
        "<script>alert(1)</script>.svg",
        "CON",
        ".px.lock",
    ];
    let types = [
        "text/html",
        "image/svg+xml",
        "application/x-msdownload",
        "text/html; charset=utf-7",
        "x",
        "multipart/form-data; boundary=inner",
        "message/rfc822",
        "../../x",
        "application/javascript",
        "",
    ];
    for (n, (name, kind)) in names.into_iter().zip(types).enumerate() {
        let form = form(&n.to_string(), "ignore").file("photo", name, kind, "harm");
        let answer = send(&world, "claims", form).await;
        assert_eq!(answer.status, 200, "{name:?}: {}", answer.body);
        let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
        let file = &kept.files[0];
        assert_eq!((file.name.as_str(), file.content_type.as_deref().unwrap_or("")), (name, kind));
    }
    assert_eq!(pieces(&world).await.len(), 10);
}

#[tokio::test]
async fn a_form_that_is_not_understood_is_refused_as_a_whole() {
    let world = world();
    let part = |head: &str, content: &str| format!("--b\r\n{head}\r\n\r\n{content}\r\n");
    let id = part("Content-Disposition: form-data; name=\"id\"", "1");
    let file = "Content-Disposition: form-data; name=\"photo\"; filename=\"a\"";
    let end = "--b--\r\n";
    for (what, status, body) in [
        ("a truncated body", 400, format!("{id}{}", part(file, "x"))),
        ("a truncated head", 400, format!("{id}--b\r\nContent-Disposition: form-da")),
        ("no boundary at all", 400, "id=1".to_owned()),
        ("trailing junk", 400, format!("{id}{end}and more")),
        ("a part without a name", 400, format!("{id}{}{end}", part("Content-Disposition: form-data", "x"))),
        ("a part without a disposition", 400, format!("{id}{}{end}", part("X-Y: z", "x"))),
        ("two names", 400, format!("{id}{}{end}", part(&format!("{file}; name=\"other\""), "x"))),
        (
            "an attachment",
            400,
            format!("{id}{}{end}", part("Content-Disposition: attachment; name=\"a\"", "x")),
        ),
        ("line feeds alone", 400, format!("{id}{}{end}", part(file, "x")).replace("\r\n", "\n")),
        (
            "base64",
            415,
            format!("{id}{}{end}", part(&format!("{file}\r\nContent-Transfer-Encoding: base64"), "eA==")),
        ),
        (
            "a huge head",
            400,
            format!("{id}{}{end}", part(&format!("{file}\r\nX-Y: {}", "z".repeat(9_000)), "x")),
        ),
        (
            "a text and a file of one name",
            422,
            format!(
                "{id}{}{}{end}",
                part("Content-Disposition: form-data; name=\"photo\"", "x"),
                part(file, "x")
            ),
        ),
    ] {
        let answer = send_raw(&world, "claims", "multipart/form-data; boundary=b", body.into()).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
    }
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        &format!("multipart/form-data; boundary={}", "b".repeat(71)),
        "multipart/form-data; boundary=b; boundary=c",
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
        let answer = world.send("claims", headers, Bytes::from(format!("{id}{end}"))).await.unwrap();
        assert_eq!(answer.status, 400, "{content_type}: {}", answer.body);
    }
    // Only the one that has files and does not fit is kept with them.
    assert_eq!(pieces(&world).await.len(), 1);
}

#[tokio::test]
async fn a_boundary_in_the_data_is_data_and_odd_forms_are_read_as_they_are_meant() {
    let world = world();
    let content = "x --b\r\n--bx\r\n --b--\r\n--b y\r\n--b--z\r\r\n\n";
    let body = format!(
        "\r\n--b \t\r\nContent-Disposition: form-data; name=id\r\n\r\n1\r\n--b\r\n\
         content-disposition: form-data; name=\"then\"\r\n\r\nignore\r\n--b\r\n\
         Content-Disposition: form-data; name=\"photo\"; filename=\"x\"; filename*=UTF-8''%e2%82%ac.pdf\r\n\
         Content-Type: application/pdf\r\n\r\n{content}\r\n--b--"
    );
    let answer = send_raw(&world, "claims", "multipart/form-data; boundary=\"b\"", body.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
    assert_eq!(
        (kept.files[0].name.as_str(), kept.files[0].content_type.as_deref()),
        ("€.pdf", Some("application/pdf"))
    );
    assert_eq!(pieces(&world).await[0].2, content.len());
    // A file input for which nobody has chosen a file.
    let none = form("2", "ignore").file("photo", "", "application/octet-stream", "");
    let answer = send(&world, "claims", none).await;
    let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
    assert_eq!((answer.status, kept.files.len()), (200, 0));
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
