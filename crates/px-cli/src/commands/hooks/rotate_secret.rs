//! `px hooks rotate-secret`

use px_api::RotateSecret;

use super::{explained, find};
use crate::context::Context;
use crate::error::Result;

/// Give a hook a new secret; the old one signs on for a while
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px hooks rotate-secret billing\n  \
                        px hooks rotate-secret billing --grace 7d\n  \
                        px hooks rotate-secret billing --secret-env BILLING_SECRET --grace 0s")]
pub(crate) struct Args {
    /// The hook's id or name
    hook: String,

    /// Time that the old secret signs beside the new one: 24h by default, 7d at most
    #[arg(long, value_name = "TIME")]
    grace: Option<String>,

    /// The variable of this command that holds the new secret, or with _FILE behind names its file; px makes
    /// one otherwise
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut rotation = RotateSecret { grace: args.grace.map(Into::into), secret: None };
    if let Some(variable) = args.secret_env {
        rotation.secret = Some(super::secret_of(&variable)?);
    }
    let client = context.client()?;
    let hook = find(&client, &args.hook).await?;
    let rotated = client.rotate_secret(hook, &rotation).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.answer(&rotated);
    }
    context.ui.line(rotated.secret.as_ref().map_or("-", |secret| secret.expose()))?;
    context.ui.note("Keep the secret now: it is not shown again.");
    Ok(())
}
