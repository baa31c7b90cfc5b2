//! Brains and webhooks that do not yield, each until a file is there. A test
//! makes the file, so nothing here takes a fixed time.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use px::prelude::*;

/// The folder of a test's files, for handlers: a payload cannot be believed.
pub const FOLDER: &str = "PX_STALLS_FOLDER";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Until {
    /// The file that ends it.
    pub file: PathBuf,
}

/// Keeps its thread and computes.
fn spin(file: &Path) {
    while !file.exists() {
        std::hint::spin_loop();
    }
}

/// Keeps its thread and does nothing, as a call of a library without async.
fn block(file: &Path) {
    while !file.exists() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn spins() -> Brain<Until> {
    brain("spins").step("spin", spinning).build()
}
px::brain!(spins);

async fn spinning(_cx: Cx, until: Until) -> Result<Next<Until>> {
    spin(&until.file);
    Ok(Next(until))
}

fn blocks() -> Brain<Until> {
    brain("blocks").step("block", blocking).build()
}
px::brain!(blocks);

async fn blocking(_cx: Cx, until: Until) -> Result<Next<Until>> {
    block(&until.file);
    Ok(Next(until))
}

/// Its first attempt does not yield and times out; when it wakes, its retry has
/// begun, and it tries to write all the same.
fn wakes_late() -> Brain<Until> {
    brain("wakes-late")
        .step("wake", waking)
        .retry(Retry::attempts(2))
        .timeout(Duration::from_millis(300))
        .step("end", ending)
        .build()
}
px::brain!(wakes_late);

async fn waking(cx: Cx, until: Until) -> Result<Next<Until>> {
    if cx.attempt() > 1 {
        // The retry waits, in an await, until the first attempt has tried everything.
        cx.emit("retry", "has begun").await?;
        return Ok(Next(until));
    }
    block(&until.file);
    let once = cx.once("late", || async { Ok(1) }).await;
    let emitted = cx.emit("late", 1).await;
    let started = cx.start("late run", quick, Until { file: until.file.clone() }).await;
    let refused = [once.is_err(), emitted.is_err(), started.is_err()].iter().all(|refused| *refused);
    let word = if refused && cx.is_cancelled() { "refused" } else { "written" };
    std::fs::write(until.file.with_extension("tried"), word)?;
    Ok(Next(until))
}

/// Waits for the file of the test, in an await, so that the run is not over before.
async fn ending(_cx: Cx, until: Until) -> Result<Next<Until>> {
    let tried = until.file.with_extension("tried");
    while !tried.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Next(until))
}

fn quick() -> Brain<Until, Until> {
    brain("quick").step("quick", quickly).build()
}
px::brain!(quick);

async fn quickly(_cx: Cx, until: Until) -> Result<Next<Until>> {
    Ok(Next(until))
}

/// Does not yield where px itself calls users' code: entering a brain, and leaving it.
fn nests() -> Brain<Until> {
    let enter = |until: &Until| {
        spin(&until.file.with_extension("enter"));
        until.clone()
    };
    let leave = |until: Until, _: Until| {
        spin(&until.file);
        until
    };
    brain("nests").brain("inside", quick, enter, leave).build()
}
px::brain!(nests);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Call {
    pub url: String,
}

fn calls() -> Brain<Call> {
    brain("calls").step("call", calling).build()
}
px::brain!(calls);

/// One for all calls: making one reads the certificates of the machine.
static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(reqwest::Client::new);

async fn calling(_cx: Cx, call: Call) -> Result<Next<Call>> {
    CLIENT.get(&call.url).send().await?.bytes().await?;
    Ok(Next(call))
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Ping {
    pub id: String,
}

mod good {
    use super::*;

    px::webhook! {
        slug = "good",
        payload = Ping,
        response = Ping,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(ping: Ping) -> Result<Inbound<Ping>> {
        Ok(Inbound::start(pinged, ping))
    }
}

fn pinged() -> Brain<Ping> {
    brain("pinged").step("ping", ping).build()
}
px::brain!(pinged);

async fn ping(_cx: Cx, ping: Ping) -> Result<Next<Ping>> {
    Ok(Next(ping))
}

mod bad {
    use super::*;

    px::webhook! {
        slug = "bad",
        payload = Ping,
        response = Ping,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(_: Ping) -> Result<Inbound<Ping>> {
        block(&Path::new(&std::env::var(FOLDER)?).join("handlers"));
        Ok(Inbound::ignore("it has woken"))
    }
}

/// Blocks in its verifier, and in its middleware.
mod verifies {
    use super::*;
    use px::layer::{BoxError, Next as Rest, Request, Response};

    px::webhook! {
        slug = "verifies",
        payload = Ping,
        response = Ping,
        verify = px::verify::custom("WORD", check),
        handler = receive,
        layer = px::layer::from_fn(pass),
    }

    fn check(received: &Received, _: &str) -> std::result::Result<(), px::verify::Refused> {
        if received.header("x-block") == Some("verifier") {
            block(&Path::new(&std::env::var(FOLDER).unwrap_or_default()).join("handlers"));
        }
        Ok(())
    }

    async fn pass(request: Request, rest: Rest) -> std::result::Result<Response, BoxError> {
        if request.headers().get("x-block").is_some_and(|value| value == "layer") {
            block(&Path::new(&std::env::var(FOLDER)?).join("handlers"));
        }
        rest.run(request).await
    }

    async fn receive(_: Ping) -> Result<Inbound<Ping>> {
        Ok(Inbound::ignore("fine"))
    }
}
