//! Forms with files over the real binary: what is killed in mid-upload leaves nothing, what
//! was answered with 2xx is there after a kill, after a power cut, in exports and on the
//! command line.
//!
//! This program serves a brain and a webhook of its own: it starts itself as `px`.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "files/cuts.rs"]
mod cuts;
mod support;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use px::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Project, Px, eventually};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    number: String,
    photo: px::File,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Sum {
    number: String,
    bytes: u64,
    sha256: String,
}

mod claims {
    use super::*;
    px::webhook! {
        slug = "claims",
        payload = Claim,
        response = Claim,
        verify = px::verify::unverified().dedup_pointer("/number"),
        handler = receive,
        files = px::Files::default(),
    }
    async fn receive(claim: Claim) -> Result<Inbound<Claim>> {
        Ok(Inbound::start(sums, claim))
    }
}

fn sums() -> Brain<Claim> {
    brain("sums").step("sum", sum).build()
}
px::brain!(sums);

async fn sum(cx: Cx, claim: Claim) -> Result<Next<Sum>> {
    let mut stream = claim.photo.stream(&cx);
    let (mut bytes, mut digest) = (0, Sha256::new());
    while let Some(piece) = stream.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        digest.update(&piece);
    }
    Ok(Next(Sum { number: claim.number, bytes, sha256: hex::encode(digest.finalize()) }))
}

const BOUNDARY: &str = "----px-test";

/// A form with a photo that is another one for each number.
fn form(number: usize) -> (Vec<u8>, Vec<u8>) {
    let mut noise = number as u64 + 1;
    let photo: Vec<u8> = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.to_be_bytes()
    })
    .take(300_000)
    .flatten()
    .collect();
    (form_of(number, &format!("../{number}.jpg"), "image/jpeg", &photo), photo)
}

