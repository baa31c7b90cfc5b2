//! `GET /brains/watch`: the runs that have not ended, as server-sent events: at
//! once, and again on every lifecycle change, at most four times a second
//! (docs/rules.md#37). All watchers share one feed (`streams/brains.rs`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use tokio::sync::watch;

use crate::access::Right;
use crate::app::Shared;
use crate::connections::Connection;
use crate::error::ApiError;
use crate::streams::Place;
use crate::streams::brains::{Frame, Published};
use crate::streams::frames::{self, Reader};

pub(super) async fn brains(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    Extension(right): Extension<Right>,
    connection: Option<Extension<Connection>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let address = app.urls.client(remote.ip(), &headers);
    let connection = connection.map(|Extension(connection)| connection);
    let place = app.streams.enter(right, address, connection.clone())?;
    let (shown, published) = app.streams.brains.watch(&app).await?;
    if let Some(connection) = &connection {
        connection.begins_stream();
    }
    let follow = Follow {
        pending: VecDeque::from([shown.bytes.clone()]),
        closing: app.closing.clone(),
        is_told_of_quiet: Reader::of(&headers).knows_fields,
        shown,
        published,
        place,
    };
    Ok(frames::respond(stream::unfold(follow, |mut follow| async move {
        let bytes = follow.next().await?;
        Some((bytes, follow))
    })))
}

struct Follow {
    pending: VecDeque<Bytes>,
    closing: watch::Receiver<bool>,
    is_told_of_quiet: bool,
    /// The last frame that went out.
    shown: Arc<Frame>,
    published: watch::Receiver<Option<Published>>,
    place: Place,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            tokio::select! {
                changed = self.published.changed() => changed.ok()?,
                () = tokio::time::sleep(frames::HEARTBEAT), if self.is_told_of_quiet => {
                    return Some(frames::COMMENT);
                }
                () = self.place.ended() => return None,
                _ = self.closing.wait_for(|closing| *closing) => return None,
            }
            let published = self.published.borrow_and_update().clone();
            if let Some(published) = published.filter(|published| published.is_news_after(&self.shown)) {
                self.pending.push_back(published.frame.bytes.clone());
                self.shown = published.frame;
            }
        }
    }
}
