//! `px hooks update`

use px_api::{CreateHook, UpdateHook};

use super::hook_args::HookArgs;
use super::{explained, find, show};
use crate::context::Context;
use crate::error::{Error, Result};

/// Change, enable or disable a hook; what is not named stays
#[derive(Debug, clap::Args)]
#[command(after_help = "A hook that px disabled keeps what happens meanwhile: --enable sends it, \
                        --enable --discard-kept lets it go.\n\n\
                        Examples:\n  px hooks update billing --event 'run.*' --timeout 5s\n  \
                        px hooks update billing --enable")]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,

    /// URL that requests are sent to
    #[arg(long = "to", value_name = "URL")]
    to: Option<String>,

    /// Enable it
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// Disable it: nothing is kept for it meanwhile
    #[arg(long)]
    disable: bool,

    /// Do not send what was kept while px had disabled it
    #[arg(long, requires = "enable")]
    discard_kept: bool,

    #[command(flatten)]
    written: HookArgs,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let nothing = args.to.is_none() && !args.enable && !args.disable && args.written.is_empty();
    if nothing {
        return Err(Error::usage("nothing to change").hint("name what is to be different; see --help"));
    }
    let change = UpdateHook {
        enabled: (args.enable || args.disable).then_some(args.enable),
        send_kept: args.discard_kept.then_some(false),
        hook: CreateHook { url: args.to, ..args.written.hook()? },
    };
    let client = context.client()?;
    let id = find(&client, &args.hook).await?;
    let hook = client.update_hook(id, &change).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&hook);
    }
    show::print(context.ui, &hook, context.now())
}
