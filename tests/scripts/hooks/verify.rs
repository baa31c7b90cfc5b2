//! Verifies what px signed with the crate `standardwebhooks`, whose version is
//! read from the lock file beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use standardwebhooks::Webhook;

fn main() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("a lock file");
    let version = lock
        .split("name = \"standardwebhooks\"\nversion = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("?");
    let file = std::env::args().nth(1).expect("a file of requests");
    let (mut requests, mut right, mut refused, mut wrong) = (0, 0, 0, 0);
    for line in std::fs::read_to_string(file).expect("the requests").lines() {
        let request: Value = serde_json::from_str(line).expect("a request a line");
        if request["mode"] != "standard" {
            continue;
        }
        requests += 1;
        let body = STANDARD.decode(request["body"].as_str().expect("a body")).expect("base64");
        let mut headers = HeaderMap::new();
        for (name, value) in request["headers"].as_object().expect("headers") {
            let name: HeaderName = name.parse().expect("a name");
            headers.insert(name, HeaderValue::from_str(value.as_str().expect("text")).expect("a value"));
        }
        for secret in request["secrets"].as_array().expect("secrets") {
            let library = Webhook::new(secret.as_str().expect("a secret")).expect("a usable secret");
            match library.verify(&body, &headers) {
                Ok(()) => right += 1,
                Err(error) => {
                    wrong += 1;
                    println!("WRONG crate standardwebhooks: {error}");
                }
            }
            let changed = [&body[..], b" "].concat();
            let other = Webhook::new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").expect("another secret");
            for bad in [library.verify(&changed, &headers), other.verify(&body, &headers)] {
                match bad {
                    Err(_) => refused += 1,
                    Ok(()) => {
                        wrong += 1;
                        println!("WRONG crate standardwebhooks believes a change");
                    }
                }
            }
        }
    }
    let verdict = if wrong == 0 && right > 0 { "ok" } else { "WRONG" };
    println!(
        "{verdict:5} crate standardwebhooks {version}: standard: {requests} requests, {right} verified, \
         {refused} changed ones refused, {wrong} wrong"
    );
    std::process::exit(i32::from(verdict != "ok"));
}
