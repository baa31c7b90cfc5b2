//! `GET ui/live`: hints that what a page shows may have changed. The page then asks for
//! itself again, so that nothing is shown that is not read as any page is. A stream looks
//! once a second, at a counter of this process and at the `seq` of its run or the newest
//! delivery, and costs those who commit nothing. Hints may be lost, and other processes
//! commit too (docs/rules.md#41): whoever shows more than one run is told to look now and then.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::ConnectInfo;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use px_core::{RunId, Timestamp};
use px_store::DeliveryList;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::keys::Claims;
use super::look::{Look, Page};
use super::sessions;
use crate::api::waits;
use crate::app::Shared;
use crate::connections::Connection;
use crate::streams::Place;
use crate::streams::frames;

/// Interval at which a stream looks whether there is news.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time after which a page that shows more than a run is told to look, whatever was heard.
const LOOK_ANYWAY: Duration = Duration::from_secs(10);

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
    let seen = newest(&look.app, &topic).await?;
    if let Some(connection) = &connection {
        connection.begins_stream();
    }
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let closing = look.app.closing.clone();
    let told = look.app.clock().now();
    let session = look.who.session;
    let is_over = false;
    let follow =
        Follow { app: look.app, topic, seen, number: 0, told, ticks, closing, place, session, is_over };
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
    told: Timestamp,
    ticks: tokio::time::Interval,
    closing: watch::Receiver<bool>,
    place: Place,
    session: Option<Claims>,
    /// True if it was said that the stream ends.
    is_over: bool,
}

impl Follow {
    /// Returns whether the session of whoever looks is over: by its time, or since it was logged out.
    async fn has_ended(&self) -> bool {
        let Some(session) = self.session else { return false };
        session.expires <= self.app.clock().now()
            || sessions::is_ended(&self.app, session).await.unwrap_or(false)
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.is_over {
            return None;
        }
        loop {
            let has_place = tokio::select! {
                _ = self.ticks.tick() => true,
                () = self.place.ended() => false,
                _ = self.closing.wait_for(|closing| *closing) => return None,
            };
            if !has_place || self.has_ended().await {
                // Only a right that was lost ends a stream: the page is to look again, and finds the login.
                self.is_over = true;
                return Some(Bytes::from_static(b"event: over\ndata: {}\n\n"));
            }
            // What cannot be read now is asked for at the next look.
            let now = newest(&self.app, &self.topic).await.unwrap_or(self.seen);
            let is_news = match self.topic {
                Topic::Run(_) => now.newest != self.seen.newest,
                Topic::Inbox | Topic::All => {
                    now != self.seen || self.app.clock().now().since(self.told) >= LOOK_ANYWAY
                }
            };
            self.seen = now;
            if is_news {
                self.number += 1;
                self.told = self.app.clock().now();
                return Some(Bytes::from(format!("id: {}\nevent: changed\ndata: {{}}\n\n", self.number)));
            }
            if self.app.clock().now().since(self.told) >= frames::HEARTBEAT {
                self.told = self.app.clock().now();
                return Some(frames::COMMENT);
            }
        }
    }
}

/// Looks.
async fn newest(app: &Shared, topic: &Topic) -> Result<Seen, px_store::Error> {
    let hints = app.store().hints().count();
    let scope = app.parts.scope;
    let newest = match topic {
        Topic::Run(id) => app.store().run_seq(scope, *id).await?.map_or(0, u128::from),
        Topic::Inbox => {
            // Ids alone: a delivery's row has its body.
            let mut newest = 0;
            for slug in waits::slugs(app, None) {
                let ids = app.store().delivery_ids(scope, DeliveryList::Webhook(&slug), None, 1).await?;
                newest = ids.first().map_or(0, |id| u128::from_be_bytes(id.to_bytes())).max(newest);
            }
            newest
        }
        Topic::All => 0,
    };
    Ok(Seen { hints, newest })
}
