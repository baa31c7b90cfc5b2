//! What people come to the page for: each flow from its first click to what it did.

use serde_json::{Value, json};

use super::Case;
use super::cdp::Browser;
use super::page::{Page, Visitor};
use super::seeded::{address, hook, project, refund, run, send};
use super::support::{Px, Receiver, eventually};

pub const CASES: &[Case] = &[
    ("a_run_is_started_by_its_form", start),
    ("a_wait_is_answered_from_the_page_of_its_run_which_completes_before_the_eyes", answer),
    ("runs_are_cancelled_in_bulk_after_a_preview_and_one_refuses", cancel_many),
    ("all_runs_of_a_filter_are_cancelled_by_a_job", cancel_all),
    ("a_run_is_paused_and_the_notice_takes_it_back", pause),
    ("a_fork_begins_with_the_edited_state", fork),
    ("a_kept_event_is_given_to_a_run_and_a_delivery_is_replayed", bind_and_replay),
    ("a_callback_is_sent_again", redeliver),
    ("a_state_of_before_has_an_address", time_travel),
    ("a_filter_is_shared_by_its_address", share),
    ("the_back_button_restores_place_filter_and_folds", back),
    ("single_keys_move_through_a_list_and_the_palette_finds_a_page", keys),
    ("rows_do_not_move_when_there_is_news", news),
];

/// The page of a server, as somebody on this machine sees it.
fn page_of(browser: &Browser, px: &Px) -> Page {
    Visitor::new(browser).page(address(px))
}

fn status(px: &Px, run: &str) -> String {
    px.run(run)["status"].as_str().unwrap().to_owned()
}

fn start(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let page = page_of(browser, &px);
    page.goto("/");
    page.see("Nothing is under way");
    page.follow("link", "Brains");
    page.follow("link", "refund-approval");
    fill_state(&page, &json!({"id": "r-1", "customer": "Ada"}));
    page.follow("button", "Start");
    page.see("The run is started, durably.");
    page.see("approvals r-1");
    let runs = px.runs_of("refund-approval");
    assert_eq!(runs.len(), 1);
    let id = runs[0]["brainRunId"].as_str().unwrap();
    assert!(page.url().contains(id), "{}", page.url());
    assert_eq!(px.run(id)["state"]["customer"], "Ada");
}

/// Gives a form of a state this state: by its fields, or as JSON where that is what it takes.
fn fill_state(page: &Page, state: &Value) {
    let as_json = ["Initial state, as JSON", "State to begin with, as JSON", "The whole, as JSON", "as JSON"];
    if let Some(label) = as_json.iter().find(|label| page.has("field", label)) {
        return page.fill(label, &state.to_string());
    }
    for (name, value) in state.as_object().unwrap() {
        page.fill(name, value.as_str().unwrap());
    }
}

fn answer(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let page = page_of(browser, &px);
    page.goto("/ui/waits");
    page.fill("Identifier", "r-1");
    page.follow("button", "Filter");
    page.follow("link", &id[id.len() - 6..]);
    page.see("waiting");
    page.click("button", "Answer it…");
    let response = json!({"id": "r-1", "by": "Grace", "decision": "approve"});
    fill_state(&page, &response);
    page.follow("button", "Give it to the run");
    page.see("The run has the answer.");
    // By news alone: nothing is loaded again.
    page.until("__px.plain(document.getElementById('status').textContent).includes('complete')");
    page.see("approvedBy");
    assert_eq!(px.run(&id)["state"]["approvedBy"], "Grace");
}

/// Chooses the row of a run.
fn choose(page: &Page, run: &str) {
    let chosen = page.eval(&format!(
        "(() => {{ const box = document.querySelector('td.pick input[value=\"{run}\"]'); box.click(); return box.checked; }})()"
    ));
    assert_eq!(chosen, true);
}

fn cancel_many(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let runs = ["r-1", "r-2", "r-3"].map(|id| refund(&px, id));
    let page = page_of(browser, &px);
    page.goto("/ui/runs");
    runs.iter().for_each(|run| choose(&page, run));
    page.see("3 chosen");
    page.follow("button", "Cancel…");
    page.see("Cancel 3 runs?");
    page.see("Nothing has been done yet.");
    assert!(runs.iter().all(|run| status(&px, run) == "waiting"), "a preview does nothing");
    // Somebody is quicker with one of them.
    send(&px, "approvals", &json!({"id": "r-2", "by": "Grace"})).is(200, "resumed");
    px.reaches(&runs[1], "complete");
    page.follow("button", "Cancel 3 runs");
    page.until("/refused/i.test(__px.text())");
    page.see(&runs[1][runs[1].len() - 6..]);
    for (run, status) in runs.iter().zip(["cancelled", "complete", "cancelled"]) {
        px.reaches(run, status);
    }
}

