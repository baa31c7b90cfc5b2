//! Secrets: the contract of their routes, and a whole life in which nothing that is
//! printed, stored, sent or served holds one.

use std::io::Write as _;
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::support::{self, Project, Px, Receiver, Reply, hmac_sha256_hex};
use super::{Case, Suite};

pub const CASES: &[Case] = &[
    ("secrets_are_set_listed_and_deleted_and_never_shown", contract),
    ("a_secret_that_cannot_be_is_refused", refusals),
    ("a_brain_reads_what_it_declares_and_nothing_else", lists),
    ("a_new_secret_verifies_at_once_and_the_old_one_for_its_grace", rotation),
    ("planted_secrets_are_found_nowhere_but_sealed", nowhere),
];

const ENV_KEY: &str = "env/+\"ä\\sk_live_0123456789";
const FILE_KEY: &str = "file/+\"ö\\sk_live_9876543210";
const STORE_KEY: &str = "store/+\"ü\\sk_live_5432154321";
const HUB_SECRET: &str = "hub-secret-0123456789";
const OLD_HUB_SECRET: &str = "hub-secret-of-yesterday";

fn contract(suite: &Suite) {
    assert_eq!(suite.get("/secrets").json(), json!({"secrets": [], "count": 0}));
    let set = |name: &str, value: &str| suite.post("/secrets", &json!({"name": name, "value": value}));
    let made = set("STRIPE_KEY", "sk_live_0123456789");
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let fields: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, ["createdAt", "name", "updatedAt"]);
    assert!(made["createdAt"].as_str().unwrap().ends_with('Z'), "{made}");
    assert_eq!(set("STRIPE_KEY", "sk_live_9876543210").status, 201);
    let listed = suite.get("/secrets");
    assert_eq!(
        (&listed.json()["count"], &listed.json()["secrets"][0]["name"]),
        (&json!(1), &json!("STRIPE_KEY"))
    );
    assert!(!listed.text().contains("sk_live"), "{}", listed.text());
    let exists = |name: &str| suite.get(&format!("/secrets/{name}/exists")).json();
    assert_eq!((exists("STRIPE_KEY"), exists("OTHER")), (json!({"exists": true}), json!({"exists": false})));
    let bulk = json!({"secrets": [
        {"name": "STRIPE_KEY", "value": "sk_live_0000000000"}, {"name": "SLACK_BOT_TOKEN", "value": "xoxb-0123456789"},
    ]});
    let done = suite.post("/secrets/bulk", &bulk);
    assert_eq!((done.status, done.json()), (201, json!({"created": 1, "updated": 1})));
    assert_eq!(suite.get("/secrets/STRIPE_KEY/reads").json(), json!({"reads": [], "count": 0}));
    let delete = |name: &str| suite.book.ask(&suite.px, "DELETE", &format!("/secrets/{name}"), &[], b"");
    for name in ["STRIPE_KEY", "SLACK_BOT_TOKEN"] {
        assert_eq!(delete(name).status, 204);
        delete(name).fails(404, &format!("Secret '{name}' not found"));
    }
    suite.get("/secrets/NOBODY/reads").fails(404, "Secret 'NOBODY' not found");
    assert_eq!(suite.get("/secrets").json()["count"], 0);
}

fn refusals(suite: &Suite) {
    let set = |body: &Value| suite.post("/secrets", body);
    set(&json!({"value": "0123456789"})).fails(400, "Missing required field \"name\"");
    set(&json!({"name": "", "value": "0123456789"})).fails(400, "Missing required field \"name\"");
    set(&json!({"name": "A"})).fails(400, "Missing required field \"value\"");
    for (body, says) in [
        (json!({"name": "A", "value": "1234567"}), "8 to 32768 bytes; this one has 7"),
        (json!({"name": "A", "value": "x".repeat(32_769)}), "8 to 32768 bytes; this one has 32769"),
        (json!({"name": "A", "value": "          "}), "not blank"),
        (json!({"name": "sk_live-012", "value": "0123456789"}), "letters, digits and underscores"),
        (json!({"name": "bulk", "value": "0123456789"}), "letters, digits and underscores"),
        (json!({"name": "A", "value": "0123456789", "grace": "8d"}), "at most 7 days"),
        (json!({"name": "A", "value": 123_456_789}), "body"),
        (json!({"name": "A", "value": "0123456789", "vaule": 1}), "value"),
    ] {
        let refused = set(&body);
        assert_eq!(refused.status, 400, "{body}: {}", refused.text());
        assert!(refused.text().contains(says), "{body}: {}", refused.text());
        assert!(
            !refused.text().contains("sk_live-012"),
            "what is no name may be the value: {}",
            refused.text()
        );
    }
    let root = set(&json!({"name": "ROOT_PUBLIC_KEY", "value": "0123456789"}));
    assert_eq!((root.status, root.field("code")), (403, "PX0042".to_owned()));
    assert!(root.text().contains("Cannot set ROOT_PUBLIC_KEY via API"), "{}", root.text());
    let delete = suite.book.ask(&suite.px, "DELETE", "/secrets/ROOT_PUBLIC_KEY", &[], b"");
    assert_eq!(delete.status, 403);
    assert!(delete.text().contains("Cannot delete ROOT_PUBLIC_KEY via API"), "{}", delete.text());
    let bulk = |secrets: Value| suite.post("/secrets/bulk", &json!({ "secrets": secrets }));
    suite.post("/secrets/bulk", &json!({})).fails(400, "Missing required field \"secrets\" (array)");
    assert_eq!(
        bulk(json!([{"name": "GOOD", "value": "0123456789"}, {"name": "BAD", "value": "x"}])).status,
        400
    );
    let root =
        json!([{"name": "GOOD", "value": "0123456789"}, {"name": "ROOT_PUBLIC_KEY", "value": "0123456789"}]);
    assert_eq!(bulk(root).status, 403);
    assert_eq!(suite.get("/secrets").json()["count"], 0, "all of them or none");
}

