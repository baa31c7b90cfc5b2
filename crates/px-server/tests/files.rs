//! Forms with files over real sockets: refused early if they are too large, held on the
//! disk while they come, and handed out so that a browser saves them and runs nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use px_sdk::{Brain, Cx, File, Files, Inbound, Next, Result, brain, verify};
use px_server::{Options, Running};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::{LONG, answer, connect, parts, raw, read_json, request, status};
use tokio::io::AsyncWriteExt as _;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Upload {
    #[serde(default)]
    file: Vec<File>,
}

mod uploads {
    use super::*;
    px_sdk::webhook! {
        slug = "uploads",
        payload = Upload,
        response = Upload,
        verify = verify::unverified(),
        handler = receive,
        files = Files::default(),
    }
    async fn receive(upload: Upload) -> Result<Inbound<Upload>> {
        Ok(Inbound::start(keeping, upload))
    }
}

mod guarded {
    use super::*;
    px_sdk::webhook! {
        slug = "guarded",
        payload = Upload,
        response = Upload,
        verify = verify::basic("GUARDED"),
        handler = receive,
        files = Files::default(),
    }
    async fn receive(_: Upload) -> Result<Inbound<Upload>> {
        Ok(Inbound::ignore("seen"))
    }
}

mod signed {
    use super::*;
    px_sdk::webhook! {
        slug = "signed",
        payload = Upload,
        response = Upload,
        verify = verify::hmac("X-Signature", "SIGNED"),
        handler = receive,
        files = Files::default(),
    }
    async fn receive(_: Upload) -> Result<Inbound<Upload>> {
        Ok(Inbound::ignore("seen"))
    }
}

fn keeping() -> Brain<Upload> {
    brain("keeping").step("keep", keep).build()
}
px_sdk::brain!(keeping);

async fn keep(_: Cx, upload: Upload) -> Result<Next<Upload>> {
    Ok(Next(upload))
}

const TYPE: &str = "content-type: multipart/form-data; boundary=b\r\n";

/// A server that holds forms in this directory while they come.
async fn serve(dir: &tempfile::TempDir, change: impl FnOnce(&mut Options)) -> Running {
    let path = dir.path().join("incoming");
    support::serve(|options| {
        options.spill_dir = Some(path);
        change(options);
    })
    .await
}

fn part(name: &str, content: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file[]\"; filename=\"{name}\"\r\n\r\n{content}\r\n"
    )
}

async fn post(server: &Running, body: &str) -> String {
    request(server, "POST", "/webhooks/uploads", TYPE, body).await
}

#[tokio::test]
async fn a_gigabyte_is_refused_before_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |_| {}).await;
    let head_of = |slug: &str| {
        format!(
            "POST /webhooks/{slug} HTTP/1.1\r\nhost: localhost\r\n{TYPE}content-length: 1073741824\r\n\r\n"
        )
    };
    let refused = raw(&server, head_of("uploads").as_bytes()).await;
    assert_eq!(status(&refused), 413, "{refused}");
    let (head, body) = parts(&refused);
    assert!(body.contains("26214400 bytes of files") && body.contains("5242880 bytes beside them"), "{body}");
    assert!(head.to_lowercase().contains("connection: close"), "{head}");
    // It leaves no delivery, and is counted: by the webhook, and not by a name that somebody makes up.
    let head = head_of("no-such-webhook");
    assert_eq!(status(&raw(&server, head.as_bytes()).await), 413);
    let figures = request(&server, "GET", "/metrics", "", "").await;
    for line in [
        "px_webhook_too_large_total{webhook=\"uploads\",body=\"form with files\"} ",
        "px_webhook_too_large_total{webhook=\"unknown\",body=\"other\"} ",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
    server.shutdown().await.unwrap();
}

/// A password is in the head, so a stranger's form is not read at all.
#[tokio::test]
async fn strangers_without_the_password_need_not_send_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |options| {
        options.env = Box::new(|name| (name == "GUARDED").then(|| "user:password".to_owned()));
    })
    .await;
    let head = |line: &str| {
        format!(
            "POST /webhooks/guarded HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{TYPE}{line}content-length: 20000000\r\n\r\n"
        )
    };
    let refused = raw(&server, head("").as_bytes()).await;
    assert_eq!(status(&refused), 401, "{refused}");
    let body = format!("{}--b--\r\n", part("a", "x"));
    let lines = format!("{TYPE}authorization: Basic dXNlcjpwYXNzd29yZA==\r\n");
    let taken = request(&server, "POST", "/webhooks/guarded", &lines, &body).await;
    assert_eq!(status(&taken), 200, "{taken}");
    server.shutdown().await.unwrap();
}

