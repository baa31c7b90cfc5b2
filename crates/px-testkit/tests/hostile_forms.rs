//! Forms that somebody made up to do harm, or that are more than a webhook takes.

mod audited;
mod uploads;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use px_core::FileId;
use px_store::{InboxState, Store as _};
use uploads::{SCOPE, delivery, form, pieces, send, send_raw, world};

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
            "an unknown encoding",
            415,
            format!("{id}{}{end}", part(&format!("{file}\r\nContent-Transfer-Encoding: x-uuencode"), "x")),
        ),
        (
            "two encodings",
            400,
            format!(
                "{id}{}{end}",
                part(
                    &format!(
                        "{file}\r\nContent-Transfer-Encoding: base64\r\nContent-Transfer-Encoding: binary"
                    ),
                    "eA=="
                )
            ),
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

/// A form of which the id and the photo are encoded.
fn encoded(way: &str, id: &str, photo: &str) -> Bytes {
    let part = |head: &str, content: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; {head}\r\nContent-Transfer-Encoding: {way}\r\n\r\n{content}\r\n"
        )
    };
    let photo = part("name=\"photo\"; filename=\"a.jpg\"", photo);
    let then = "--b\r\nContent-Disposition: form-data; name=\"then\"\r\n\r\nignore\r\n";
    format!("{}{photo}{then}--b--\r\n", part("name=\"id\"", id)).into()
}

/// A step would read the text of the encoding as the file, and an id would be another one.
#[tokio::test]
async fn what_is_encoded_is_kept_as_what_it_is_and_a_replay_has_the_same() {
    let world = world();
    for (way, id, photo) in
        [("base64", "Y2Fm\r\nw6k=", "AP9h\r\nYg==\r\n"), ("Quoted-Printable", "caf=C3=A9=", "=00=FFa=\r\nb")]
    {
        let kind = "multipart/form-data; boundary=b";
        let answer = send_raw(&world, "claims", kind, encoded(way, id, photo)).await;
        // The second one has the same id, and says so.
        let action = if way == "base64" { "ignored" } else { "duplicate" };
        assert_eq!((answer.status, answer.action), (200, Some(action)), "{way}: {}", answer.body);
        if action == "duplicate" {
            continue;
        }
        let again = world.replay(delivery(&answer)).await.unwrap();
        assert_eq!(again.action, Some("ignored"), "{}", again.body);
        let mut digests = Vec::new();
        for answer in [&answer, &again] {
            let kept = world.store().delivery(SCOPE, delivery(answer)).await.unwrap().unwrap();
            assert_eq!(kept.files[0].size, 4);
            digests.push(kept.files[0].sha256.clone());
        }
        let bytes = world.store().file_piece(SCOPE, FileId { delivery: delivery(&answer), place: 0 }, 0);
        assert_eq!(bytes.await.unwrap().as_deref(), Some(&b"\x00\xffab"[..]));
        assert_eq!(digests[0], digests[1]);
    }
    assert!(world.audit().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_form_that_is_encoded_wrongly_is_refused_as_a_whole() {
    let world = world();
    let kind = "multipart/form-data; boundary=b";
    let much = "QUJD".repeat(300_000);
    for (what, status, body) in [
        ("letters of no alphabet", 400, encoded("base64", "MQ==", "QUJ*")),
        ("a padding in the middle", 400, encoded("base64", "MQ==", "QQ==QUJD")),
        ("no padding", 400, encoded("base64", "MQ==", "QQ")),
        ("bits that nobody reads", 400, encoded("base64", "MQ==", "QR==")),
        ("an id that is not encoded", 400, encoded("base64", "1", "QUJD")),
        ("half a byte", 400, encoded("quoted-printable", "1", "=4")),
        ("a line feed alone", 400, encoded("quoted-printable", "1", "a\nb")),
        ("more encoded text than is decoded for a stranger", 413, encoded("base64", &much, "QUJD")),
    ] {
        let answer = send_raw(&world, "claims", kind, body).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        if status == 400 {
            assert!(answer.body.contains("is not encoded so"), "{what}: {}", answer.body);
        }
    }
    // Files have the room that files have.
    let answer = send_raw(&world, "claims", kind, encoded("base64", "MQ==", &much)).await;
    let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
    assert_eq!((answer.status, kept.files[0].size), (200, 900_000), "{}", answer.body);
    assert_eq!(pieces(&world).await.len(), 1, "what was refused has left no file");
}

/// Its bytes are more than a row of the inbox holds, and nobody says that retention took them.
#[tokio::test]
async fn the_story_of_a_form_that_was_too_large_to_be_kept_says_so() {
    let world = world();
    let large = "x".repeat(5 * 1024 * 1024);
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a\"\r\n\
         Content-Transfer-Encoding: x-uuencode\r\n\r\n{large}\r\n--b--\r\n"
    );
    let answer = send_raw(&world, "claims", "multipart/form-data; boundary=b", body.into()).await;
    assert_eq!(answer.status, 415, "{}", answer.body);
    let kept = world.store().delivery(SCOPE, delivery(&answer)).await.unwrap().unwrap();
    assert!(kept.emptied && kept.body.is_empty());
    let refused = world.replay(kept.id).await.unwrap_err().to_string();
    assert!(refused.contains("too large to be kept"), "{refused}");
}

/// Two ids that differ in bytes that are no text would be one event, and the second would be lost.
#[tokio::test]
async fn an_id_of_a_handler_that_could_not_be_read_is_refused_in_words() {
    let world = world();
    let head = "--b\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\n";
    let body = [head.as_bytes(), b"caf\xe9\r\n--b--\r\n"].concat();
    let send = || send_raw(&world, "flaky", "multipart/form-data; boundary=b", body.clone().into());
    assert_eq!(send().await.status, 500, "its handler fails once");
    let answer = send().await;
    assert_eq!(answer.status, 422, "{}", answer.body);
    let events = world.inbox().await.unwrap().into_iter().flat_map(|kept| kept.events);
    let said: Vec<_> = events.map(|event| (event.state, event.reason.unwrap_or_default())).collect();
    let is_refused = |(state, why): &(_, String)| *state == InboxState::Quarantined && why.contains("U+FFFD");
    assert!(said.iter().any(is_refused), "{said:?}");
}
