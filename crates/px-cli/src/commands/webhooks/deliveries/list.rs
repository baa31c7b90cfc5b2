//! `px webhooks deliveries list`

use px_api::ListDeliveries;
use px_core::Timestamp;
use px_store::InboxState;

use crate::commands::runs::since;
use crate::context::Context;
use crate::error::Result;
use crate::ids;
use crate::show::{status, words};

/// List deliveries, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px webhooks deliveries list\n  \
                        px webhooks deliveries list --slug github --state queued\n  \
                        px webhooks deliveries list --identifier 'octo/repo#7' --since 1h --json")]
pub(crate) struct Args {
    /// Only of this webhook
    #[arg(long, value_name = "SLUG")]
    slug: Option<String>,

    /// Only with an event in this state
    #[arg(long, value_name = "STATE", value_parser = InboxState::ALL.map(InboxState::as_str))]
    state: Option<String>,

    /// Only with an event of this identifier
    #[arg(long, value_name = "IDENTIFIER")]
    identifier: Option<String>,

    /// Only received since then: 90s, 15m, 2h, 3d ago, or epoch milliseconds
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,

    /// Cursor at which the page before this one ended
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,

    /// Show whole ids
    #[arg(long)]
    wide: bool,

    /// Print the ids and nothing else, one a line
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let now = context.now();
    let query = ListDeliveries {
        slug: args.slug,
        state: args.state,
        identifier: args.identifier,
        since: args.since.map(|text| since(&text, now)).transpose()?.map(Timestamp::as_millis),
        limit: usize::try_from(args.limit).ok(),
        cursor: args.cursor,
    };
    let page = context.client()?.deliveries(&query).await?;
    if context.ui.json {
        return context.ui.answer(&page);
    }
    if args.quiet {
        return page.deliveries.iter().try_for_each(|delivery| context.ui.line(delivery.id));
    }
    let id = |id: String| if args.wide { id } else { ids::short(id) };
    let rows = page.deliveries.iter().map(|delivery| {
        let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            id(delivery.id.to_string()),
            delivery.slug.clone(),
            text(delivery.state.as_ref().map(ToString::to_string)),
            text(delivery.identifier.clone()),
            text(delivery.brain_run_id.map(|run| id(run.to_string()))),
            words::age(now.since(delivery.received_at)),
        ]
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        context.ui.note("No deliveries.");
    } else {
        let head = ["Delivery", "Webhook", "State", "Identifier", "Run", "Age"];
        context.ui.styled_table(&head, rows, &[0, 2], status::column(0, 2))?;
    }
    if let Some(cursor) = &page.next_cursor {
        context.ui.note(format_args!("There may be more: --cursor {cursor}"));
    }
    Ok(())
}
