//! `px config`: what counts, and where it comes from.

mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Show the effective configuration
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Show(show::Args),
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Show(args) => show::run(context, &args),
        }
    }
}
