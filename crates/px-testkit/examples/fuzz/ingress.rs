//! The server's routes under mutated requests: methods, paths, numbers of
//! header lines, addresses behind proxies, and the gate in front of it all.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::{HeaderValue, Method, Request, Uri};
use px_core::{Ids, ManualClock};
use px_inbound::{GateLimits, Policy, RejectionLimits, Setup};
use px_sdk::Received;
use px_sdk::registry::{Registry, Source};
use px_sdk::verify::Key;
use px_server::{InProcess, Options, WebhookOptions};
use px_store_rows::{Embedded, MemoryRows};

use crate::corpus::{NOW, Seed};
use crate::mutate::{Random, text};
use crate::targets::{SLUGS, webhook};

/// Answers are short; whatever is longer is not looked at.
const MAX_REPLY: usize = 1 << 20;

pub(crate) struct Ingress {
    runtime: tokio::runtime::Runtime,
    server: InProcess,
    pub(crate) taken: u64,
}

impl Ingress {
    pub(crate) fn new(seeds: &[Seed]) -> Self {
        let source = |at: usize| Source { file: "fuzz.rs".to_owned(), line: at as u32 };
        let webhooks =
            seeds.iter().enumerate().map(|(at, seed)| (source(at), webhook(SLUGS[at], &seed.verification)));
        let registry = Arc::new(Registry::of([], webhooks).unwrap());
        let mut options = Options::new(registry, Arc::new(Embedded::new(MemoryRows::new())));
        options.webhooks = seeds
            .iter()
            .enumerate()
            .map(|(at, seed)| {
                let setup = Setup { keys: vec![Key::new(seed.secret.clone())], ..Setup::default() };
                // A bounded rate for some, so that the gate's tables are used; high
                // enough that nobody is turned away.
                let most = (at % 3 == 0).then_some(u32::MAX);
                let policy = Policy { per_second_per_address: most, per_second: most, ..Policy::default() };
                (SLUGS[at].to_owned(), WebhookOptions { setup, policy, allow_test: None })
            })
            .collect::<BTreeMap<_, _>>();
        options.clock = Arc::new(ManualClock::at(NOW));
        options.ids = Arc::new(Ids::counted(1));
        options.proxies = vec!["10.0.0.0/8".parse().unwrap()];
        options.env = Box::new(|name| (name == "V").then(|| "verify me".to_owned()));
        options.gate = GateLimits { addresses: 64, ..GateLimits::default() };
        options.rejections = RejectionLimits { per_webhook: 5, per_sender: 2 };
        options.max_body = 16 * 1024;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let server = runtime.block_on(InProcess::new(options)).unwrap();
        Self { runtime, server, taken: 0 }
    }

    /// One request; whether it was taken. 5xx is what must not happen.
    pub(crate) fn case(
        &mut self,
        at: usize,
        received: Received,
        random: &mut Random,
    ) -> Result<bool, String> {
        let mut path = format!("/webhooks/{}", SLUGS[at]);
        if random.one_in(20) {
            path = text(&path, random);
        }
        let target = match &received.query {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let Ok(uri) = target.parse::<Uri>() else { return Ok(false) };
        let mut headers = received.headers;
        if random.one_in(10) {
            let lines = random.below(120);
            (0..lines).for_each(|_| {
                headers.append("x-more", HeaderValue::from_static("1"));
            });
        }
        if random.one_in(4) {
            let list = text("for=203.0.113.7;proto=https, for=\"[2001:db8::1]:4711\", 10.1.1.1", random);
            for name in ["x-forwarded-for", "forwarded"] {
                if random.one_in(2)
                    && let Ok(value) = HeaderValue::from_str(&list)
                {
                    headers.append(name, value);
                }
            }
        }
        let methods = [Method::GET, Method::OPTIONS, Method::HEAD, Method::PUT, Method::DELETE];
        let method = if random.one_in(20) { random.pick(&methods).clone() } else { received.method };
        let mut request = Request::new(received.body);
        (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
        let remote = match random.below(3) {
            0 => SocketAddr::from(([10, 0, 0, 1], 1)),
            1 => SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
            _ => SocketAddr::from((Ipv4Addr::from_bits(0xcb00_7100 + random.below(256) as u32), 1)),
        };
        let answer = self.runtime.block_on(self.server.call(remote, request, MAX_REPLY));
        if answer.status().is_server_error() {
            return Err(format!("status {}: {}", answer.status(), String::from_utf8_lossy(answer.body())));
        }
        self.taken += u64::from(answer.headers().contains_key("px-delivery-id"));
        Ok(answer.status().is_success())
    }
}