/// A signature is over the body, but that there is none is seen in the head.
#[tokio::test]
async fn strangers_without_a_signature_need_not_send_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |options| {
        options.env = Box::new(|name| (name == "SIGNED").then(|| "a key of some length".to_owned()));
    })
    .await;
    for line in ["", "x-signature: \r\n", "x-signature: abc\r\n"] {
        let head = format!(
            "POST /webhooks/signed HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{TYPE}{line}content-length: 20000000\r\n\r\n"
        );
        let refused = raw(&server, head.as_bytes()).await;
        assert_eq!(status(&refused), 401, "{line:?}: {refused}");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_of_unknown_length_is_refused_where_it_passes_the_bound() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |options| options.max_body = 1024).await;
    let mut stream = connect(&server).await;
    let head = format!(
        "POST /webhooks/uploads HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{TYPE}transfer-encoding: chunked\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while sent < 1 << 30 {
        let chunk = format!("{:x}\r\n", piece.len());
        let written = async {
            stream.write_all(chunk.as_bytes()).await?;
            stream.write_all(&piece).await?;
            stream.write_all(b"\r\n").await
        };
        if tokio::time::timeout(LONG, written).await.expect("it reads, or it answers").is_err() {
            break;
        }
        sent += piece.len();
        if sent > 40 << 20 {
            break;
        }
    }
    let refused = answer(&mut stream).await;
    assert_eq!(status(&refused), 413, "{refused}");
    assert!(sent < 64 << 20, "it took {sent} bytes");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_is_on_the_disk_while_it_comes_and_nothing_is_left_of_one_that_breaks_off() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("incoming")).unwrap();
    std::fs::write(dir.path().join("incoming/9-9.part"), "of a process that died").unwrap();
    // Less memory than the form has: it is refused only once it has to be whole.
    let server = serve(&dir, |options| options.gate.body_bytes = 1 << 20).await;
    let left = || std::fs::read_dir(dir.path().join("incoming")).unwrap().count();
    assert_eq!(left(), 0);
    let body = format!("{}--b--\r\n", part("large.bin", &"x".repeat(3 << 20)));
    let refused = post(&server, &body).await;
    assert_eq!((status(&refused), left()), (503, 0), "{refused}");
    // One that breaks off in the middle.
    let mut stream = connect(&server).await;
    let head = format!(
        "POST /webhooks/uploads HTTP/1.1\r\nhost: localhost\r\n{TYPE}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body.as_bytes()[..2 << 20]).await.unwrap();
    drop(stream);
    let small = format!("{}--b--\r\n", part("small.bin", "abc"));
    assert_eq!(status(&post(&server, &small).await), 201);
    let (_, page) = read_json(&request(&server, "GET", "/webhooks/deliveries", "", "").await);
    assert_eq!(page["deliveries"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(left(), 0);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn slow_senders_of_forms_are_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |options| options.body_timeout = Duration::from_millis(50)).await;
    let mut stream = connect(&server).await;
    let head = format!(
        "POST /webhooks/uploads HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{TYPE}content-length: 1000\r\n\r\n--b"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&answer(&mut stream).await), 408);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_is_handed_out_as_it_came_and_runs_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(&dir, |_| {}).await;
    let content: String = (0..300_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "{n} ");
        text
    });
    let body = format!("{}{}--b--\r\n", part("../<b>é\u{202e}.html", &content), part("empty", ""));
    let sent = post(&server, &body).await;
    let (code, taken) = read_json(&sent);
    assert_eq!(code, 201, "{sent}");
    let id = taken["deliveryId"].as_str().unwrap();
    let path = format!("/webhooks/deliveries/{id}");
    let (_, shown) = read_json(&request(&server, "GET", &path, "", "").await);
    assert_eq!(shown["files"][0]["name"], "../<b>é\u{202e}.html", "{shown}");
    assert_eq!((&shown["files"][0]["size"], &shown["files"][1]["size"]), (&content.len().into(), &0.into()));

    let got = request(&server, "GET", &format!("{path}/files/0"), "", "").await;
    let (head, bytes) = parts(&got);
    assert_eq!((status(&got), bytes.len()), (200, content.len()), "{head}");
    assert!(bytes == content);
    let head = head.to_lowercase();
    for line in [
        "content-type: application/octet-stream\r\n",
        "content-disposition: attachment; filename=\"__b___.html\"",
        "x-content-type-options: nosniff",
        "content-security-policy: sandbox; default-src 'none'",
        &format!("content-length: {}", content.len()),
    ] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let empty = request(&server, "GET", &format!("{path}/files/1"), "", "").await;
    assert_eq!((status(&empty), parts(&empty).1), (200, ""));
    for wrong in ["2", "-1", "x", "0/1", "..", "65536"] {
        let refused = request(&server, "GET", &format!("{path}/files/{wrong}"), "", "").await;
        assert_eq!(status(&refused), 404, "{refused}");
    }
    server.shutdown().await.unwrap();
}
