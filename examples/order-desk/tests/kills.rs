//! The desk's own binary, killed after every answer: whatever was answered with 2xx is
//! there and counts once, and the store adds up each time.

#![expect(clippy::indexing_slicing, reason = "a test says by panicking that it failed")]

mod rig;

use rig::{Desk, Form, Posted, bank, carrier, eventually, slack_button};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// An order that two of three people have to let pass; Bob has Slack.
fn large() -> Value {
    json!({
        "id": "o1",
        "mail": "ada@example.com",
        "cents": 90_000,
        "lines": [{ "article": "tea", "count": 2 }],
        "approvers": [
            { "mail": "anna@example.com" },
            { "mail": "bob@example.com", "slack": "U1" },
            { "mail": "cleo@example.com" },
        ],
    })
}

fn seen(id: &str, place: &str) -> Posted {
    carrier(&json!({ "id": id, "number": "P1", "place": place }))
}

/// A picture of two rows and more.
fn picture() -> Vec<u8> {
    let noise = (0..2_500_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
    [0xff, 0xd8, 0xff].into_iter().chain(noise).collect()
}

/// The payment: a stranger's is refused, and the bank's counts once however often it comes.
fn pay(desk: &mut Desk, order: &str) {
    desk.waits_for(order, "payments");
    let paid = bank("payments", "e1", &json!({ "order": "o1", "cents": 90_000, "reference": "r1" }));
    assert_eq!(desk.try_post(&paid.clone().forged()).status, 401);
    desk.post(&paid).is(200, "resumed");
    desk.post(&paid).is(200, "duplicate");
}

/// Anna votes by her link, which scanners have opened before, and Bob by his button.
fn vote(desk: &mut Desk) {
    // A step in which three processes have died is for a person to look at: let them ask first.
    for person in ["bob@example.com", "cleo@example.com"] {
        desk.page(&desk.link_to(person));
    }
    let link = desk.link_to("anna@example.com");
    for _ in 0..3 {
        assert!(desk.page(&link).text().contains("Order o1 of 900.00 EUR: may it go out?"));
    }
    desk.kill();
    let page = desk.page(&link);
    let answered = desk.press(&link, &page, 0);
    assert_eq!(answered.status, 303, "{}", answered.text());
    desk.kill();
    // She has one vote, however often she presses.
    assert_eq!(desk.press(&link, &page, 1).status, 303);
    let after = desk.get(&link).text();
    assert!(after.contains("<bdi>Yes</bdi>") && !after.contains("<form"), "{after}");

    let message = eventually("the message with buttons", || desk.outside.sent("/slack").pop()).json();
    let button = &message["blocks"][1]["elements"][0];
    assert_eq!(button["action_id"], "yes");
    let pressed = slack_button("t1", "U1", button, &format!("{}/response", desk.outside.url()));
    assert_eq!(desk.try_post(&pressed.clone().forged()).status, 401);
    for _ in 0..2 {
        let reply = desk.post(&pressed);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let replaced = eventually("the message to be replaced", || desk.outside.sent("/response").pop());
    assert!(replaced.json()["text"].to_string().contains("Yes, says <@U1>."));
}

/// The parcel's way to the door, and the picture there, whose form is cut off at first.
fn deliver(desk: &mut Desk, order: &str, picture: &[u8]) -> String {
    desk.waits_for(order, "carrier");
    desk.post(&seen("1", "on the way")).is(200, "resumed");
    desk.waits_for(order, "carrier");
    let line = Form::default().text("id", "2").text("number", "P1").text("place", "delivered");
    let form = line.file("picture", "../../door.html", picture).signed();
    for part in [1, 2, 3] {
        desk.post_a_part(&form, form.body.len() * part / 4);
        assert_eq!((&desk.counts["files"], desk.incoming()), (&json!(0), 0), "{part} of 4");
    }
    assert_eq!(desk.try_post(&form.clone().forged()).status, 401);
    let taken = desk.post(&form);
    taken.is(200, "resumed");
    assert_eq!((&desk.counts["files"], &desk.counts["fileBytes"]), (&json!(1), &json!(picture.len())));
    desk.post(&form).is(200, "duplicate");
    assert_eq!(desk.counts["files"], 1);
    taken.field("deliveryId")
}

#[test]
fn an_order_goes_to_the_door_though_the_desk_is_killed_after_every_answer() {
    let mut desk = Desk::open();
    let order = desk.start("order", &large());
    pay(&mut desk, &order);
    vote(&mut desk);
    let picture = picture();
    let delivery = deliver(&mut desk, &order, &picture);
    let sale = desk.completes(&order);
    let digest = hex::encode(Sha256::digest(&picture));
    assert_eq!(sale["places"], json!(["on the way", "delivered"]));
    assert_eq!(
        (&sale["picture"]["sha256"], &sale["picture"]["name"]),
        (&json!(digest), &json!("../../door.html"))
    );

    // The file as it came, for whoever saves it; and the archive has it by what it is.
    let file = desk.get(&format!("/webhooks/deliveries/{delivery}/files/0"));
    assert!(file.status == 200 && file.body == picture, "{}", file.head);
    assert!(file.head.to_lowercase().contains("content-disposition: attachment"), "{}", file.head);
    let archived = desk.outside.sent("/archive/").pop().expect("it is archived");
    assert_eq!((archived.path, archived.body == picture), (format!("/archive/{digest}"), true));

    // A vote counts once, however often its step began.
    for person in ["anna@example.com", "bob@example.com"] {
        let counted = desk.get(&format!("/store/approval/{person}/votes"));
        assert_eq!(counted.json()["value"], 1, "{}", counted.text());
    }

    // Nobody was asked twice: what a kill has repeated went out under its old key.
    let keys = ["/mail", "/slack", "/book"].map(|path| desk.outside.keys(path).len());
    assert_eq!(keys, [5, 1, 1], "mails to the customer and to three people, a message, a parcel");
    assert!(desk.outside.sent("/book").len() >= 3, "the carrier was away twice");
    desk.kill();
    assert_eq!(desk.kills, 14);
}

#[test]
fn a_dispute_is_paid_back_once_though_the_desk_is_killed_after_every_answer() {
    let mut desk = Desk::open();
    let dispute =
        bank("disputes", "d1", &json!({ "order": "o1", "cents": 1_250, "reason": "<b>broken</b>" }));
    let taken = desk.post(&dispute);
    taken.is(201, "triggered");
    desk.post(&dispute).is(200, "duplicate");
    let link = desk.link_to("clerk@example.com");
    let page = desk.page(&link);
    assert!(!page.text().contains("<b>broken"), "{}", page.text());
    assert_eq!(desk.press(&link, &page, 0).status, 303);
    desk.kill();
    let case = desk.completes(&taken.field("brainRunId"));
    assert_eq!((&case["is_granted"], &case["is_paid_back"]), (&json!(true), &json!(true)));
    let refunds = desk.outside.sent("/refund");
    assert_eq!((desk.outside.keys("/refund").len(), refunds[0].json()["cents"].as_u64()), (1, Some(1_250)));
    desk.kill();
}
