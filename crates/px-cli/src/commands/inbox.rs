//! `px inbox`: what came in, now and as it comes.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use px_api::{DeliverySummary, ListDeliveries};
use px_core::{DeliveryId, Timestamp};
use px_store::InboxState;

use crate::commands::runs::since;
use crate::complete;
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::show::words;
use crate::ui::{ERROR, FAINT, GOOD, HEADING, Ui, paint, reader_gone, shown};

/// Interval at which the server is asked for what is new.
const POLL: Duration = Duration::from_secs(1);

/// Deliveries that one look takes, at most; a busier second is told of as such.
const MAX_NEW: usize = 200;

/// Deliveries that are remembered, so that each is printed once in each of its states.
const MAX_SEEN: usize = 4_096;

/// Time before the newest one seen from which on is looked again: what is routed first need
/// not be what was received first.
const OVERLAP: Duration = Duration::from_secs(5);

/// Show what came in, newest last; --follow goes on as it comes
#[derive(Debug, clap::Args)]
#[command(after_help = "`px webhooks deliveries` has the rest: one delivery, replay, bind.\n\n\
                        Examples:\n  px inbox\n  px inbox --follow\n  px inbox --slug github --state queued\n  \
                        px inbox --follow --json | jq .state")]
pub(crate) struct Args {
    /// Go on with what comes, until it is stopped
    #[arg(long, short)]
    follow: bool,

    /// Only of this webhook
    #[arg(long, value_name = "SLUG", add = complete::slugs())]
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

    /// At most this many of those that came before
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=200))]
    limit: u32,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let now = context.now();
    let query = ListDeliveries {
        slug: args.slug,
        state: args.state,
        identifier: args.identifier,
        since: args.since.map(|text| since(&text, now)).transpose()?.map(Timestamp::as_millis),
        // Those that are not shown are known, so that following begins behind them.
        limit: Some(if args.follow {
            MAX_NEW
        } else {
            usize::try_from(args.limit).unwrap_or(MAX_NEW).max(1)
        }),
        cursor: None,
    };
    let client = context.client()?;
    let mut seen = Seen::default();
    let first = client.deliveries(&query).await?.into_value();
    let shown = usize::try_from(args.limit).unwrap_or(usize::MAX);
    for (at, delivery) in first.deliveries.iter().enumerate().rev() {
        if seen.is_new(delivery) && at < shown {
            print(context.ui, delivery)?;
        }
    }
    if !args.follow {
        if first.deliveries.is_empty() {
            context.ui.note("Nothing came in yet. `px webhooks send <slug>` sends a sample.");
        }
        return Ok(());
    }
    tokio::select! {
        ended = follow(context, &client, query, seen) => ended,
        () = reader_gone() => Err(Error::new(Kind::Unread, "")),
    }
}

async fn follow(
    context: &Context,
    client: &px_client::Client,
    mut query: ListDeliveries,
    mut seen: Seen,
) -> Result<()> {
    let mut is_lost = false;
    query.limit = Some(MAX_NEW);
    loop {
        tokio::time::sleep(POLL).await;
        let from = seen.newest.unwrap_or_else(|| context.now());
        query.since = Some(from.before(OVERLAP).as_millis());
        let page = match client.deliveries(&query).await {
            Ok(page) => page.into_value(),
            Err(error) if matches!(error.kind(), px_client::Kind::Unreachable) => {
                if !std::mem::replace(&mut is_lost, true) {
                    context.ui.note("The server does not answer; trying again.");
                }
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if std::mem::take(&mut is_lost) {
            context.ui.note("The server answers again.");
        }
        if page.next_cursor.is_some() {
            context.ui.note(format_args!("More came in than are shown; these are the newest {MAX_NEW}."));
        }
        for delivery in page.deliveries.iter().rev() {
            if seen.is_new(delivery) {
                print(context.ui, delivery)?;
            }
        }
    }
}

/// The deliveries that were printed, each with its state then.
#[derive(Default)]
struct Seen {
    states: HashMap<DeliveryId, Option<String>>,
    order: VecDeque<DeliveryId>,
    newest: Option<Timestamp>,
}

impl Seen {
    /// Returns whether a delivery was not printed in its state.
    fn is_new(&mut self, delivery: &DeliverySummary) -> bool {
        self.newest = self.newest.max(Some(delivery.received_at));
        let state = delivery.state.as_ref().map(ToString::to_string);
        match self.states.insert(delivery.id, state.clone()) {
            None => self.order.push_back(delivery.id),
            Some(before) => return before != state,
        }
        while self.order.len() > MAX_SEEN {
            if let Some(oldest) = self.order.pop_front() {
                self.states.remove(&oldest);
            }
        }
        true
    }
}

fn print(ui: Ui, delivery: &DeliverySummary) -> Result<()> {
    if ui.json {
        return ui.json_line(&serde_json::to_value(delivery).unwrap_or_default());
    }
    let state = delivery.state.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let style = match &*state {
        "rejected" | "quarantined" => ERROR,
        "resumed" | "started" | "collected" => GOOD,
        _ => HEADING,
    };
    let first = delivery.events.first();
    let detail = [
        delivery.identifier.clone(),
        delivery.brain_run_id.map(ids::short),
        first.and_then(|event| event.reason.clone()),
    ];
    let detail = detail.into_iter().flatten().collect::<Vec<_>>().join("  ");
    let more = match delivery.events.len() {
        0 | 1 => String::new(),
        several => format!("  and {} more events", several - 1),
    };
    ui.line(format_args!(
        "{}  {}  {}  {}  {}{}  {}",
        paint(FAINT, words::second_of_day(delivery.received_at)),
        shown(format_args!("{:<10}", delivery.slug)),
        delivery.status,
        paint(style, format_args!("{state:<11}")),
        shown(detail),
        more,
        paint(FAINT, ids::short(delivery.id)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(n: u8, state: &str) -> DeliverySummary {
        DeliverySummary {
            id: DeliveryId::from_bytes([n; 16]),
            slug: "github".to_owned(),
            received_at: Timestamp::from_millis(u64::from(n)),
            state: Some(state.into()),
            identifier: None,
            brain_run_id: None,
            status: 200,
            size: 1,
            events: Vec::new(),
            test: None,
            tested_by: None,
        }
    }

    #[test]
    fn each_delivery_is_printed_once_in_each_of_its_states() {
        let mut seen = Seen::default();
        assert!(seen.is_new(&delivery(1, "queued")));
        assert!(!seen.is_new(&delivery(1, "queued")));
        assert!(seen.is_new(&delivery(1, "resumed")), "something has become of it");
        assert!(seen.is_new(&delivery(2, "queued")));
        assert_eq!(seen.newest, Some(Timestamp::from_millis(2)));
    }
}
