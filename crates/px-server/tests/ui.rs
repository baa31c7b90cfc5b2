//! The page's door over real sockets: who comes in, whose forms do something, and what
//! becomes of a session that is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::{parts, read_json, request, status};

/// Text that would do something if it were taken for markup.
const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Asked {
    who: String,
}

mod answers {
    use super::*;
    px_sdk::webhook! {
        slug = "answers",
        payload = Asked,
        response = Asked,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(asked: Asked) -> Result<Inbound<Asked>> {
        Ok(Inbound::resume(asked.who.clone(), asked))
    }
}

fn asking() -> Brain<Asked> {
    brain("asking").step("ask", ask).step("hear", hear).build()
}
px_sdk::brain!(asking);

async fn ask(_: Cx, asked: Asked) -> Result<Waiting<Asked, Asked>> {
    let on = answers::on(&asked.who);
    Ok(wait_for(asked, on))
}

async fn hear(_: Cx, _: Asked, answer: Asked) -> Result<Next<Asked>> {
    Ok(Next(answer))
}

/// A browser: it keeps cookies by their path, and says what browsers say.
#[derive(Default)]
struct Browser {
    cookies: Vec<(String, String, String)>,
}

struct Shown {
    status: u16,
    head: String,
    body: String,
    /// The path that it was answered at.
    at: String,
}

impl Shown {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The mark of the first form.
    fn mark(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"csrf\" value=\"").expect("the page has a form");
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    async fn get(&mut self, server: &Running, path: &str) -> Shown {
        let mut at = path.to_owned();
        for _ in 0..8 {
            let shown = self.ask(server, "GET", &at, "sec-fetch-site: none\r\n", "").await;
            let Some(location) = shown.header("location").filter(|_| shown.status == 303) else {
                return shown;
            };
            at = joined(&at, location);
        }
        panic!("{path} leads nowhere");
    }

    /// Sends a form with its mark from one of our pages, and follows where it leads.
    async fn post(&mut self, server: &Running, path: &str, mark: &str, fields: &str) -> Shown {
        let shown = self.send(server, path, mark, fields).await;
        match shown.header("location").filter(|_| shown.status == 303).map(|to| joined(path, to)) {
            Some(to) => self.get(server, &to).await,
            None => shown,
        }
    }

    async fn send(&mut self, server: &Running, path: &str, mark: &str, fields: &str) -> Shown {
        let lines = "origin: http://localhost\r\nsec-fetch-site: same-origin\r\n\
                     content-type: application/x-www-form-urlencoded\r\n";
        self.ask(server, "POST", path, lines, &format!("csrf={mark}&{fields}")).await
    }

    async fn ask(&mut self, server: &Running, method: &str, path: &str, lines: &str, body: &str) -> Shown {
        let plain = path.split('?').next().unwrap();
        let own = self.cookies.iter().filter(|(_, _, folder)| plain.starts_with(folder.as_str()));
        let own: Vec<_> = own.map(|(name, value, _)| format!("{name}={value}")).collect();
        let cookies = if own.is_empty() { String::new() } else { format!("cookie: {}\r\n", own.join("; ")) };
        let accept = "accept: text/html,application/xhtml+xml\r\n";
        let answer = request(server, method, path, &format!("{accept}{cookies}{lines}"), body).await;
        let (head, body) = parts(&answer);
        for line in head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")) {
            let (name, rest) = line.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let folder = plain.rsplit_once('/').unwrap().0.to_owned();
            self.cookies.retain(|(own, _, other)| (own.as_str(), other) != (name, &folder));
            if !rest.contains("Max-Age=0") {
                self.cookies.push((name.to_owned(), value.to_owned(), folder));
            }
        }
        Shown { status: status(&answer), head: head.to_owned(), body: body.to_owned(), at: path.to_owned() }
    }
}

