//! Starts a run, follows it to its end, and prints its result.
//!
//! ```text
//! cargo run -p px-client --example start_and_watch -- http://127.0.0.1:8787 <brain> '{"name": "Ada"}'
//! ```
//!
//! The token of the API comes from `PX_TOKEN`, if there is one. The key makes a
//! second call with the same arguments follow the run of the first.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::error::Error;
use std::time::Duration;

use futures_util::StreamExt as _;
use px_client::Client;
use px_client::api::{RunStatus, StartRun};

/// How often a request is sent whose answer does not come.
const ATTEMPTS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, brain, state] = arguments.as_slice() else {
        return Err("usage: start_and_watch <url> <brain> <state as JSON>".into());
    };
    let mut builder = Client::builder(url);
    if let Ok(token) = std::env::var("PX_TOKEN") {
        builder = builder.token(token);
    }
    let client = builder.build()?;
    let start = StartRun::of(brain)
        .with_state(&serde_json::from_str::<serde_json::Value>(state)?)?
        .with_idempotency_key(format!("{brain} {state}"));

    let run = started(&client, &start).await?;
    println!("{run}");
    let mut events = client.watch_run(&run).across_restarts().events();
    while let Some(event) = events.next().await {
        let event = event?;
        println!("{:>4} {} {}", event.seq, event.kind, event.step_title.as_deref().unwrap_or_default());
    }
    let run = client.run(&run).await?;
    match (&run.status, &run.error) {
        (RunStatus::Complete, _) => println!("{:#}", run.state),
        (_, Some(error)) => return Err(format!("the run failed: {}", error.message).into()),
        (status, None) => return Err(format!("the run is {status}").into()),
    }
    Ok(())
}

/// Starts the run, again and again as long as that is safe.
async fn started(client: &Client, start: &StartRun) -> Result<String, px_client::Error> {
    let mut attempt = 1;
    loop {
        match client.start_run(start).await {
            Ok(started) => return Ok(started.brain_run_id.to_string()),
            Err(error) if error.is_retry_safe() && attempt < ATTEMPTS => {
                eprintln!("{error}; trying again");
                tokio::time::sleep(error.retry_after().unwrap_or(Duration::from_secs(1))).await;
                attempt += 1;
            }
            Err(error) => {
                if let Some(hint) = error.hint() {
                    eprintln!("{hint}");
                }
                return Err(error);
            }
        }
    }
}
