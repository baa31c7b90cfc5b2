//! The brains and webhooks that the suite needs: one for each thing that the
//! contract says of runs and deliveries. This program serves them itself.

use std::time::Duration;

use px::link::{self, Answered};
use px::prelude::*;
use px::{Form, form};

pub const SLACK_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// Whoever sends it says what is to become of it.
mod votes {
    use px::prelude::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub struct Vote {
        pub id: String,
        pub who: String,
        #[serde(default)]
        pub wish: String,
    }

    px::webhook! {
        /// Votes
        slug = "votes",
        payload = Vote,
        response = Vote,
        verify = px::verify::unverified().dedup_header("x-id"),
        handler = receive,
        files = px::Files::default(),
    }

    pub async fn receive(vote: Vote) -> Result<Inbound<Vote>> {
        match vote.wish.as_str() {
            "ignore" => Ok(Inbound::ignore("as it wishes")),
            "fail" => Err(Error::permanent("as it wishes")),
            "slow" => std::future::pending().await,
            "start" => Ok(Inbound::start(super::short, vote)),
            "or start" => Ok(Inbound::resume(vote.id.clone(), vote.clone_of()).or_start(super::voting, vote)),
            _ => Ok(Inbound::resume(vote.id.clone(), vote)),
        }
    }

    impl Vote {
        pub fn clone_of(&self) -> Self {
            Self { id: self.id.clone(), who: self.who.clone(), wish: self.wish.clone() }
        }
    }
}

/// A webhook that takes what does not fit.
mod lenient {
    px::webhook! {
        slug = "lenient",
        payload = super::votes::Vote,
        response = super::votes::Vote,
        verify = px::verify::unverified(),
        handler = super::votes::receive,
        accepts_invalid = true,
    }
}

/// A webhook with a handshake and a signature.
mod slack {
    use px::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Nothing {}

    px::webhook! {
        slug = "slack",
        payload = Nothing,
        response = Nothing,
        verify = px::verify::slack("SLACK_SIGNING_SECRET"),
        handler = receive,
    }

    async fn receive(_: Nothing) -> Result<Inbound<Nothing>> {
        Ok(Inbound::ignore("nothing"))
    }
}

use votes::Vote;

fn short() -> Brain<Vote> {
    brain("short").describe("Is done at once").step("one", one).step("two", one).build()
}
px::brain!(short);

async fn one(_: Cx, vote: Vote) -> Result<Next<Vote>> {
    Ok(Next(vote))
}

/// Is found by two labels.
fn labelled() -> Brain<Vote> {
    brain("labelled").label_as("vote", "/id").label_as("voter", "/who").step("one", one).build()
}
px::brain!(labelled);

/// Counts votes in values that outlive its runs.
fn counting() -> Brain<Vote> {
    brain("counting").step("count", count).build()
}
px::brain!(counting);

async fn count(cx: Cx, vote: Vote) -> Result<Next<Vote>> {
    cx.kv::<u64>("votes").update(|votes| votes.unwrap_or(0) + 1).await?;
    cx.kv::<String>("last/vote").scope(format!("of {}", vote.id)).set(vote.who.clone()).await?;
    Ok(Next(vote))
}

/// Waits on the vote of its id, and then on the next one.
fn voting() -> Brain<Vote> {
    brain("voting").step("ask", ask).step("note", note).build()
}
px::brain!(voting);

/// As that, and nobody may take long.
fn hasty() -> Brain<Vote> {
    brain("hasty").step("ask", ask).expect(Duration::from_millis(1)).step("note", note).build()
}
px::brain!(hasty);

async fn ask(_: Cx, vote: Vote) -> Result<Waiting<Vote, Vote>> {
    let on = votes::on(vote.id.clone());
    let on = if vote.wish == "token" { on.token("right") } else { on };
    Ok(wait_for(vote, on))
}

async fn note(_: Cx, _: Vote, answer: Vote) -> Result<Next<Vote>> {
    Ok(Next(answer))
}

/// Waits on two votes, with a timeout.
fn pair() -> Brain<Vote> {
    brain("pair").step("ask", ask_two).step("note", note_two).build()
}
px::brain!(pair);

async fn ask_two(_: Cx, vote: Vote) -> Result<Collecting<Vote, Partly<Vec<Vote>, Vec<Vote>>>> {
    let on = votes::on(vote.id.clone());
    Ok(wait_for_count(vote, 2, on).timeout(Duration::from_hours(1)))
}

