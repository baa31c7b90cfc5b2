//! `examples/receiver`, killed with -9 while callbacks come in: what it
//! answered with 2xx is stored, and a copy of it is known after the restart.

#![expect(clippy::unwrap_used, reason = "test code: what is unexpected fails the test")]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use app as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const SECRET: &[u8] = &[7; 32];
/// How many events each client sends, and how many clients there are.
const EVENTS: usize = 150;
const CLIENTS: usize = 8;
/// After so many answers the receiver is killed.
const KILL_AFTER: usize = 300;

struct Receiver {
    process: Child,
    address: String,
}

impl Receiver {
    fn start(journal: &Path) -> Self {
        // Beside this test's own folder, where cargo puts examples.
        let test = std::env::current_exe().unwrap();
        let program: PathBuf = test.parent().unwrap().parent().unwrap().join("examples/receiver");
        assert!(
            program.exists(),
            "`cargo test` builds examples; with --test, run `cargo build --example receiver`"
        );
        let process = Command::new(program)
            .env("WEBHOOK_SECRET", format!("whsec_{}", STANDARD.encode(SECRET)))
            .env("ADDRESS", "127.0.0.1:0")
            .env("JOURNAL", journal)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // From here on it dies with this value, whatever the test finds.
        let mut receiver = Self { process, address: String::new() };
        let mut line = String::new();
        BufReader::new(receiver.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let (address, _) = line.split_once("/hooks").unwrap();
        receiver.address = address.trim_start_matches("callbacks go to ").to_owned();
        receiver
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // SIGKILL: nothing is left to be tidied up.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends one event; `None` if there was no answer, else whether it was a copy.
async fn send(client: &reqwest::Client, address: &str, id: &str) -> Option<bool> {
    let body = format!(r#"{{"id":"{id}","type":"run.started"}}"#);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(format!("{id}.{now}.{body}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let request = client
        .post(format!("{address}/hooks"))
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", format!("v1,{signature}"))
        .body(body);
    let response = request.send().await.ok()?;
    assert_eq!(response.status(), 200);
    Some(response.text().await.ok()?.contains("duplicate"))
}

#[test]
fn hooks_7_what_the_receiver_answered_is_stored_through_a_kill_9() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let mut receiver = Receiver::start(&journal);
    let answered: HashSet<String> = runtime.block_on(async {
        let (told, mut answers) = tokio::sync::mpsc::channel(CLIENTS);
        for number in 0..CLIENTS {
            let (client, address, told) = (client.clone(), receiver.address.clone(), told.clone());
            tokio::spawn(async move {
                for event in 0..EVENTS {
                    let id = format!("evt_{number}_{event}");
                    let Some(copy) = send(&client, &address, &id).await else { break };
                    assert!(!copy, "{id} was sent once");
                    if told.send(id).await.is_err() {
                        break;
                    }
                }
            });
        }
        drop(told);
        let mut answered = HashSet::new();
        while let Some(id) = answers.recv().await {
            answered.insert(id);
            if answered.len() == KILL_AFTER {
                receiver.process.kill().unwrap();
            }
        }
        answered
    });
    assert!(answered.len() >= KILL_AFTER && answered.len() < CLIENTS * EVENTS, "it died in the middle");
    drop(receiver);

    let receiver = Receiver::start(&journal);
    let stored: HashSet<String> = runtime.block_on(async {
        let mut copies = HashSet::new();
        for number in 0..CLIENTS {
            for event in 0..EVENTS {
                let id = format!("evt_{number}_{event}");
                if send(&client, &receiver.address, &id).await.unwrap() {
                    copies.insert(id);
                }
            }
        }
        copies
    });
    assert!(
        answered.is_subset(&stored),
        "answered with 2xx and not stored: {:?}",
        answered.difference(&stored)
    );
    let in_flight = stored.len() - answered.len();
    assert!(in_flight <= CLIENTS, "{in_flight} were stored and not answered");
    let file = std::fs::read_to_string(&journal).unwrap();
    let lines = file.lines().filter(|line| line.starts_with('{')).count();
    assert_eq!(lines, CLIENTS * EVENTS, "each event is in the file once");
}
