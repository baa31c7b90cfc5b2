//! What the commands make of a server's answers: a server that answers what
//! it is told to.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::support::Project;

pub(crate) const RUN: &str = "run_0197c1f0a1b27000800000000000cafe";

/// The answer to the start of a run.
fn started() -> String {
    json!({ "brainRunId": RUN }).to_string()
}

/// A frame of a run's stream: what every event has, and these fields.
fn frame(seq: u64, fields: Value) -> String {
    let mut event = json!({ "seq": seq, "timestamp": 1000, "brainRunId": RUN, "options": {} });
    if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
        event.extend(fields);
    }
    format!("id: {seq}\ndata: {event}\n\n")
}

/// A run in a list, and with its state a run on its own.
fn shown(fields: Value) -> Value {
    let mut run = json!({
        "brainRunId": RUN, "brainTitle": "review", "brainDescription": null, "type": "brain:start",
        "status": "waiting", "options": "{}", "error": null, "createdAt": 1, "startedAt": 1,
        "completedAt": null, "userName": "root",
    });
    if let (Value::Object(run), Value::Object(fields)) = (&mut run, fields) {
        run.extend(fields);
    }
    run
}

/// Answers each connection with the next of these texts; the request lines and
/// bodies come out at the other end.
pub(crate) fn server(answers: &[(&str, &str)]) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Vec<String> = answers
        .iter()
        .map(|(status, body)| {
            let kind = if body.starts_with("data:") || body.starts_with("id:") {
                "text/event-stream"
            } else {
                "application/json"
            };
            format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}")
        })
        .collect();
    let (requests, seen) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 65_536];
            loop {
                let read = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())
                    .unwrap_or(0);
                if body.len() >= length {
                    break;
                }
            }
            let _ = requests.send(String::from_utf8_lossy(&request).into_owned());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, seen)
}

fn run(answers: &[(&str, &str)], arguments: &[&str]) -> (crate::support::Done, Vec<String>) {
    let (url, seen) = server(answers);
    let done = Project::small().with("PX_URL", &url).px(arguments);
    (done, seen.try_iter().collect())
}

