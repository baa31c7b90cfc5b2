//! `px hooks recover`

use serde_json::{Map, Value};

use super::{explained, path};
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

    /// How many a second [default: 50]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let mut fields = Map::new();
    let since: u64 = since(&args.since, context.now())?.parse().unwrap_or_default();
    fields.insert("since".into(), since.into());
    fields.insert("types".into(), args.types.into());
    fields.insert("dryRun".into(), args.dry_run.into());
    if let Some(rate) = args.rate {
        fields.insert("rate".into(), rate.into());
    }
    let client = context.client()?;
    let path = path(&client, &args.hook, "/recover").await?;
    let done = client.post(&path, &Value::Object(fields)).await.map_err(explained)?;
    if context.ui.json {
        return context.ui.json(&done);
    }
    let many = done.get("deliveries").and_then(Value::as_u64).unwrap_or_default();
    let many = if many == 1 { "1 delivery".to_owned() } else { format!("{many} deliveries") };
    context.ui.note(match args.dry_run {
        true => format!("{many} would go out again."),
        false => format!("{many} will go out again."),
    });
    Ok(())
}
