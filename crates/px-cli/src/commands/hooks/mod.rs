//! `px hooks …`: who is told what happens to runs, and what became of it.

mod create;
mod delete;
mod deliveries;
mod delivery;
mod list;
mod recover;
mod redeliver;
mod rotate_secret;
mod show;
mod stats;
mod test;
mod update;
mod written;

use clap::Subcommand;
use px_core::{HookId, OutgoingId};
use serde_json::Value;

use crate::client::{Client, encode};
use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// Outbound hooks: tell other systems what happens to runs
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Create(create::Args),
    Update(update::Args),
    Delete(delete::Args),
    Test(test::Args),
    RotateSecret(rotate_secret::Args),
    Deliveries(deliveries::Args),
    Delivery(delivery::Args),
    Redeliver(redeliver::Args),
    Recover(recover::Args),
    Stats(stats::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, args).await,
            Self::Show(args) => show::run(context, args).await,
            Self::Create(args) => create::run(context, args).await,
            Self::Update(args) => update::run(context, args).await,
            Self::Delete(args) => delete::run(context, args).await,
            Self::Test(args) => test::run(context, args).await,
            Self::RotateSecret(args) => rotate_secret::run(context, args).await,
            Self::Deliveries(args) => deliveries::run(context, args).await,
            Self::Delivery(args) => delivery::run(context, args).await,
            Self::Redeliver(args) => redeliver::run(context, args).await,
            Self::Recover(args) => recover::run(context, args).await,
            Self::Stats(args) => stats::run(context, args).await,
        }
    }
}

/// The path of a hook that was named by its id or by its name.
async fn path(client: &Client, hook: &str, rest: &str) -> Result<String> {
    let id = match hook.parse::<HookId>() {
        Ok(id) => id.to_string(),
        Err(_) => by_name(client, hook).await?,
    };
    Ok(format!("/hooks/{}{rest}", encode(&id)))
}

async fn by_name(client: &Client, name: &str) -> Result<String> {
    let listed = client.get("/hooks").await?;
    let hooks = listed.get("hooks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let named = |hook: &&Value| hook.get("name").and_then(Value::as_str) == Some(name);
    let id = hooks.iter().find(named).and_then(|hook| hook.get("id")).and_then(Value::as_str);
    id.map(str::to_owned).ok_or_else(|| {
        Error::not_found(format!("Hook '{name}' not found")).hint("`px hooks list` shows those there are")
    })
}

/// Says where ids come from to whoever gave one that is none.
fn explained(error: Error) -> Error {
    match error.kind {
        Kind::NotFound => error.hint("`px hooks list` shows those there are"),
        _ => error,
    }
}

fn of_delivery(error: Error, id: &str) -> Error {
    let list = "`px hooks deliveries` shows those there are";
    match (error.kind, id.parse::<OutgoingId>()) {
        (Kind::NotFound, Err(shape)) => error.hint(format!("{shape}; {list}")),
        (Kind::NotFound, Ok(_)) => error.hint(list),
        _ => error,
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

/// Texts of a list in one line; `all` if there are none.
fn names(value: &Value, name: &str) -> String {
    let list = value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    if list.is_empty() { "all".to_owned() } else { list.join(", ") }
}
