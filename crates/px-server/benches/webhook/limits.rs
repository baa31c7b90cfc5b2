//! The limits: bare axum routes that do a part of what px does.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, StatusCode};
use sha2::Sha256;
use tokio::sync::{mpsc, oneshot};

use crate::project::SECRET;
use crate::server;

type Append = mpsc::Sender<(Bytes, oneshot::Sender<()>)>;

/// What a limit does with a request.
pub(crate) enum Work {
    /// It answers.
    Echo,
    /// It verifies and parses.
    Verify,
    /// It also appends to a file here, and waits for a sync.
    Append(PathBuf),
}

struct Limit {
    echoes: bool,
    mac: Hmac<Sha256>,
    append: Option<Append>,
}

pub(crate) async fn serve(work: Work) {
    let echoes = matches!(work, Work::Echo);
    let append = match work {
        Work::Append(dir) => {
            let (sender, receiver) = mpsc::channel(4096);
            std::thread::spawn(move || appender(&dir, receiver));
            Some(sender)
        }
        Work::Echo | Work::Verify => None,
    };
    let mac = Hmac::new_from_slice(SECRET.as_bytes()).expect("any length");
    let app = Router::new().route("/webhooks/hub", post(receive)).with_state(Arc::new(Limit {
        echoes,
        mac,
        append,
    }));
    server::listen(app).await;
}

async fn receive(State(limit): State<Arc<Limit>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if limit.echoes {
        return StatusCode::OK;
    }
    let mut signature = [0; 32];
    let given =
        headers.get("x-hub-signature-256").and_then(|value| value.as_bytes().strip_prefix(b"sha256="));
    if given.is_none_or(|given| hex::decode_to_slice(given, &mut signature).is_err()) {
        return StatusCode::UNAUTHORIZED;
    }
    let mut mac = limit.mac.clone();
    mac.update(&body);
    if mac.verify_slice(&signature).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    if serde_json::from_slice::<serde_json::Value>(&body).is_err() {
        return StatusCode::BAD_REQUEST;
    }
    if let Some(append) = &limit.append {
        let (done, synced) = oneshot::channel();
        if append.send((body, done)).await.is_err() || synced.await.is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
    }
    StatusCode::OK
}

/// Writes what waits in one piece, syncs once, answers all.
fn appender(dir: &std::path::Path, mut receiver: mpsc::Receiver<(Bytes, oneshot::Sender<()>)>) {
    let mut file = std::fs::File::create(dir.join("append")).expect("a file");
    while let Some(first) = receiver.blocking_recv() {
        let mut group = vec![first];
        while let Ok(next) = receiver.try_recv() {
            group.push(next);
        }
        let bytes: Vec<u8> = group.iter().flat_map(|(body, _)| body.iter().copied()).collect();
        file.write_all(&bytes).expect("a write");
        file.sync_data().expect("a sync");
        for (_, done) in group {
            let _ = done.send(());
        }
    }
}
