//! The project that is measured: one brain that waits once, one webhook.

use px_sdk::{Brain, Cx, Inbound, Next, Result, Waiting, brain, verify, wait_for};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The variable that holds the secret, and the secret.
pub(crate) const SECRET_VARIABLE: &str = "PX_BENCH_SECRET";
pub(crate) const SECRET: &str = "It's a Secret to Everybody";

#[derive(Serialize, Deserialize, JsonSchema)]
struct Wanted {
    key: String,
}

#[derive(Serialize, Deserialize)]
struct Done {
    key: String,
    action: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Event {
    action: String,
    number: u64,
    repository: Repository,
    pull_request: PullRequest,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Repository {
    full_name: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct PullRequest {
    title: String,
    body: String,
}

/// What the waiting run is given.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Change {
    action: String,
    title: String,
}

mod hub {
    use super::*;

    px_sdk::webhook! {
        slug = "hub",
        payload = Event,
        response = Change,
        verify = verify::github(SECRET_VARIABLE),
        handler = receive,
    }

    async fn receive(event: Event) -> Result<Inbound<Change>> {
        let key = format!("{}#{}", event.repository.full_name, event.number);
        Ok(Inbound::resume(key, Change { action: event.action, title: event.pull_request.title }))
    }
}

fn bench() -> Brain<Wanted> {
    brain("bench").step("wait", wait).step("end", end).build()
}
px_sdk::brain!(bench);

async fn wait(_cx: Cx, wanted: Wanted) -> Result<Waiting<Wanted, Change>> {
    let on = hub::on(&wanted.key);
    Ok(wait_for(wanted, on))
}

async fn end(_cx: Cx, wanted: Wanted, change: Change) -> Result<Next<Done>> {
    Ok(Next(Done { key: wanted.key, action: change.action }))
}

/// The identifier of run `n`.
pub(crate) fn key(n: u64) -> String {
    format!("octo/repo#{n}")
}

/// A body of 1.5 KiB for run `n`.
pub(crate) fn body(n: u64) -> Vec<u8> {
    let filler = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr. ".repeat(24);
    serde_json::to_vec(&serde_json::json!({
        "action": "synchronize",
        "number": n,
        "repository": { "full_name": "octo/repo" },
        "pull_request": { "title": "Update the README with new information", "body": filler },
    }))
    .expect("JSON")
}
