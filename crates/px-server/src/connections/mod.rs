//! The connections: how many there are at once, how long one may be idle or
//! take over the head of a request, and their end (docs/rules.md#42). Each is served
//! by hyper; what a request means is the router's.
//!
//! A connection that only waits is never a reason to turn somebody away: when
//! all places are taken, the one that has been without a request for longest
//! loses its place to the newcomer. Places that requests hold are bounded by
//! the gate, which has fewer of them.
//!
//! Tested over real sockets in `tests/connections.rs`.

mod head;
mod io;
mod table;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_service::Service;

use io::{Asked, Counted, Reply};
use table::{Place, Table};

/// Interval at which deadlines of connections are looked at; they are this exact.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Time that accepting rests when the process has no file descriptor left.
const OUT_OF_FILES: Duration = Duration::from_millis(20);

/// The head lines that hyper reads without allocating; beyond, it is told.
const USUAL_HEADERS: usize = 100;

/// Time for which a closed connection is still read, so that its peer, which is
/// writing, gets to read the answer.
const LINGER: Duration = Duration::from_secs(10);

/// Bytes of an unread body that hyper may find in its buffer, so that the
/// connection stays of use. With more the connection's end is announced.
const SMALL_REST: u64 = 16 * 1024;

/// Time after which a connection without traffic is probed. A stream may have
/// nothing to say for weeks, and its peer never says anything: without probes one
/// whose machine is gone would hold its place for ever.
const PROBE_AFTER: Duration = Duration::from_secs(60);

/// Time between two probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Probes without an answer after which the connection is dead.
const PROBES: u32 = 4;

/// The smallest buffer that hyper takes, bytes.
const SMALLEST_BUFFER: usize = 8 * 1024;

/// The bounds of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Connections at once. At the bound the one that waits for longest is closed.
    pub connections: usize,
    /// Time that a connection may wait for a request.
    pub idle: Duration,
    /// Time that the head of a request may take, from its first byte.
    pub head: Duration,
    /// The largest head of a request, bytes; at least 8 KiB. Also what one
    /// connection buffers.
    pub head_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            idle: Duration::from_secs(60),
            head: Duration::from_secs(10),
            head_bytes: 64 * 1024,
        }
    }
}

/// Serves `router` on `listener` until `closing` says so and the requests that
/// are under way are answered. Dropped, it drops its connections.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    max_headers: usize,
    mut closing: watch::Receiver<bool>,
) {
    let router = router.with_state::<()>(());
    let table = Arc::new(Table::new(limits));
    let mut http = hyper::server::conn::http1::Builder::new();
    let head_bytes = limits.head_bytes.max(SMALLEST_BUFFER);
    // A buffer that is full is no bound of a head: a read may end far behind it.
    http.header_read_timeout(None).max_buf_size(head_bytes).max_header_size(head_bytes);
    // Who has said all that it wanted may close its side, and gets its answer.
    http.half_close(true);
    if max_headers >= USUAL_HEADERS {
        // One more than are taken: who sends that many is told so by the route.
        http.max_headers(max_headers.saturating_add(1));
    }
    let server = Server { router, http, table: Arc::clone(&table), closing: closing.clone() };
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) => server.seat(stream, remote, &mut tasks),
                Err(error) => not_accepted(&error, &table).await,
            },
            _ = look.tick() => table.look(),
            Some(_) = tasks.join_next() => {}
            () = ended(&mut closing) => break,
        }
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// A connection that ended before it was accepted is nobody's trouble. Without
/// file descriptors, one that waits has to go.
async fn not_accepted(error: &std::io::Error, table: &Table) {
    use std::io::ErrorKind as K;
    if matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused) {
        return;
    }
    tracing::warn!(%error, "a connection could not be accepted");
    table.make_room();
    tokio::time::sleep(OUT_OF_FILES).await;
}

/// Sends small answers at once, and finds out if the peer's machine is gone.
fn tune(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let probes =
        TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(PROBE_INTERVAL).with_retries(PROBES);
    SockRef::from(stream).set_tcp_keepalive(&probes)
}

async fn ended(closing: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could ask for the end.
    let _ = closing.wait_for(|closing| *closing).await;
}