fn cancel_all(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let runs: Vec<String> = (0..4).map(|at| refund(&px, &format!("r-{at}"))).collect();
    let other = run(&px, "onboarding", &json!({"id": "c-1", "customer": "Ada"}), "waiting");
    px.delete(&format!("/brains/runs/{}", runs[3]));
    let page = page_of(browser, &px);
    page.goto("/ui/runs");
    page.choose("Brain", "refund-approval");
    page.follow("button", "Filter");
    page.follow("button", "Cancel…");
    page.see("Cancel 3 runs?");
    page.see("1 run cannot");
    page.follow("button", "Cancel 3 runs");
    page.until("/Done 3/.test(__px.text())");
    assert!(runs.iter().all(|run| status(&px, run) == "cancelled"));
    assert_eq!(status(&px, &other), "waiting", "the filter is the job's");
}

fn pause(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let page = page_of(browser, &px);
    page.goto(&format!("/ui/runs/{id}"));
    page.click("button", "More about this run");
    page.follow("button", "Pause");
    page.see("The run is paused");
    px.reaches(&id, "paused");
    page.follow("button", "Resume");
    px.reaches(&id, "waiting");
}

fn fork(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let page = page_of(browser, &px);
    page.goto(&format!("/ui/runs/{id}"));
    page.click("button", "More about this run");
    page.choose("Step to begin with", "look up the payment");
    page.follow("button", "Edit the state…");
    page.see("Fork from ‘look up the payment’");
    let state = page.eval("document.querySelector('textarea[name=state]').value");
    let mut state: Value = serde_json::from_str(state.as_str().unwrap()).unwrap();
    assert_eq!(state["customer"], "Ada Lovelace", "it is the state of then");
    state["id"] = "r-2".into();
    page.fill("State to begin with, as JSON", &state.to_string());
    page.follow("button", "Start the fork");
    page.see("This run is the fork");
    page.see("approvals r-2");
    assert_eq!(px.run(&id)["state"]["id"], "r-1", "the one that it came from stays");
    // A state that is none is refused, and says why.
    page.goto(&format!("/ui/runs/{id}/fork?step=1"));
    page.fill("State to begin with, as JSON", "{\"id\": ");
    page.follow("button", "Start the fork");
    assert!(matches!(page.status(), 400 | 422), "{}", page.status());
    page.see("JSON");
    assert_eq!(px.runs_of("refund-approval").len(), 2);
}

fn bind_and_replay(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    let kept = send(&px, "approvals", &json!({"id": "somebody-else", "by": "Grace", "decision": "approve"}));
    kept.is(200, "queued");
    let page = page_of(browser, &px);
    page.goto("/ui/inbox");
    page.follow("link", &kept.field("deliveryId")[30..]);
    page.click("button", "More about this delivery");
    page.fill("Run", &id[id.len() - 6..]);
    page.follow("button", "Give it to the run");
    page.see("The run has the event.");
    assert_eq!(px.reaches(&id, "complete")["state"]["approvedBy"], "Grace");

    send(&px, "approvals", &json!({"id": "r-1", "by": "Grace", "decision": "none"})).is(200, "ignored");
    page.goto("/ui/inbox?state=ignored");
    page.eval("document.querySelector('tbody a').focus()");
    page.loads(|| page.press("Enter"));
    page.click("button", "More about this delivery");
    page.follow("button", "Replay");
    page.see("The delivery was handled again");
    assert_eq!(px.deliveries("state=ignored").len(), 2, "it is a delivery of its own");
}

fn redeliver(browser: &Browser) {
    let (project, receiver) = (project(), Receiver::start());
    let px = project.serve();
    let billing = hook(&px, "billing", &receiver.url("/billing"));
    run(&px, "invoice", &json!({"id": "i-1"}), "complete");
    let told = eventually("a delivered callback", || {
        let page = px.get("/deliveries?state=delivered&limit=1").json();
        page["deliveries"][0]["id"].as_str().map(str::to_owned)
    });
    let page = page_of(browser, &px);
    page.goto(&format!("/ui/outbox/{told}"));
    page.see("Its receiver took it after");
    let before = receiver.count("/billing");
    page.follow("button", "Redeliver");
    page.see("The callback is due once more.");
    receiver.waits_for("/billing", before + 1);
    page.until("document.querySelectorAll('#attempts tbody tr').length === 2");
    page.fill("Find an id", &billing);
    page.loads(|| page.press("Enter"));
    assert!(page.url().ends_with(&format!("/ui/hooks/{billing}")), "{}", page.url());
}

