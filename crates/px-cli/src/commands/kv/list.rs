//! `px kv list`

use px_api::{ListStore, StoreKey};

use crate::context::Context;
use crate::error::Result;

/// List the brains that have values, or the values of one
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  px kv list\n  px kv list customer-feedback\n  px kv list customer-feedback --json"
)]
pub(crate) struct Args {
    /// The brain's title
    brain: Option<String>,

    /// At most this many
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Cursor at which the page before this one ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let query = ListStore { limit: usize::try_from(args.limit).ok(), cursor: args.cursor };
    let client = context.client()?;
    let (header, rows, next): (&[&str], _, _) = match args.brain {
        None => {
            let page = client.store_brains(&query).await?;
            if context.ui.json {
                return context.ui.json(&page.to_json());
            }
            let page = page.into_value();
            let rows: Vec<_> = page.brains.into_iter().map(|title| vec![title]).collect();
            (&["Brain"], rows, page.next_cursor)
        }
        Some(brain) => {
            let page = client.store_keys(brain, &query).await?;
            if context.ui.json {
                return context.ui.json(&page.to_json());
            }
            let page = page.into_value();
            let row = |one: StoreKey| vec![one.key, one.scope, one.size.to_string(), one.last_modified];
            (
                &["Key", "Scope", "Bytes", "Written"],
                page.keys.into_iter().map(row).collect(),
                page.next_cursor,
            )
        }
    };
    if rows.is_empty() {
        context.ui.note("No values: a step keeps some by `cx.kv`.");
    } else {
        context.ui.table(header, rows, &[0])?;
    }
    if let Some(cursor) = next {
        context.ui.note(format_args!("There are more: --cursor '{cursor}'"));
    }
    Ok(())
}