fn lists(suite: &Suite) {
    let spend = |names: &[&str]| {
        let run = suite.start("spender", &json!({"names": names, "tells": false}));
        support::eventually("the end of the run", || {
            let run = suite.get(&format!("/brains/runs/{run}")).json();
            matches!(run["status"].as_str(), Some("complete" | "error")).then_some(run)
        })
    };
    let refused = spend(&["OTHER"]);
    let says = refused["error"]["message"].as_str().unwrap();
    assert!(says.contains("add `.secrets([\"OTHER\"])` to `brain(\"spender\")`"), "{refused}");
    let missing = spend(&["NOWHERE"]);
    assert!(missing["error"]["message"].as_str().unwrap().contains("`px secrets set NOWHERE`"), "{missing}");
    // No restart between.
    let set = json!({"name": "STORE_KEY", "value": STORE_KEY});
    assert_eq!(suite.post("/secrets", &set).status, 201);
    let done = spend(&["STORE_KEY"]);
    assert_eq!(done["state"]["read"], json!([format!("STORE_KEY has {} bytes", STORE_KEY.len())]), "{done}");
    let reads = suite.get("/secrets/STORE_KEY/reads").json();
    let read = &reads["reads"][0];
    assert_eq!((&read["kind"], &read["reader"]), (&json!("step"), &json!("spender")), "{reads}");
    assert_eq!((&read["step"], &read["count"]), (&json!("spend"), &json!(1)), "{reads}");
    assert_eq!(read["brainRunId"], done["brainRunId"], "{reads}");
    assert_eq!(suite.book.ask(&suite.px, "DELETE", "/secrets/STORE_KEY", &[], b"").status, 204);
}

/// A signed ping.
fn ping(px: &Px, secret: &str) -> Reply {
    let body = r#"{"zen":"keep it"}"#;
    let signature = format!("sha256={}", hmac_sha256_hex(secret, body.as_bytes()));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("x-github-event", "ping".to_owned()),
        ("x-hub-signature-256", signature),
    ];
    let headers: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    px.try_send("POST", "/webhooks/hub", &headers, body.as_bytes()).unwrap()
}

fn rotation(suite: &Suite) {
    assert_eq!(ping(&suite.px, "whatever-is-signed").status, 200, "nobody is verified yet");
    let set = |value: &str, grace: &str| {
        let body = json!({"name": "HUB_SECRET", "value": value, "grace": grace});
        assert_eq!(suite.post("/secrets", &body).status, 201);
    };
    let believed = || [OLD_HUB_SECRET, HUB_SECRET].map(|secret| ping(&suite.px, secret).status == 200);
    set(OLD_HUB_SECRET, "24h");
    assert_eq!(believed(), [true, false]);
    set(HUB_SECRET, "24h");
    assert_eq!(believed(), [true, true]);
    set("hub-secret-of-tomorrow", "0s");
    assert_eq!(believed(), [true, false], "the grace of the one before is not shortened by the next");
    let reads = suite.get("/secrets/HUB_SECRET/reads").json();
    assert_eq!(
        (&reads["reads"][0]["kind"], &reads["reads"][0]["reader"]),
        (&json!("verifier"), &json!("hub"))
    );
    assert_eq!(suite.book.ask(&suite.px, "DELETE", "/secrets/HUB_SECRET", &[], b"").status, 204);
    assert_eq!(believed(), [false, false], "to verify nobody would let everybody in");
}

/// Forms in which a value travels, made without px.
pub fn forms(value: &str) -> Vec<String> {
    let json = Value::from(value).to_string();
    let json = json[1..json.len() - 1].to_owned();
    let hexadecimal = |upper: bool| -> String {
        let digits = |byte: u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        value.bytes().map(digits).collect()
    };
    let url: String = value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect();
    vec![
        value.to_owned(),
        json,
        STANDARD.encode(value),
        STANDARD_NO_PAD.encode(value),
        URL_SAFE.encode(value),
        URL_SAFE_NO_PAD.encode(value),
        hexadecimal(false),
        hexadecimal(true),
        url,
    ]
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
        for value in [ENV_KEY, FILE_KEY, STORE_KEY, HUB_SECRET, OLD_HUB_SECRET] {
            for form in forms(value) {
                for (place, bytes) in &self.0 {
                    let found = bytes.windows(form.len()).position(|window| window == form.as_bytes());
                    let at = found.map(|at| {
                        let around = at.saturating_sub(80)..(at + 20).min(bytes.len());
                        String::from_utf8_lossy(&bytes[around]).into_owned()
                    });
                    assert!(at.is_none(), "{place} holds a secret: {at:?}");
                }
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
        let state = json!({"names": ["ENV_KEY", "FILE_KEY", "STORE_KEY"], "tells": tells});
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
    assert!(told.contains(&json!(STORE_KEY)) && told.len() == 27, "an admin sees what is stored: {stored}");
    let redacted = life.get(&format!("/brains/runs/{run}"), &life.read).json();
    let told = redacted["state"]["read"].as_array().unwrap();
    let label = |name: &str| json!(format!("[secret {name}]"));
    for name in ["ENV_KEY", "FILE_KEY", "STORE_KEY"] {
        assert_eq!(told.iter().filter(|told| **told == label(name)).count(), 9, "{redacted}");
    }
}
