//! `px runs explain`

use px_api::story::{self, Listening, Story};
use px_api::{Ask, Run, RunStatus};
use px_core::key::FORM_SLUG;
use px_core::{RunId, Timestamp};
use px_sdk::Registry;
use serde_json::{Value, json};

use super::{fetch, log};
use crate::commands::webhooks::{reported_url, send_line};
use crate::complete;
use crate::context::{self, Context};
use crate::error::Result;
use crate::ids;
use crate::resolve;
use crate::sample::{self, Address, Wish};
use crate::show::curl;
use crate::ui::{FAINT, HEADING, paint, shown, style_of};

/// Say why a run is where it is, and what would move it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For a waiting run it prints the `px webhooks send` line that wakes it, and the same as `curl`: \
                  signed, if the secret is in the environment.\n\n\
                  Examples:\n  px runs explain run_0197c1f0a1b27000800000000000cafe\n  \
                  px runs explain run_0197c1f0a1b27000800000000000cafe --json | jq -r '.wake[0].curl'"
)]
pub(crate) struct Args {
    /// The run: its id, the id's last digits (4 or more), or @last, @last:waiting
    #[arg(add = complete::runs())]
    run: String,
}

/// Characters of a link's question that are shown.
const WORDS: usize = 200;

/// One of the things that wake a run, and how.
struct Wake {
    listening: Listening,
    send: String,
    curl: Option<String>,
    /// The line for each answer of a signed link, with its label.
    answers: Vec<(String, String)>,
    /// Reason that there is no `curl` line, or a remark about the line.
    remark: Option<String>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (client, now) = (context.client()?, context.now());
    let id = &ids::run(&client, &args.run).await?;
    let run = fetch(&client, id).await?;
    let events = log(&client, id, run.seq.saturating_sub(story::EVENTS)).await?;
    let story = story::tell(&run, &events, now);
    let registry = context.configured().ok();
    let mut wakes = Vec::new();
    for listening in &story.waits {
        if let Some(ask) = &listening.ask {
            wakes.push(link(listening, ask, client.base(), &run.brain_run_id, context::has_token()));
            continue;
        }
        let reported = reported_url(&client, &listening.slug).await.unwrap_or_default();
        let address = Address::new(client.base(), &listening.slug, reported.as_deref());
        wakes.push(wake(context, registry.as_ref(), listening, &address, now).await);
    }
    if context.ui.json {
        print_json(context, &run, &story, &wakes)
    } else {
        print(context, &run, &story, &wakes, now)
    }
}

async fn wake(
    context: &Context,
    registry: Option<&Registry>,
    listening: &Listening,
    address: &Address,
    now: Timestamp,
) -> Wake {
    if listening.slug == FORM_SLUG {
        return form(listening, address);
    }
    let url = context.explicit_url();
    let (identifier, token) = (Some(&*listening.identifier), listening.token.as_deref());
    let line = |identifier, file| {
        let flags = [("--identifier", identifier), ("--token", token), ("--url", url), ("--payload", file)];
        send_line(&listening.slug, &flags)
    };
    let send = line(identifier, None);
    let mut wake = Wake { listening: listening.clone(), send, curl: None, answers: Vec::new(), remark: None };
    let found = registry.map(|registry| resolve::webhook(registry, &listening.slug));
    let def = match found {
        Some(Ok(webhook)) => &webhook.def,
        _ => {
            wake.remark =
                Some("this binary does not know the webhook, so it cannot make its request".to_owned());
            return wake;
        }
    };
    let wish = Wish { identifier, token, ..Wish::default() };
    let keyring = def.keyring(&context::env);
    let draft = sample::draft(def, wish, now).await;
    let needs = if draft.is_err() { sample::needs_a_server(def) } else { None };
    let sealed = draft.and_then(|draft| {
        Ok(address.direct(draft.seal(def, &address.known_as, &keyring, &context.fresh_id(), now, false)?))
    });
    match sealed {
        Ok(request) => {
            wake.curl = curl::line(&request.method, &request.url, &request.headers, &request.body);
            wake.remark = match (&def.verification.secret, request.signed) {
                (Some(variable), false) => Some(format!(
                    "unsigned, since {variable} is not set here: a server that has it refuses this"
                )),
                _ => def.verification.window().map(|window| {
                    let seconds = std::time::Duration::from_secs(window.tolerance_secs);
                    format!("its signature counts for {}", crate::show::words::duration(seconds))
                }),
            };
        }
        Err(error) => {
            wake.send = line(identifier.filter(|_| needs.is_none()), Some("FILE"));
            wake.remark = Some(needs.map_or(error.message, |needs| {
                let identifier = &listening.identifier;
                format!(
                    "its handler {needs}, so px cannot find where '{identifier}' goes: write it into FILE"
                )
            }));
        }
    }
    wake
}

