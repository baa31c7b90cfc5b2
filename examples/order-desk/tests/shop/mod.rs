//! Orders and messages of the desk's tests, and the stubs of all that is outside.

#![allow(dead_code, unreachable_pub, reason = "shared by two tests, neither of which uses all of it")]

use std::time::Duration;

use order_desk::brains::approval::{Question, approval};
use order_desk::brains::order::{Approver, Line, Order, order};
use order_desk::brains::refund::refund;
use order_desk::brains::shipping::shipping;
use px::test::{Run, World, world};
use serde_json::{Value, json};

pub const DAY: Duration = Duration::from_hours(24);

/// Answers for all that is outside. The carrier is away twice, then takes the parcel.
pub fn stub(world: &World) {
    for name in ["mail customer", "mail reminder", "mail thanks", "mail refusal", "mail amount", "pay back"] {
        world.stub(order, name, ());
    }
    for name in ["mail link", "post buttons", "mail reminder", "replace message"] {
        world.stub(approval, name, ());
    }
    world.stub_with(shipping, "book", |call| {
        if call.nth <= 2 {
            px::bail!("the carrier is away");
        }
        Ok("P1")
    });
    world.stub(shipping, "archive", ());
    for name in ["mail clerk", "pay back"] {
        world.stub(refund, name, ());
    }
}

pub fn desk() -> World {
    let world = world();
    stub(&world);
    world
}

pub fn small() -> Order {
    let lines = [("tea", 2), ("cup", 1)].map(|(article, count)| Line { article: article.into(), count });
    Order {
        id: "o1".into(),
        mail: "ada@example.com".into(),
        cents: 1_250,
        lines: lines.into(),
        approvers: Vec::new(),
    }
}

/// One that two of three people have to let pass; Bob has Slack.
pub fn large() -> Order {
    let approver =
        |mail: &str, slack: Option<&str>| Approver { mail: mail.into(), slack: slack.map(str::to_owned) };
    let approvers = vec![
        approver("anna@example.com", None),
        approver("bob@example.com", Some("U1")),
        approver("cleo@example.com", None),
    ];
    Order { cents: 90_000, approvers, ..small() }
}

/// A question of a poll that does not come to its end: any run that waits stands for it.
pub fn question(asked_by: &Run, approver: Approver) -> Question {
    Question { order: "o1".into(), text: "May it?".into(), approver, asked_by: asked_by.id() }
}

pub fn paid(cents: u64) -> Value {
    json!({ "order": "o1", "cents": cents, "reference": "r1" })
}

pub fn pressed(run: &Run, button: &str) -> Value {
    json!({
        "type": "block_actions",
        "trigger_id": format!("t-{button}"),
        "user": { "id": "U1" },
        "actions": [{ "action_id": button, "value": run.id().to_string() }],
        "response_url": "https://hooks.slack.com/actions/1",
    })
}

pub fn seen(id: &str, place: &str) -> Value {
    json!({ "id": id, "number": "P1", "place": place })
}
