//! The targets: what is done with one mutated input, and what must not happen.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use px_core::{Ids, ManualClock, Scope};
use px_inbound::verify::sign::{OutboundRequest, sign};
use px_inbound::verify::{Element, Prepared, UrlView, parse_json};
use px_inbound::{Endpoint, InboundContext, Schema, Stage};
use px_pool::Pool;
use px_sdk::verify::{BodyForm, Keyring, Verification};
use px_sdk::{Inbound, Received, Registry, Result, WebhookBuilder, WebhookDef};
use px_store_rows::{Embedded, MemoryRows};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use crate::corpus::{ASYMMETRIC, NOW, Seed, seeds};
use crate::ingress::Ingress;
use crate::mutate::{Random, mutate, text};

/// After so many deliveries the route goes on with an empty store.
const FRESH_AFTER: u64 = 20_000;

pub(crate) struct Target {
    what: What,
    seeds: Vec<Seed>,
    plant: bool,
    accepted: u64,
    refused: u64,
}

enum What {
    Headers,
    Records,
    Form(Vec<Prepared>),
    Json(Schema),
    Route(Box<Route>),
    Ingress(Box<Ingress>),
}

struct Route {
    runtime: tokio::runtime::Runtime,
    stage: Stage,
    taken: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Anything {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<serde_json::Value>,
}

async fn receive(received: &Received, payload: Anything) -> Result<Inbound<Anything>> {
    Ok(match (&payload.id, received.query.as_deref()) {
        (Some(id), _) => Inbound::resume(id.clone(), payload),
        (None, Some(query)) => Inbound::resume(query.to_owned(), payload),
        (None, None) => Inbound::ignore("no id"),
    })
}

impl Target {
    pub(crate) const NAMES: [&'static str; 6] = ["headers", "records", "form", "json", "route", "ingress"];

    pub(crate) fn new(name: &str, plant: bool) -> Self {
        let seeds = seeds();
        let what = match name {
            "headers" => What::Headers,
            "records" => What::Records,
            "form" => What::Form(forms()),
            "json" => What::Json(Schema::new(&schemars::schema_for!(Anything).to_value()).unwrap()),
            "route" => What::Route(Box::new(Route::new(&seeds))),
            "ingress" => What::Ingress(Box::new(Ingress::new(&seeds))),
            other => panic!("there is no target {other}"),
        };
        Self { what, seeds, plant, accepted: 0, refused: 0 }
    }

    pub(crate) fn said(&self) -> String {
        format!("{} accepted, {} refused", self.accepted, self.refused)
    }

    /// Between two rounds: a route's store is emptied now and then.
    pub(crate) fn rest(&mut self) {
        if let What::Route(route) = &mut self.what
            && route.taken > FRESH_AFTER
        {
            **route = Route::new(&self.seeds);
        }
        if let What::Ingress(ingress) = &mut self.what
            && ingress.taken > FRESH_AFTER
        {
            **ingress = Ingress::new(&self.seeds);
        }
    }

    fn count(&mut self, accepted: bool) {
        *(if accepted { &mut self.accepted } else { &mut self.refused }) += 1;
    }

    pub(crate) fn case(&mut self, random: &mut Random) -> Result<(), String> {
        let all = self.seeds.len();
        let among = if random.one_in(20) { all } else { all - ASYMMETRIC };
        let at = random.below(among);
        match &mut self.what {
            What::Headers => {
                let seed = &self.seeds[at];
                let request = with_headers(seed, random);
                let changed = request.headers != seed.request.headers || request.query != seed.request.query;
                let verified = seed.prepared.verify(&request, &urls());
                let _ = seed.prepared.greet(&request);
                let _ = seed.prepared.delivery_id(&request, Element::of(&serde_json::Value::Null));
                let is_ok = verified.is_ok();
                if let Err(refusal) = verified {
                    // Whatever it is, both texts can be made of it.
                    let _ = (refusal.to_string(), refusal.caller_text(), refusal.class());
                }
                let signature_changed =
                    changed && signature_of(seed, &request) != signature_of(seed, &seed.request);
                if is_ok && signature_changed && !same_meaning(seed, &request) {
                    return Err(format!("a changed signature is believed: {:?}", request.headers));
                }
                planted(self.plant, &request.headers);
                self.count(is_ok);
            }
            What::Records => {
                let is_ok = mutated_record(&self.seeds[at], random)?;
                if self.plant {
                    planted(true, &with_headers(&self.seeds[at], random).headers);
                }
                self.count(is_ok);
            }
            What::Form(prepared) => {
                let seed = &self.seeds[at];
                let mut body = seed.request.body.to_vec();
                mutate(&mut body, random);
                let mut request = Received { body: Bytes::from(body), ..seed.request.clone() };
                let kind = if random.one_in(8) {
                    text("application/x-www-form-urlencoded; charset=utf-8", random)
                } else {
                    "application/x-www-form-urlencoded".into()
                };
                if let Ok(kind) = HeaderValue::from_str(&kind) {
                    request.headers.insert(CONTENT_TYPE, kind);
                }
                let mut is_ok = false;
                for one in prepared.iter() {
                    is_ok |= one.parse(&request).is_ok();
                }
                if self.plant {
                    planted_body(&request.body);
                }
                self.count(is_ok);
            }
            What::Json(schema) => {
                let mut body = self.seeds[at].request.body.to_vec();
                mutate(&mut body, random);
                let parsed = parse_json(&body);
                let is_ok = parsed.is_ok();
                if let Ok(value) = parsed {
                    let _ = schema.check(&value);
                    let written = serde_json::to_vec(&value).map_err(|error| error.to_string())?;
                    if parse_json(&written).ok() != Some(value) {
                        return Err(format!(
                            "it is read as another value: {}",
                            String::from_utf8_lossy(&body)
                        ));
                    }
                }
                if self.plant {
                    planted_body(&body);
                }
                self.count(is_ok);
            }
            What::Route(route) => {
                let seed = &self.seeds[at];
                let request = whole_request(seed, random);
                if self.plant {
                    planted_body(&request.body);
                }
                let slug = if random.one_in(50) { text("s1", random) } else { format!("s{at}") };
                let answer = route.runtime.block_on(route.stage.receive(&slug, request));
                if answer.status >= 500 {
                    return Err(format!("status {}: {}", answer.status, answer.body));
                }
                route.taken += u64::from(answer.delivery.is_some());
                self.count(answer.status < 300);
            }
            What::Ingress(ingress) => {
                let seed = &self.seeds[at];
                let request = whole_request(seed, random);
                if self.plant {
                    planted_body(&request.body);
                }
                let is_ok = ingress.case(at, request, random)?;
                self.count(is_ok);
            }
        }
        Ok(())
    }
}

/// A webhook that takes anything.
pub(crate) fn webhook(slug: &'static str, verification: &Verification) -> WebhookDef {
    WebhookBuilder::<Anything, Anything>::new(slug, "")
        .verify(verification.clone())
        // A full queue answers 503, and rightly; nobody waits here.
        .queue_limit(u32::MAX)
        .handler(receive)
}

impl Route {
    fn new(seeds: &[Seed]) -> Self {
        let endpoints = seeds.iter().enumerate().map(|(at, seed)| {
            let def = webhook(SLUGS[at], &seed.verification);
            let secret = seed.secret.expose_secret().to_owned();
            let lookup = move |name: &str| match name {
                "S" => Some(secret.clone()),
                "V" => Some("verify me".into()),
                _ => None,
            };
            Endpoint::new(Arc::new(def), &lookup).unwrap()
        });
        let clock = ManualClock::at(NOW);
        let context = InboundContext {
            store: Arc::new(Embedded::new(MemoryRows::new())),
            catalog: Arc::new(Registry::default()) as _,
            clock: Arc::new(clock),
            ids: Arc::new(Ids::counted(1)),
            scope: Scope::default(),
            pool: Pool::inline(),
            urls: urls(),
            claimer: None,
            max_response_bytes: px_inbound::LEAST_RESPONSE_BYTES,
            max_batch_events: px_inbound::USUAL_BATCH_EVENTS,
            cluster: Arc::new(px_store::cluster::OneMember::new(1)),
            resources: px_sdk::Provided::default(),
            links: px_inbound::LinkKeys::new(&[0; 32]),
        };
        let stage = Stage::new(context, endpoints.collect());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, stage, taken: 0 }
    }
}

/// Slugs live as long as the program, as a project's do.
pub(crate) const SLUGS: [&str; 40] = [
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15",
    "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30",
    "s31", "s32", "s33", "s34", "s35", "s36", "s37", "s38", "s39",
];

fn urls() -> UrlView {
    UrlView::default()
}

fn forms() -> Vec<Prepared> {
    [
        BodyForm::Form,
        BodyForm::ByContentType { payload_field: None },
        BodyForm::ByContentType { payload_field: Some("payload".into()) },
        BodyForm::Json,
    ]
    .into_iter()
    .map(|form| Prepared::new(px_sdk::verify::unverified().body(form), &Keyring::empty()).unwrap())
    .collect()
}

/// A request with one of its headers, or its query, mutated.
fn with_headers(seed: &Seed, random: &mut Random) -> Received {
    let mut request = seed.request.clone();
    let names: Vec<HeaderName> = request.headers.keys().cloned().collect();
    for _ in 0..=random.below(2) {
        let name = random.pick(&names).clone();
        let value = request.headers.get(&name).map(|value| value.as_bytes().to_vec()).unwrap_or_default();
        let mut value = value;
        match random.below(12) {
            0 => drop(request.headers.remove(&name)),
            1 => {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    request.headers.append(name, value);
                }
            }
            2 => {
                let query =
                    text(request.query.as_deref().unwrap_or("hub.mode=subscribe&hub.challenge=1"), random);
                request.query = Some(query);
                if random.one_in(2) {
                    request.method = Method::GET;
                }
            }
            _ => {
                mutate(&mut value, random);
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    request.headers.insert(name, value);
                }
            }
        }
    }
    request
}