/// A wait for a form: no webhook is sent, a page's form is posted.
fn form(listening: &Listening, address: &Address) -> Wake {
    let token = listening.token.as_deref();
    let path = px_sdk::form::path(&listening.identifier, token.unwrap_or("TOKEN"));
    let url = format!("{}{path}", address.base);
    let remark = match token {
        Some(_) => "a page's form posts its fields there; --data-urlencode 'name=value' is one",
        None => "a page's form posts its fields there; TOKEN is the one that the step gave the wait",
    };
    let curl = Some(format!("curl -X POST {} --data-urlencode 'name=value'", curl::quoted(&url)));
    let answers = Vec::new();
    Wake { listening: listening.clone(), send: url, curl, answers, remark: Some(remark.to_owned()) }
}

/// A wait for the answer to a signed link: whoever has the link answers on its page. The
/// lines that are printed give an answer by hand, each of them another one, for the
/// person whom the link was made for.
fn link(listening: &Listening, ask: &Ask, base: &str, run: &RunId, has_token: bool) -> Wake {
    let url = format!("{base}/brains/runs/{run}/signals");
    // The shell puts the token in: a line that is shown may be read by others.
    let token = if has_token { " -H \"Authorization: Bearer $PX_TOKEN\"" } else { "" };
    let line = |answer: &Value| {
        let mut response = json!({ "answer": answer });
        if let (Some(approver), Value::Object(fields)) = (&ask.approver, &mut response) {
            fields.insert("by".to_owned(), json!(approver));
        }
        let body = json!({ "type": "WEBHOOK_RESPONSE", "slug": listening.slug, "response": response });
        format!(
            "curl -X POST {}{token} -H 'Content-Type: application/json' --data-raw {}",
            curl::quoted(&url),
            curl::quoted(&body.to_string())
        )
    };
    let answers: Vec<_> = ask.answers.iter().map(|one| (one.label.clone(), line(&one.value))).collect();
    let curl = answers.first().map(|(_, line)| line.clone());
    let labels: Vec<&str> = ask.answers.iter().map(|answer| &*answer.label).collect();
    let remark =
        format!("whoever has the link answers on its page ({}); this answers by hand", labels.join(", "));
    Wake { listening: listening.clone(), send: url, curl, answers, remark: Some(remark) }
}

/// The line above what wakes a run.
fn heading(listening: &Listening) -> String {
    let Listening { slug, identifier, token, ask } = listening;
    match ask {
        Some(Ask { words, approver, .. }) => {
            let words: String = words.chars().take(WORDS).collect();
            let of = approver.as_ref().map_or(String::new(), |approver| format!(" of {approver}"));
            format!("link '{identifier}' asks{of}: {words}")
        }
        None => {
            let token = if token.is_some() { " and its token" } else { "" };
            format!("webhook '{slug}' with identifier '{identifier}'{token}")
        }
    }
}

fn print(context: &Context, run: &Run, story: &Story, wakes: &[Wake], now: Timestamp) -> Result<()> {
    let ui = context.ui;
    let Run { brain_run_id: id, brain_title: title, status, .. } = run;
    ui.line(format_args!(
        "{} of brain '{}' is {}.\n",
        paint(HEADING, id),
        shown(title),
        paint(style_of(status.as_str()), status)
    ))?;
    for sentence in &story.sentences {
        ui.line(shown(sentence))?;
    }
    for wake in wakes {
        ui.line(format_args!("\n{}", paint(HEADING, shown(heading(&wake.listening)))))?;
        ui.line(format_args!("  {}", wake.send))?;
        if let Some(curl) = wake.curl.as_ref().filter(|_| wake.answers.is_empty()) {
            ui.line(format_args!("  {curl}"))?;
        }
        for (label, line) in &wake.answers {
            // The label is a stranger's text to a shell, so it has a line of its own.
            ui.line(paint(FAINT, shown(format_args!("  {label}:"))))?;
            ui.line(format_args!("  {line}"))?;
        }
        if let Some(remark) = &wake.remark {
            ui.line(paint(FAINT, shown(format_args!("  ({remark})"))))?;
        }
    }
    match status {
        RunStatus::Waiting => ui.line(format_args!("\n{}", story::ending(story, now)))?,
        RunStatus::Paused => ui.line(format_args!("  {}", resume_line(context, id)))?,
        RunStatus::Error => ui.line(format_args!("`px runs events {id}` shows how it got there."))?,
        _ => {}
    }
    Ok(())
}

