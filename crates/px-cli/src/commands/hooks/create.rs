//! `px hooks create`

use serde_json::Value;

use super::written::Written;
use super::{show, text};
use crate::context::{Context, env};
use crate::error::{Error, Result};

/// Create a hook; its secret is shown once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --secret-env px makes a secret and prints it: nobody gets to see it again.\n\n\
                        Examples:\n  px hooks create https://billing.example/px --event 'run.*'\n  \
                        px hooks create https://ci.example/hook --name ci --signature github --retry forge\n  \
                        px hooks create http://127.0.0.1:9000/ --allow-private --json"
)]
pub(crate) struct Args {
    /// Where requests go
    // Not `url`: that is the server's own, which every command has.
    #[arg(value_name = "URL")]
    to: String,

    /// The variable that holds the secret
    #[arg(long, value_name = "VARIABLE")]
    secret_env: Option<String>,

    #[command(flatten)]
    written: Written,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut fields = args.written.fields()?;
    fields.insert("url".into(), args.to.into());
    if let Some(variable) = args.secret_env {
        let secret = env(&variable).ok_or_else(|| Error::usage(format!("{variable} is not set")))?;
        fields.insert("secret".into(), secret.into());
    }
    let hook = context.client()?.post("/hooks", &Value::Object(fields)).await?;
    if context.ui.json {
        return context.ui.json(&hook);
    }
    show::print(context.ui, &hook, context.now())?;
    context.ui.line(format_args!("{:<10} {}", "Secret", text(&hook, "secret")))?;
    context.ui.note("Keep the secret now: it is not shown again.");
    Ok(())
}
