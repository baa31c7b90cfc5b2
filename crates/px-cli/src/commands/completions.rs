//! `px completions <shell>`

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::context::Context;
use crate::entry::Cli;
use crate::error::Result;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  px completions bash > ~/.local/share/bash-completion/completions/px\n  \
                        px completions zsh > ~/.zfunc/_px"
)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "px", &mut script);
    context.ui.raw(&script)
}
