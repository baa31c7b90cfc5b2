//! A whole life with secrets in the environment, in a file and in the store: nothing
//! that is printed, stored, sent or served holds one, in any of its forms.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::spelled::parts;
pub use super::spelled::{forms, parsed};
use super::support::{self, Project, Px, Receiver, Reply, hmac_sha256_hex};
use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("planted_secrets_are_found_nowhere_but_sealed", nowhere),
    ("the_token_of_a_link_is_shown_to_admins_alone", links),
];

/// Every character that some encoder escapes, one of the terminal's among them.
const ENV_KEY: &str = "env/+\"ä\\n\n\t<&'>\u{1b}[1m\u{202e} pa$$w@rd%41 sk_live_0123456789";
/// As a key in PEM is, which ends with a new line that not everybody keeps.
const FILE_KEY: &str = "-----BEGIN KEY-----\nfile/+\"ö\\n\nsk_live_9876543210\n-----END KEY-----\n";
pub const STORE_KEY: &str = "store/+\"ü\\sk_live_5432154321";
/// A part of another one.
const PART_KEY: &str = "sk_live_5432154321";
/// As clouds give them out: whoever reads it has its parts in hand.
const JSON_KEY: &str = "{\n  \"z_type\": \"account-of-a-planted-service\", \"id\": 123456789,\n  \
     \"private_key\": \"-----BEGIN\\nplanted \\\"line\\\" \\\\n\\n-----END\\n\", \"list\": [\"of-planted/texts<&>\"]\n}";
/// More than one value, where it stands in a list.
const PAIR_KEY: &str = "8675309,9035768";

/// The secrets of the brain, and their values.
pub const NAMES: [&str; 6] = ["ENV_KEY", "FILE_KEY", "STORE_KEY", "PART_KEY", "JSON_KEY", "PAIR_KEY"];
const VALUES: [&str; 6] = [ENV_KEY, FILE_KEY, STORE_KEY, PART_KEY, JSON_KEY, PAIR_KEY];
pub const HUB_SECRET: &str = "hub-secret-0123456789";
pub const OLD_HUB_SECRET: &str = "hub-secret-of-yesterday";

/// A signed ping.
pub fn ping(px: &Px, secret: &str) -> Reply {
    ping_of(px, secret, "keep it")
}

/// A signed ping that wants its answer as the command line does.
fn ping_of(px: &Px, secret: &str, zen: &str) -> Reply {
    let body = json!({ "zen": zen }).to_string();
    let signature = format!("sha256={}", hmac_sha256_hex(secret, body.as_bytes()));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "ping".to_owned()),
        ("x-hub-signature-256", signature),
        ("px-redact", "secrets".to_owned()),
    ];
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    px.try_send("POST", "/webhooks/hub", &headers, body.as_bytes()).unwrap()
}

/// Everything that somebody saw, and where.
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn output(&mut self, place: &str, output: &Output) {
        self.0.push((place.to_owned(), [&output.stdout[..], &output.stderr].concat()));
    }

    /// Files below a folder.
    fn files(&mut self, folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else {
                self.0.push((path.display().to_string(), std::fs::read(&path).unwrap()));
            }
        }
    }

    #[track_caller]
    fn holds_none(&self) {
        let values = VALUES.into_iter().chain([HUB_SECRET, OLD_HUB_SECRET]).flat_map(parts);
        let forms: std::collections::BTreeSet<_> = values.flat_map(|value| forms(&value)).collect();
        for (place, bytes) in &self.0 {
            let text = String::from_utf8_lossy(bytes);
            for form in &forms {
                let around = text.find(form.as_str()).map(|at| {
                    let from = text.floor_char_boundary(at.saturating_sub(80));
                    &text[from..text.floor_char_boundary(at + 20)]
                });
                assert!(around.is_none(), "{place} holds a secret: {around:?}");
            }
        }
    }
}

fn planted() -> Project {
    let project = Project::of(std::env::current_exe().unwrap());
    let file = project.path().join("file-key");
    std::fs::write(&file, format!("{FILE_KEY}\n")).unwrap();
    project
        .env("SLACK_SIGNING_SECRET", super::project::SLACK_SECRET)
        .env("PX_LOG", "trace")
        .env("RUST_BACKTRACE", "0")
        .env("ENV_KEY", ENV_KEY)
        .env("FILE_KEY_FILE", file.to_str().unwrap())
}

/// Sets a secret by the command line, on its stdin.
fn set(project: &Project, seen: &mut Seen, words: &[&str], token: Option<&str>, value: &str) {
    let mut command = project.command(&[&["secrets", "set"], words].concat());
    command.envs(token.map(|token| ("PX_TOKEN", token)));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    seen.output("px secrets set", &output);
}

/// A server with tokens, a hook, and secrets in the environment, a file and the store.
struct Life {
    project: Project,
    px: Px,
    receiver: Receiver,
    admin: String,
    read: String,
}