struct Server {
    router: Router,
    http: hyper::server::conn::http1::Builder,
    table: Arc<Table>,
    closing: watch::Receiver<bool>,
}

impl Server {
    /// Gives a connection a place and a task. Without one it is closed.
    fn seat(&self, stream: TcpStream, remote: SocketAddr, tasks: &mut JoinSet<()>) {
        let Some(place) = self.table.take() else {
            tracing::debug!(%remote, "every place is held by a request: a connection is closed");
            return;
        };
        if let Err(error) = tune(&stream) {
            tracing::debug!(%error, "a connection stays as the system made it");
        }
        let place = Arc::new(place);
        let answering = Answering { router: self.router.clone(), remote, place: Arc::clone(&place) };
        let service = hyper::service::service_fn(move |request| answering.answer(request));
        let io = TokioIo::new(Counted::new(stream, Arc::clone(&place)));
        let mut connection = self.http.serve_connection(io, service);
        let mut closing = self.closing.clone();
        tasks.spawn(async move {
            let mut ends = false;
            let served = loop {
                tokio::select! {
                    served = &mut connection => break served,
                    () = place.closed() => return,
                    () = ended(&mut closing), if !ends => {
                        ends = true;
                        std::pin::Pin::new(&mut connection).graceful_shutdown();
                    }
                }
            };
            if let Err(error) = &served {
                tracing::trace!(%remote, %error, "a connection failed");
            }
            // A head that cannot be read is answered by hyper, before all of it was read.
            if place.unread().is_some() || served.is_err_and(|error| error.is_parse()) {
                place.lingers();
                let drained = connection.into_parts().io.into_inner().drain();
                tokio::select! {
                    _ = tokio::time::timeout(LINGER, drained) => {}
                    () = place.closed() => {}
                    () = ended(&mut closing) => {}
                }
            }
        });
    }
}

/// The answers on one connection.
struct Answering {
    router: Router,
    remote: SocketAddr,
    place: Arc<Place>,
}

impl Answering {
    fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Reply>, Infallible>> + use<> {
        self.place.has_request();
        let refused = head::refusal(&request);
        let mut request = request.map(|body| Body::new(Asked::new(body, Arc::clone(&self.place))));
        request.extensions_mut().insert(ConnectInfo(self.remote));
        request.extensions_mut().insert(Connection(Arc::clone(&self.place)));
        let place = Arc::clone(&self.place);
        let answered = match refused {
            Some(refused) => Err((refused, request)),
            None => Ok(self.router.clone().call(request)),
        };
        async move {
            let (mut response, is_refused) = match answered {
                Ok(answered) => (answered.await.unwrap_or_else(|never| match never {}), false),
                Err((refused, _)) => (refused.into_response(), true),
            };
            let is_large = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
            if is_refused || place.unread().is_some_and(|bytes| is_large || bytes > SMALL_REST) {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Reply::new(body, place)))
        }
    }
}

/// The connection that a request came by: an extension of each request.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Place>);

impl Connection {
    /// Says that the answer to the request has no end of its own.
    pub(crate) fn begins_stream(&self) {
        self.0.begins_stream();
    }

    /// Closes it, also if its peer reads nothing.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn a_connection_is_probed_so_that_a_machine_that_is_gone_is_noticed() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let table = Arc::new(Table::new(ConnectionLimits::default()));
        let (_closing, closing) = watch::channel(false);
        let http = hyper::server::conn::http1::Builder::new();
        let server = Server { router: Router::new(), http, table, closing };
        let (stream, remote) = listener.accept().await.unwrap();
        // A second handle of the same socket, since the server takes the first.
        let socket = socket2::Socket::from(stream.into_std().unwrap());
        let kept = socket.try_clone().unwrap();
        let mut tasks = JoinSet::new();
        server.seat(TcpStream::from_std(socket.into()).unwrap(), remote, &mut tasks);
        assert!(kept.keepalive().unwrap() && kept.tcp_nodelay().unwrap());
        assert_eq!(kept.tcp_keepalive_time().unwrap(), PROBE_AFTER);
        assert_eq!(kept.tcp_keepalive_interval().unwrap(), PROBE_INTERVAL);
        assert_eq!(kept.tcp_keepalive_retries().unwrap(), PROBES);
    }
}