fn time_travel(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let id = refund(&px, "r-1");
    send(&px, "approvals", &json!({"id": "r-1", "by": "Grace"})).is(200, "resumed");
    px.reaches(&id, "complete");
    let page = page_of(browser, &px);
    page.goto(&format!("/ui/runs/{id}"));
    let state = "__px.plain(document.getElementById('state').textContent)";
    assert_eq!(page.eval(&format!("{state}.includes('approvedBy')")), true);
    // By the keys, as the slider of a browser takes them.
    page.loads(|| {
        page.eval("document.getElementById('at').focus()");
        page.press("Home");
    });
    page.see("State after event 1");
    assert!(page.url().contains("?at=1"), "{}", page.url());
    assert_eq!(page.eval(&format!("{state}.includes('approvedBy')")), false);
    // The address alone says the same.
    let shared = page.url();
    let other = page_of(browser, &px);
    other.goto(&shared);
    other.see("State after event 1");
    other.follow("link", "Now");
    assert_eq!(other.eval(&format!("{state}.includes('approvedBy')")), true);
}

fn share(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let wanted = run(&px, "onboarding", &json!({"id": "c-1", "customer": "Ada"}), "waiting");
    let other = refund(&px, "r-1");
    let page = page_of(browser, &px);
    page.goto("/ui/runs");
    page.follow("link", "Waiting");
    page.choose("Brain", "onboarding");
    page.click("button", "More");
    page.fill("Label", "customer=Ada");
    page.follow("button", "Filter");
    let shown = |page: &Page| {
        let rows = page.eval("[...document.querySelectorAll('td.pick input')].map((box) => box.value)");
        assert_eq!(rows, json!([wanted]), "and not {other}");
        assert_eq!(
            page.eval("__px.find('field', 'Label').value"),
            "customer=Ada",
            "the form shows its filter"
        );
    };
    shown(&page);
    let second = page_of(browser, &px);
    second.goto(&page.url());
    shown(&second);
}

fn back(browser: &Browser) {
    let project = project();
    let px = project.serve();
    (0..40).for_each(|at| drop(px.start("refund-approval", &json!({"id": format!("r-{at}")}))));
    let page = page_of(browser, &px);
    page.size(1280, 600, 1);
    page.goto("/ui/runs?brain=refund-approval");
    page.click("button", "More");
    page.until("__px.find('field', 'At step')");
    page.eval("window.scrollTo(0, 500)");
    let place = "Math.round(scrollY)";
    assert_eq!(page.eval(place), 500);
    page.loads(|| drop(page.eval("document.querySelectorAll('td a')[20].click()")));
    page.back();
    assert!(page.url().ends_with("/ui/runs?brain=refund-approval"), "{}", page.url());
    page.until(&format!("{place} === 500"));
    assert_eq!(page.eval("__px.find('field', 'Brain').value"), "refund-approval");
    page.until("__px.find('field', 'At step')");
}

fn keys(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let (first, second) = (refund(&px, "r-1"), refund(&px, "r-2"));
    let page = page_of(browser, &px);
    page.goto("/ui/runs");
    let focused = "document.activeElement.getAttribute('href')";
    page.press("j");
    assert!(page.eval(focused).as_str().unwrap().contains(&second), "the newest is the first");
    page.press("j");
    assert!(page.eval(focused).as_str().unwrap().contains(&first));
    page.press("x");
    page.see("1 chosen");
    page.loads(|| page.press("Enter"));
    assert!(page.url().contains(&first));
    page.press("g");
    page.loads(|| page.press("b"));
    assert!(page.url().ends_with("/ui/brains"), "{}", page.url());
    // In a field they are letters.
    page.press("/");
    page.until("document.activeElement.id === 'q'");
    page.press("g");
    page.press("b");
    assert_eq!(page.eval("document.activeElement.value"), "gb");
    page.eval(
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'k', ctrlKey: true, bubbles: true}))",
    );
    page.until("document.querySelector('dialog[open]')");
    page.press("t");
    page.press("o");
    page.press("k");
    page.loads(|| page.press("Enter"));
    assert!(page.url().ends_with("/ui/tokens"), "{}", page.url());
}

fn news(browser: &Browser) {
    let project = project();
    let px = project.serve();
    let runs: Vec<String> = (0..12).map(|at| refund(&px, &format!("r-{at}"))).collect();
    let page = page_of(browser, &px);
    page.goto("/ui/runs");
    page.hears_news();
    let row = format!("document.querySelector('td.pick input[value=\"{}\"]').closest('tr')", runs[5]);
    let place = format!("Math.round({row}.getBoundingClientRect().top)");
    let before = page.eval(&place);
    refund(&px, "r-new");
    send(&px, "approvals", &json!({"id": "r-5", "by": "Grace"})).is(200, "resumed");
    page.until(&format!("__px.plain({row}.textContent).includes('complete')"));
    page.until("__px.find('button', 'Show 1 new')");
    let shift = page.eval(&place).as_i64().unwrap() - before.as_i64().unwrap();
    assert!(shift.abs() <= 1, "the row moved by {shift} pixels");
    page.follow("button", "Show 1 new");
    assert_eq!(page.eval("document.querySelectorAll('td.pick input').length"), 13);
}
