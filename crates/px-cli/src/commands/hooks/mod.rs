//! `px hooks …`: who is told what happens to runs, and what became of it.

mod create;
mod delete;
mod deliveries;
mod delivery;
mod hook_args;
mod list;
mod recover;
mod redeliver;
mod rotate_secret;
mod show;
mod stats;
mod test;
mod update;

use clap::Subcommand;
use px_api::Secret;
use px_client::Client;
use px_core::{CallbackId, HookId};

use crate::context::{Context, env};
use crate::error::{Error, Kind, Result};
use crate::ids;

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

/// Show what is on its way to hooks, newest first: short for `px hooks deliveries`
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px outbox\n  px outbox --state dead --since 1d\n  px outbox billing")]
pub(crate) struct OutboxArgs {
    #[command(flatten)]
    deliveries: deliveries::Args,
}

pub(crate) async fn outbox(context: &Context, args: OutboxArgs) -> Result<()> {
    deliveries::run(context, args.deliveries).await
}

/// The secret of a variable of this command, or of the file that it names.
fn secret_of(variable: &str) -> Result<Secret> {
    if !px_inbound::is_variable(variable) {
        // Not repeated: it may be the secret itself.
        return Err(Error::usage("--secret-env is no name of a variable")
            .hint("it names the variable that holds the secret, such as BILLING_SECRET"));
    }
    match env(variable) {
        Some(secret) if !secret.trim().is_empty() => Ok(secret.into()),
        Some(_) => Err(Error::usage(format!("{variable} is blank here, or the file that it names cannot be read"))),
        None => Err(Error::usage(format!("{variable} is not set where this command runs")).hint(
            "the secrets of the store are shown to nobody, this command included: set the variable for it; a hook of \
             px.toml takes its secret from the store, by secret_env",
        )),
    }
}

/// The id of a hook that was named by its name, its id or the id's last digits.
async fn find(client: &Client, hook: &str) -> Result<HookId> {
    if let Ok(id) = hook.parse::<HookId>() {
        return Ok(id);
    }
    let listed = client.hooks().await?;
    if let Some(known) = listed.hooks.iter().find(|known| known.name == hook) {
        return Ok(known.id);
    }
    let by_tail = ids::hook(client, hook).await?.and_then(|id| id.parse().ok());
    by_tail.ok_or_else(|| {
        Error::not_found(format!("Hook '{hook}' not found")).hint("`px hooks list` shows those there are")
    })
}

/// Says where ids come from to whoever gave one that is none.
fn explained(error: px_client::Error) -> Error {
    let error = Error::from(error);
    match error.kind {
        Kind::NotFound => error.hint("`px hooks list` shows those there are"),
        _ => error,
    }
}

fn of_delivery(error: px_client::Error, id: &str) -> Error {
    let error = Error::from(error);
    let list = "`px hooks deliveries` shows those there are";
    match (error.kind, id.parse::<CallbackId>()) {
        (Kind::NotFound, Err(shape)) => error.hint(format!("{shape}; {list}")),
        (Kind::NotFound, Ok(_)) => error.hint(list),
        _ => error,
    }
}

/// Something that may not be there, as a person reads it.
fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Texts of a list in one line; `all` if there are none.
fn names(list: &[String]) -> String {
    if list.is_empty() { "all".to_owned() } else { list.join(", ") }
}