/// Headers and body mutated; half of them are signed again afterwards, so that
/// what comes behind the verification is reached.
fn whole_request(seed: &Seed, random: &mut Random) -> Received {
    let mut request = if random.one_in(2) { with_headers(seed, random) } else { seed.request.clone() };
    if !random.one_in(4) {
        let mut body = request.body.to_vec();
        mutate(&mut body, random);
        request.body = Bytes::from(body);
    }
    if random.one_in(2) {
        let mut callback = OutboundRequest {
            method: request.method.clone(),
            url: match &request.query {
                Some(query) => format!("http://px.example{}?{query}", request.path),
                None => format!("http://px.example{}", request.path),
            },
            headers: request.headers.clone(),
            body: request.body.clone(),
        };
        if sign(&seed.verification, &seed.secret, &mut callback, NOW).is_ok() {
            request.query = callback.url.split_once('?').map(|(_, query)| query.to_owned());
            (request.headers, request.body) = (callback.headers, callback.body);
        }
    }
    request
}

/// A record that is mutated as JSON: it is refused when it is read, or when it
/// is made ready, or it verifies what it signs.
fn mutated_record(seed: &Seed, random: &mut Random) -> Result<bool, String> {
    let Ok(record) = serde_json::from_str::<Verification>(&text(&seed.written, random)) else {
        return Ok(false);
    };
    let Ok(prepared) = Prepared::new(record.clone(), &seed.keyring) else { return Ok(false) };
    let mut request = whole_request(seed, random);
    let _ = prepared.verify(&request, &urls());
    let _ = prepared.greet(&request);
    if let Ok(content) = prepared.parse(&request) {
        for event in prepared.events(&content) {
            let _ = prepared.delivery_id(&request, event);
            let _ = prepared.event_type(&request, event);
        }
        let _ = prepared.into_events(content).len();
    }
    request = seed.request.clone();
    let _ = prepared.verify(&request, &urls());
    Ok(true)
}