async fn note_two(_: Cx, vote: Vote, _: Partly<Vec<Vote>, Vec<Vote>>) -> Result<Next<Vote>> {
    Ok(Next(vote))
}

/// Its only step never ends.
fn endless() -> Brain<()> {
    brain("endless").describe("Never gets done").step("sleep", sleep_on).build()
}
px::brain!(endless);

async fn sleep_on(_: Cx, (): ()) -> Result<Next<()>> {
    std::future::pending().await
}

fn paper() -> Brain<Vote> {
    brain("paper").step("ask", ask_form).step("note", note_form).build()
}
px::brain!(paper);

async fn ask_form(_: Cx, vote: Vote) -> Result<Waiting<Vote, Form>> {
    let on = form::on(vote.id.clone(), "s3cret");
    Ok(wait_for(vote, on))
}

async fn note_form(_: Cx, _: Vote, form: Form) -> Result<Next<Form>> {
    Ok(Next(form))
}

/// Asks by a signed link, which is in its state for the tests to see.
fn linked() -> Brain<Vote> {
    brain("linked").step("ask", ask_link).step("note", note_link).build()
}
px::brain!(linked);

async fn ask_link(cx: Cx, vote: Vote) -> Result<Waiting<Vote, Answered<bool>>> {
    let link =
        link::ask(&cx, "link", format!("May <{}> do it?", vote.who)).answer(true, "Yes").answer(false, "No");
    let link = link.approver(&vote.who).await?;
    // The link does not belong there: px takes its token out of what leaves.
    cx.emit("linked", link.url()).durable().await?;
    tracing::warn!(url = link.url(), "a step that shows its link: {}", link.url());
    let vote = Vote { wish: link.url().to_owned(), ..vote };
    Ok(wait_for(vote, link.on()))
}

async fn note_link(_: Cx, vote: Vote, answered: Answered<bool>) -> Result<Next<Vote>> {
    Ok(Next(Vote { who: format!("{}: {}", vote.who, answered.answer), ..vote }))
}

/// What a run of `spender` is to do with the secrets that it reads.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Errand {
    /// Names of the secrets.
    names: Vec<String>,
    /// True if it tells everybody what it has read.
    tells: bool,
    #[serde(default)]
    read: Vec<String>,
    /// Secrets that are JSON, as they are read.
    #[serde(default)]
    parsed: Vec<serde_json::Value>,
}

/// Reads secrets as a brain should, or puts them where they do not belong.
fn spender() -> Brain<Errand> {
    let names = [&super::planted::NAMES[..], &["NOWHERE"]].concat();
    brain("spender").secrets(names).step("spend", spend).build()
}
px::brain!(spender);

async fn spend(cx: Cx, errand: Errand) -> Result<Next<Errand>> {
    let (mut read, mut parsed) = (Vec::new(), Vec::new());
    for name in &errand.names {
        let secret = cx.secret(name)?;
        if errand.tells {
            read.extend(super::planted::forms(secret.expose()));
            parsed.extend(super::planted::parsed(secret.expose()));
        } else {
            read.push(format!("{name} has {} bytes", secret.expose().len()));
        }
    }
    cx.emit("spent", (&read, &parsed)).durable().await?;
    if errand.tells {
        tracing::warn!(spent = ?read, ?parsed, "a step that shows what it should not: {}", read.join(" "));
        // And of a panic, which ends its own attempt alone.
        let text = read.join(" ");
        let _ = std::panic::catch_unwind(move || panic!("a panic that shows it: {text}"));
    }
    Ok(Next(Errand { read, parsed, ..errand }))
}

/// Verified by a secret that the store has, if it has it.
mod hub {
    use px::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Ping {
        pub zen: String,
    }

    px::webhook! {
        slug = "hub",
        payload = Ping,
        response = Ping,
        verify = px::verify::github("HUB_SECRET"),
        handler = receive,
        secrets = ["STORE_KEY"],
    }

    async fn receive(resources: &Resources, ping: Ping) -> Result<Inbound<Ping>> {
        let length = resources.secret("STORE_KEY").map(|secret| secret.expose().len()).unwrap_or_default();
        if ping.zen == "tell it" {
            let reply = Reply::text(format!("it is {}", resources.secret("STORE_KEY")?.expose()));
            return Ok(Inbound::ignore("told").with_reply(reply));
        }
        Ok(Inbound::ignore(format!("{} with a key of {length}", ping.zen.len())))
    }
}
