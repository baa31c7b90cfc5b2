//! The desk in virtual time: a payment that is late, votes by link and by button, a carrier that fails, a dispute.

#![expect(clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod shop;

use std::time::Duration;

use order_desk::brains::approval::{Vote, approval};
use order_desk::brains::order::{Approver, Order, Sale, order};
use order_desk::brains::poll::poll;
use order_desk::brains::refund::{Case, refund};
use order_desk::brains::shipping::shipping;
use order_desk::webhooks::bank;
use px::test::{Run, World};
use serde_json::json;
use shop::{DAY, desk, large, paid, pressed, question, seen, small};

fn deliver(world: &World) {
    // The carrier is asked again until it takes the parcel.
    world.skip(DAY);
    for (id, place) in [("1", "on the way"), ("2", "at the door"), ("3", "delivered")] {
        world.post("carrier", seen(id, place)).expect("resumed");
    }
}

/// The runs that ask Anna, Bob and Cleo.
fn votes(world: &World) -> [Run; 3] {
    let run_of = |mail: &str| {
        // The question, and what becomes of it once it is out.
        let asks = |run: &Run| {
            let state = run.state_json();
            [&state["approver"]["mail"], &state["question"]["approver"]["mail"]].contains(&&json!(mail))
        };
        world.runs_of(approval).into_iter().find(asks)
    };
    ["anna@example.com", "bob@example.com", "cleo@example.com"]
        .map(|mail| run_of(mail).unwrap_or_else(|| panic!("nobody asks {mail}")))
}

#[test]
fn a_small_order_goes_from_its_payment_to_the_door() {
    let world = desk();
    let run = world.start(order, small());
    run.expect_waiting_on(bank::on("o1"));
    world.post("payments", paid(1_250)).expect("resumed");
    deliver(&world);
    let sale = run.expect_complete().state::<Sale>();
    assert_eq!(sale.parcels, ["2 x tea", "1 x cup"]);
    assert_eq!(sale.places, ["on the way", "at the door", "delivered"]);
    // Three attempts at the carrier, under one key.
    let calls = world.calls(shipping, "book");
    assert!(calls.len() == 3 && calls.iter().all(|call| call.key == calls[0].key), "{calls:?}");
    world.expect_sound();
}

#[test]
fn a_picture_at_the_door_is_archived_by_what_it_is_and_not_by_what_it_is_called() {
    let world = desk();
    let run = world.start(order, small());
    world.post("payments", paid(1_250)).expect("resumed");
    world.skip(DAY);
    world.post("carrier", seen("1", "on the way")).expect("resumed");
    let line =
        |id: &str| world.form("carrier").text("id", id).text("number", "P1").text("place", "delivered");
    let picture = b"\x89PNG\r\n".repeat(1_000);
    let too_many = line("2").file("picture", "a.png", picture.clone()).file("other", "b.png", "b").send();
    assert_eq!(too_many.status(), 413, "one is all that it takes");
    line("2").file("picture", "../../etc/passwd", picture.clone()).send().expect("resumed");
    let kept = run.expect_complete().state::<Sale>().picture.unwrap_or_else(|| panic!("{}", run.story()));
    assert_eq!((kept.size(), kept.name()), (picture.len() as u64, "../../etc/passwd"));
    assert_eq!(world.calls(shipping, "archive").len(), 1);
    world.expect_sound();
}

#[test]
fn a_payment_that_does_not_come_is_reminded_of_three_times_and_ends_the_order() {
    let world = desk();
    let run = world.start(order, small());
    for days in 1..=14 {
        world.skip(DAY);
        assert_eq!(world.calls(order, "mail reminder").len(), (days / 3).min(3), "after {days} days");
    }
    assert!(run.expect_complete().state::<Sale>().paid.is_none());
    assert!(world.runs_of(shipping).is_empty() && world.calls(shipping, "book").is_empty());
    world.post("payments", paid(1_250)).expect("late");
}

#[test]
fn a_payment_of_another_amount_goes_back_and_ends_the_order() {
    for cents in [1_000, 1_251, 90_000] {
        let world = desk();
        let run = world.start(order, small());
        world.post("payments", paid(cents)).expect("resumed");
        let ended = run.expect_complete();
        let sale = ended.state::<Sale>();
        assert!(sale.is_paid_back && sale.paid.is_some_and(|paid| paid.cents == cents), "{}", run.story());
        assert_eq!(ended.label("outcome").as_deref(), Some("wrong-amount"));
        assert_eq!([world.calls(order, "pay back").len(), world.calls(order, "mail amount").len()], [1, 1]);
        assert!(world.calls(shipping, "book").is_empty() && world.calls(order, "mail refusal").is_empty());
        world.expect_sound();
    }
}