/// A form with a photo, which its sender calls so.
fn form_of(number: usize, name: &str, kind: &str, photo: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"number\"\r\n\r\n{number}\r\n--{BOUNDARY}\r\n\
         Content-Disposition: form-data; name=\"photo\"; filename=\"{name}\"\r\nContent-Type: {kind}\r\n\r\n"
    );
    [head.as_bytes(), photo, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

fn head(bytes: usize) -> String {
    format!(
        "POST /webhooks/claims HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\ncontent-length: {bytes}\r\n\r\n"
    )
}

fn post(px: &Px, number: usize) -> support::Reply {
    post_body(px, &form(number).0)
}

fn post_body(px: &Px, body: &[u8]) -> support::Reply {
    let mut connection = px.connect().unwrap();
    connection.send_raw(head(body.len()).as_bytes()).unwrap();
    connection.send_raw(body).unwrap();
    connection.receive().unwrap()
}

fn project() -> Project {
    Project::of(std::env::current_exe().unwrap())
}

fn said(project: &Project, arguments: &[&str]) -> Vec<u8> {
    let output = project.command(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn audit(project: &Project) -> Value {
    let data = project.data().to_str().unwrap();
    serde_json::from_slice(&said(project, &["audit", "--json", "--data-dir", data])).unwrap()
}

/// The files that have a name while bodies come, and their bytes.
fn incoming(project: &Project) -> (usize, u64) {
    let named = std::fs::read_dir(project.data().join("incoming")).unwrap();
    named.fold((0, 0), |(files, bytes), entry| (files + 1, bytes + entry.unwrap().metadata().unwrap().len()))
}

/// Kills at points all over the upload: before any of it, in its middle, and with all of
/// it sent and no answer read.
fn what_is_killed_in_mid_upload_leaves_nothing_or_all() {
    let project = project();
    let rounds = if std::env::var_os("PX_LONG").is_some() { 60 } else { 9 };
    for number in 0..rounds {
        let px = project.serve();
        let (body, _) = form(number);
        let part = body.len() * (number % 9) / 8;
        let mut connection = px.connect().unwrap();
        connection.send_raw(head(body.len()).as_bytes()).unwrap();
        connection.send_raw(&body[..part.min(body.len())]).unwrap();
        px.kill();
        drop(connection);
        // No byte of it has a name. A file system that names each file may keep an empty
        // one of a process that died between its making and its removal.
        assert_eq!(incoming(&project).1, 0, "cut at {part} of {}", body.len());
        let report = audit(&project);
        assert_eq!(report["clean"], true, "{report}");
        if part < body.len() {
            assert_eq!(report["counts"]["files"], number as u64, "{report}");
        }
        // The sender sends it again, and it is there once, whatever became of the first.
        let px = project.serve();
        assert_eq!(incoming(&project), (0, 0), "the start removes what has a name");
        let again = post(&px, number);
        assert!(again.status < 300, "{}", again.text());
        px.kill();
        assert_eq!(audit(&project)["counts"]["files"], number as u64 + 1);
    }
}

fn a_file_that_was_answered_is_there_after_a_kill_and_a_step_reads_it() {
    let project = project();
    let px = project.serve();
    let taken = post(&px, 7);
    px.kill();
    taken.is(201, "triggered");
    let (_, photo) = form(7);
    let digest = hex::encode(Sha256::digest(&photo));
    let px = project.serve();
    let ended = px.reaches(&taken.run(), "complete");
    assert_eq!(ended["state"], json!({ "number": "7", "bytes": photo.len(), "sha256": digest }));
    let id = taken.field("deliveryId");
    let file = px.get(&format!("/webhooks/deliveries/{id}/files/0"));
    assert_eq!((file.status, file.body == photo), (200, true));
    post(&px, 7).is(200, "duplicate");

    // The command line gives it out, and takes the sender's name for a text.
    let url = format!("http://{}", px.address);
    let saved = project.path().join("saved.jpg");
    let arguments = ["webhooks", "deliveries", "file", &id, "0", "--url", &url];
    assert!(said(&project, &arguments) == photo);
    let with_out = [&arguments[..], &["--out", saved.to_str().unwrap()]].concat();
    said(&project, &with_out);
    assert!(std::fs::read(&saved).unwrap() == photo);
    let taken = project.command(&with_out).output().unwrap();
    assert_eq!(taken.status.code(), Some(4), "it is there already");
    let field = format!("photo=@{}", saved.display());
    let sent = ["webhooks", "send", "claims", "--field", "number=8", "--file", &field, "--url", &url];
    said(&project, &sent);
    eventually("the run of what was sent", || {
        px.runs_of("sums")
            .iter()
            .any(|run| run["status"] == "complete" && run["brainRunId"] != ended["brainRunId"])
            .then_some(())
    });
}

fn exports_and_backups_have_the_files() {
    let project = project();
    let px = project.serve();
    post(&px, 1).is(201, "triggered");
    post(&px, 2).is(201, "triggered");
    assert_eq!(px.stop().code(), Some(0));
    let data = project.data().to_str().unwrap();
    let of = |name: &str| project.path().join(name).to_str().unwrap().to_owned();
    said(&project, &["store", "export", &of("px.jsonl"), "--data-dir", data]);
    said(&project, &["store", "import", &of("px.jsonl"), "--data-dir", &of("imported")]);
    said(&project, &["store", "backup", &of("copy"), "--data-dir", data]);
    said(&project, &["store", "compact", "--data-dir", data]);
    for dir in ["imported", "copy", "data"] {
        let report = said(&project, &["audit", "--json", "--data-dir", &of(dir)]);
        let report: Value = serde_json::from_slice(&report).unwrap();
        assert_eq!(
            (&report["clean"], &report["counts"]["files"]),
            (&json!(true), &json!(2)),
            "{dir}: {report}"
        );
        assert_eq!(report["counts"]["fileBytes"], 2 * 2_400_000, "{dir}");
    }
}

/// Names and types that somebody made up to do harm.
const HOSTILE: [(&str, &str); 10] = [
    ("../../../../etc/cron.d/px", "text/html"),
    ("/etc/passwd", "image/svg+xml"),
    ("..\\..\\boot.ini", "application/x-msdownload"),
    ("C:\\Windows\\system.ini", "text/html; charset=utf-7"),
    ("a\0b\u{7}\u{1b}[2J.pdf", "application/javascript"),
    ("photo.jpg\u{202e}gpj.exe", "multipart/form-data; boundary=inner"),
    ("<script>alert(1)</script>.svg", "message/rfc822"),
    ("px.lock", "../../x"),
    ("..", "x"),
    ("%2e%2e%2fdata%2fpx.lock", "text/html\u{1b}[31m"),
];

/// Whatever a sender calls a file, and says that it is: px gives it out to be saved, under a
/// name that leads nowhere, and nothing appears beside the store.
fn hostile_names_and_types_come_out_as_bytes_to_save() {
    let project = project();
    let px = project.serve();
    let url = format!("http://{}", px.address);
    let photo = b"<script>alert(1)</script>";
    for (number, (name, kind)) in HOSTILE.into_iter().enumerate() {
        let taken = post_body(&px, &form_of(number, name, kind, photo));
        taken.is(201, "triggered");
        let id = taken.field("deliveryId");
        let file = px.get(&format!("/webhooks/deliveries/{id}/files/0"));
        assert_eq!((file.status, &*file.body), (200, &photo[..]), "{name:?}");
        assert_eq!(file.header("content-type"), Some("application/octet-stream"), "{name:?}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{name:?}");
        assert!(file.header("content-security-policy").unwrap().starts_with("sandbox"), "{name:?}");
        let disposition = file.header("content-disposition").unwrap();
        let saved = disposition.strip_prefix("attachment; filename=\"").and_then(|rest| rest.split_once('"'));
        let (saved, encoded) = saved.unwrap_or_else(|| panic!("{disposition}"));
        let is_plain = |char: char| char.is_ascii_alphanumeric() || " .-_".contains(char);
        assert!(!saved.is_empty() && !saved.starts_with('.') && saved.chars().all(is_plain), "{saved}");
        assert!(!encoded.contains(['/', '\\']) && !encoded.to_lowercase().contains("%2f"), "{encoded}");
        let shown = said(&project, &["webhooks", "deliveries", "show", &id, "--url", &url]);
        let shown = String::from_utf8(shown).unwrap();
        let is_astray = |char: char| char != '\n' && char.is_control() || char == '\u{202e}';
        assert!(shown.contains("File") && !shown.contains(is_astray), "{shown:?}");
        px.reaches(&taken.run(), "complete");
    }
    px.kill();
    let beside = std::fs::read_dir(project.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(beside.collect::<Vec<_>>(), ["data"]);
    let report = audit(&project);
    assert_eq!(
        (&report["clean"], &report["counts"]["files"]),
        (&json!(true), &json!(HOSTILE.len())),
        "{report}"
    );
}

/// Nobody has to send a gigabyte to hear that it is too much.
fn a_gigabyte_is_refused_before_it_is_sent() {
    let project = project();
    let px = project.serve();
    let mut connection = px.connect().unwrap();
    connection.send_raw(head(1 << 30).as_bytes()).unwrap();
    let refused = connection.receive().unwrap();
    assert_eq!(refused.status, 413, "{}", refused.text());
    assert!(refused.text().contains("26214400 bytes of files"), "{}", refused.text());
    assert_eq!((incoming(&project).0, px.deliveries("slug=claims").len()), (0, 0));
    post(&px, 1).is(201, "triggered");
}

const CASES: &[(&str, fn())] = &[
    (
        "what_is_killed_in_mid_upload_leaves_nothing_or_all",
        what_is_killed_in_mid_upload_leaves_nothing_or_all,
    ),
    (
        "a_file_that_was_answered_is_there_after_a_kill_and_a_step_reads_it",
        a_file_that_was_answered_is_there_after_a_kill_and_a_step_reads_it,
    ),
    ("exports_and_backups_have_the_files", exports_and_backups_have_the_files),
    ("hostile_names_and_types_come_out_as_bytes_to_save", hostile_names_and_types_come_out_as_bytes_to_save),
    ("a_gigabyte_is_refused_before_it_is_sent", a_gigabyte_is_refused_before_it_is_sent),
    (
        "a_file_that_was_answered_is_there_after_a_power_cut",
        cuts::a_file_that_was_answered_is_there_after_a_power_cut,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let commands = ["serve", "audit", "store", "webhooks"];
    if arguments.first().is_some_and(|first| commands.contains(&first.as_str())) {
        return px::main();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("files: test");
        return ExitCode::SUCCESS;
    }
    let names: Vec<&String> = arguments.iter().filter(|name| !name.starts_with('-')).collect();
    let mut failed = Vec::new();
    for (name, case) in CASES {
        if !names.is_empty() && !names.iter().any(|wanted| name.contains(wanted.as_str())) {
            continue;
        }
        let passed = std::panic::catch_unwind(AssertUnwindSafe(case)).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
