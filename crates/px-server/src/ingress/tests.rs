//! How long a form may take to come, in virtual time.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::Frame;
use px_inbound::{Gate, GateLimits};
use px_sdk::Files;
use tokio::sync::mpsc;

use super::*;
use crate::spill::Spills;

/// A body of what somebody sends.
struct Fed(mpsc::Receiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

async fn read(fed: mpsc::Receiver<Bytes>) -> Result<usize, StatusCode> {
    let gate = Gate::new(GateLimits::default(), HashMap::new());
    let mut permit = gate.enter("a", IpAddr::V4(Ipv4Addr::LOCALHOST), Timestamp::from_millis(1)).unwrap();
    let limit = BodyLimit::of_files(Files::default());
    let spilled = Spills::default().body(Handle::current());
    let read = read_form(Fed(fed), &limit, spilled, &mut permit, Duration::from_secs(1)).await;
    read.map(|body| body.len()).map_err(|response| response.status())
}

#[tokio::test(start_paused = true)]
async fn a_form_has_the_time_that_a_slow_line_needs_and_none_to_stand_still() {
    // A second's worth of the slowest line, in a little less.
    let piece = Bytes::from(vec![b'x'; 128 * 1024]);
    let (feed, fed) = mpsc::channel(1);
    let reading = tokio::spawn(read(fed));
    for _ in 0..30 {
        feed.send(piece.clone()).await.unwrap();
        tokio::time::advance(Duration::from_millis(900)).await;
    }
    drop(feed);
    assert_eq!(reading.await.unwrap(), Ok(30 * piece.len()), "27 seconds, of 1 that others have");
    let (feed, fed) = mpsc::channel(1);
    feed.send(piece).await.unwrap();
    assert_eq!(read(fed).await, Err(StatusCode::REQUEST_TIMEOUT));
    drop(feed);
}
