//! A receiver of callbacks, on loopback: it keeps what comes, and answers as a
//! test says.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::sync::watch;

use super::PATIENCE;

/// A callback as it came.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The path that it was sent to.
    pub path: String,
    pub headers: HashMap<String, String>,
    pub bytes: Bytes,
    pub at: Instant,
}

impl Callback {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The id of the event, which is the idempotency key.
    pub fn event(&self) -> &str {
        self.header("webhook-id")
    }

    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    pub fn run(&self) -> String {
        self.json()["run"]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether one of the signatures of Standard Webhooks is by this secret,
    /// calculated here, with none of px's own code.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{}.", self.event(), self.header("webhook-timestamp")).as_bytes());
        mac.update(&self.bytes);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|given| given == expected)
    }
}

/// How a callback is answered.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// With this status, at once.
    Now(u16),
    /// With 204, after so long.
    After(Duration),
    /// With 204, once [`Receiver::release`] was called.
    WhenReleased,
}

type Rule = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

struct Shared {
    received: Mutex<Vec<Callback>>,
    rule: Mutex<Rule>,
    released: watch::Sender<bool>,
}

/// A receiver. It is gone when it is dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Receiver {
    /// Answers everything with 204.
    pub fn start() -> Self {
        Self::answering(|_| Answer::Now(204))
    }

    /// Answers as `rule` says of a path.
    pub fn answering(rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            received: Mutex::default(),
            rule: Mutex::new(Arc::new(rule)),
            released: watch::Sender::new(false),
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(receive).with_state(Arc::clone(&shared));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self { shared, address, _runtime: runtime }
    }

    /// The URL of a path here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers as `rule` says from here on.
    pub fn answer(&self, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Arc::new(rule);
    }

    /// Answers what it has kept waiting.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// What came to a path, in the order in which it came.
    pub fn got(&self, path: &str) -> Vec<Callback> {
        let received = self.shared.received.lock().unwrap();
        received.iter().filter(|callback| callback.path == path).cloned().collect()
    }

    /// The different events that came to a path.
    pub fn events(&self, path: &str) -> BTreeSet<String> {
        self.got(path).iter().map(|callback| callback.event().to_owned()).collect()
    }

    pub fn count(&self, path: &str) -> usize {
        self.shared.received.lock().unwrap().iter().filter(|callback| callback.path == path).count()
    }

    /// What came to a path, as soon as it is so much: as long as something
    /// comes now and then it is waited for.
    #[track_caller]
    pub fn waits_for(&self, path: &str, many: usize) -> Vec<Callback> {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let now = self.count(path);
            if now >= many {
                return self.got(path);
            }
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{now} of {many} callbacks came to {path}, then no more");
            std::thread::park_timeout(Duration::from_millis(3));
        }
    }
}

async fn receive(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    bytes: Bytes,
) -> StatusCode {
    let named = |(name, value): (&axum::http::HeaderName, &axum::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    };
    let path = uri.path().to_owned();
    let callback = Callback {
        path: path.clone(),
        headers: headers.iter().map(named).collect(),
        bytes,
        at: Instant::now(),
    };
    shared.received.lock().unwrap().push(callback);
    let rule = Arc::clone(&shared.rule.lock().unwrap());
    match rule(&path) {
        Answer::Now(status) => StatusCode::from_u16(status).unwrap(),
        Answer::After(time) => {
            tokio::time::sleep(time).await;
            StatusCode::NO_CONTENT
        }
        Answer::WhenReleased => {
            let _ = shared.released.subscribe().wait_for(|released| *released).await;
            StatusCode::NO_CONTENT
        }
    }
}
