//! Signed links in virtual time: what a person sees and does, and what is left of a link
//! when its wait, its run or its time is over.

mod asked;

use std::time::Duration;

use asked::{HOUR, Refund, board, flaky, misplaced, nudged, of_items, refund, single, take_nudged, wrong};
use px_testkit::test::{Run, weather, world};
use serde_json::json;

#[test]
fn a_link_shows_the_question_and_a_button_answers_it() {
    let world = world();
    let run = world.start(single, refund("Refund order <o2>?"));
    let link = run.link_of("anna");
    assert!(link.starts_with("http://127.0.0.1:8787/webhooks/system/link/pxl_"), "{link}");
    let page = world.open(&link);
    assert_eq!((page.status(), page.state(), page.words()), (200, "open", "Refund order <o2>?"));
    assert_eq!(page.answers(), ["Approve", "Refuse"]);
    assert!(page.html().contains("Refund order &lt;o2&gt;?") && page.html().contains("for <bdi>anna</bdi>"));
    world.crash();
    let after = world.answer(&link, "Refuse");
    assert_eq!((after.status(), after.state()), (200, "answered"));
    for words in ["Refund order &lt;o2&gt;?", "Refuse", "anna", "1 January 2026, 00:00 UTC"] {
        assert!(after.html().contains(words), "{words}: {}", after.html());
    }
    // The link of the first question is none of the second one's, though the name is the same.
    let second = run.link_of("anna");
    assert_ne!(link, second);
    assert_eq!(world.answer(&link, "Approve").state(), "answered");
    run.expect_status("waiting");
    world.answer(&second, "Approve");
    assert_eq!(run.expect_complete().state::<Refund>().decided, ["anna: Refuse", "anna: Approve"]);
    assert_eq!((world.open(&link).state(), world.open(&second).state()), ("answered", "answered"));
    world.expect_sound();
}

#[test]
fn two_of_three_decide_and_each_link_has_one_vote() {
    let world = world();
    let run = world.start(board, refund("Refund?"));
    let [anna, ben, eve] = ["anna", "ben", "eve"].map(|who| run.link_of(who));
    assert_eq!(run.links(), [anna.clone(), ben.clone(), eve.clone()]);
    let after = world.answer(&anna, "Approve");
    assert!(after.html().contains("Others may still answer"), "{}", after.html());
    assert_eq!(world.answer(&anna, "Refuse").state(), "answered");
    run.expect_status("waiting");
    assert_eq!(world.open(&eve).state(), "open");
    world.answer(&ben, "Refuse");
    assert_eq!(run.expect_complete().state::<Refund>().decided, ["anna: Approve", "ben: Refuse"]);
    let late = world.open(&eve);
    assert_eq!((late.status(), late.state()), (200, "answered"));
    assert!(late.html().contains("anna") && late.html().contains("ben"), "{}", late.html());
    world.expect_sound();
}

#[test]
fn a_wait_that_ends_takes_its_link_with_it() {
    let world = world();
    let timed_out = world.start(single, refund("In time?"));
    let link = timed_out.link_of("anna");
    world.skip(HOUR * 48);
    let page = world.answer(&link, "Approve");
    assert_eq!((page.status(), page.state()), (410, "closed"));
    assert!(
        page.html().contains("In time?") && page.html().contains("3 January 2026, 00:00 UTC"),
        "{}",
        page.html()
    );
    timed_out.expect_status("waiting");
    let cancelled = world.start(single, refund("Still?"));
    let link = cancelled.link_of("anna");
    cancelled.cancel();
    assert_eq!((world.open(&link).status(), world.answer(&link, "Approve").state()), (410, "closed"));
    assert!(world.open(&link).html().contains("was cancelled on"), "{}", world.open(&link).html());
    let by_hand = world.start(single, refund("By hand?"));
    let link = by_hand.link_of("anna");
    by_hand.answer(json!({"answer": "approve"}));
    let page = world.open(&link);
    assert!(page.state() == "answered" && page.html().contains("operator"), "{}", page.html());
    assert_eq!(by_hand.state::<Refund>().decided, ["nobody: Approve"]);
    world.expect_sound();
}

#[test]
fn a_link_that_expires_leaves_its_wait_open() {
    let world = world();
    let run = world.start(single, Refund { hours: Some(2), ..refund("Soon?") });
    let link = run.link_of("anna");
    assert!(world.open(&link).html().contains("good until <time"));
    world.skip(HOUR * 2 - Duration::from_millis(1));
    assert_eq!(world.open(&link).state(), "open");
    world.skip(Duration::from_millis(1));
    let page = world.answer(&link, "Approve");
    assert_eq!((page.status(), page.state()), (410, "expired"));
    run.expect_status("waiting");
    world.expect_sound();
}

