//! `GET /health/live` and `GET /health/ready`, for whoever starts and stops px:
//! open to everybody, since a probe has no token. Reasons are for callers who may
//! read (docs/rules.md#60).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{ConnectInfo, State};
use http::{HeaderMap, Method, StatusCode, Uri};
use px_api::{Health, HealthReason};
use px_core::hook::Hook;
use px_inbound::verify::local::{self, Caller};
use px_outbound::operate;
use px_store::Inspect;
use px_store::outbox::HookSet;

use super::guard;
use crate::app::{App, Shared};

/// It answers, so it lives.
pub(super) async fn live() -> Json<Health> {
    Json(Health::of("live"))
}

/// Asks what work asks: whether a commit would be written now, and whether this
/// process still takes requests. Recovery comes before the first of them.
pub(super) async fn ready(
    State(app): State<Shared>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> (StatusCode, Json<Health>) {
    let (status, mut health) = of(&app);
    let base = local::base(&uri);
    let caller = Caller { peer: remote.ip(), method: &method, base: base.as_deref(), headers: &headers };
    if health.reasons.is_some() && !guard::may_read(&app, &caller).await {
        (health.reason, health.reasons) = (None, None);
    }
    (status, Json(health))
}

/// The health of the server with every reason, for who may read.
pub(crate) fn of(app: &App) -> (StatusCode, Health) {
    let refused = refused(app);
    let degraded = degraded(app);
    let (status, word) = match (refused.is_empty(), degraded.is_empty()) {
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        (true, false) => (StatusCode::OK, "degraded"),
        (true, true) => (StatusCode::OK, "ready"),
    };
    let mut health = Health::of(word);
    let reasons: Vec<HealthReason> = refused.into_iter().chain(degraded).collect();
    if !reasons.is_empty() {
        if status != StatusCode::OK {
            health.reason = reasons.first().map(|reason| reason.text.clone());
        }
        health.reasons = Some(reasons);
    }
    (status, health)
}

fn reason(code: &str, text: impl Into<String>) -> HealthReason {
    HealthReason { code: code.to_owned(), text: text.into() }
}

/// Returns what keeps work from being taken.
pub(super) fn refused(app: &App) -> Vec<HealthReason> {
    let store = app.store();
    let failed = store.failure().borrow().clone();
    let unwritten = store.unwritten().filter(|_| failed.is_none());
    let is_closing = *app.closing.borrow();
    [
        is_closing.then(|| reason("closing", "px is about to end")),
        failed.map(|why| reason("store-failed", format!("the store takes no writes until a restart: {why}"))),
        unwritten.map(|why| {
            let text = format!("nothing can be committed now: {why}; px tries once a second");
            reason("store-unwritten", text)
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns what needs an operator while work is taken.
pub(super) fn degraded(app: &App) -> Vec<HealthReason> {
    let mut reasons = Vec::new();
    if app.parts.pool.is_at_bound() {
        let text = "as many threads as limits.max_stalled allows are held by code that does not yield; \
                    a restart frees them";
        reasons.push(reason("threads-stalled", text));
    }
    let damaged = app.store().inspect().map_or(0, |inside: &dyn Inspect| inside.stats().damaged_reads);
    if damaged > 0 {
        let text = format!("{damaged} reads met a damaged row of the store; `px audit` names it");
        reasons.push(reason("store-damaged", text));
    }
    reasons.extend(app.secrets.unreadable().map(|name| {
        let text = format!("nobody gets the secret '{name}', which was sealed under another key; `px secrets set {name}` mends it");
        reason("secret-unreadable", text)
    }));
    // That they cannot be listed is the store's trouble, which is said above.
    if let Ok(hooks) = app.store().outbox().hook_set(app.parts.scope) {
        let vault = &app.operator.parts().vault;
        reasons.extend(
            app.unsignable_hooks.of(&hooks, |hook| operate::is_unreadable(vault, hook)).iter().cloned(),
        );
    }
    reasons
}

/// The hooks that cannot sign, remembered until hooks change: finding them opens every
/// sealed value, and a probe that needs no token must not cost that each time.
#[derive(Default)]
pub(crate) struct UnsignableHooks(Mutex<Option<Found>>);

struct Found {
    hooks: Arc<HookSet>,
    reasons: Arc<[HealthReason]>,
}

impl UnsignableHooks {
    /// The hooks among these that cannot sign, as reasons.
    fn of(&self, hooks: &Arc<HookSet>, cannot_sign: impl Fn(&Hook) -> bool) -> Arc<[HealthReason]> {
        // Held while they are found, so that probes at once find them once.
        let mut found = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = found.as_ref().filter(|found| Arc::ptr_eq(&found.hooks, hooks)) {
            return Arc::clone(&found.reasons);
        }
        let live = hooks.hooks().iter().map(|hook| &hook.record).filter(|hook| hook.deleted_at.is_none());
        let reasons: Arc<[_]> = live.filter(|hook| cannot_sign(hook)).map(unsignable_reason).collect();
        *found = Some(Found { hooks: Arc::clone(hooks), reasons: Arc::clone(&reasons) });
        reasons
    }
}

fn unsignable_reason(hook: &Hook) -> HealthReason {
    let text = format!("hook '{}' cannot sign; `px hooks rotate-secret {}` mends it", hook.name, hook.id);
    reason("hook-cannot-sign", text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use http::Request;
    use px_sdk::Registry;
    use px_store::tokens::Permission;
    use px_store_rows::{Embedded, MemoryRows};
    use px_testkit::{Fault, FaultyStore};
    use secrecy::ExposeSecret as _;

    use super::UnsignableHooks;
    use crate::access::Tokens;
    use crate::in_process::InProcess;
    use crate::options::Options;

    async fn ready(server: &InProcess, headers: &[(&str, &str)]) -> (u16, serde_json::Value) {
        let mut request = Request::get("/health/ready");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).unwrap();
        let answer = server.call("127.0.0.1:1".parse().unwrap(), request, 10_000).await;
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    #[tokio::test]
    async fn readiness_asks_what_work_asks_and_reasons_are_for_readers() {
        let memory = Arc::new(Embedded::new(MemoryRows::new()));
        let store = FaultyStore::new(memory);
        let contract: Arc<dyn px_store::Store> = Arc::new(store.clone());
        let options = Options::new(Arc::new(Registry::collect().unwrap()), Arc::clone(&contract));
        let (clock, ids) = (Arc::clone(&options.clock), Arc::clone(&options.ids));
        let tokens = Tokens::open(contract, clock, ids).await.unwrap();
        let (_, admin) = tokens.create("owner", Permission::Admin).await.unwrap();
        let server = InProcess::new(options).await.unwrap();
        let by_reader = format!("Bearer {}", admin.expose_secret());
        let stranger = [("host", "probe.internal"), ("x-forwarded-for", "203.0.113.1")];
        let reader = [("authorization", by_reader.as_str())];
        for who in [&stranger[..], &reader] {
            assert_eq!(ready(&server, who).await, (200, serde_json::json!({"status": "ready"})));
        }
        // The disk is full when the next work comes.
        store.plan(|_, _| Some(Fault::Full));
        assert!(tokens.create("other", Permission::Read).await.is_err());
        assert_eq!(ready(&server, &stranger).await, (503, serde_json::json!({"status": "not ready"})));
        let (status, told) = ready(&server, &reader).await;
        assert_eq!((status, &told["reasons"][0]["code"]), (503, &"store-unwritten".into()));
        assert!(told["reason"].as_str().unwrap().contains("once a second"), "{told}");
        // The first work that is taken makes it ready.
        store.plan(|_, _| None);
        tokens.create("other", Permission::Read).await.unwrap();
        assert_eq!(ready(&server, &stranger).await.0, 200);
    }

    #[tokio::test]
    async fn hooks_that_cannot_sign_are_looked_for_once_until_hooks_change() {
        let store: Arc<dyn px_store::Store> = Arc::new(Embedded::new(MemoryRows::new()));
        let server = InProcess::new(Options::new(Arc::new(Registry::collect().unwrap()), Arc::clone(&store)));
        let server = server.await.unwrap();
        let add = async |name: &str| {
            let body = serde_json::json!({"url": "http://127.0.0.1:9/", "name": name}).to_string();
            let request = Request::post("/hooks").header("content-type", "application/json");
            let request = request.body(Bytes::from(body)).unwrap();
            let answer = server.call("127.0.0.1:1".parse().unwrap(), request, 10_000).await;
            assert_eq!(answer.status(), 201);
        };
        let (hooks, looks) = (UnsignableHooks::default(), std::cell::Cell::new(0));
        let unsignable = || {
            let set = store.outbox().hook_set(px_core::Scope::default()).unwrap();
            let found = hooks.of(&set, |hook| {
                looks.set(looks.get() + 1);
                hook.name == "unsignable"
            });
            (found.len(), looks.get())
        };
        add("well").await;
        assert_eq!((unsignable(), unsignable()), ((0, 1), (0, 1)));
        add("unsignable").await;
        assert_eq!((unsignable(), unsignable()), ((1, 3), (1, 3)));
    }
}
