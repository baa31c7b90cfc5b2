//! Labels of runs: taken from the input, put on by steps, and gone with a step that fails.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use px_core::{Labels, RunId, RunStatus, Scope};
use px_sdk::registry::Source;
use px_sdk::{Brain, BrainDef, Cx, Error, Next, Registry, Result, Retry, Untold, brain, items};
use px_store::RunFilter;
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: Value,
    #[serde(default)]
    how: String,
}

fn orders() -> px_sdk::Builder<Order, Order, px_sdk::Ready> {
    brain("orders").label("/orderId").step("price", price).retry(Retry::attempts(2)).step("ship", ship)
}

async fn price(cx: Cx, order: Order) -> Result<Next<Order>> {
    cx.label("attempt", cx.attempt().to_string())?;
    match order.how.as_str() {
        "fails once" if cx.attempt() == 1 => {
            cx.label("failed", "yes")?;
            return Err(Error::msg("not yet"));
        }
        "many" => (0..20).try_for_each(|n| cx.label(format!("n{n}"), "x"))?,
        "bad name" => cx.label("Order", "x")?,
        "bad value" => cx.label("order", "x".repeat(256))?,
        _ => {}
    }
    Ok(Next(order))
}

async fn ship(cx: Cx, order: Order) -> Result<Next<Order>> {
    // In place of the one of the step before.
    cx.label("attempt", "shipped")?;
    Ok(Next(order))
}

fn registry(def: BrainDef) -> std::result::Result<Registry, String> {
    let source = Source { file: "labels.rs".into(), line: 1 };
    Registry::of([(source, def)], []).map_err(|error| error.to_string())
}

fn made() -> Brain<Order> {
    orders().build()
}

async fn ended(order_id: Value, how: &str) -> (World, RunId) {
    let world = World::new(registry(made().into_def()).unwrap()).unwrap();
    let run = world.start(made, Order { order_id, how: how.into() }).await.unwrap();
    world.settle().await.unwrap();
    world.advance(std::time::Duration::from_secs(3_600)).await.unwrap();
    world.settle().await.unwrap();
    assert!(world.audit().await.unwrap().is_clean());
    (world, run)
}

async fn labels(world: &World, run: RunId) -> Value {
    json!(world.run(run).await.unwrap().unwrap().labels)
}

async fn found(world: &World, name: &str, value: &str) -> Vec<RunId> {
    let filter = RunFilter { labels: vec![(name.into(), value.into())], ..RunFilter::default() };
    let page = world.rows().runs(Scope::default(), &filter, None, 10).await.unwrap();
    page.items.iter().map(|record| record.run.id).collect()
}

#[tokio::test]
async fn a_run_is_labelled_by_its_input_and_by_its_steps() {
    let (world, run) = ended(json!("o2"), "").await;
    assert_eq!(labels(&world, run).await, json!({"order-id": "o2", "attempt": "shipped"}));
    assert_eq!(found(&world, "order-id", "o2").await, [run]);
    assert_eq!(found(&world, "attempt", "shipped").await, [run]);
    assert_eq!(found(&world, "attempt", "1").await, [], "it has another one now");
    let log = world.log(run).await.unwrap();
    let written: Vec<_> =
        log.iter().filter_map(|event| event.event.labels()).filter(|one| !one.is_empty()).collect();
    let one = |name: &str, value: &str| Labels::from([(name.to_owned(), value.to_owned())]);
    assert_eq!(written, [&one("order-id", "o2"), &one("attempt", "1"), &one("attempt", "shipped")]);
}

#[tokio::test]
async fn a_step_that_fails_leaves_no_label() {
    let (world, run) = ended(json!(7), "fails once").await;
    assert_eq!(world.status(run).await.unwrap(), RunStatus::Complete);
    assert_eq!(labels(&world, run).await, json!({"order-id": "7", "attempt": "shipped"}));
    assert_eq!(found(&world, "failed", "yes").await, []);
}

#[tokio::test]
async fn what_is_no_label_in_the_input_gives_none_and_keeps_no_run_from_its_start() {
    for order_id in
        [json!(null), json!({"a": 1}), json!([1]), json!(""), json!("x".repeat(256)), json!("a\nb")]
    {
        let (world, run) = ended(order_id.clone(), "").await;
        assert_eq!(labels(&world, run).await, json!({"attempt": "shipped"}), "{order_id}");
    }
    let (world, run) = ended(json!(true), "").await;
    assert_eq!(found(&world, "order-id", "true").await, [run]);
}

#[tokio::test]
async fn a_label_beyond_the_bounds_fails_the_step_with_what_fits() {
    for (how, says) in [
        (
            "many",
            "label 'n14' is one too many: a run has at most 16, and this one has order-id, attempt, n0, ",
        ),
        ("bad name", "'Order' cannot be the name of a label: it begins with a letter from a to z"),
        ("bad value", "the value of label 'order' has 256 bytes, and it can have 1 to 255"),
    ] {
        let (world, run) = ended(json!("o2"), how).await;
        let record = world.run(run).await.unwrap().unwrap();
        assert_eq!(record.status, RunStatus::Error);
        let message = record.error.unwrap().message;
        assert!(message.contains(says), "{message}");
        assert_eq!(json!(record.labels), json!({"order-id": "o2"}));
    }
}

#[tokio::test]
async fn the_work_on_an_item_labels_nothing() {
    let label = async |cx: Cx, item: u32| {
        cx.label("item", item.to_string())?;
        Ok(item)
    };
    let listing = || {
        let listed = items(|_: &Order| vec![1], label);
        brain("listing").map("each", listed, |order: Order, _: Vec<u32>| order).build::<Untold>()
    };
    let world = World::new(registry(listing().into_def()).unwrap()).unwrap();
    let run = world.start(listing, Order { order_id: json!(1), how: String::new() }).await.unwrap();
    world.settle().await.unwrap();
    let message = world.run(run).await.unwrap().unwrap().error.unwrap().message;
    assert!(message.contains("by 'each', which works on an item of a list"), "{message}");
}

#[test]
fn a_label_without_a_name_or_a_place_is_refused_at_start() {
    for (brain, says) in [
        (orders().label("orderId"), "`.label(\"orderId\")` names no place in the input"),
        (orders().label("/list/0"), "'0' cannot be the name of a label"),
        (orders().label("/order/orderId"), "'/orderId' and '/order/orderId' are both labelled 'order-id'"),
        (orders().label_as("Order", "/how"), "'Order' cannot be the name of a label"),
        ((0..16).fold(orders(), |orders, n| orders.label_as(format!("n{n}"), "/how")), "takes 17 labels"),
    ] {
        let refused = registry(brain.build::<Untold>().into_def()).unwrap_err();
        assert!(refused.starts_with("Bad label of brain 'orders'") && refused.contains(says), "{refused}");
    }
}