#[test]
fn a_paused_run_takes_the_answer_when_it_goes_on() {
    let world = world();
    let run = world.start(single, refund("Paused?"));
    let link = run.link_of("anna");
    run.pause();
    let page = world.answer(&link, "Approve");
    assert!(page.state() == "answered" && page.html().contains("Approve"), "{}", page.html());
    assert_eq!(world.answer(&link, "Refuse").state(), "answered", "the first answer counts");
    run.expect_status("paused");
    run.resume();
    assert_eq!(run.state::<Refund>().decided, ["anna: Approve"]);
    world.expect_sound();
}

#[test]
fn a_step_that_runs_again_sends_the_same_link_and_it_is_good_once_the_step_waits() {
    let world = world();
    let run = world.start(flaky, refund("Taken?"));
    let sent = |of: &Run| -> Vec<String> {
        let log = of.log();
        let sent = log.iter().filter(|entry| entry["type"] == "step:emit");
        sent.map(|entry| entry["data"].as_str().unwrap().to_owned()).collect()
    };
    let [first] = sent(&run).try_into().unwrap();
    let page = world.answer(&first, "Approve");
    assert_eq!((page.status(), page.state()), (200, "early"));
    run.expect_status("running");
    world.skip(HOUR);
    assert_eq!(sent(&run), [first.clone(), first.clone()]);
    assert_eq!(world.answer(&first, "Approve").state(), "answered");
    assert_eq!(run.expect_complete().state::<Refund>().decided, ["anna: Approve"]);
}

#[test]
fn a_reminder_sends_the_same_link_again() {
    for hours in [None, Some(4)] {
        let world = world();
        let run = world.start(nudged, Refund { hours, ..refund("Still?") });
        world.skip(HOUR);
        let [again] = take_nudged().try_into().unwrap();
        assert_eq!(again, run.link_of("anna"));
        assert!(!run.state_json().to_string().contains("pxl_"), "the handle opens nothing");
        assert_eq!(world.answer(&again, "Refuse").state(), "answered");
        assert_eq!(run.expect_complete().state::<Refund>().decided, ["anna: Refuse"]);
        world.expect_sound();
    }
}

#[test]
fn a_link_is_made_only_where_a_wait_can_have_it() {
    let world = world();
    world.start(of_items, refund("?")).expect_error("works on an item of a list or reminds of a wait");
    let run = world.start(misplaced, refund("Still?"));
    world.skip(HOUR);
    let failed = run.log().into_iter().rfind(|entry| entry["type"] == "step:reminder").unwrap();
    let message = failed["error"]["message"].as_str().unwrap();
    assert!(message.contains("link 'ben' is made by 'nudge' of brain 'misplaced'"), "{message}");
    world.answer(&run.link_of("anna"), "Approve");
    run.expect_complete();
}

#[test]
fn what_cannot_be_asked_fails_with_what_to_write() {
    let world = world();
    for (words, wanted) in [
        (
            "none",
            "link 'anna' of step 'ask' of brain 'wrong': it has 0 answers: give it 1 to 16 by `.answer(",
        ),
        ("twice", "two answers are 'No', or the same value"),
        ("  ", "the question is empty"),
        (&"x".repeat(4_097), "the question is 4097 bytes long, and at most 4096 are taken"),
    ] {
        world.start(wrong, refund(words)).expect_error(wanted);
    }
    let hostile = format!("{}\u{202e}😀<script>", "ä".repeat(2_000));
    let run = world.start(wrong, refund(&hostile));
    let page = world.open(&run.links()[0]);
    assert!(page.words() == hostile && !page.html().contains("<script") && !page.html().contains('\u{202e}'));
}

#[test]
fn in_all_weathers_a_link_is_answered_once() {
    weather(|w| {
        let run = w.start(single, refund("Whatever happens?"));
        let link = run.link_of("anna");
        w.answer(&link, "Approve");
        w.answer(&link, "Refuse");
        w.skip(HOUR * 48);
        w.calm();
        run.expect_status("waiting");
        assert_eq!(run.state::<Refund>().decided, ["anna: Approve"]);
        assert_ne!(run.links(), std::slice::from_ref(&link));
        assert_eq!(w.world().open(&link).state(), "answered");
    });
}
