//! `px webhooks deliveries …`: the inbox.

mod bind;
mod file;
mod list;
mod replay;
mod show;

use clap::Subcommand;
use px_core::DeliveryId;

use crate::context::Context;
use crate::error::{Error, Kind, Result};

/// Look into the inbox: what came in, and what became of it
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    File(file::Args),
    Replay(replay::Args),
    Bind(bind::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, args).await,
            Self::Show(args) => show::run(context, args).await,
            Self::File(args) => file::run(context, args).await,
            Self::Replay(args) => replay::run(context, args).await,
            Self::Bind(args) => bind::run(context, args).await,
        }
    }
}

/// Says where ids come from to whoever gave one that is none.
fn explained(error: px_client::Error, id: &str) -> Error {
    let error = Error::from(error);
    let list = "`px webhooks deliveries list` shows those there are";
    match (error.kind, id.parse::<DeliveryId>()) {
        (Kind::NotFound, Err(shape)) => error.hint(format!("{shape}; {list}")),
        (Kind::NotFound, Ok(_)) => error.hint(list),
        _ => error,
    }
}
