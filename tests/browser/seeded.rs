//! A served project, empty or with something for every screen to show.

use serde_json::{Value, json};

use super::support::{Answer, Project, Px, Receiver, Reply, Request, eventually, hmac_sha256_hex};

/// Secret of the webhook that is signed.
const PAYMENTS_SECRET: &str = "a secret of payments";

/// A project of this program's own brains.
pub fn project() -> Project {
    Project::of(std::env::current_exe().unwrap())
        .env("PAYMENTS_SECRET", PAYMENTS_SECRET)
        .env("RUST_BACKTRACE", "0")
        .env("PX_LOG", "error")
}

pub fn address(px: &Px) -> String {
    format!("http://{}", px.address)
}

/// Starts a run, and waits until it has this status.
#[track_caller]
pub fn run(px: &Px, brain: &str, state: &Value, status: &str) -> String {
    let run = px.start(brain, state);
    px.reaches(&run, status);
    run
}

/// A refund that waits for its approval.
#[track_caller]
pub fn refund(px: &Px, id: &str) -> String {
    run(px, "refund-approval", &json!({"id": id, "customer": "Ada Lovelace"}), "waiting")
}

pub fn send(px: &Px, slug: &str, body: &Value) -> Reply {
    px.post(&Request::plain(&format!("/webhooks/{slug}"), "application/json", body.to_string()))
}

/// A hook of this name at this URL, which is told of everything and tries once.
#[track_caller]
pub fn hook(px: &Px, name: &str, url: &str) -> String {
    let reply = px.post_json("/hooks", &json!({"name": name, "url": url, "retry": "none"}));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.field("id")
}

