//! Test events: made, signed and taken in by the server itself, and marked in everything that follows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use px_server::{Options, Running, WebhookOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use support::read_json;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Order {
    id: String,
    customer: String,
    #[serde(default)]
    wish: Option<String>,
}

mod orders {
    use super::*;
    px_sdk::webhook! {
        slug = "orders",
        payload = Order,
        response = Order,
        verify = verify::hmac("X-Signature", "ORDERS_SECRET").dedup_pointer("/id"),
        handler = receive,
    }
    async fn receive(order: Order) -> Result<Inbound<Order>> {
        let key = format!("customer-{}", order.customer);
        if order.wish.as_deref() == Some("parent") {
            return Ok(Inbound::start(parent, order));
        }
        if order.wish.as_deref() == Some("start") {
            return Ok(Inbound::resume(key, order.clone()).or_start(shipping, order));
        }
        Ok(Inbound::resume(key, order))
    }
}

mod open {
    use super::*;
    px_sdk::webhook! {
        slug = "open",
        payload = Order,
        response = Order,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(order: Order) -> Result<Inbound<Order>> {
        Ok(Inbound::resume(order.customer.clone(), order))
    }
}

fn shipping() -> Brain<Order> {
    brain("shipping").step("ask", ask).step("hear", hear).build()
}
px_sdk::brain!(shipping);

async fn ask(_: Cx, order: Order) -> Result<Waiting<Order, Order>> {
    let on = orders::on(format!("customer-{}", order.customer));
    Ok(wait_for(order, on))
}

/// Starts another run.
fn parent() -> Brain<Order> {
    brain("parent").step("begin", begin).build()
}
px_sdk::brain!(parent);

async fn begin(cx: Cx, order: Order) -> Result<Next<Order>> {
    cx.start("child", shipping, order.clone()).await?;
    Ok(Next(order))
}

async fn hear(_: Cx, _: Order, answer: Order) -> Result<Next<Order>> {
    Ok(Next(answer))
}

async fn serve(change: impl FnOnce(&mut Options)) -> Running {
    support::serve(|options| {
        options.env = Box::new(|name| (name == "ORDERS_SECRET").then(|| SECRET.to_owned()));
        change(options);
    })
    .await
}

async fn post(server: &Running, path: &str, by: &str, body: &Value) -> (u16, Value) {
    let by = if by.is_empty() { String::new() } else { format!("authorization: Bearer {by}\r\n") };
    read_json(&support::send(server, "POST", path, &by, &body.to_string()).await)
}

async fn get(server: &Running, path: &str, by: &str) -> Value {
    let by = if by.is_empty() { String::new() } else { format!("authorization: Bearer {by}\r\n") };
    let (status, body) = read_json(&support::request(server, "GET", path, &by, "").await);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

async fn token(server: &Running, scope: &str, by: &str) -> String {
    let (status, made) =
        post(server, "/tokens", by, &json!({ "name": format!("my {scope}"), "scope": scope })).await;
    assert_eq!(status, 201, "{made}");
    made["token"].as_str().unwrap().to_owned()
}

async fn reaches(server: &Running, run: &str, wanted: &str, by: &str) -> Value {
    for _ in 0..10_000 {
        let shown = get(server, &format!("/brains/runs/{run}"), by).await;
        if shown["status"] == wanted {
            return shown;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never is {wanted}");
}

#[tokio::test]
async fn a_test_goes_the_way_of_all_events_and_what_follows_is_marked() {
    let server = serve(|_| {}).await;
    let admin = token(&server, "admin", "").await;
    let operate = token(&server, "operate", &admin).await;
    let hook = json!({ "url": "http://127.0.0.1:9/hook", "name": "all" });
    let (status, hook) = post(&server, "/hooks", &admin, &hook).await;
    assert_eq!(status, 201, "{hook}");

    let payload = json!({ "id": "o1", "customer": "7", "wish": "start" });
    let asked = json!({ "slug": "orders", "payload": payload });
    let (status, sent) = post(&server, "/tests", &operate, &asked).await;
    assert_eq!(
        (status, &sent["action"], &sent["signed"]),
        (200, &json!("triggered"), &json!(true)),
        "{sent}"
    );
    assert_eq!((&sent["payload"], &sent["status"]), (&payload, &json!(201)), "{sent}");

    let delivery =
        get(&server, &format!("/webhooks/deliveries/{}", sent["deliveryId"].as_str().unwrap()), &admin).await;
    assert_eq!(delivery["verdict"], "verified", "the signature was checked as any other: {delivery}");
    assert_eq!((&delivery["test"], &delivery["testedBy"]), (&json!(true), &json!("my operate")));
    assert!(delivery["why"].as_str().unwrap().contains("It was a test"), "{delivery}");

    let run = reaches(&server, sent["brainRunId"].as_str().unwrap(), "waiting", &admin).await;
    assert_eq!(
        run["cause"],
        json!({ "kind": "event", "id": run["cause"]["id"], "test": true, "testedBy": "my operate" })
    );
    let callbacks =
        get(&server, &format!("/hooks/{}/deliveries", hook["id"].as_str().unwrap()), &admin).await;
    let callbacks = callbacks["deliveries"].as_array().unwrap();
    assert!(callbacks.len() >= 3, "webhook.received, run.started and on: {callbacks:?}");
    for one in callbacks {
        assert_eq!((&one["test"], &one["testedBy"]), (&json!(true), &json!("my operate")), "{one}");
    }
    let one = get(&server, &format!("/deliveries/{}", callbacks[0]["id"].as_str().unwrap()), &admin).await;
    assert_eq!(
        (&one["body"]["test"], &one["body"]["testedBy"]),
        (&json!(true), &json!("my operate")),
        "{one}"
    );

    // The provider's id in it is what duplicates are known by, as ever.
    let (status, again) = post(&server, "/tests", &operate, &asked).await;
    assert_eq!((status, &again["action"]), (200, &json!("duplicate")), "{again}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_example_finds_the_wait_of_its_identifier_and_a_run_of_real_life_stays_one() {
    let server = serve(|_| {}).await;
    let state = json!({ "id": "o2", "customer": "8" });
    let (_, started) =
        post(&server, "/brains/runs", "", &json!({ "identifier": "shipping", "initialState": state })).await;
    let run = started["brainRunId"].as_str().unwrap();
    reaches(&server, run, "waiting", "").await;
    let asked = json!({ "slug": "orders", "identifier": "customer-8" });
    let (status, sent) = post(&server, "/tests", "", &asked).await;
    assert_eq!((status, &sent["action"]), (200, &json!("resumed")), "{sent}");
    assert_eq!(sent["payload"]["customer"], "8", "the handler says where it belongs: {sent}");
    let done = reaches(&server, run, "complete", "").await;
    assert_eq!(done["cause"], json!({ "kind": "api" }), "it was not started by a test");
    let log = get(&server, &format!("/brains/runs/{run}/events"), "").await;
    let answer = log["events"].as_array().unwrap().iter().find(|one| one["type"] == "brain:webhook_response");
    assert_eq!(answer.unwrap()["test"], true, "the answer says that it was one: {log}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_queued_test_that_a_later_run_takes_is_still_one() {
    let server = serve(|_| {}).await;
    let asked = json!({ "slug": "orders", "identifier": "customer-9" });
    let (status, sent) = post(&server, "/tests", "", &asked).await;
    assert_eq!((status, &sent["action"]), (200, &json!("queued")), "{sent}");
    let state = json!({ "id": "o3", "customer": "9" });
    let (_, started) =
        post(&server, "/brains/runs", "", &json!({ "identifier": "shipping", "initialState": state })).await;
    let run = started["brainRunId"].as_str().unwrap();
    reaches(&server, run, "complete", "").await;
    let log = get(&server, &format!("/brains/runs/{run}/events"), "").await;
    let answer = log["events"].as_array().unwrap().iter().find(|one| one["type"] == "brain:webhook_response");
    assert_eq!(answer.unwrap()["test"], true, "{log}");
    server.shutdown().await.unwrap();
}

/// The newest run of a brain.
async fn newest(server: &Running, brain: &str) -> Value {
    get(server, &format!("/brains/{brain}/history"), "").await["runs"][0].clone()
}

#[tokio::test]
async fn what_a_run_of_a_test_starts_is_of_it_too_and_so_are_its_forks_and_its_successor() {
    let server = serve(|_| {}).await;
    let send = async |id: &str, wish: &str| {
        let payload = json!({ "id": id, "customer": "5", "wish": wish });
        let (status, sent) =
            post(&server, "/tests", "", &json!({ "slug": "orders", "payload": payload })).await;
        assert_eq!(status, 200, "{sent}");
        sent
    };
    let cause = async |run: &str| get(&server, &format!("/brains/runs/{run}"), "").await["cause"].clone();

    let parent = send("p1", "parent").await["brainRunId"].as_str().unwrap().to_owned();
    reaches(&server, &parent, "complete", "").await;
    let child = newest(&server, "shipping").await["brainRunId"].as_str().unwrap().to_owned();
    assert_eq!(cause(&child).await, json!({ "kind": "run", "id": parent, "test": true }));
    let (status, forked) =
        post(&server, &format!("/brains/runs/{parent}/fork"), "", &json!({ "startsAt": 1 })).await;
    assert_eq!(status, 201, "{forked}");
    let fork = forked["brainRunId"].as_str().unwrap();
    assert_eq!(cause(fork).await, json!({ "kind": "fork", "id": parent, "test": true }));
    reaches(&server, fork, "complete", "").await;
    for run in [&child, newest(&server, "shipping").await["brainRunId"].as_str().unwrap()] {
        let _ = support::request(&server, "DELETE", &format!("/brains/runs/{run}"), "", "").await;
    }

    // Queued for a paused run, it starts another one when that ends.
    let owner = send("s1", "start").await["brainRunId"].as_str().unwrap().to_owned();
    reaches(&server, &owner, "waiting", "").await;
    let (status, _) =
        post(&server, &format!("/brains/runs/{owner}/signals"), "", &json!({ "type": "PAUSE" })).await;
    assert_eq!(status, 202);
    reaches(&server, &owner, "paused", "").await;
    assert_eq!(send("s2", "start").await["action"], "queued");
    let ended = support::request(&server, "DELETE", &format!("/brains/runs/{owner}"), "", "").await;
    assert_eq!(support::status(&ended), 204, "{ended}");
    let successor = newest(&server, "shipping").await["brainRunId"].as_str().unwrap().to_owned();
    assert_ne!(successor, owner);
    let cause = cause(&successor).await;
    assert_eq!((&cause["kind"], &cause["test"]), (&json!("event"), &json!(true)), "{cause}");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_webhook_of_the_world_takes_none_unless_its_configuration_says_so() {
    let public = |options: &mut Options| options.public_url = Some("https://px.example".to_owned());
    let allow = |allow: Option<bool>| WebhookOptions { allow_test: allow, ..WebhookOptions::default() };
    let taken = |listed: &Value, slug: &str| {
        let all = listed["webhooks"].as_array().unwrap().iter();
        all.clone().find(|one| one["slug"] == slug).unwrap()["allowTest"].clone()
    };
    let asked = |slug: &str| json!({ "slug": slug, "payload": { "id": "a", "customer": "1" } });

    let server = serve(public).await;
    let (status, refused) = post(&server, "/tests", "", &asked("orders")).await;
    assert_eq!((status, &refused["code"]), (403, &json!("PX0044")), "{refused}");
    let text = refused["error"].as_str().unwrap();
    assert!(text.contains("`allow_test = true` in [webhooks.orders]"), "{text}");
    let listed = get(&server, "/webhooks", "").await;
    assert_eq!((taken(&listed, "orders"), taken(&listed, "open")), (json!(false), json!(true)));
    let (status, sent) = post(&server, "/tests", "", &asked("open")).await;
    assert_eq!(
        (status, &sent["signed"]),
        (200, &json!(false)),
        "without a secret it is this machine's: {sent}"
    );
    server.shutdown().await.unwrap();

    let server = serve(|options| {
        public(options);
        // A list of those who may send says nothing of px itself.
        let policy = px_inbound::Policy {
            allow: vec!["192.0.2.0/24".parse().unwrap()],
            ..px_inbound::Policy::default()
        };
        options.webhooks.insert("orders".into(), WebhookOptions { policy, ..allow(Some(true)) });
        options.webhooks.insert("open".into(), allow(Some(false)));
    })
    .await;
    let (status, sent) = post(&server, "/tests", "", &asked("orders")).await;
    assert_eq!((status, &sent["signed"]), (200, &json!(true)), "{sent}");
    let (status, refused) = post(&server, "/tests", "", &asked("open")).await;
    assert!(
        status == 403 && refused["error"].as_str().unwrap().contains("its configuration says so"),
        "{refused}"
    );
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_sent_is_said_and_what_does_not_fit_is_kept_as_ever() {
    let server = serve(|_| {}).await;
    let (status, refused) =
        post(&server, "/tests", "", &json!({ "slug": "orders", "identifier": "nobody" })).await;
    assert_eq!(status, 422, "no payload has it, since the handler puts a word before: {refused}");
    assert!(
        refused["error"].as_str().unwrap().contains("does not find the identifier 'nobody'"),
        "{refused}"
    );
    let (status, refused) =
        post(&server, "/tests", "", &json!({ "slug": "orders", "payload": { "id": 7 } })).await;
    assert_eq!((status, &refused["code"]), (422, &json!("PX0024")), "{refused}");
    let kept =
        get(&server, &format!("/webhooks/deliveries/{}", refused["deliveryId"].as_str().unwrap()), "").await;
    assert_eq!((&kept["state"], &kept["test"]), (&json!("quarantined"), &json!(true)), "{kept}");
    assert_eq!(post(&server, "/tests", "", &json!({ "slug": "nobody" })).await.0, 404);
    assert_eq!(post(&server, "/tests", "", &json!({})).await.0, 400);
    assert_eq!(post(&server, "/tests", "", &json!({ "slug": "open", "sulg": "x" })).await.0, 400);
    let large = json!({ "slug": "open", "payload": { "id": "x".repeat(20_000_000), "customer": "1" } });
    assert_eq!(post(&server, "/tests", "", &large).await.0, 413);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_webhook_that_believes_nobody_gets_no_test_either() {
    // As a file that is gone leaves it: its value is blank.
    let blank = |name: &str| (name == "ORDERS_SECRET").then(String::new);
    let server = serve(|options| options.env = Box::new(blank)).await;
    let (status, refused) = post(&server, "/tests", "", &json!({ "slug": "orders" })).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("refuses every request"), "{refused}");
    server.shutdown().await.unwrap();
}
