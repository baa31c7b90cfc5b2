//! `px brains …`: what the binary links; needs no server.

mod list;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// List and show the brains of this project
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, &args),
            Self::Show(args) => show::run(context, &args),
        }
    }
}

pub(crate) use show::{input_schema, needs};
