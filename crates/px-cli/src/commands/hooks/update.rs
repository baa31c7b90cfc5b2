//! `px hooks update`

use serde_json::Value;

use super::written::Written;
use super::{explained, path, show};
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

    /// Where requests go
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
    written: Written,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut fields = args.written.fields()?;
    if let Some(url) = args.to {
        fields.insert("url".into(), url.into());
    }
    if args.enable || args.disable {
        fields.insert("enabled".into(), args.enable.into());
    }
    if args.discard_kept {
        fields.insert("sendKept".into(), false.into());
    }
    if fields.is_empty() {
        return Err(Error::usage("nothing to change").hint("name what is to be different; see --help"));
    }
    let client = context.client()?;
    let path = path(&client, &args.hook, "").await?;
    let hook = client.patch(&path, &Value::Object(fields)).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.json(&hook);
    }
    show::print(context.ui, &hook, context.now())
}
