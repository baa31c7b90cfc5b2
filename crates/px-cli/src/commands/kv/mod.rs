//! `px kv …`: values that outlive runs, through the server.

mod delete;
mod get;
mod list;

use clap::Subcommand;
use px_core::KvId;

use crate::context::Context;
use crate::error::Result;

/// Values that outlive runs: what steps keep by `cx.kv`
#[derive(Debug, Subcommand)]
#[command(
    after_help = "A value belongs to a brain, by its title, and is shared by all its runs, unless the step has named a scope. \
                  Steps write values; here they are looked at and removed.\n\n\
                  These commands need a server that runs."
)]
pub(crate) enum Command {
    List(list::Args),
    Get(get::Args),
    Delete(delete::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, args).await,
            Self::Get(args) => get::run(context, args).await,
            Self::Delete(args) => delete::run(context, args).await,
        }
    }
}

/// The name of a value.
#[derive(Debug, clap::Args)]
struct Name {
    /// The brain's title
    brain: String,

    /// The key
    key: String,

    /// The scope, if the value is not shared by all runs of the brain
    #[arg(long, value_name = "SCOPE", default_value = KvId::SHARED)]
    scope: String,
}
