//! The desk in all weathers: processes that die at any commit, webhooks that come twice, early or late.
//! `PX_SEEDS=1000` looks at more of them.

mod shop;

use order_desk::brains::approval::approval;
use order_desk::brains::order::{Approver, order};
use order_desk::brains::refund::refund;
use order_desk::brains::shipping::shipping;
use px::test::weather;
use serde_json::json;
use shop::{DAY, large, paid, pressed, question, seen, small, stub};

#[test]
fn no_weather_keeps_the_money_of_an_order_that_does_not_go_out() {
    weather(|w| {
        stub(w.world());
        let run = w.start(order, large());
        w.post_with("payments", &[("webhook-id", "p1")], paid(90_000));
        // Nobody votes: the poll ends with the last of those whom it asks.
        w.skip(3 * DAY);
        w.calm();
        w.world().skip(14 * DAY);
        let state = run.state_json();
        let mut keys: Vec<_> = w.world().calls(order, "pay back").into_iter().map(|call| call.key).collect();
        keys.dedup();
        let went_back = usize::from(!state["paid"].is_null());
        assert_eq!(
            (keys.len(), &state["is_paid_back"]),
            (went_back, &json!(went_back == 1)),
            "{}",
            run.story()
        );
    });
}

#[test]
fn no_weather_keeps_a_payment_of_another_amount_or_pays_it_back_twice() {
    weather(|w| {
        stub(w.world());
        let run = w.start(order, small());
        w.post_with("payments", &[("webhook-id", "p1")], paid(1_000));
        w.calm();
        w.world().skip(14 * DAY);
        let state = run.state_json();
        let mut keys: Vec<_> = w.world().calls(order, "pay back").into_iter().map(|call| call.key).collect();
        keys.dedup();
        let went_back = usize::from(!state["paid"].is_null());
        let found = (keys.len(), &state["is_paid_back"]);
        assert_eq!(found, (went_back, &json!(went_back == 1)), "{}", run.story());
        assert!(w.world().calls(shipping, "book").is_empty(), "{}", run.story());
    });
}

#[test]
fn no_weather_ships_an_order_twice_or_unpaid() {
    weather(|w| {
        stub(w.world());
        let run = w.start(order, small());
        w.skip(4 * DAY);
        w.post_with("payments", &[("webhook-id", "p1")], paid(1_250));
        w.skip(DAY);
        for (id, place) in [("1", "on the way"), ("2", "delivered")] {
            w.post("carrier", seen(id, place));
        }
        w.calm();
        w.world().skip(14 * DAY);
        let calls = w.world().calls(shipping, "book");
        assert!(calls.iter().all(|call| call.key == calls[0].key), "one parcel: {calls:?}");
        let is_paid = !run.state_json()["paid"].is_null();
        assert!(is_paid || calls.is_empty(), "{}", run.story());
    });
}

#[test]
fn in_no_weather_is_a_vote_counted_twice_or_not_at_all() {
    weather(|w| {
        stub(w.world());
        let approver = Approver { mail: "bob@example.com".into(), slack: Some("U1".into()) };
        let asked_by = w.start(order, small());
        let runs = [1, 2].map(|_| w.start(approval, question(&asked_by, approver.clone())));
        for run in &runs {
            w.post("slack-buttons", pressed(run, "yes"));
        }
        w.calm();
        w.world().skip(3 * DAY);
        let voted = runs.iter().filter(|run| run.state_json()["yes"] == json!(true)).count() as u64;
        let counted = w.world().kv(approval, "votes").scope("bob@example.com").get::<u64>();
        assert_eq!(counted.unwrap_or_default(), voted, "{}", runs[0].story());
    });
}

#[test]
fn no_weather_lets_a_refund_go_out_twice() {
    weather(|w| {
        stub(w.world());
        w.post_with("disputes", &[("webhook-id", "d1")], json!({ "order": "o1", "cents": 5, "reason": "?" }));
        w.skip(3 * DAY);
        w.calm();
        w.world().skip(3 * DAY);
        let mut keys: Vec<_> = w.world().calls(refund, "pay back").into_iter().map(|call| call.key).collect();
        keys.dedup();
        // The bank signs an id, so that a dispute that comes again is known.
        assert_eq!((keys.len(), w.world().runs_of(refund).len()), (1, 1), "{keys:?}");
    });
}
