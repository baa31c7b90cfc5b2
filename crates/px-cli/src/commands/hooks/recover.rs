//! `px hooks recover`

use px_api::RecoverHook;

use super::{explained, find};
use crate::commands::runs::since;
use crate::context::Context;
use crate::error::Result;

/// Send everything again that a hook did not get since a time
#[derive(Debug, clap::Args)]
#[command(after_help = "What is dead or was discarded goes out again, the oldest first.\n\n\
                        Examples:\n  px hooks recover billing --since 2d --dry-run\n  \
                        px hooks recover billing --since 2d --type run.failed --rate 10")]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,

    /// Since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: String,

    /// Only of this type; may be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Number of callbacks to send a second [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let recovery = RecoverHook {
        since: Some(since(&args.since, context.now())?),
        types: args.types,
        dry_run: args.dry_run,
        rate: args.rate,
    };
    let client = context.client()?;
    let hook = find(&client, &args.hook).await?;
    let done = client.recover_hook(hook, &recovery).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&done);
    }
    let many = match done.deliveries {
        1 => "1 delivery".to_owned(),
        many => format!("{many} deliveries"),
    };
    context.ui.note(match args.dry_run {
        true => format!("{many} would go out again."),
        false => format!("{many} will go out again."),
    });
    Ok(())
}