impl Life {
    fn begin(seen: &mut Seen) -> Self {
        let project = planted();
        let data = project.data().to_str().unwrap().to_owned();
        // Before the first start, in the store itself.
        set(&project, seen, &["HUB_SECRET", "--data-dir", &data], None, OLD_HUB_SECRET);
        let px = project.serve();
        let make = |name: &str, scope: &str, token: &str| {
            let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
            let body = json!({"name": name, "scope": scope}).to_string();
            px.try_send("POST", "/tokens", &headers, body.as_bytes()).unwrap().field("token")
        };
        let admin = make("first", "admin", "");
        let read = make("second", "read", &admin);
        let url = format!("http://{}", px.address);
        set(&project, seen, &["STORE_KEY", "--url", &url], Some(&admin), &format!("{STORE_KEY}\n"));
        set(&project, seen, &["HUB_SECRET", "--url", &url, "--json"], Some(&admin), HUB_SECRET);
        for (name, value) in [("PART_KEY", PART_KEY), ("JSON_KEY", JSON_KEY), ("PAIR_KEY", PAIR_KEY)] {
            set(&project, seen, &[name, "--url", &url], Some(&admin), value);
        }
        let life = Self { receiver: Receiver::start(), project, px, admin, read };
        let hook = json!({"url": life.receiver.url("/hook"), "name": "all"});
        assert_eq!(life.send("POST", "/hooks", &life.admin, &hook).status, 201);
        life
    }

    fn send(&self, method: &str, target: &str, token: &str, body: &Value) -> Reply {
        let headers =
            [("content-type", "application/json".to_owned()), ("authorization", format!("Bearer {token}"))];
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.px.try_send(method, target, &headers, body.to_string().as_bytes()).unwrap()
    }

    fn get(&self, target: &str, token: &str) -> Reply {
        let headers = [("authorization".to_owned(), format!("Bearer {token}"))];
        self.px.try_send("GET", target, &headers, b"").unwrap()
    }

    /// Runs a brain that reads every secret, to its end.
    fn spend(&self, tells: bool) -> String {
        let state = json!({"names": NAMES, "tells": tells});
        let started = self.send(
            "POST",
            "/brains/runs",
            &self.admin,
            &json!({"identifier": "spender", "initialState": state}),
        );
        assert_eq!(started.status, 201, "{}", started.text());
        let run = started.run();
        support::eventually("the end of the run", || {
            let shown = self.get(&format!("/brains/runs/{run}"), &self.admin).json();
            assert_ne!(shown["status"], "error", "{shown}");
            (shown["status"] == "complete").then_some(())
        });
        support::eventually("the callbacks of the run", || {
            let told = self.receiver.got("/hook");
            told.iter().any(|one| one.kind() == "run.completed" && one.run() == run).then_some(())
        });
        run
    }

    /// Everything that this server shows to a token and to the command line.
    fn look(&self, run: &str, token: &str, seen: &mut Seen) {
        let deliveries = self.get("/deliveries", token).json();
        let delivery = deliveries["deliveries"][0]["id"].as_str().unwrap().to_owned();
        let inbound = self.get("/webhooks/deliveries", token).json();
        let inbound = inbound["deliveries"][0]["id"].as_str().unwrap().to_owned();
        for target in [
            "/brains",
            "/brains/spender",
            "/brains/runs",
            "/hooks",
            "/deliveries",
            "/webhooks",
            "/metrics",
            "/webhooks/deliveries",
            "/health/ready",
            "/status",
            "/brains/spender/history",
            "/openapi.json",
            &format!("/brains/runs/{run}"),
            &format!("/brains/runs/{run}/events"),
            &format!("/deliveries/{delivery}"),
            &format!("/webhooks/deliveries/{inbound}"),
            &format!("/brains/runs/{run}/watch"),
        ] {
            let reply = self.get(target, token);
            assert_eq!(reply.status, 200, "{target}: {}", reply.text());
            seen.0.push((target.to_owned(), reply.body));
        }
        let url = format!("http://{}", self.px.address);
        for words in [
            &["runs", "list"][..],
            &["runs", "show", run],
            &["runs", "events", run],
            &["runs", "explain", run],
            &["runs", "export", run],
            &["runs", "watch", run],
            &["brains", "list"],
            &["brains", "show", "spender"],
            &["webhooks", "list"],
            &["webhooks", "show", "hub"],
            &["webhooks", "deliveries", "list"],
            &["webhooks", "deliveries", "show", &inbound],
            &["hooks", "list"],
            &["check"],
            &["secrets", "list"],
            &["secrets", "reads", "STORE_KEY"],
        ] {
            for json in [false, true] {
                let mut words = [words, &["--url", &url]].concat();
                words.extend(json.then_some("--json"));
                // The command line has the widest token, and shows no secret all the same.
                let output = self.project.command(&words).env("PX_TOKEN", &self.admin).output().unwrap();
                seen.output(&words.join(" "), &output);
            }
        }
        for callback in self.receiver.got("/hook") {
            seen.0.push((format!("callback {}", callback.kind()), callback.bytes.to_vec()));
        }
        seen.0.push(("log".to_owned(), self.px.log().into_bytes()));
        assert!(self.px.log().len() > 1_000, "the log is talkative");
        seen.0.push(("greeting".to_owned(), self.px.greeting.to_string().into_bytes()));
    }
}

