//! `px completions <shell>`

use clap_complete::Shell;
use clap_complete::env::Shells;

use crate::complete::VARIABLE;
use crate::context::Context;
use crate::error::{Error, Result};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The script asks px itself: it completes runs, brains, webhooks, steps, deliveries and hooks of the \
                        server, too, if that answers within 200 ms.\n\n\
                        Examples:\n  px completions bash > ~/.local/share/bash-completion/completions/px\n  \
                        px completions zsh > ~/.zfunc/_px"
)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let shells = Shells::builtins();
    let name = args.shell.to_string();
    let shell = shells.completer(&name).ok_or_else(|| Error::usage(format!("{name} cannot be completed")))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "px", "px", "px", &mut script)
        .map_err(|error| Error::failed(format!("cannot write the script: {error}")))?;
    context.ui.raw(&script)
}
