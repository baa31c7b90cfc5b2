//! A project that takes forms with files, and hands to send them with.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by two tests, neither of which uses all of it"
)]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use px_core::{DeliveryId, FILE_PIECE_BYTES, FileId, RunId, Scope};
use px_inbound::Answer;
use px_inbound::verify::FormWriter;
use px_sdk::{
    Brain, Cx, File, Files, Inbound, Next, Registry, Result, Timed, Waiting, brain, verify, wait_for,
};
use px_store::{Row, Store as _, Table};
use px_testkit::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::audited::Audited;

pub const SCOPE: Scope = Scope(0);
pub const DAY: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub id: String,
    #[serde(default)]
    pub photo: Option<File>,
    #[serde(default)]
    pub pages: Vec<File>,
    #[serde(default)]
    pub then: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    pub text: String,
}

mod claims {
    use super::*;
    px_sdk::webhook! {
        slug = "claims",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified().dedup_pointer("/id").remember(Duration::from_hours(24)),
        handler = receive,
        files = Files::default().bytes(3 * 1024 * 1024),
    }
    async fn receive(claim: Claim) -> Result<Inbound<Verdict>> {
        Ok(match claim.then.as_str() {
            "fail" => px_sdk::bail!("the handler fails"),
            "ignore" => Inbound::ignore("asked to"),
            "answer 1" => Inbound::resume("1", Verdict { text: claim.id }),
            _ => Inbound::start(handling, claim),
        })
    }
}

mod bodies {
    use super::*;
    px_sdk::webhook! {
        slug = "bodies",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified(),
        handler = receive,
        files = Files::default(),
        dedup = px_sdk::dedup::body(Duration::from_hours(1)),
    }
    async fn receive(_: Claim) -> Result<Inbound<Verdict>> {
        Ok(Inbound::ignore("counted"))
    }
}

mod plain {
    use super::*;
    px_sdk::webhook! {
        slug = "plain",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified(),
        handler = receive,
    }
    async fn receive(claim: Claim) -> Result<Inbound<Verdict>> {
        Ok(Inbound::start(handling, claim))
    }
}

/// Its handler gives the id itself, and fails at the first form of each.
mod flaky {
    use super::*;
    px_sdk::webhook! {
        slug = "flaky",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified(),
        handler = receive,
        files = Files::default(),
    }
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    async fn receive(claim: Claim) -> Result<Inbound<Verdict>> {
        if SEEN.lock().unwrap().insert(claim.id.clone()) {
            px_sdk::bail!("the handler fails once");
        }
        Ok(Inbound::ignore("counted").provider_id(claim.id))
    }
}

/// Forms of which one field holds the payload.
mod wrapped {
    use super::*;
    px_sdk::webhook! {
        slug = "wrapped",
        payload = Claim,
        response = Verdict,
        verify = verify::unverified()
            .body(verify::BodyForm::ByContentType { payload_field: Some("json".to_owned()) }),
        handler = receive,
        files = Files::default(),
    }
    async fn receive(_: Claim) -> Result<Inbound<Verdict>> {
        Ok(Inbound::ignore("counted"))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Read {
    pub bytes: u64,
    pub pieces: u32,
    pub first: String,
}

/// Reads what it is given: at once, or once somebody has said what becomes of it.
pub fn handling() -> Brain<Claim> {
    brain("handling").step("ask", ask).step("read", read).build()
}
px_sdk::brain!(handling);

async fn ask(_: Cx, claim: Claim) -> Result<Waiting<Claim, Timed<Verdict>>> {
    let time = if claim.then == "wait" { 365 * DAY } else { Duration::ZERO };
    let on = claims::on(&claim.id);
    Ok(wait_for(claim, on).timeout(time))
}

async fn read(cx: Cx, claim: Claim, _: Timed<Verdict>) -> Result<Next<Read>> {
    let mut read = Read { bytes: 0, pieces: 0, first: String::new() };
    for file in claim.photo.iter().chain(&claim.pages) {
        let mut stream = file.stream(&cx);
        while let Some(piece) = stream.next().await {
            read.bytes += piece?.len() as u64;
            read.pieces += 1;
        }
        let whole = file.bytes(&cx, 3 * 1024 * 1024).await?;
        assert_eq!(whole.len() as u64, file.size());
        let too_large = file.bytes(&cx, file.size().saturating_sub(1)).await;
        assert!(file.size() == 0 || too_large.is_err_and(|error| error.name() == "FileTooLarge"));
        let begin = whole.get(..whole.len().min(8)).unwrap_or_default();
        read.first.push_str(&String::from_utf8_lossy(begin));
    }
    Ok(Next(read))
}

pub fn world() -> Audited {
    Audited::new(Registry::collect().expect("the project is sound"))
}

pub fn form(id: &str, then: &str) -> FormWriter {
    FormWriter::default().text("id", id).text("then", then)
}

pub async fn send(world: &World, slug: &str, form: FormWriter) -> Answer {
    let (content_type, body) = form.finish();
    send_raw(world, slug, &content_type, body).await
}

pub async fn send_raw(world: &World, slug: &str, content_type: &str, body: Bytes) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    let answer = world.send(slug, headers, body).await.unwrap();
    world.settle().await.unwrap();
    answer
}

/// The pieces of all files, by delivery.
pub async fn pieces(world: &World) -> Vec<(FileId, u32, usize)> {
    let rows = world.store().scan(SCOPE, Table::File, None, 10_000).await.unwrap().rows;
    let pieces = rows.into_iter().map(|row| match row {
        Row::File(file, piece, bytes) => (file, piece, bytes.len()),
        other => panic!("{other:?}"),
    });
    pieces.collect()
}

pub fn delivery(answer: &Answer) -> DeliveryId {
    answer.delivery.unwrap_or_else(|| panic!("{}", answer.body))
}

pub async fn state(world: &World, run: RunId) -> Value {
    let run = world.store().run(SCOPE, run).await.unwrap().unwrap().run;
    json!({ "status": run.status.as_str(), "state": run.state(), "error": run.error })
}

pub fn piece() -> usize {
    usize::try_from(FILE_PIECE_BYTES).unwrap()
}
