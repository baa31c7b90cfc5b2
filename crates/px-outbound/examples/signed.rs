//! Prints the callbacks of a run's life, signed in every mode, a request a
//! line as JSON: what `tests/scripts/hook-libraries` has the official libraries
//! verify. Secrets are made anew each time.

#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use px_core::hook::{Format, Signing};
use px_core::lifecycle::{Envelope, Kind, RunRef};
use px_core::{Clock as _, Ids, RunStatus, SystemClock, random_bytes};
use px_outbound::format::{Links, body, headers};
use px_outbound::sign::{self, Message, Signer, carries_several};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value, json};

const LIFE: [(Kind, RunStatus, RunStatus); 5] = [
    (Kind::RunStarted, RunStatus::Pending, RunStatus::Running),
    (Kind::StepStarted, RunStatus::Running, RunStatus::Running),
    (Kind::RunWaiting, RunStatus::Running, RunStatus::Waiting),
    (Kind::RunResumed, RunStatus::Waiting, RunStatus::Running),
    (Kind::RunCompleted, RunStatus::Running, RunStatus::Complete),
];

/// What a mode signs with, and what its receivers verify with.
struct Keys {
    secrets: Vec<SecretString>,
    known: Vec<String>,
}

fn keys(signing: &Signing, count: usize) -> Keys {
    let (mut secrets, mut known) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let (secret, public) = match signing {
            Signing::StandardAsymmetric => {
                let (private, public) = sign::key_pair(&random_bytes);
                (private, public.to_string())
            }
            _ => {
                let secret = sign::secret(&random_bytes);
                (secret.clone(), secret.expose_secret().to_owned())
            }
        };
        secrets.push(secret);
        known.push(public);
    }
    Keys { secrets, known }
}

fn envelope(ids: &Ids, run: &RunRef, seq: usize) -> Option<Envelope> {
    let (kind, from, to) = *LIFE.get(seq.checked_sub(1)?)?;
    let (seq, at) = (u64::try_from(seq).ok()?, SystemClock.now());
    let mut data = Map::new();
    data.insert("logSeq".to_owned(), seq.into());
    data.insert("note".to_owned(), "caf\u{e9} \u{1f600} \u{2028} </script>".into());
    Some(Envelope {
        id: ids.event(at),
        kind,
        seq,
        at,
        is_final: to.is_terminal(),
        run: Some(RunRef { status: to, ..run.clone() }),
        change: (from != to).then_some((from, to)),
        log_seq: seq,
        test: None,
        data,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let ids = Ids::new();
    let links = Links::below("http://127.0.0.1:8787").unwrap_or_default();
    for name in ["standard", "standard-asymmetric", "github", "timestamped", "stripe"] {
        let signing = Signing::parse(name).unwrap_or_default();
        for (count, format) in
            [(1, Format::Px), (2, Format::CloudEvents), (11, Format::Forge), (1, Format::Rdev)]
        {
            let Keys { secrets, known } = keys(&signing, count);
            let signer = Signer::new(&signing, &secrets)?;
            let run = RunRef {
                id: ids.run(SystemClock.now()),
                brain: "customer-feedback".to_owned(),
                status: RunStatus::Pending,
                request_id: None,
                labels: px_core::Labels::new(),
            };
            for envelope in (1..=LIFE.len()).filter_map(|seq| envelope(&ids, &run, seq)) {
                let body = body(format, &envelope, &links)?;
                let at = SystemClock.now();
                let id = envelope.id.to_string();
                let mut headers = headers(format, &signing, &envelope, ids.callback(at));
                signer.sign(&Message { id: &id, at, body: &body }, &mut headers)?;
                let headers: Map<String, Value> = headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
                    .collect();
                // Where the header has room for one signature, only the newest verifies.
                let known = if carries_several(&signing) {
                    known.as_slice()
                } else {
                    known.get(..1).unwrap_or_default()
                };
                println!(
                    "{}",
                    json!({ "mode": name, "secrets": known, "headers": headers, "body": STANDARD.encode(&body) })
                );
            }
        }
    }
    Ok(())
}
