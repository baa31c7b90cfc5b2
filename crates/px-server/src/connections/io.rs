//! Observation of a connection: the bytes that come, the body that is not read,
//! the end of a reply, and, while a stream goes out, a peer that is gone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::table::Place;

/// A stream that notes when bytes come.
pub(super) struct Counted {
    stream: TcpStream,
    place: Arc<Place>,
}

impl Counted {
    pub(super) fn new(stream: TcpStream, place: Arc<Place>) -> Self {
        Self { stream, place }
    }

    /// Reads what still comes, and forgets it, until the peer closes. A socket
    /// that is closed with bytes unread is reset, and takes the answer with it.
    pub(super) async fn drain(mut self) {
        let mut bytes = [0; 4 * 1024];
        while matches!(self.stream.read(&mut bytes).await, Ok(count) if count > 0) {}
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.place.has_bytes();
        }
        read
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.place.has_stream() {
            // hyper does not read while it answers, since who closes one side may
            // still want the answer. Whoever follows a stream and closes is gone,
            // and the stream may have nothing to write for weeks. Bytes would hide
            // the close behind them, and no client of a stream has any to send.
            let mut byte = [0; 1];
            if let Poll::Ready(peeked) = self.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
                let gone = peeked.err().unwrap_or_else(|| io::ErrorKind::ConnectionAborted.into());
                return Poll::Ready(Err(gone));
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A body that notes if it is dropped before its end.
pub(super) struct Asked {
    body: Incoming,
    is_read: bool,
    place: Arc<Place>,
}

impl Asked {
    pub(super) fn new(body: Incoming, place: Arc<Place>) -> Self {
        Self { is_read: body.is_end_stream(), body, place }
    }
}

impl HttpBody for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.is_read |= matches!(frame, Poll::Ready(None)) || self.body.is_end_stream();
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.is_read {
            self.place.has_unread(self.body.size_hint().exact());
        }
    }
}

/// A reply that notes its end: hyper drops it when it has taken all of it.
pub(super) struct Reply {
    body: Body,
    place: Arc<Place>,
}

impl Reply {
    pub(super) fn new(body: Body, place: Arc<Place>) -> Self {
        Self { body, place }
    }
}

impl HttpBody for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.place.has_answered();
    }
}
