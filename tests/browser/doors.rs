//! Who comes in: the login and its end, what a narrow scope sees, and forms that others send.

use serde_json::json;

use super::Case;
use super::cdp::Browser;
use super::page::{Page, Visitor};
use super::seeded::{address, project, refund, token};
use super::site::Site;
use super::support::Px;

pub const CASES: &[Case] = &[
    ("a_token_opens_a_session_and_a_wrong_one_does_not", login),
    ("a_session_ends_with_its_token_before_the_eyes", revoked),
    ("a_form_whose_session_is_over_is_shown_again_and_sent_by_hand", kept_form),
    ("the_scope_read_sees_no_action_that_it_may_not_do", read_scope),
    ("forms_of_others_are_refused", forged),
    ("a_name_without_https_copies_all_the_same", plain_http),
];

/// Logs in at the page that is shown.
#[track_caller]
pub fn log_in(page: &Page, token: &str) {
    page.fill("API token", token);
    page.follow("button", "Log in");
}

fn login(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let (admin, _) = token(&px, "me", "admin", None);
    let page = Visitor::new(browser).page(address(&px));
    page.goto(&format!("/ui/runs/{id}?at=2"));
    assert!(page.url().contains("/ui/login"), "{}", page.url());
    assert!(!page.text().contains("r-1"), "nothing is shown before the login");
    log_in(&page, "pxt_wrong");
    assert_eq!(page.status(), 401);
    page.see("This is no API token of this server.");
    log_in(&page, &admin);
    assert!(
        page.url().ends_with(&format!("/ui/runs/{id}?at=2")),
        "it leads on to what was asked: {}",
        page.url()
    );
    page.see("State after event 2");
    page.follow("button", "Log out");
    page.goto("/ui/runs");
    assert!(page.has("field", "API token"), "the cookie is gone");
}

fn revoked(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let (admin, _) = token(&px, "me", "admin", None);
    let (other, id) = token(&px, "somebody", "operate", Some(&admin));
    let page = Visitor::new(browser).page(address(&px));
    page.goto("/ui/runs");
    log_in(&page, &other);
    page.hears_news();
    let bearer = [("authorization".to_owned(), format!("Bearer {admin}"))];
    page.loads(|| {
        let revoked = px.try_send("DELETE", &format!("/tokens/{id}"), &bearer, b"").unwrap();
        assert_eq!(revoked.status, 204);
    });
    assert!(page.has("field", "API token"), "its stream ended, and the page with it");
}

/// Sessions end in the browser, in another tab, or with the cookie: what was typed comes back each time.
fn kept_form(browser: &Browser) {
    kept_after(browser, |_, other| {
        other.goto("/ui/");
        other.follow("button", "Log out");
    });
    kept_after(browser, |page, _| page.forget_cookies());
}

fn kept_after(browser: &Browser, end: impl Fn(&Page, &Page)) {
    let project = project();
    let px = project.serve();
    let (admin, _) = token(&px, "me", "admin", None);
    let visitor = Visitor::new(browser);
    let page = visitor.page(address(&px));
    page.goto("/ui/brains/invoice");
    log_in(&page, &admin);
    page.fill("id", "i-<7>");
    page.fill("customer", "Ada & Co");
    end(&page, &visitor.page(address(&px)));
    page.loads(|| drop(page.eval("document.getElementsByName('in:id')[0].form.requestSubmit()")));
    assert_eq!(page.status(), 401);
    page.see("Your session is over. Nothing was done");
    log_in(&page, &admin);
    if page.status() == 403 {
        page.see("This browser had lost the cookie of px, and has another one now.");
        log_in(&page, &admin);
    }
    page.see("Send it again?");
    let field = |name: &str| page.eval(&format!("document.getElementsByName('in:{name}')[0].value"));
    assert_eq!((field("id"), field("customer")), (json!("i-<7>"), json!("Ada & Co")));
    assert_eq!(px_runs(&px, &admin), 0, "px sends nothing by itself");
    page.follow("button", "Send it");
    page.see("The run is started, durably.");
    assert_eq!(px_runs(&px, &admin), 1);
}

