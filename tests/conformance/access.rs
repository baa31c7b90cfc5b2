//! Who may use the API: every route of the document, without a token, with one
//! that is too narrow, and with one that is wide enough.

use std::process::Output;

use serde_json::{Value, json};

use super::support::Project;
use super::{Case, Suite, project};

pub const CASES: &[Case] = &[
    ("rule_22_webhooks_are_open_and_everything_else_needs_a_token", every_route),
    ("tokens_are_made_in_the_store_and_over_the_server", by_command_line),
    ("without_tokens_the_api_is_for_this_machine_only", local_only),
    ("another_bind_needs_a_token", another_bind),
];

fn fresh() -> Project {
    Project::of(std::env::current_exe().unwrap()).env("SLACK_SIGNING_SECRET", project::SLACK_SECRET)
}

fn bearer(token: &str) -> Vec<(String, String)> {
    vec![("authorization".to_owned(), format!("Bearer {token}"))]
}

fn every_route(suite: &Suite) {
    let project = fresh();
    let px = project.serve();
    let make = |name: &str, scope: &str, token: Option<&str>| {
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        headers.extend(token.into_iter().flat_map(bearer));
        let body = json!({"name": name, "scope": scope}).to_string();
        px.try_send("POST", "/tokens", &headers, body.as_bytes()).unwrap()
    };
    let route = ("POST".to_owned(), "/tokens".to_owned());
    // Without an admin's token nobody could make another one.
    let narrow = make("first", "read", None);
    suite.book.check(&route, &narrow);
    assert_eq!((narrow.status, narrow.field("code")), (409, "PX0039".to_owned()));
    let admin = make("first", "admin", None);
    suite.book.check(&route, &admin);
    let admin = admin.field("token");
    assert_eq!(make("second", "admin", None).status, 401);
    let read = make("second", "read", Some(&admin)).field("token");
    let operate = make("third", "operate", Some(&admin));
    let (operate, operate_id) = (operate.field("token"), operate.field("id"));
    assert_eq!(make("x", "all", Some(&admin)).status, 400);
    assert_eq!(make("", "read", Some(&admin)).status, 400);

    for (method, path) in suite.book.routes() {
        let route = (method.clone(), path.clone());
        let operation = suite.book.operation(&route);
        let target = path.replace("{slug}", "votes").replace(['{', '}'], "");
        let send = |headers: &[(String, String)]| px.try_send(&method, &target, headers, b"{}").unwrap();
        let Some(scope) = operation["x-px-scope"].as_str() else {
            let open = ["/webhooks/", "/health/", "/.well-known/webhooks-keys"];
            assert!(open.iter().any(|open| path.starts_with(open)), "{path} is open");
            assert!(!matches!(send(&[]).field("code").as_str(), "PX0035" | "PX0036"), "{path}");
            continue;
        };
        assert!(scope != "read" || method == "GET", "{route:?} changes something");
        let other_digit = if read.ends_with('0') { '1' } else { '0' };
        for wrong in [vec![], bearer("x"), bearer(&format!("{}{other_digit}", &read[..read.len() - 1]))] {
            let reply = send(&wrong);
            suite.book.check(&route, &reply);
            assert_eq!(reply.status, 401, "{route:?}: {}", reply.text());
        }
        let narrower: &[&str] = match scope {
            "admin" => &[&read, &operate],
            "operate" => &[&read],
            _ => &[],
        };
        for token in narrower {
            let reply = send(&bearer(token));
            suite.book.check(&route, &reply);
            assert_eq!((reply.status, reply.field("code")), (403, "PX0036".to_owned()), "{route:?}");
        }
    }
    let get = |target: &str, token: &str| px.try_send("GET", target, &bearer(token), b"").unwrap();
    // A job says whose it is.
    let mut headers = bearer(&operate);
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    let wanted = json!({"action": "cancel", "filter": {"status": "paused"}}).to_string();
    let job = px.try_send("POST", "/bulk", &headers, wanted.as_bytes()).unwrap();
    assert_eq!((job.status, job.field("by")), (202, "third".to_owned()), "{}", job.text());
    assert_eq!((get("/brains", &read).status, get("/brains", &admin).status), (200, 200));
    let listed = get("/tokens", &admin);
    suite.book.check(&("GET".to_owned(), "/tokens".to_owned()), &listed);
    assert_eq!(listed.json()["count"], 3);
    assert!(!listed.text().contains(&admin[40..]), "no secret is shown again");
    let revoke = |id: &str| {
        let reply = px.try_send("DELETE", &format!("/tokens/{id}"), &bearer(&admin), b"").unwrap();
        suite.book.check(&("DELETE".to_owned(), "/tokens/{id}".to_owned()), &reply);
        reply
    };
    assert_eq!(revoke(&operate_id).status, 204);
    assert_eq!(get("/brains", &operate).status, 401, "at once");
    revoke(&operate_id).fails(404, &format!("Token '{operate_id}' not found"));
    // They outlive the process, and what rests holds no secret.
    px.kill();
    let px = project.serve();
    assert_eq!(px.try_send("GET", "/brains", &bearer(&read), b"").unwrap().status, 200);
    assert_eq!(px.get("/brains").status, 401);
    px.stop();
    for file in std::fs::read_dir(project.data()).unwrap() {
        let file = file.unwrap().path();
        if let Ok(bytes) = std::fs::read(&file) {
            let secret = &read.as_bytes()[read.len() - 32..];
            assert!(!bytes.windows(32).any(|window| window == secret), "{}", file.display());
        }
    }
    let audit = project.command(&["audit", "--data-dir"]).arg(project.data()).output().unwrap();
    assert!(audit.status.success(), "{}", text(&audit));
    // Where GET routes need no more than to look, the first server has seen 403 too.
    let forwarded = [("x-forwarded-for".to_owned(), "192.0.2.1".to_owned())];
    for (method, path) in suite.book.routes() {
        let route = (method.clone(), path.clone());
        let operation = suite.book.operation(&route);
        if operation["x-px-scope"].is_string() {
            let target = path.replace(['{', '}'], "");
            let reply = suite.px.try_send(&method, &target, &forwarded, b"{}").unwrap();
            suite.book.check(&route, &reply);
            assert_eq!((reply.status, reply.field("code")), (403, "PX0037".to_owned()), "{route:?}");
            if operation["responses"]["415"].is_object() {
                // A page of another site can send a form without being asked.
                let form = [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
                let reply = suite.px.try_send(&method, &target, &form, b"a=b").unwrap();
                suite.book.check(&route, &reply);
                assert_eq!((reply.status, reply.field("code")), (415, "PX0026".to_owned()), "{route:?}");
            }
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn by_command_line(_: &Suite) {
    let project = fresh();
    let run = |words: &[&str], token: Option<&str>| {
        let mut command = project.command(words);
        if words[0] == "tokens" && !words.contains(&"--url") {
            command.arg("--data-dir").arg(project.data());
        }
        command.envs(token.map(|token| ("PX_TOKEN", token))).output().unwrap()
    };
    let json = |output: &Output| -> Value { serde_json::from_slice(&output.stdout).unwrap_or_default() };
    // Down: in the store itself, which is made for the first one.
    assert_eq!(json(&run(&["tokens", "list", "--json"], None)), json!({"count": 0, "tokens": []}));
    let narrow = run(&["tokens", "create", "x"], None);
    assert_eq!(narrow.status.code(), Some(4), "{}", text(&narrow));
    let made = run(&["tokens", "create", "me", "--scope", "admin"], None);
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    let admin = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert!(admin.starts_with("pxt_"), "the token alone is on stdout: {admin}");
    // Up: through the server.
    let px = project.serve();
    let url = format!("http://{}", px.address);
    let refused = run(&["tokens", "list", "--url", &url], None);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).contains("PX_TOKEN"), "{}", text(&refused));
    let made = run(&["tokens", "create", "ci", "--json", "--url", &url], Some(&admin));
    assert_eq!(made.status.code(), Some(0), "{}", text(&made));
    let listed = json(&run(&["tokens", "list", "--json", "--url", &url], Some(&admin)));
    assert_eq!((&listed["count"], &listed["tokens"][1]["name"]), (&json!(2), &json!("ci")));
    let id = json(&made)["id"].as_str().unwrap().to_owned();
    assert_eq!(run(&["tokens", "revoke", &id, "--url", &url], Some(&admin)).status.code(), Some(0));
    assert_eq!(run(&["tokens", "revoke", &id, "--url", &url], Some(&admin)).status.code(), Some(3));
    assert_eq!(run(&["tokens", "revoke", "x", "--url", &url], Some(&admin)).status.code(), Some(3));
    px.stop();
    assert_eq!(json(&run(&["tokens", "list", "--json"], None))["count"], 1);
}

fn local_only(suite: &Suite) {
    let refused = |name: &str, value: &str| {
        let reply = suite.px.try_send("GET", "/brains", &[(name.to_owned(), value.to_owned())], b"").unwrap();
        assert_eq!((reply.status, reply.field("code")), (403, "PX0037".to_owned()), "{name}: {value}");
        assert!(reply.header("access-control-allow-origin").is_none(), "CORS is off");
    };
    refused("origin", "https://site.example");
    refused("origin", "http://203.0.113.66");
    refused("origin", "http://localhost:3000");
    refused("sec-fetch-site", "cross-site");
    refused("x-forwarded-for", "192.0.2.1");
    let rebound = b"GET /brains HTTP/1.1\r\nhost: rebound.example\r\nconnection: close\r\n\r\n";
    let mut connection = suite.px.connect().unwrap();
    connection.send_raw(rebound).unwrap();
    let reply = connection.receive().unwrap();
    assert_eq!((reply.status, reply.field("code")), (403, "PX0037".to_owned()));
    // No page makes the first token, not even one of this server.
    let mut own = vec![("origin".to_owned(), format!("http://{}", suite.px.address))];
    own.push(("content-type".to_owned(), "application/json".to_owned()));
    let made = suite.px.try_send("POST", "/tokens", &own, br#"{"name":"x","scope":"admin"}"#).unwrap();
    assert_eq!((made.status, made.field("code")), (403, "PX0037".to_owned()), "{}", made.text());
    assert_eq!(suite.px.get("/tokens").json()["count"], 0);
    // A form of another site fakes nobody's message to a webhook without its secret.
    let mut form = vec![("origin".to_owned(), "https://site.example".to_owned())];
    form.push(("content-type".to_owned(), "application/json".to_owned()));
    let faked = suite.px.try_send("POST", "/webhooks/votes", &form, b"{}").unwrap();
    assert_eq!(faked.status, 401, "{}", faked.text());
    let reply = suite.px.get("/brains");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.header(name), Some(value));
    }
    // A page of a configured origin may.
    let project = fresh();
    std::fs::write(project.path().join("px.toml"), "[server]\ncors_origins = [\"https://app.example\"]\n")
        .unwrap();
    let px = project.serve();
    let origin = |origin: &str| vec![("origin".to_owned(), origin.to_owned())];
    let page = px.try_send("GET", "/brains", &origin("https://app.example"), b"").unwrap();
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, Some("https://app.example")));
    let mut asks = origin("https://app.example");
    asks.push(("access-control-request-method".to_owned(), "POST".to_owned()));
    let asked = px.try_send("OPTIONS", "/brains/runs", &asks, b"").unwrap();
    assert!(asked.status == 200 && asked.header("access-control-allow-methods").is_some(), "{asked:?}");
    let other = px.try_send("GET", "/brains", &origin("https://site.example"), b"").unwrap();
    assert_eq!((other.status, other.header("access-control-allow-origin")), (403, None));
}

fn another_bind(_: &Suite) {
    // The project's own binary, whose webhooks are all verified.
    let project = Project::new().env("PX_BIND", "0.0.0.0");
    let (status, said) = project.try_serve().map(drop).unwrap_err();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("there is no API token") && said.contains("px tokens create"), "{said}");
    let made = project
        .command(&["tokens", "create", "me", "--scope", "admin", "--data-dir"])
        .arg(project.data())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made));
    let token = String::from_utf8(made.stdout).unwrap();
    let px = project.serve();
    assert_eq!(px.get("/brains").status, 401);
    assert_eq!(px.try_send("GET", "/brains", &bearer(token.trim()), b"").unwrap().status, 200);
    assert_eq!(px.try_send("POST", "/webhooks/nobody", &[], b"{}").unwrap().status, 404, "it is open");
}
