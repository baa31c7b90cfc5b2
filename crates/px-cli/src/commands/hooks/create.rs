//! `px hooks create`

use super::hook_args::HookArgs;
use super::show;
use crate::context::Context;
use crate::error::Result;

/// Create a hook; its secret is shown once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --secret-env px makes a secret and prints it: nobody gets to see it again.\n\n\
                        Examples:\n  px hooks create https://billing.example/px --event 'run.*'\n  \
                        px hooks create https://ci.example/hook --name ci --signature github --retry forge\n  \
                        px hooks create http://127.0.0.1:9000/ --allow-private --json"
)]
pub(crate) struct Args {
    /// URL that requests are sent to
    // Not `url`: that is the server's own, which every command has.
    #[arg(value_name = "URL")]
    to: String,

    /// The variable of this command that holds the secret, or with _FILE behind names its file
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,

    #[command(flatten)]
    written: HookArgs,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut hook = args.written.hook()?;
    hook.url = Some(args.to);
    if let Some(variable) = args.secret_env {
        hook.secret = Some(super::secret_of(&variable)?);
    }
    let created = context.client()?.create_hook(&hook).await?;
    if context.ui.json {
        return context.ui.answer(&created);
    }
    show::print(context.ui, &created, context.now())?;
    let secret = created.secret.as_ref().map_or("-", |secret| secret.expose());
    context.ui.line(format_args!("{:<10} {secret}", "Secret"))?;
    context.ui.note("Keep the secret now: it is not shown again.");
    Ok(())
}
