//! `px kv list`

use px_api::{ListStore, StoreBrains, StoreKey, StoreKeys};
use serde_json::{Value, json};

use super::{Way, find};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::store_error;
use crate::way::Place;

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

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let query = ListStore { limit: usize::try_from(args.limit).ok(), cursor: args.cursor };
    let (way, ui) = (find(context, args.place)?, context.ui);
    let (header, rows, next): (&[&str], Vec<Vec<String>>, _) = match args.brain {
        None => {
            let (page, json) = brains(&way, &query).await?;
            close(way)?;
            if ui.json {
                return ui.json_of::<StoreBrains>(&json);
            }
            (&["Brain"], page.brains.into_iter().map(|title| vec![title]).collect(), page.next_cursor)
        }
        Some(brain) => {
            let (page, json) = keys(&way, &brain, &query).await?;
            if page.count == 0 {
                way.known(context, &brain).await?;
            }
            close(way)?;
            if ui.json {
                return ui.json_of::<StoreKeys>(&json);
            }
            let row = |one: StoreKey| vec![one.key, one.scope, one.size.to_string(), one.last_modified];
            let header = &["Key", "Scope", "Bytes", "Written"];
            (header, page.keys.into_iter().map(row).collect(), page.next_cursor)
        }
    };
    if rows.is_empty() {
        ui.note("No values: a step keeps some by `cx.kv`.");
    } else {
        ui.table(header, rows, &[0])?;
    }
    if let Some(cursor) = next {
        ui.note(format_args!("There are more: --cursor '{cursor}'"));
    }
    Ok(())
}

fn close(way: Way) -> Result<()> {
    match way {
        Way::Server(_) => Ok(()),
        Way::Store(opened) => opened.close(),
    }
}

/// The most values that a page has.
fn limit(query: &ListStore) -> usize {
    query.limit.unwrap_or(50)
}

async fn brains(way: &Way, query: &ListStore) -> Result<(StoreBrains, Value)> {
    match way {
        Way::Server(client) => {
            let answer = client.store_brains(query).await?;
            let json = answer.to_json();
            Ok((answer.into_value(), json))
        }
        Way::Store(opened) => {
            let page = opened.values.brains(query.cursor.as_deref(), limit(query)).await;
            let page = page.map_err(|error| store_error(&error))?;
            let json = json!(page);
            Ok((page, json))
        }
    }
}

async fn keys(way: &Way, brain: &str, query: &ListStore) -> Result<(StoreKeys, Value)> {
    match way {
        Way::Server(client) => {
            let answer = client.store_keys(brain, query).await?;
            let json = answer.to_json();
            Ok((answer.into_value(), json))
        }
        Way::Store(opened) => {
            let page = opened.values.keys(brain, query.cursor.as_deref(), limit(query)).await;
            let page = page.map_err(|error| store_error(&error))?.ok_or_else(|| {
                Error::usage("--cursor: it is the one that the page before has told, and this is none")
            })?;
            let json = json!(page);
            Ok((page, json))
        }
    }
}