fn px_runs(px: &Px, token: &str) -> u64 {
    let bearer = [("authorization".to_owned(), format!("Bearer {token}"))];
    let listed = px.try_send("GET", "/brains/invoice/history", &bearer, b"").unwrap();
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["runs"].as_array().unwrap().len() as u64
}

fn read_scope(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let (admin, _) = token(&px, "me", "admin", None);
    let (reader, _) = token(&px, "reader", "read", Some(&admin));
    let page = Visitor::new(browser).page(address(&px));
    page.goto("/ui/runs");
    log_in(&page, &reader);
    for path in ["runs".to_owned(), format!("runs/{id}"), "brains/invoice".into()] {
        page.goto(&format!("/ui/{path}"));
        page.eval("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })");
        // Whatever posts, and whatever leads to a form that does.
        let able = page.eval(
            "[...document.querySelectorAll('main form[method=post] button, #bulk button, form[action$=fork] button')]\
             .filter((button) => !button.disabled).map((button) => button.textContent)",
        );
        assert_eq!(able, json!([]), "{path}");
        page.see("This needs the scope operate; this session has read.");
        assert!(!page.has("link", "Tokens"), "{path}: what it may not see is not in the navigation");
    }
    page.goto("/ui/tokens");
    assert_eq!(page.status(), 403);
    page.see("This needs the scope admin");
}

/// A page of somebody else that has a form for px.
fn trap(px: &Px) -> Site {
    Site::showing(format!(
        "<!doctype html><title>Win</title><h1>Win</h1><form method=post action='{}/ui/brains/invoice/start'>\
         <input name=state value='{{\"id\": \"stolen\"}}'><input name=csrf value=guessed><button>Win</button></form>",
        address(px)
    ))
}

fn forged(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let site = trap(&px);
    let visitor = Visitor::new(browser);
    let page = visitor.page(address(&px));
    let none_started = |px: &Px| assert_eq!(px.runs_of("invoice").len(), 0);
    let other = [format!("http://127.0.0.1:{}", site.port), format!("http://evil.test:{}", site.port)];
    // Without tokens, to somebody who has the page open.
    page.goto("/ui/brains/invoice");
    for origin in &other {
        page.goto(origin);
        page.follow("button", "Win");
        assert_eq!(page.status(), 403, "{origin}");
        none_started(&px);
    }
    // A form of our own page without its proof.
    page.goto("/ui/brains/invoice");
    page.eval("document.querySelectorAll('[name=csrf]').forEach((proof) => proof.remove())");
    page.loads(|| drop(page.eval("document.querySelector('form[action$=start]').requestSubmit()")));
    assert_eq!(page.status(), 403);
    page.see("This form was not sent from a page that px showed to this browser");
    none_started(&px);
    // To somebody with a session: the same site sends the cookie along, another one does not.
    let (admin, _) = token(&px, "me", "admin", None);
    page.goto("/ui/brains/invoice");
    log_in(&page, &admin);
    for (origin, status) in other.iter().zip([403, 401]) {
        page.goto(origin);
        page.follow("button", "Win");
        assert_eq!(page.status(), status, "{origin}");
        assert!(!page.text().contains("stolen"), "nor is it carried on");
        assert_eq!(px_runs(&px, &admin), 0);
    }
    page.goto("/ui/");
    assert!(!page.has("field", "API token"), "nobody lost the session by that");
}

fn plain_http(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let (admin, _) = token(&px, "me", "admin", None);
    let page = Visitor::new(browser).page(format!("http://px.test:{}", px.address.port()));
    page.goto(&format!("/ui/runs/{id}"));
    log_in(&page, &admin);
    assert_eq!(page.eval("isSecureContext"), false);
    page.click("button", "Copy");
    page.until("document.getElementById('say').textContent === 'Copied'");
    page.eval("document.getElementById('q').focus()");
    page.paste();
    page.until(&format!("document.getElementById('q').value === '{id}'"));
    page.loads(|| page.press("Enter"));
    assert!(page.url().contains(&id), "{}", page.url());
    // Forms go the same way, without what browsers say over https.
    page.click("button", "More about this run");
    page.follow("button", "Pause");
    page.see("The run is paused");
}
