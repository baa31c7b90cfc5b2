//! The receiver: an axum route on loopback that notes when what came, and
//! answers as its path says: `/ok/…`, `/fail/…`, or `/after/<ms>/…`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use http::{StatusCode, Uri};
use serde::Deserialize;

/// One callback.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    pub(crate) path: Arc<str>,
    pub(crate) event: String,
    /// When it came.
    pub(crate) at: Instant,
    /// Since the time in the body, which is when the commit was drafted; it is
    /// in whole milliseconds, so this is too long by up to one.
    pub(crate) since_commit: Duration,
    /// Since the request that started the run was begun, of `run.started`.
    pub(crate) since_post: Option<Duration>,
}

#[derive(Deserialize)]
struct Body {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    timestamp: String,
    run: Option<Run>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    request_id: Option<String>,
}

#[derive(Default)]
struct Shared {
    receipts: Mutex<Vec<Receipt>>,
}

pub(crate) struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// What this program counts time from.
pub(crate) static BEGIN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

impl Receiver {
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        tokio::spawn(async move {
            use axum::serve::ListenerExt;
            axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), app).await
        });
        Self { shared, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What came to a path, and forgets it.
    pub(crate) fn take(&self, path: &str) -> Vec<Receipt> {
        let mut receipts = self.shared.receipts.lock().expect("no panic");
        let (taken, left) = std::mem::take(&mut *receipts).into_iter().partition(|one| *one.path == *path);
        *receipts = left;
        taken
    }

    /// How many came to a path, copies among them.
    pub(crate) fn count(&self, path: &str) -> u64 {
        let receipts = self.shared.receipts.lock().expect("no panic");
        receipts.iter().filter(|one| *one.path == *path).count() as u64
    }
}

async fn receive(State(shared): State<Arc<Shared>>, uri: Uri, bytes: Bytes) -> StatusCode {
    let (at, epoch) = (Instant::now(), UNIX_EPOCH.elapsed().expect("a clock"));
    let Ok(body) = serde_json::from_slice::<Body>(&bytes) else { return StatusCode::BAD_REQUEST };
    let posted = body.run.as_ref().and_then(|run| run.request_id.as_ref()?.parse().ok());
    let posted = posted.filter(|_| body.kind == "run.started").map(Duration::from_micros);
    let receipt = Receipt {
        path: uri.path().into(),
        event: body.id,
        at,
        since_commit: since(&body.timestamp, epoch),
        since_post: posted.map(|posted| at.duration_since(*BEGIN).saturating_sub(posted)),
    };
    let mut words = uri.path().split('/').skip(1);
    let kind = words.next();
    shared.receipts.lock().expect("no panic").push(receipt);
    match (kind, words.next().and_then(|millis| millis.parse().ok())) {
        (Some("fail"), _) => StatusCode::INTERNAL_SERVER_ERROR,
        (Some("after"), Some(millis)) => {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            StatusCode::NO_CONTENT
        }
        _ => StatusCode::NO_CONTENT,
    }
}

/// Since a time of today, `…T10:30:00.123Z`.
fn since(text: &str, epoch: Duration) -> Duration {
    let number =
        |from: usize, to: usize| -> u64 { text.get(from..to).and_then(|n| n.parse().ok()).unwrap_or(0) };
    let millis = ((number(11, 13) * 60 + number(14, 16)) * 60 + number(17, 19)) * 1_000 + number(20, 23);
    const DAY: u64 = 86_400_000_000;
    let now = epoch.as_micros() as u64 % DAY;
    Duration::from_micros((now + DAY - millis * 1_000) % DAY)
}