fn nowhere(_: &Suite) {
    let mut seen = Seen(Vec::new());
    let life = Life::begin(&mut seen);
    for (secret, status) in [(HUB_SECRET, 200), (OLD_HUB_SECRET, 200), ("another-secret", 401)] {
        let answered = ping(&life.px, secret);
        assert_eq!(answered.status, status, "{}", answered.text());
        seen.0.push(("answer to a webhook".to_owned(), answered.body));
    }
    // A project that keeps its secrets to itself: they are nowhere, for nobody.
    let run = life.spend(false);
    life.look(&run, &life.admin, &mut seen);
    life.look(&run, &life.read, &mut seen);
    let Life { project, px, receiver, admin, read } = life;
    px.kill();
    seen.files(project.data());
    seen.holds_none();
    // One that tells them: what is stored stays as it is, and what leaves has none.
    let px = project.serve();
    let life = Life { project, px, receiver, admin, read };
    let run = life.spend(true);
    let mut seen = Seen(Vec::new());
    let answered = ping_of(&life.px, HUB_SECRET, "tell it");
    assert!(answered.text().contains("[secret STORE_KEY]"), "{}", answered.text());
    seen.0.push(("answer to a webhook".to_owned(), answered.body));
    life.look(&run, &life.read, &mut seen);
    seen.holds_none();
    for place in
        ["log", &format!("runs show {run}"), &format!("/brains/runs/{run}/watch"), "callback run.completed"]
    {
        let found = seen.0.iter().filter(|(seen, _)| seen.starts_with(place));
        let says =
            found.clone().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("[secret STORE_KEY]"));
        assert!(found.count() > 0 && says, "{place} says that there was something");
    }
    let stored = life.get(&format!("/brains/runs/{run}"), &life.admin).json();
    let told = stored["state"]["read"].as_array().unwrap();
    let count = forms("").len();
    let is_whole = told.contains(&json!(STORE_KEY)) && told.len() == NAMES.len() * count;
    assert!(is_whole, "an admin sees what is stored: {stored}");
    let redacted = life.get(&format!("/brains/runs/{run}"), &life.read).json();
    let told = redacted["state"]["read"].as_array().unwrap();
    for name in NAMES {
        let label = format!("[secret {name}]");
        let says = |told: &&Value| told.as_str().unwrap().contains(&label);
        assert_eq!(told.iter().filter(says).count(), count, "{name}: {redacted}");
    }
    assert_eq!(redacted["state"]["parsed"], json!(["[secret JSON_KEY]", "[secret PAIR_KEY]"]), "{redacted}");
}

/// A link that its step shows to everybody, opened and answered.
fn links(_: &Suite) {
    let life = Life::begin(&mut Seen(Vec::new()));
    assert_eq!(ping(&life.px, HUB_SECRET).status, 200);
    let state = json!({"id": "planted", "who": "Ada"});
    let body = json!({"identifier": "linked", "initialState": state});
    let run = life.send("POST", "/brains/runs", &life.admin, &body).run();
    let until = |status: &str| {
        support::eventually(status, || {
            let shown = life.get(&format!("/brains/runs/{run}"), &life.admin).json();
            (shown["status"] == status)
                .then(|| shown["state"]["wish"].as_str().unwrap_or_default().to_owned())
        })
    };
    let url = until("waiting");
    let path = &url[url.find("/webhooks/").unwrap()..];
    let page = life.px.get(path);
    let nonce = page.text().split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for (origin, status) in
        [("https://evil.example".to_owned(), 403), (format!("http://{}", life.px.address), 303)]
    {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
            ("referer", url.clone()),
            ("origin", origin),
        ];
        let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let form = format!("nonce={nonce}&answer=0");
        assert_eq!(life.px.try_send("POST", path, &headers, form.as_bytes()).unwrap().status, status);
    }
    until("complete");
    support::eventually("the callbacks of the run", || {
        life.receiver
            .got("/hook")
            .iter()
            .any(|one| one.kind() == "run.completed" && one.run() == run)
            .then_some(())
    });
    let mut seen = Seen(Vec::new());
    life.look(&run, &life.read, &mut seen);
    let digits = url.rsplit("pxl_").next().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for (place, bytes) in &seen.0 {
        let text = text(bytes);
        assert!(!text.contains("pxl_") && !text.contains(&digits[20..]), "{place} holds the token");
    }
    for place in ["log", &format!("runs show {run}"), &format!("/brains/runs/{run}/watch"), "callback"] {
        let found = seen.0.iter().filter(|(seen, _)| seen.starts_with(place));
        assert!(found.clone().any(|(_, bytes)| text(bytes).contains("/system/link/[link]")), "{place}");
    }
}