/// Makes a token; the first one without another, which makes it an admin's.
#[track_caller]
pub fn token(px: &Px, name: &str, scope: &str, by: Option<&str>) -> (String, String) {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(by.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    let body = json!({"name": name, "scope": scope}).to_string();
    let reply = px.try_send("POST", "/tokens", &headers, body.as_bytes()).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    (reply.field("token"), reply.field("id"))
}

/// Starts a run by a token.
#[track_caller]
pub fn run_by(px: &Px, token: &str, brain: &str) -> String {
    let headers = [
        ("content-type".to_owned(), "application/json".to_owned()),
        ("authorization".to_owned(), format!("Bearer {token}")),
    ];
    let body = json!({"identifier": brain, "initialState": {"id": "by a token"}}).to_string();
    let reply = px.try_send("POST", "/brains/runs", &headers, body.as_bytes()).unwrap();
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.run()
}

/// A server whose screens all have something to show.
pub struct Full {
    pub project: Project,
    pub px: Px,
    pub receiver: Receiver,
    /// Paths of its screens, below the page's root.
    pub screens: Vec<String>,
}

/// Two hundred bytes, as a provider may name a thing.
pub fn long_identifier() -> String {
    let name = "arn:aws:states:eu-central-1:123456789012:execution:nightly-reconciliation/";
    name.chars().chain("0123456789abcdef".chars().cycle()).take(200).collect()
}

/// What the hooks of a seeded server answer.
fn answer(path: &str) -> Answer {
    Answer::Now(if path == "/crm" { 500 } else { 204 })
}

/// Starts runs of all brains, in all of their statuses.
fn runs(px: &Px, settle: &str, of_each: usize) -> Vec<String> {
    let people = ["Ada Lovelace", "Grace Hopper", "Barbara Liskov", "Margaret Hamilton", "Radia Perlman"];
    let mut waiting = Vec::new();
    for (at, person) in people.iter().cycle().take(of_each).enumerate() {
        let id = format!("r-{}", 4_200 + at);
        let amount =
            json!({"cents": 12_900 + at, "currency": "EUR", "lines": [{"sku": "A-1"}, {"sku": "B-2"}]});
        let state = json!({"id": id, "customer": person, "payment": amount});
        waiting.push(run(px, "refund-approval", &state, "waiting"));
        run(px, "onboarding", &json!({"id": format!("c-{at}"), "customer": person}), "waiting");
        run(px, "invoice", &json!({"id": format!("i-{at}"), "customer": person}), "complete");
        let wish = ["fail", "", "panic"][at % 3];
        let status = if wish.is_empty() { "complete" } else { "error" };
        run(px, settle, &json!({"id": format!("s-{at}"), "customer": person, "wish": wish}), status);
        assert!(send(px, "pager", &json!({"id": format!("inc-{at}"), "event": "disk full"})).status < 300);
    }
    run(px, "onboarding", &json!({"id": long_identifier(), "customer": "x".repeat(60)}), "waiting");
    waiting
}

/// Events of every outcome; returns the id of one that was kept.
fn events(px: &Px) -> String {
    send(px, "approvals", &json!({"id": "r-4200", "by": "Grace Hopper", "decision": "approve"}))
        .is(200, "resumed");
    send(px, "approvals", &json!({"id": "x", "by": "Grace Hopper", "decision": "none"})).is(200, "ignored");
    assert_eq!(send(px, "approvals", &json!({"id": 7})).status, 422);
    let body = json!({"invoice": "invoice 1", "cents": 100}).to_string();
    let payment = Request::plain("/webhooks/payments", "application/json", body.clone());
    assert_eq!(px.post(&payment.clone().header("x-hub-signature-256", "sha256=00")).status, 401);
    let signature = format!("sha256={}", hmac_sha256_hex(PAYMENTS_SECRET, body.as_bytes()));
    let payment = payment.header("x-hub-signature-256", &signature).header("x-github-event", "payment");
    let payment = payment.header("x-github-delivery", "p-1");
    px.post(&payment).is(200, "queued");
    px.post(&payment).is(200, "duplicate");
    let kept =
        send(px, "approvals", &json!({"id": long_identifier() + "!", "by": "nobody", "decision": "approve"}));
    kept.field("deliveryId")
}

fn pause(px: &Px, run: &str) {
    let signal = px.post_json(&format!("/brains/runs/{run}/signals"), &json!({"type": "PAUSE"}));
    assert_eq!(signal.status, 202, "{}", signal.text());
    px.reaches(run, "paused");
}

impl Full {
    /// Serves, and does so much with each brain.
    pub fn serve(of_each: usize) -> Self {
        let (project, receiver) = (project(), Receiver::answering(answer));
        let px = project.serve();
        let billing = hook(&px, "billing", &receiver.url("/billing"));
        let crm = hook(&px, "customer-relations", &receiver.url("/crm"));
        let settle = "nightly-reconciliation-of-card-settlements-with-the-general-ledger";
        let waiting = runs(&px, settle, of_each);
        let kept = events(&px);
        px.reaches(&waiting[0], "complete");
        let (paused, cancelled) = (&waiting[1], &waiting[2]);
        pause(&px, paused);
        assert_eq!(px.delete(&format!("/brains/runs/{cancelled}")).status, 204);
        let newest = |query: &str| px.deliveries(query)[0]["id"].as_str().unwrap().to_owned();
        let settled = px.runs_of(settle);
        let failed =
            settled.iter().find(|run| run["error"].to_string().contains("could not be booked")).unwrap();
        let failed = failed["brainRunId"].as_str().unwrap();
        let callback = |hook: &str, state: &str| {
            eventually("a callback's end", || {
                let page = px.get(&format!("/hooks/{hook}/deliveries?state={state}&limit=1")).json();
                page["deliveries"][0]["id"].as_str().map(str::to_owned)
            })
        };
        let (told, dead) = (callback(&billing, "delivered"), callback(&crm, "dead"));
        let waits = waiting.last().unwrap();
        let screens = [
            String::new(),
            "runs".into(),
            "runs?status=error,paused".into(),
            "runs?status=waiting&slug=approvals&identifier=r-4203&since=1d".into(),
            format!("runs/{waits}"),
            format!("runs/{}?at=3", waiting[0]),
            format!("runs/{paused}"),
            format!("runs/{failed}"),
            format!("runs/{waits}/value?path=/payment"),
            format!("runs/{waits}/changes?path=/payment"),
            format!("runs/{}/fork?step=1", waiting[0]),
            "waits".into(),
            "waits?view=due".into(),
            "waits?view=late".into(),
            "waits?view=oldest".into(),
            "inbox".into(),
            format!("inbox/{kept}"),
            format!("inbox/{}", newest("state=quarantined")),
            format!("inbox/{}", newest("state=rejected")),
            "webhooks".into(),
            "webhooks/approvals".into(),
            "webhooks/payments".into(),
            "hooks".into(),
            format!("hooks/{billing}"),
            format!("hooks/{crm}"),
            "outbox".into(),
            format!("outbox/{told}"),
            format!("outbox/{dead}"),
            "brains".into(),
            "brains/refund-approval".into(),
            format!("brains/{settle}"),
            "store".into(),
            "values".into(),
            "values/invoice".into(),
            "values/invoice/shared/last%20invoice".into(),
            "tokens".into(),
            "secrets".into(),
            "secrets/PAYMENTS_SECRET".into(),
            "settings".into(),
            "bulk?do=cancel&status=waiting".into(),
        ];
        Self { screens: screens.into(), project, px, receiver }
    }
}

/// Screens of a server that has seen nothing.
pub const EMPTY: [&str; 18] = [
    "",
    "runs",
    "runs?brain=invoice",
    "waits",
    "waits?view=due",
    "waits?view=late",
    "waits?view=oldest",
    "inbox",
    "webhooks/approvals",
    "hooks",
    "outbox",
    "brains/invoice",
    "store",
    "values",
    "values/invoice",
    "tokens",
    "secrets",
    "bulk?do=cancel&status=waiting",
];

/// Screens of refusals.
pub const REFUSED: [&str; 8] = [
    "nowhere",
    "nowhere/at/all",
    "runs/run_00000000000000000000000000000000",
    "runs?status=sleeping",
    "inbox/whd_00000000000000000000000000000000",
    "hooks/hok_1",
    "brains/none-of-this-name",
    "values/invoice/shared/nothing",
];