/// The values that prove who sent it.
fn signature_of(seed: &Seed, request: &Received) -> Vec<Vec<u8>> {
    let name = match &seed.verification.scheme {
        px_sdk::verify::Scheme::Signature(signature) => signature.header.clone(),
        px_sdk::verify::Scheme::Twilio => "x-twilio-signature".into(),
        _ => return Vec::new(),
    };
    request.headers.get_all(name).iter().map(|value| value.as_bytes().to_vec()).collect()
}

/// Whether the right signature is still in a changed header: in other letters,
/// or beside others.
fn same_meaning(seed: &Seed, request: &Received) -> bool {
    let lower = |values: Vec<Vec<u8>>| -> String {
        values.iter().map(|value| String::from_utf8_lossy(value).to_ascii_lowercase()).collect()
    };
    let (new, old) = (lower(signature_of(seed, request)), lower(signature_of(seed, &seed.request)));
    let core = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '/')))
            .filter(|part| part.len() >= 20)
            .map(str::to_owned)
            .collect()
    };
    core(&old).iter().all(|part| new.contains(part.as_str()))
}

/// The planted panic: two empty signatures, which no seed has.
fn planted(plant: bool, headers: &http::HeaderMap) {
    let hit = |value: &HeaderValue| value.as_bytes().windows(6).any(|window| window == b"v1=,v1");
    assert!(!(plant && headers.values().any(hit)), "planted");
}

/// The planted panic of bodies: a pair of escapes that no seed has.
fn planted_body(body: &[u8]) {
    assert!(!body.windows(6).any(|window| window == b"\\ud800"), "planted");
}