fn resume_line(context: &Context, id: &RunId) -> String {
    let url = context.explicit_url().map_or(String::new(), |url| format!(" --url {}", curl::quoted(url)));
    format!("px runs resume {id}{url}")
}

fn print_json(context: &Context, run: &Run, story: &Story, wakes: &[Wake]) -> Result<()> {
    let wakes: Vec<Value> = wakes
        .iter()
        .map(|wake| {
            let mut out = json!({
                "slug": wake.listening.slug,
                "identifier": wake.listening.identifier,
                "token": wake.listening.token,
                "send": wake.send,
                "curl": wake.curl,
                "remark": wake.remark,
            });
            if let (Some(ask), Value::Object(fields)) = (&wake.listening.ask, &mut out) {
                fields.insert("ask".to_owned(), json!(ask));
                let line = |(label, curl): &(String, String)| json!({ "label": label, "curl": curl });
                fields.insert("answers".to_owned(), wake.answers.iter().map(line).collect());
            }
            out
        })
        .collect();
    context.ui.json(&json!({
        "brainRunId": run.brain_run_id,
        "brainTitle": run.brain_title,
        "status": run.status,
        "since": story.since,
        "until": story.until,
        "why": story.sentences,
        "wake": wakes,
    }))
}

#[cfg(test)]
mod tests {
    use px_api::AskedAnswer;

    use super::*;

    #[test]
    fn a_link_is_told_by_its_question_and_answered_by_hand_with_one_of_its_answers() {
        let answer = |label: &str, value| AskedAnswer { label: label.to_owned(), value };
        let ask = Ask {
            words: format!("Refund o'2?{}", " Really?".repeat(100)),
            answers: vec![answer("Yes, do", json!("yes")), answer("No", json!("no"))],
            approver: Some("anna@example.com".to_owned()),
            expires: None,
        };
        let listening = Listening {
            slug: "px.link".to_owned(),
            identifier: "lnk_1".to_owned(),
            token: None,
            ask: Some(ask.clone()),
        };
        let said = heading(&listening);
        assert!(said.starts_with("link 'lnk_1' asks of anna@example.com: Refund o'2? Really?"), "{said}");
        assert!(said.len() < 300, "{said}");
        let run = RunId::from_bytes([7; 16]);
        let wake = link(&listening, &ask, "http://127.0.0.1:8787", &run, false);
        let with_token = link(&listening, &ask, "http://127.0.0.1:8787", &run, true).curl.unwrap();
        assert!(with_token.contains(" -H \"Authorization: Bearer $PX_TOKEN\" -H "), "{with_token}");
        let url = format!("http://127.0.0.1:8787/brains/runs/{run}/signals");
        let lines = ["yes", "no"].map(|answer| {
            let response = format!(r#"{{"answer":"{answer}","by":"anna@example.com"}}"#);
            let body = format!(r#"{{"response":{response},"slug":"px.link","type":"WEBHOOK_RESPONSE"}}"#);
            format!("curl -X POST {url} -H 'Content-Type: application/json' --data-raw '{body}'")
        });
        assert_eq!((wake.send, wake.curl.as_ref()), (url, Some(&lines[0])));
        let [yes, no] = lines;
        assert_eq!(wake.answers, [("Yes, do".to_owned(), yes), ("No".to_owned(), no)]);
        assert!(wake.remark.is_some_and(|remark| remark.contains("(Yes, do, No)")));
        let webhook = Listening { slug: "slack".to_owned(), ask: None, ..listening };
        assert_eq!(heading(&webhook), "webhook 'slack' with identifier 'lnk_1'");
    }
}
