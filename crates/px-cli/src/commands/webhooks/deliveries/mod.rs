//! `px webhooks deliveries …`: the inbox.

mod list;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Look into the inbox: what came in, and what became of it
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, args).await,
            Self::Show(args) => show::run(context, args).await,
        }
    }
}