#[test]
fn a_large_order_that_is_paid_with_another_amount_is_asked_of_nobody() {
    let world = desk();
    let run = world.start(order, large());
    world.post("payments", paid(9_000)).expect("resumed");
    assert!(run.expect_complete().state::<Sale>().is_paid_back);
    assert!(world.runs_of(poll).is_empty());
}

#[test]
fn a_bank_that_is_away_pays_back_once_it_is_there() {
    let world = desk();
    world.stub_with(order, "pay back", |call| -> px::Result<()> {
        if call.nth <= 2 {
            px::bail!("the bank is away");
        }
        Ok(())
    });
    let run = world.start(order, small());
    world.post("payments", paid(1_000)).expect("resumed");
    world.skip(DAY);
    assert!(run.expect_complete().state::<Sale>().is_paid_back);
    let calls = world.calls(order, "pay back");
    assert!(calls.len() == 3 && calls.iter().all(|call| call.key == calls[0].key), "{calls:?}");
}

#[test]
fn a_payment_after_a_cancel_is_late_and_changes_nothing() {
    let world = desk();
    let run = world.start(order, small());
    run.cancel();
    world.post("payments", paid(1_250)).expect("late");
    run.expect_status("cancelled");
    assert!(world.calls(order, "pay back").is_empty(), "a person decides, who sees it in px status");
}

#[test]
fn two_of_three_let_a_large_order_pass_one_by_link_and_one_by_button() {
    let world = desk();
    let run = world.start(order, large());
    world.post("payments", paid(90_000)).expect("resumed");
    let [anna, bob, cleo] = votes(&world);
    let link = anna.link_of("anna@example.com");
    let link_of_cleo = cleo.link_of("cleo@example.com");
    // A scanner of mail opens it first, and nothing happens.
    for _ in 0..3 {
        assert_eq!(world.open(&link).answers(), ["Yes", "No"]);
    }
    anna.expect_status("waiting");
    assert_eq!(world.answer(&link, "Yes").state(), "answered");
    // Anna has one vote, however often she answers.
    world.answer(&link, "No");
    assert_eq!(anna.expect_complete().state::<Vote>().yes, Some(true));
    run.expect_status("waiting");
    world.post("slack-buttons", pressed(&bob, "yes")).expect("resumed");
    let vote = bob.expect_complete().state::<Vote>();
    assert_eq!((vote.yes, vote.by.as_deref()), (Some(true), Some("U1")));
    assert_eq!(world.calls(approval, "replace message").len(), 1);
    deliver(&world);
    assert!(run.expect_complete().state::<Sale>().is_approved);
    // It is decided without Cleo: she is not asked any more, and not reminded.
    assert_eq!(cleo.expect_complete().state::<Vote>().yes, None);
    world.skip(2 * DAY);
    assert!(world.calls(approval, "mail reminder").is_empty());
    assert_eq!(world.open(&link_of_cleo).state(), "answered");
    let votes_of = |mail: &str| world.kv(approval, "votes").scope(mail).get::<u64>();
    let counted = ["anna@example.com", "bob@example.com", "cleo@example.com"].map(votes_of);
    assert_eq!(counted, [Some(1), Some(1), None], "who was asked in vain has not voted");
    world.expect_sound();
}

/// The order after Anna, Bob and Cleo have voted, in this order, as far as it still waits for them.
fn voted(world: &World, answers: [&str; 3]) -> Run {
    let run = world.start(order, large());
    world.post("payments", paid(90_000)).expect("resumed");
    for (voter, answer) in votes(world).into_iter().zip(answers) {
        run.expect_status("waiting");
        let Some(mail) = voter.state_json()["question"]["approver"]["mail"].as_str().map(str::to_owned)
        else {
            panic!("{}", voter.story())
        };
        world.answer(&voter.link_of(&mail), answer);
    }
    run
}

#[test]
fn two_of_three_are_enough_whoever_says_no_before_them() {
    let world = desk();
    let run = voted(&world, ["No", "Yes", "Yes"]);
    deliver(&world);
    assert!(run.expect_complete().state::<Sale>().is_approved);
}

#[test]
fn two_who_say_no_keep_a_large_order_back() {
    let world = desk();
    let run = voted(&world, ["No", "Yes", "No"]);
    let sale = run.expect_complete().state::<Sale>();
    assert!(!sale.is_approved && sale.is_paid_back);
    assert!(world.calls(shipping, "book").is_empty());
    // What was paid goes back, and the customer hears of it; who was not needed is not asked any more.
    assert_eq!([world.calls(order, "pay back").len(), world.calls(order, "mail refusal").len()], [1, 1]);
    assert!(world.runs_of(approval).iter().all(|run| run.status() == "complete"));
    world.expect_sound();
}