/// A relative place as seen from a path.
fn joined(from: &str, to: &str) -> String {
    assert!(!to.starts_with('/') && !to.contains("//"), "a link that is not relative: {to}");
    let from = from.split('?').next().unwrap();
    let (to, query) = to.split_once('?').map_or((to, String::new()), |(to, query)| (to, format!("?{query}")));
    let mut parts: Vec<&str> = from.split('/').skip(1).collect();
    parts.pop();
    for part in to.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    let slash = if to.ends_with('.') { "/" } else { "" };
    format!("/{}{slash}{query}", parts.join("/"))
}

async fn token(server: &Running, scope: &str, by: &str) -> String {
    let body = format!(r#"{{"name":"{scope}","scope":"{scope}"}}"#);
    let by = if by.is_empty() { String::new() } else { format!("authorization: Bearer {by}\r\n") };
    let (status, made) = read_json(&support::send(server, "POST", "/tokens", &by, &body).await);
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

/// Starts a run that waits, and returns its id.
async fn waiting(server: &Running, who: &str, by: &str) -> String {
    let body = serde_json::json!({ "identifier": "asking", "initialState": { "who": who } }).to_string();
    let by = if by.is_empty() { String::new() } else { format!("authorization: Bearer {by}\r\n") };
    let (status, started) = read_json(&support::send(server, "POST", "/brains/runs", &by, &body).await);
    assert_eq!(status, 201, "{started}");
    let run = started["brainRunId"].as_str().unwrap().to_owned();
    for _ in 0..1_000 {
        let (_, shown) = read_json(&request(server, "GET", &format!("/brains/runs/{run}"), &by, "").await);
        if shown["status"] == "waiting" {
            return run;
        }
        tokio::task::yield_now().await;
    }
    panic!("it does not wait");
}

#[tokio::test]
async fn a_browser_is_led_to_the_page_and_everybody_else_is_told_as_ever() {
    let server = support::serve(|_| {}).await;
    let browser = request(&server, "GET", "/", "accept: text/html\r\n", "").await;
    assert!(status(&browser) == 303 && browser.to_lowercase().contains("location: ui/\r\n"), "{browser}");
    let other = request(&server, "GET", "/", "accept: */*\r\n", "").await;
    let (code, body) = read_json(&other);
    assert_eq!((code, body["code"].as_str()), (404, Some("PX0001")));
    assert_eq!(status(&request(&server, "POST", "/", "", "").await), 404);
    let below = request(&server, "GET", "/ui", "", "").await;
    assert!(status(&below) == 303 && below.to_lowercase().contains("location: ui/\r\n"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_page_has_its_headers_and_runs_nothing_of_others() {
    let server = support::serve(|_| {}).await;
    let run = waiting(&server, HOSTILE, "").await;
    let mut browser = Browser::default();
    let overview = browser.get(&server, "/ui/").await;
    assert_eq!(overview.status, 200, "{}", overview.body);
    let run_page = format!("/ui/runs/{run}");
    for path in [
        "/ui/runs",
        "/ui/waits",
        "/ui/waits?view=due",
        "/ui/waits?view=oldest",
        "/ui/inbox",
        "/ui/webhooks",
        "/ui/webhooks/answers",
        "/ui/hooks",
        "/ui/outbox",
        "/ui/brains",
        "/ui/brains/asking",
        "/ui/values",
        "/ui/tokens",
        "/ui/secrets",
        "/ui/settings",
        "/ui/runs?status=waiting&since=2h&brain=",
        &run_page,
        &format!("{run_page}?at=1"),
        &format!("{run_page}/value?path=/who"),
        &format!("{run_page}/fork?step=1"),
    ] {
        let shown = browser.get(&server, path).await;
        assert_eq!(shown.status, 200, "{path}: {}", shown.body);
        assert_eq!(shown.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        let policy = shown.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "private, no-cache"),
        ] {
            assert_eq!(shown.header(name), Some(value), "{path}");
        }
        assert!(!shown.body.contains("<script>alert") && !shown.body.contains("<img src=x"), "{path}");
        let odd = [" style=", "\u{1b}", "\u{202e}"].map(|odd| shown.body.find(odd));
        let at = odd
            .into_iter()
            .flatten()
            .next()
            .map(|at| shown.body[at.saturating_sub(80)..].chars().take(160).collect::<String>());
        assert_eq!(at, None, "{path}");
        assert!(!shown.body.contains("href=\"/") && !shown.body.contains("src=\"/"), "{path}");
    }
    let missing = browser.get(&server, "/ui/runs/run_1").await;
    assert!(missing.status == 404 && missing.body.contains("<h1>"), "{}", missing.body);
    assert_eq!(browser.get(&server, "/ui/nonsense/x").await.status, 404);
    for asset in px_dashboard::assets() {
        let shown = browser.get(&server, &format!("/ui/assets/{}", asset.name)).await;
        assert_eq!((shown.status, shown.body.as_bytes()), (200, asset.bytes));
        assert_eq!(shown.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn without_tokens_the_page_is_for_this_machine_and_links_lead_there() {
    let server = support::serve(|_| {}).await;
    let navigates = "sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n";
    for (lines, wanted) in [
        ("", 200),
        (navigates, 200),
        ("sec-fetch-site: cross-site\r\n", 403),
        ("sec-fetch-site: same-site\r\n", 403),
        ("origin: http://evil.example\r\n", 403),
        ("via: 1.1 proxy\r\n", 403),
    ] {
        assert_eq!(status(&request(&server, "GET", "/ui/runs", lines, "").await), wanted, "{lines}");
    }
    let rebound =
        support::raw(&server, b"GET /ui/runs HTTP/1.1\r\nhost: px.evil.example\r\nconnection: close\r\n\r\n");
    assert_eq!(status(&rebound.await), 403);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_form_does_something_only_from_a_page_that_this_browser_was_shown() {
    let server = support::serve(|_| {}).await;
    let run = waiting(&server, "anna", "").await;
    let (page, pause) = (format!("/ui/runs/{run}"), format!("/ui/runs/{run}/pause"));
    let mut browser = Browser::default();
    // The first page lies deep: it is answered with the cookie of the whole page, at its own address.
    let shown = browser.get(&server, &page).await;
    assert_eq!((shown.status, shown.at.as_str()), (200, page.as_str()));
    assert_eq!(browser.cookies.len(), 1);
    let mark = shown.mark();
    let own = "origin: http://localhost\r\n";
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    for (what, lines, mark) in [
        ("no mark", format!("{own}{form}"), String::new()),
        ("another mark", format!("{own}{form}"), Browser::default().get(&server, &page).await.mark()),
        ("no origin", form.to_owned(), mark.clone()),
        (
            "another port of this machine",
            format!("origin: http://localhost:1\r\nsec-fetch-site: same-site\r\n{form}"),
            mark.clone(),
        ),
        (
            "another site",
            format!("origin: http://evil.example\r\nsec-fetch-site: cross-site\r\n{form}"),
            mark.clone(),
        ),
        ("a sandboxed page", format!("origin: null\r\n{form}"), mark.clone()),
    ] {
        let refused = browser.ask(&server, "POST", &pause, &lines, &format!("csrf={mark}")).await;
        assert_eq!(refused.status, 403, "{what}: {}", refused.body);
    }
    assert_eq!(Browser::default().send(&server, &pause, &mark, "").await.status, 403, "another browser");
    let typed =
        browser.ask(&server, "POST", &pause, &format!("{own}content-type: text/plain\r\n"), "x").await;
    assert_eq!(typed.status, 415);
    let paused = browser.post(&server, &pause, &mark, "").await;
    assert!(paused.status == 200 && paused.body.contains("The run is paused"), "{}", paused.body);
    let resumed = browser.post(&server, &format!("{page}/resume"), &paused.mark(), "").await;
    assert!(resumed.body.contains("The run goes on."), "{}", resumed.body);
    let answer = "response=%7B%22who%22%3A%22otto%22%7D";
    let answered = browser.post(&server, &format!("{page}/answer"), &resumed.mark(), answer).await;
    assert!(answered.body.contains("The run has the answer."), "{}", answered.body);
    let again = browser.post(&server, &format!("{page}/pause"), &answered.mark(), "").await;
    assert!(again.status == 409 || again.body.contains("paused"), "it may have ended: {}", again.status);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_session_opens_with_a_token_and_ends_with_it() {
    let server = support::serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let read = token(&server, "read", &admin).await;
    let run = waiting(&server, "anna", &admin).await;
    let page = format!("/ui/runs/{run}");
    let mut browser = Browser::default();
    let login = browser.get(&server, &page).await;
    assert!(login.status == 200 && login.at.starts_with("/ui/login?next="), "{}", login.at);
    assert_eq!(browser.send(&server, "/ui/login", "", &format!("token={read}")).await.status, 403, "no mark");
    let wrong = browser.send(&server, "/ui/login", &login.mark(), "token=pxt_x&next=runs").await;
    assert!(wrong.status == 401 && wrong.body.contains("no API token"), "{}", wrong.body);
    let next = format!("token={read}&next=runs/{run}");
    let shown = browser.post(&server, "/ui/login", &login.mark(), &next).await;
    assert_eq!((shown.status, shown.at.as_str()), (200, page.as_str()));
    // The cookie opens the page alone, and a page with the scope read shows and does nothing more.
    let cookie = browser.cookies.iter().map(|(name, value, _)| format!("{name}={value}")).next().unwrap();
    let api = request(&server, "GET", "/brains/runs", &format!("cookie: {cookie}\r\n"), "").await;
    assert_eq!(status(&api), 401);
    let refused = browser.post(&server, &format!("{page}/pause"), &shown.mark(), "").await;
    assert!(refused.status == 403 && refused.body.contains("scope"), "{}", refused.body);
    assert_eq!(browser.get(&server, "/ui/tokens").await.status, 403);
    // It is over with the token: a form is not sent, and not lost.
    let revoked = format!("/tokens/tok_{}", read.split('_').nth(1).unwrap());
    let by = format!("authorization: Bearer {admin}\r\n");
    assert_eq!(status(&request(&server, "DELETE", &revoked, &by, "").await), 204);
    let typed = "slug=answers&response=%7B%22who%22%3A+%22%3Cb%3E%22%7D";
    let over = browser.send(&server, &format!("{page}/answer"), &shown.mark(), typed).await;
    assert!(over.status == 401 && over.body.contains("kept:response"), "{}", over.body);
    assert!(over.body.contains("{&quot;who&quot;: &quot;&lt;b&gt;&quot;}"), "{}", over.body);
    let fields = format!("token={admin}&kept-path=runs/{run}/answer&kept:{}", typed.replace("&", "&kept:"));
    let filled = browser.send(&server, "/ui/login", &over.mark(), &fields).await;
    assert!(filled.status == 200 && filled.body.contains("Send it"), "{}", filled.body);
    assert!(filled.body.contains(&format!("action=\"./runs/{run}/answer\"")), "{}", filled.body);
    let sent = browser.post(&server, &format!("{page}/answer"), &filled.mark(), typed).await;
    assert!(sent.body.contains("The run has the answer."), "{}", sent.body);
    let out = browser.post(&server, "/ui/logout", &sent.mark(), "").await;
    assert!(out.at.starts_with("/ui/login") && browser.cookies.len() <= 1, "{}", out.at);
    assert!(browser.get(&server, "/ui/runs").await.at.starts_with("/ui/login"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn wrong_tokens_are_counted_and_a_right_one_is_never_refused_for_them() {
    let server = support::serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let mut browser = Browser::default();
    let mark = browser.get(&server, "/ui/login").await.mark();
    for _ in 0..10 {
        assert_eq!(browser.send(&server, "/ui/login", &mark, "token=x").await.status, 401);
    }
    assert_eq!(browser.send(&server, "/ui/login", &mark, "token=x").await.status, 429);
    assert_eq!(browser.post(&server, "/ui/login", &mark, &format!("token={admin}")).await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_first_token_is_not_made_from_the_page_and_others_are_shown_once() {
    let server = support::serve(|_| {}).await;
    let mut browser = Browser::default();
    let mark = browser.get(&server, "/ui/settings").await.mark();
    let refused = browser.send(&server, "/ui/tokens", &mark, "name=x&scope=admin").await;
    assert!(refused.status == 403 && refused.body.contains("px tokens create"), "{}", refused.body);
    let admin = token(&server, "admin", "").await;
    let mark = browser.get(&server, "/ui/login").await.mark();
    let shown = browser.post(&server, "/ui/login", &mark, &format!("token={admin}&next=tokens")).await;
    let made = browser.send(&server, "/ui/tokens", &shown.mark(), "name=phone&scope=read").await;
    assert!(made.status == 201 && made.body.contains("pxt_"), "{}", made.body);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert!(!browser.get(&server, "/ui/tokens").await.body.contains("pxt_0"));
    server.shutdown().await.unwrap();
}

/// Fields of the first form that posts to a place, with what they hold.
fn fields_of(shown: &Shown, action: &str) -> Vec<(String, String)> {
    let (_, form) = shown.body.split_once(&format!("action=\"{action}\"")).expect("there is such a form");
    let form = form.split("</form>").next().unwrap();
    let text = |text: &str| {
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    let inputs = form.split("<input").skip(1).filter_map(|input| {
        let of = |name: &str| Some(input.split_once(&format!("{name}=\""))?.1.split('"').next()?.to_owned());
        Some((of("name")?, text(&of("value")?)))
    });
    let areas = form.split("<textarea").skip(1).filter_map(|area| {
        let name = area.split_once("name=\"")?.1.split('"').next()?;
        let value = area.split_once('>')?.1.split("</textarea>").next()?;
        Some((name.to_owned(), text(value)))
    });
    inputs.chain(areas).collect()
}

fn encoded(fields: &[(String, String)]) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    let text = |text: &str| text.bytes().map(byte).collect::<String>();
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", text(name), text(value)));
    pairs.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn what_a_page_of_somebody_else_sent_is_not_carried_through_a_login() {
    let server = support::serve(|_| {}).await;
    token(&server, "admin", "").await;
    let foreign = "origin: https://evil.example\r\nsec-fetch-site: cross-site\r\n\
                   content-type: application/x-www-form-urlencoded\r\n";
    let mut browser = Browser::default();
    for (path, body) in [
        ("/ui/tokens", "name=mine&scope=admin"),
        ("/ui/login", "token=x&kept-path=tokens&kept%3Aname=mine&kept%3Ascope=admin"),
    ] {
        let shown = browser.ask(&server, "POST", path, foreign, body).await;
        assert!(matches!(shown.status, 401 | 403), "{path}: {}", shown.status);
        assert!(!shown.body.contains("kept:") && !shown.body.contains("mine"), "{path}: {}", shown.body);
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn news_of_a_run_come_though_its_hints_are_lost() {
    let mut hints = None;
    let server = support::serve(|options| hints = Some(std::sync::Arc::clone(options.store.hints()))).await;
    let run = waiting(&server, "anna", "").await;
    hints.unwrap().mute();
    let mut stream = support::connect(&server).await;
    let head = format!(
        "GET /ui/live?topic=run:{run} HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut paused = false;
    while !seen.contains("event: changed") {
        let mut bytes = [0; 4_096];
        let read = tokio::io::AsyncReadExt::read(&mut stream, &mut bytes);
        let read = tokio::time::timeout(support::LONG, read).await.expect("news come").unwrap();
        assert!(read > 0, "the stream ended: {seen}");
        seen.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        if !std::mem::replace(&mut paused, true) {
            let body = r#"{"type":"PAUSE"}"#;
            let path = format!("/brains/runs/{run}/signals");
            assert_eq!(status(&support::send(&server, "POST", &path, "", body).await), 202);
        }
    }
    drop(stream);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_fork_that_nobody_edited_has_the_values_that_the_page_does_not_show() {
    const PLANTED: &str = "sk_live_planted_1";
    let server = support::serve(|options| {
        options.env = Box::new(|name| (name == "PLANTED").then(|| PLANTED.to_owned()));
        options.secret_names.push("PLANTED".to_owned());
    })
    .await;
    let run = waiting(&server, PLANTED, "").await;
    let mut browser = Browser::default();
    let form = browser.get(&server, &format!("/ui/runs/{run}/fork?step=1")).await;
    assert!(!form.body.contains(PLANTED) && form.body.contains("[secret PLANTED]"), "{}", form.body);
    let mut fields = fields_of(&form, &format!("../../runs/{run}/fork"));
    let sent: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
    let path = format!("/ui/runs/{run}/fork");
    let forked = browser.post(&server, &path, &form.mark(), &encoded(&sent)).await;
    assert_eq!(forked.status, 200, "{}", forked.body);
    let fork = forked.at.split(['/', '?']).nth(3).unwrap().to_owned();
    assert_ne!(fork, run);
    let (_, state) = read_json(&request(&server, "GET", &format!("/brains/runs/{fork}"), "", "").await);
    assert_eq!(
        state["initialState"]["who"].as_str().or(state["state"]["who"].as_str()),
        Some(PLANTED),
        "{state}"
    );
    // Edited elsewhere, with the label left in, it is refused.
    for (name, value) in &mut fields {
        if name == "state" {
            *value = value.replace("\n}", ",\n  \"more\": 1\n}");
        }
    }
    let sent: Vec<_> = fields.iter().filter(|(name, _)| name != "csrf").cloned().collect();
    let refused = browser.post(&server, &path, &forked.mark(), &encoded(&sent)).await;
    assert!(refused.status == 400 && refused.body.contains("label of a secret"), "{}", refused.body);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_job_over_a_filtered_list_is_shown_first_and_then_done() {
    let server = support::serve(|_| {}).await;
    let first = waiting(&server, "anna", "").await;
    waiting(&server, "otto", "").await;
    let mut browser = Browser::default();
    let shown = browser.get(&server, "/ui/bulk?do=cancel&status=waiting&order=oldest&brain=").await;
    let (_, title) = shown.body.split_once("<h1>").unwrap();
    assert!(
        shown.status == 200 && title.replace('\u{a0}', " ").starts_with("Cancel 2 runs?"),
        "{}",
        title.get(..600).unwrap_or(title)
    );
    // One that comes after the preview is not in the job.
    let later = waiting(&server, "emma", "").await;
    let fields: Vec<_> = fields_of(&shown, "./bulk").into_iter().filter(|(name, _)| name != "csrf").collect();
    let job = browser.post(&server, "/ui/bulk", &shown.mark(), &encoded(&fields)).await;
    assert!(job.status == 200 && job.at.starts_with("/ui/bulk/"), "{} {}", job.at, job.body);
    let of = async |run: &str| {
        read_json(&request(&server, "GET", &format!("/brains/runs/{run}"), "", "").await).1["status"].clone()
    };
    for _ in 0..10_000 {
        if of(&first).await == "cancelled" {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((of(&first).await, of(&later).await), ("cancelled".into(), "waiting".into()));
    server.shutdown().await.unwrap();
}