#[test]
fn statuses_become_exit_codes() {
    for (status, code) in
        [("404 N", 3), ("409 C", 4), ("300 M", 4), ("400 B", 1), ("422 U", 1), ("500 I", 1), ("503 S", 1)]
    {
        let (done, _) = run(&[(status, r#"{"error": "That is so"}"#)], &["runs", "list"]);
        assert_eq!((done.code, &*done.stdout), (code, ""), "{status}");
        assert!(done.stderr.starts_with("Error: That is so\n"), "{}", done.stderr);
    }
}

#[test]
fn an_id_that_is_none_is_not_found_and_says_what_ids_look_like() {
    let answer = [("404 N", r#"{"error": "Brain run '7' not found"}"#)];
    let (done, seen) = run(&answer, &["runs", "show", "7"]);
    assert_eq!(done.code, 3);
    assert!(seen[0].starts_with("GET /brains/runs/7 HTTP/1.1\r\n"));
    insta::assert_snapshot!(done.stderr, @r"
    Error: Brain run '7' not found
    Hint: '7' is not the id of a run: it looks like run_ followed by 32 hexadecimal digits; `px runs list` shows the runs there are
    ");
}

#[test]
fn errors_as_json_keep_the_fields_of_the_server() {
    let answer =
        [("422 U", r#"{"error": "It does not fit", "violations": [{"path": "/n", "message": "no"}]}"#)];
    let (done, _) = run(&answer, &["run", "review", "--json"]);
    assert_eq!((done.code, &*done.stdout), (2, ""));
    assert_eq!(done.error()["violations"][0]["path"], "/n");
    assert_eq!(done.error()["error"], "It does not fit");
    let (done, _) = run(&answer, &["run", "review"]);
    assert_eq!(
        done.stderr,
        "Error: the input does not fit brain 'review'\n  /n: no\nHint: try: px run review -s 'repository=…' -s number=1\n"
    );
}

#[test]
fn something_else_at_the_url() {
    let (done, _) = run(&[("200 OK", "<html>hello")], &["runs", "list"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("answered 200 OK, and not as px does: <html>hello"), "{}", done.stderr);
    assert!(done.stderr.contains("Hint: check that --url, PX_URL or px.toml names a px server"));
}

#[test]
fn rule_44_values_take_the_schemas_type() {
    let arguments = [
        "run",
        "feedback",
        "-s",
        "name=7",
        "-s",
        "phone=+15550100",
        "-s",
        "visits=3",
        "-o",
        "x=true",
        "--json",
    ];
    let (done, seen) = run(&[("201 C", &started())], &arguments);
    assert_eq!((done.code, done.json()["brainRunId"].as_str()), (0, Some(RUN)));
    let body = seen[0].split_once("\r\n\r\n").unwrap().1;
    assert_eq!(
        serde_json::from_str::<Value>(body).unwrap(),
        json!({
            "identifier": "feedback",
            "initialState": {"name": "7", "phone": "+15550100", "visits": 3},
            "options": {"x": true},
        })
    );
}

#[test]
fn run_prints_the_id_alone_on_stdout() {
    let (done, _) = run(&[("201 C", &started())], &["run", "review", "--state", "{}"]);
    assert_eq!((done.code, done.stdout), (0, format!("{RUN}\n")));
}

#[test]
fn rule_44_wait_exits_with_the_outcome() {
    let boom = json!({"name": "Error", "message": "boom"});
    for (event, code, says) in [
        (json!({"type": "brain:complete", "status": "complete"}), 0, "Complete.\n".to_owned()),
        (json!({"type": "brain:error", "error": boom}), 1, format!("Error: run {RUN} failed: boom\n")),
        (
            json!({"type": "brain:cancelled", "reason": "by hand"}),
            1,
            format!("Error: run {RUN} was cancelled: by hand\n"),
        ),
        (json!({"type": "brain:paused", "reason": "odd"}), 4, format!("Error: run {RUN} is paused: odd\n")),
    ] {
        let stream = frame(1, json!({"type": "brain:start"})) + &frame(2, event.clone());
        let shown = shown(json!({
            "options": {}, "state": {"stars": 5}, "waitingFor": [], "steps": [], "seq": 2,
            "cause": {"kind": "api"},
        }))
        .to_string();
        let answers = [("201 C", &*started()), ("200 OK", &*stream), ("200 OK", &*shown)];
        let (done, _) = run(&answers, &["run", "review", "--wait"]);
        let state = if code == 0 { "{\n  \"stars\": 5\n}\n" } else { "" };
        assert_eq!((done.code, done.stdout), (code, format!("{RUN}\n{state}")), "{event}");
        assert!(done.stderr.starts_with(&says), "{}", done.stderr);
    }
}

#[test]
fn the_end_of_a_brain_inside_the_run_is_not_the_runs() {
    let inner = json!({"type": "brain:complete", "brainTitle": "inside", "status": "complete", "depth": 1});
    let failed = json!({"type": "brain:error", "error": {"name": "Error", "message": "boom"}});
    let stream = frame(1, inner) + &frame(2, failed);
    let (done, _) = run(&[("201 C", &started()), ("200 OK", &stream)], &["run", "review", "--wait"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.starts_with(&format!("Error: run {RUN} failed: boom\n")), "{}", done.stderr);
}

#[test]
fn a_stream_that_breaks_off_is_taken_up_where_it_was() {
    let first = frame(1, json!({"type": "brain:start"}));
    let second = frame(2, json!({"type": "brain:complete", "status": "complete"}));
    let answers = [("201 C", &*started()), ("200 OK", &*first), ("200 OK", &*second)];
    let (done, seen) = run(&answers, &["run", "review", "--watch", "--json"]);
    assert_eq!(done.code, 0, "{done:?}");
    let types: Vec<String> = done
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].to_string())
        .collect();
    assert_eq!(types, ["\"brain:start\"", "\"brain:complete\""]);
    assert!(seen[2].contains("last-event-id: 1\r\n"), "{}", seen[2]);
}

#[test]
fn watch_ends_when_the_stream_does() {
    let stream = frame(1, json!({"type": "brain:start"}));
    let (done, _) = run(&[("200 OK", &stream)], &["runs", "watch", "run_1"]);
    assert_eq!((done.code, &*done.stdout), (0, "   1 00:00:01.000 brain:start\n"));
    assert_eq!(
        done.stderr,
        "The stream ended before the run did; `px runs watch run_1` takes it up again.\n"
    );
}

#[test]
fn lists_ask_for_what_they_are_told_and_name_the_next_page() {
    let later = shown(json!({"aFieldThatCameLater": 1}));
    let page = json!({"runs": [later], "nextCursor": "run_0"}).to_string();
    let arguments = [
        "runs", "list", "--status", "waiting", "--brain", "re view", "--since", "1500", "--limit", "7",
        "--cursor", "run_9",
    ];
    let (done, seen) = run(&[("200 OK", &page)], &arguments);
    assert_eq!(done.code, 0);
    assert!(done.stdout.contains("│ …00cafe ┆ review ┆ ◷ waiting ┆"), "{}", done.stdout);
    assert_eq!(done.stderr, "There may be more: --cursor run_0\n");
    let line = "GET /brains/runs?status=waiting&brain=re+view&since=1500&limit=7&cursor=run_9&include=standing \
                HTTP/1.1\r\n";
    assert!(seen[0].starts_with(line), "{}", seen[0]);
    let (done, _) = run(&[("200 OK", &page)], &["runs", "list", "--wide"]);
    assert!(done.stdout.contains(&format!("│ {RUN} ┆ review ┆ ◷ waiting ┆")), "{}", done.stdout);
    let (done, _) = run(&[("200 OK", &page)], &["runs", "list", "--quiet"]);
    assert_eq!(done.stdout, format!("{RUN}\n"));
    let (done, _) = run(&[("200 OK", &page)], &["runs", "list", "--json"]);
    assert_eq!(done.json(), serde_json::from_str::<Value>(&page).unwrap());
    let (done, _) = run(&[("200 OK", &page)], &["runs", "list", "--json=id,status"]);
    assert_eq!(done.json(), json!([{"id": RUN, "status": "waiting"}]));
    let (done, _) = run(&[("200 OK", &page)], &["runs", "list", "--json=statsu"]);
    assert_eq!((done.code, done.json()), (0, serde_json::from_str::<Value>(&page).unwrap()));
    assert!(done.stderr.starts_with("Warning: --json=statsu: nothing here has a field 'statsu'"), "{done:?}");
    let arguments =
        ["runs", "list", "--waits-for", "twilio:+1:5", "--where", "/a=1", "--until", "9", "--oldest"];
    let labels = ["--label", "order=o 2", "--label", "outcome=refused"];
    let (_, seen) = run(&[("200 OK", &page)], &[&arguments[..], &labels].concat());
    assert!(seen[0].contains("&label=order%3Do+2&label=outcome%3Drefused "), "{}", seen[0]);
    for part in ["identifier=%2B1%3A5", "slug=twilio", "where=%2Fa%3D1", "until=9", "order=oldest"] {
        assert!(seen[0].contains(part), "{part} in {}", seen[0]);
    }
}

#[test]
fn a_tail_is_looked_up_and_what_it_means_is_said() {
    let found = |ids: Value| json!({"ids": ids, "looked": 9, "hasMore": false}).to_string();
    let one = |tail: &str| json!({"id": format!("run_0197c1f0a1b2700080000000{tail}"), "kind": "run", "title": "invoice", "status": "paused", "at": 0});
    let run_shown = shown(json!({"state": {}, "options": {}, "waitingFor": [], "steps": [], "seq": 1, "cause": {"kind": "api"}})).to_string();
    let (done, seen) = run(
        &[("200 OK", &found(json!([one("005e67c0")]))), ("200 OK", &run_shown)],
        &["runs", "show", "5e67c0"],
    );
    assert_eq!(done.code, 0, "{done:?}");
    assert!(seen[0].starts_with("GET /ids?tail=5e67c0&kind=run HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[1].starts_with("GET /brains/runs/run_0197c1f0a1b2700080000000005e67c0 "), "{}", seen[1]);
    let several = found(json!([one("005e67c0"), one("1111a7c0")]));
    let (done, _) = run(&[("200 OK", &several)], &["runs", "cancel", "67c0"]);
    assert_eq!(done.code, 4);
    assert_eq!(
        done.stderr,
        "Error: 2 runs have ids that end in '67c0': …5e67c0 invoice paused, …11a7c0 invoice paused\nHint: give more of its last digits\n"
    );
    let (done, _) = run(&[("200 OK", &found(json!([])))], &["runs", "explain", "…67c0"]);
    assert_eq!(
        (done.code, &*done.stderr),
        (3, "Error: no run has an id that ends in '67c0'\nHint: `px runs list` shows those there are\n")
    );
    let none = json!({"runs": []}).to_string();
    let (done, seen) = run(&[("200 OK", &none)], &["runs", "show", "@last:waiting"]);
    assert!(seen[0].starts_with("GET /brains/runs?status=waiting&limit=1 "), "{}", seen[0]);
    assert_eq!(
        (done.code, &*done.stderr),
        (3, "Error: there is no run that is waiting\nHint: `px runs list` shows those there are\n")
    );
}

#[test]
fn send_is_judged_by_the_status() {
    let list = ("200 OK", r#"{"webhooks": [], "count": 0}"#);
    let (done, _) = run(&[list, ("401 U", r#"{"error": "Bad signature"}"#)], &["webhooks", "send", "chat"]);
    assert_eq!((done.code, &*done.stdout), (1, "401\n"));
    assert_eq!(
        done.stderr,
        "Error: the server answered 401: Bad signature\nHint: set CHAT_SECRET here to what the server has\n"
    );
    let (done, _) =
        run(&[list, ("404 N", r#"{"error": "Webhook 'chat' not found"}"#)], &["webhooks", "send", "chat"]);
    assert_eq!(done.code, 1);
    let (done, _) = run(&[list, ("200 OK", "plain text")], &["webhooks", "send", "chat"]);
    assert_eq!((done.code, &*done.stdout), (0, "200 plain text\n"));
}

#[test]
fn an_answer_without_an_end_is_given_up() {
    for head in ["200 OK", "500 Internal Server Error"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert!(stream.read(&mut [0; 65_536]).unwrap() > 0, "px asks");
            let head =
                format!("HTTP/1.1 {head}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            // Until px goes; bounded where it does not.
            let part = vec![b' '; 1 << 20];
            (0..1024).take_while(|_| stream.write_all(&part).is_ok()).count()
        });
        let done = Project::small().px(&["runs", "list", "--url", &url]);
        assert_eq!(done.code, 1, "{done:?}");
        assert!(done.stderr.contains("it has more than 64 MiB"), "{done:?}");
        assert!(server.join().unwrap() < 200, "px reads no further");
    }
}
