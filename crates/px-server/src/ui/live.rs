//! `GET ui/live`: hints that what a page shows may have changed. The page then asks for
//! itself again, so that nothing is shown that is not read as any page is. A stream looks
//! at a counter of this process twice a second, and costs those who commit nothing.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use px_api::DeliveryId;
use px_core::RunId;
use px_store::DeliveryFilter;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::look::{Look, Page};
use crate::app::Shared;
use crate::connections::Connection;
use crate::streams::Place;
use crate::streams::frames;

/// Interval at which a stream looks whether there is news.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What a page shows, as far as it decides what is news to it.
enum Topic {
    /// One run.
    Run(RunId),
    /// Deliveries, of which some move no run.
    Inbox,
    /// Everything else: whatever a commit told.
    All,
}

impl Topic {
    fn of(text: &str) -> Self {
        match text.split_once(':') {
            Some(("run", id)) => id.parse().map_or(Self::All, Self::Run),
            _ if text == "inbox" || text == "overview" => Self::Inbox,
            _ => Self::All,
        }
    }
}

/// What was so at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    hints: u64,
    /// The log's length of a run, or the newest delivery.
    newest: u128,
}

pub(super) async fn live(
    look: Look,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    connection: Option<Extension<Connection>>,
) -> Page {
    let address = look.app.urls.client(remote.ip(), &look.headers);
    let connection = connection.map(|Extension(connection)| connection);
    let place = look.app.streams.enter(look.who.right, address, connection.clone())?;
    let topic = Topic::of(&look.field("topic").unwrap_or_default());
    let seen = newest(&look.app, &topic, None).await?;
    if let Some(connection) = &connection {
        connection.begins_stream();
    }
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let closing = look.app.closing.clone();
    let told = Instant::now();
    let follow = Follow { app: look.app, topic, seen, number: 0, told, ticks, closing, place };
    Ok(respond(follow))
}

fn respond(follow: Follow) -> Response {
    frames::respond(stream::unfold((follow, true), |(mut follow, is_first)| async move {
        // The head alone does not open the stream for a browser.
        let bytes = if is_first { frames::COMMENT } else { follow.next().await? };
        Some((bytes, (follow, false)))
    }))
}

struct Follow {
    app: Shared,
    topic: Topic,
    seen: Seen,
    number: u64,
    /// Time at which something went out last.
    told: Instant,
    ticks: tokio::time::Interval,
    closing: watch::Receiver<bool>,
    place: Place,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                _ = self.ticks.tick() => {}
                () = self.place.ended() => return None,
                _ = self.closing.wait_for(|closing| *closing) => return None,
            }
            // What cannot be read now is asked for at the next look.
            let now = newest(&self.app, &self.topic, Some(self.seen)).await.unwrap_or(self.seen);
            let is_news = match self.topic {
                Topic::Run(_) => now.newest != self.seen.newest,
                Topic::Inbox | Topic::All => now != self.seen,
            };
            self.seen = now;
            if is_news {
                self.number += 1;
                self.told = Instant::now();
                return Some(Bytes::from(format!("id: {}\nevent: changed\ndata: {{}}\n\n", self.number)));
            }
            if self.told.elapsed() >= frames::HEARTBEAT {
                self.told = Instant::now();
                return Some(frames::COMMENT);
            }
        }
    }
}

/// Looks. A run whose process heard of no commit is not read again.
async fn newest(app: &Shared, topic: &Topic, before: Option<Seen>) -> Result<Seen, px_store::Error> {
    let hints = app.store().hints().count();
    let scope = app.parts.scope;
    let newest = match topic {
        Topic::Run(_) if before.is_some_and(|before| before.hints == hints) => {
            before.map_or(0, |before| before.newest)
        }
        Topic::Run(id) => {
            let run = app.store().run(scope, *id).await?;
            run.map_or(0, |record| u128::from(record.run.seq))
        }
        Topic::Inbox => {
            let page = app.store().deliveries(scope, &DeliveryFilter::default(), None, 1).await?;
            let newest: Option<DeliveryId> = page.items.first().map(|delivery| delivery.id);
            newest.map_or(0, |id| u128::from_be_bytes(id.to_bytes()))
        }
        Topic::All => 0,
    };
    Ok(Seen { hints, newest })
}
