//! The page's door over real sockets: who comes in, whose forms do something, and what
//! becomes of a session that is over.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod browser;
mod forms;
mod late;
mod payloads;
#[path = "../support/mod.rs"]
mod support;
mod typed;

use browser::Browser;
use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_server::Running;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use support::{read_json, request, status};

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
    reaches(server, &run, &by, "waiting").await;
    run
}

/// Goes on once a run has a status; `by` is the header of whoever asks.
async fn reaches(server: &Running, run: &str, by: &str, status: &str) {
    let target = format!("/brains/runs/{run}");
    while read_json(&request(server, "GET", &target, by, "").await).1["status"] != status {
        tokio::task::yield_now().await;
    }
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

#[tokio::test]
async fn a_logout_ends_the_session_for_whoever_has_its_cookie_and_no_other_one() {
    let (rows, key) = (px_store_rows::MemoryRows::new(), px_outbound::vault::Vault::new(&[1; 32]));
    let serve = |key: px_outbound::vault::Vault| {
        let store = std::sync::Arc::new(px_store_rows::Embedded::new(rows.beside()));
        support::serve(move |options| (options.store, options.hooks.vault) = (store, key))
    };
    let server = serve(key.clone()).await;
    let admin = token(&server, "admin", "").await;
    // Another process of the store, at another port behind the same name.
    let beside = serve(key).await;
    let mut browsers = [Browser::default(), Browser::default()];
    for browser in &mut browsers {
        let mark = browser.get(&server, "/ui/login").await.mark();
        browser.post(&server, "/ui/login", &mark, &format!("token={admin}")).await;
        assert_eq!(browser.get(&beside, "/ui/runs").await.at, "/ui/runs", "it knows the session, too");
    }
    let [mut leaving, mut staying] = browsers;
    let mut kept = Browser { cookies: leaving.cookies.clone() };
    let mark = leaving.get(&server, "/ui/runs").await.mark();
    assert!(leaving.post(&server, "/ui/logout", &mark, "").await.at.starts_with("/ui/login"));
    for process in [&server, &beside] {
        let old = Browser { cookies: kept.cookies.clone() }.get(process, "/ui/runs").await;
        assert!(old.at.starts_with("/ui/login"), "the cookie's value opens {}", old.at);
        assert_eq!(staying.get(process, "/ui/runs").await.at, "/ui/runs");
    }
    let refused = kept.send(&server, "/ui/settings", &mark, "zone=utc").await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    beside.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
}
