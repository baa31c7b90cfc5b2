//! Secrets as a user's test meets them: a step and a handler read what the test has
//! set, a list is a brain's own, and another name is refused.

use px_sdk::{Brain, Cx, Inbound, Next, Resources, Result, brain, verify};
use px_testkit::test::world;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Order {
    /// The secret that is asked for.
    key: String,
    #[serde(default)]
    length: usize,
}

fn order(key: &str) -> Order {
    Order { key: key.into(), length: 0 }
}

async fn pay(cx: Cx, order: Order) -> Result<Next<Order>> {
    let length = cx.secret(&order.key)?.expose().len();
    Ok(Next(Order { length, ..order }))
}

fn shop() -> Brain<Order, Order> {
    // Behind the steps as well as before them, and within a branch.
    brain("shop")
        .secrets(["STRIPE_KEY"])
        .step("pay", pay)
        .when("again", |order| order.length == 3, |part| part.secrets(["BRANCH_KEY"]).step("pay again", pay))
        .secrets(["OTHER_KEY"])
        .build()
}
px_sdk::brain!(shop);

/// Has the shop inside, and no list of its own.
fn mall() -> Brain<Order> {
    brain("mall").brain("shop", shop, Order::clone, |_, order| order).step("pay", pay).build()
}
px_sdk::brain!(mall);

mod paid {
    use super::*;
    px_sdk::webhook! {
        slug = "paid",
        payload = Order,
        response = Order,
        verify = verify::unverified(),
        handler = receive,
        secrets = ["STRIPE_KEY"],
    }

    async fn receive(resources: &Resources, order: Order) -> Result<Inbound<Order>> {
        let length = resources.secret(&order.key)?.expose().len();
        Ok(Inbound::ignore(format!("a key of {length}")))
    }
}

#[test]
fn a_step_reads_what_its_brain_declares() {
    let world = world().secret("STRIPE_KEY", "sk_test_1").secret("OTHER_KEY", "12345678");
    for key in ["STRIPE_KEY", "OTHER_KEY"] {
        let run = world.start(shop, order(key));
        assert!(run.expect_complete().state::<Order>().length >= 8);
    }
    world.secret("BRANCH_KEY", "abc");
    assert_eq!(world.start(shop, order("BRANCH_KEY")).expect_complete().state::<Order>().length, 3);
}

#[test]
fn another_secret_is_refused_with_the_line_to_write() {
    let world = world().secret("STRIPE_KEY", "sk_test_1").secret("NOT_YOURS", "12345678");
    let run = world.start(shop, order("NOT_YOURS"));
    run.expect_error("step 'pay' of brain 'shop' asks for the secret 'NOT_YOURS' without declaring it");
    run.expect_error("add `.secrets([\"NOT_YOURS\"])` to `brain(\"shop\")`");
    // The list of the brain inside is its own.
    let run = world.start(mall, order("STRIPE_KEY"));
    run.expect_error("step 'pay' of brain 'mall' asks for the secret 'STRIPE_KEY' without declaring it");
}

#[test]
fn what_a_test_does_not_set_is_set_nowhere() {
    world().start(shop, order("STRIPE_KEY")).expect_error("`px secrets set STRIPE_KEY`");
}

#[test]
fn a_handler_reads_what_its_webhook_declares() {
    let world = world().secret("STRIPE_KEY", "sk_test_1");
    world.post("paid", order("STRIPE_KEY")).expect("ignored");
    assert_eq!(world.post("paid", order("OTHER_KEY")).status(), 500, "it is the handler's failure");
}