#[test]
fn labels_say_what_became_of_an_order_and_which_runs_are_about_it() {
    let ended = |answers| {
        let world = desk();
        let run = voted(&world, answers);
        (world, run)
    };
    let (world, run) = ended(["No", "Yes", "No"]);
    assert_eq!(run.expect_complete().label("outcome").as_deref(), Some("refused"));
    let labelled = |run: &Run| run.label("order").as_deref() == Some("o1");
    assert!(labelled(&run) && world.runs_of(poll).iter().chain(&world.runs_of(approval)).all(labelled));
    let (world, run) = ended(["No", "Yes", "Yes"]);
    deliver(&world);
    assert_eq!(run.expect_complete().label("outcome").as_deref(), Some("delivered"));
    let world = desk();
    let run = world.start(order, small());
    world.skip(14 * DAY);
    assert_eq!(run.expect_complete().label("outcome").as_deref(), Some("unpaid"));
}

#[test]
fn silence_keeps_a_large_order_back() {
    let world = desk();
    let run = world.start(order, large());
    world.post("payments", paid(90_000)).expect("resumed");
    world.answer(&votes(&world)[0].link_of("anna@example.com"), "Yes");
    run.expect_status("waiting");
    world.skip(2 * DAY);
    let sale = run.expect_complete().state::<Sale>();
    assert!(!sale.is_approved && sale.is_paid_back);
}

#[test]
fn an_approver_who_cannot_be_asked_has_not_said_yes_and_keeps_nobody_else_from_it() {
    let world = desk();
    world.stub_with(approval, "post buttons", |_| -> px::Result<()> { px::bail!("Slack is away") });
    let run = world.start(order, large());
    world.post("payments", paid(90_000)).expect("resumed");
    // Bob's run gives up after its last attempt.
    world.skip(Duration::from_secs(60));
    let [anna, bob, cleo] = votes(&world);
    bob.expect_error("Slack is away");
    run.expect_status("waiting");
    for (voter, mail) in [(anna, "anna@example.com"), (cleo, "cleo@example.com")] {
        world.answer(&voter.link_of(mail), "Yes");
    }
    deliver(&world);
    assert!(run.expect_complete().state::<Sale>().is_approved);
}

#[test]
fn a_vote_counts_also_if_its_message_cannot_be_replaced_any_more() {
    let world = desk();
    world.stub_with(approval, "replace message", |_| -> px::Result<()> { px::bail!("expired_url") });
    let approver = Approver { mail: "bob@example.com".into(), slack: Some("U1".into()) };
    let run = world.start(approval, question(&world.start(order, small()), approver));
    world.post("slack-buttons", pressed(&run, "yes")).expect("resumed");
    assert_eq!(run.expect_complete().state::<Vote>().yes, Some(true));
}

#[test]
fn a_large_order_without_two_approvers_ends_before_anything_is_paid() {
    let one = large().approvers[0].clone();
    for approvers in [vec![], vec![one.clone()], vec![one.clone(), one]] {
        let world = desk();
        let run = world.start(order, Order { approvers: approvers.clone(), ..large() });
        run.expect_complete();
        assert!(world.calls(order, "mail customer").is_empty());
        world.start(order, Order { approvers, ..small() }).expect_waiting_on(bank::on("o1"));
    }
}

#[test]
fn whoever_is_asked_by_slack_can_take_the_link_all_the_same() {
    let world = desk();
    let approver = Approver { mail: "bob@example.com".into(), slack: Some("U1".into()) };
    let run = world.start(approval, question(&world.start(order, small()), approver));
    assert_eq!(world.calls(approval, "post buttons").len(), 1);
    world.answer(&run.link_of("bob@example.com"), "No");
    assert_eq!(run.expect_complete().state::<Vote>().yes, Some(false));
    world.post("slack-buttons", pressed(&run, "yes")).expect("late");
}

#[test]
fn a_dispute_starts_a_refund_that_a_clerk_decides_about() {
    for (answer, is_granted) in [("Pay back", true), ("Refuse", false)] {
        let world = desk();
        let dispute = json!({ "order": "o1", "cents": 1_250, "reason": "<b>broken</b>" });
        let answered = world.post("disputes", dispute);
        let run = world.run(answered.expect("triggered").run());
        let page = world.open(&run.link_of("clerk@example.com"));
        assert!(
            page.words().contains("<b>broken</b>") && !page.html().contains("<b>broken"),
            "{}",
            page.html()
        );
        world.answer(&run.link_of("clerk@example.com"), answer);
        let case = run.expect_complete().state::<Case>();
        assert_eq!((case.is_granted, case.is_paid_back), (is_granted, is_granted));
        assert_eq!(world.calls(refund, "pay back").len(), usize::from(is_granted));
    }
}

#[test]
fn a_clerk_who_does_not_answer_pays_back() {
    let world = desk();
    let run = world.run(world.post("disputes", json!({ "order": "o1", "cents": 5, "reason": "?" })).run());
    world.skip(3 * DAY);
    assert!(run.expect_complete().state::<Case>().is_paid_back);
}
