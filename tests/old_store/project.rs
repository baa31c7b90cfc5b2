//! The brains and the webhook that the fixture stores were made with. Stored runs
//! name their steps and slugs, so these stay as they are.

use std::time::Duration;

use px::prelude::*;

/// Bytes of the large state.
const LARGE_BYTES: usize = 20 << 20;

/// What a run is started with: the identifier that it waits on, and the token
/// that an answer has to bring.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Ask {
    key: String,
    #[serde(default)]
    token: Option<String>,
}

/// An answer, as it is posted and as a step gets it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    key: String,
    text: String,
}

/// What a run has in the end.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Done {
    text: String,
    bytes: usize,
}

mod answers {
    use super::*;

    px::webhook! {
        slug = "answers",
        payload = Answer,
        response = Answer,
        verify = px::verify::unverified().dedup_header("x-id"),
        handler = receive,
        early = Duration::from_hours(24 * 365 * 100), // the fixture grows old
    }

    async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
        Ok(Inbound::resume(answer.key.clone(), answer))
    }
}

fn asker() -> Brain<Ask> {
    brain("asker").step("ask", ask).step("answered", answered).build()
}
px::brain!(asker);

async fn ask(_cx: Cx, ask: Ask) -> Result<Waiting<Ask, Answer>> {
    let on = answers::on(&ask.key);
    let on = match &ask.token {
        Some(token) => on.token(token.clone()),
        None => on,
    };
    Ok(wait_for(ask, on))
}

async fn answered(_cx: Cx, _ask: Ask, answer: Answer) -> Result<Next<Done>> {
    Ok(Next(Done { text: answer.text, bytes: 0 }))
}

/// A state of 20 MiB.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Large {
    text: String,
}

fn large() -> Brain<Ask> {
    brain("large").step("grow", grow).step("shrink", shrink).build()
}
px::brain!(large);

async fn grow(_cx: Cx, ask: Ask) -> Result<Waiting<Large, Answer>> {
    let on = answers::on(&ask.key);
    Ok(wait_for(Large { text: "x".repeat(LARGE_BYTES) }, on))
}

async fn shrink(_cx: Cx, large: Large, answer: Answer) -> Result<Next<Done>> {
    Ok(Next(Done { text: answer.text, bytes: large.text.len() }))
}
