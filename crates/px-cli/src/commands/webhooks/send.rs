//! `px webhooks send`

mod by_server;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use px_api::{Accepted, Action, Webhook};
use px_client::{Client, WebhookAnswer};
use px_core::Stopwatch;
use serde_json::Value;

use super::reported;
use crate::complete;
use crate::context::{self, Context};
use crate::error::{Error, Kind, Result};
use crate::ids;
use crate::resolve;
use crate::sample::{self, Address, Draft, Field, Request, Wish};
use crate::show::{curl, listing, words};
use crate::ui::{ERROR, FAINT, GOOD, Ui, paint, shown};

/// Send a webhook as its provider would: a payload that fits, signed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without --payload, a sample is made from the payload's schema; with --identifier, px asks the \
                  webhook's handler where in the payload the identifier belongs. The secret is taken from this \
                  command's environment, and never from the store, whose values are shown to nobody. Without one, \
                  the server makes and signs the event itself, if it has the secret and takes test events; what \
                  follows is real, and marked as a test. Else the request is unsigned.\n\n\
                  Exit codes: 0 if everything was answered with 2xx, else 1.\n\n\
                  Examples:\n  \
                  px webhooks send github --identifier 'octo/repo#7'\n  \
                  px webhooks send slack --payload mention.json\n  \
                  px webhooks send stripe --kind payment_intent.succeeded --identifier pi_1\n  \
                  px webhooks send github --duplicate\n  \
                  px webhooks send twilio --identifier +15550100 --print-curl\n  \
                  px webhooks send claims --field number=7 --file photo=@damage.jpg\n  \
                  px webhooks send github --by-server"
)]
pub(crate) struct Args {
    /// The webhook's slug
    #[arg(add = complete::slugs())]
    slug: String,

    /// Send this file (- for stdin) instead of a sample
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,

    /// Send a form with this file (again for more)
    #[arg(long, value_name = "FIELD=@PATH", value_parser = Field::file, conflicts_with_all = ["payload", "identifier", "kind"])]
    file: Vec<Field>,

    /// Send a form with this text (again for more)
    #[arg(long, value_name = "NAME=TEXT", value_parser = Field::text, requires = "file")]
    field: Vec<Field>,

    /// The identifier that the handler is to find in the payload
    #[arg(long, value_name = "IDENTIFIER", allow_hyphen_values = true)]
    identifier: Option<String>,

    /// The kind of event, where the provider names it
    #[arg(long, value_name = "EVENT")]
    event: Option<String>,

    /// The kind of event, as the payload's type names it
    #[arg(long, value_name = "KIND", conflicts_with = "payload")]
    kind: Option<String>,

    /// The token that the wait demands
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    token: Option<String>,

    /// Print the request as a curl line instead of sending it
    #[arg(long)]
    print_curl: bool,

    /// Send everything twice, under one provider's id
    #[arg(long)]
    duplicate: bool,

    /// Send this many, each with a provider's id of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,

    /// Spoil the signature
    #[arg(long)]
    bad_signature: bool,

    /// Let the server make, sign and take in the event, also where the secret is set here
    #[arg(long, conflicts_with_all = ["file", "print_curl", "duplicate", "bad_signature"])]
    by_server: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let registry = context.configured()?;
    let def = &resolve::webhook(&registry, &args.slug)?.def;
    let body = args.payload.as_deref().map(read).transpose()?;
    if let (Some(file), Some(body)) = (&args.payload, &body) {
        check_json(file, body)?;
    }
    if args.duplicate
        && let Some(warning) = px_inbound::knows_no_duplicates(def)
    {
        context.ui.warn(format_args!("webhook '{}': {warning}", def.slug));
    }
    let keyring = def.keyring(&context::env);
    if args.bad_signature && keyring.is_empty() {
        let variable = def.verification.secret.as_deref();
        return Err(Error::usage("there is no signature to spoil: the webhook has no secret here")
            .maybe_hint(variable.map(|variable| format!("set {variable}"))));
    }
    let client = context.client()?;
    let reported = asked(&client, &args).await?;
    if by_server::is_wanted(&args, def, &keyring, reported.as_ref().and_then(Option::as_ref)) {
        return by_server::send(context, &client, (&args, def), body.as_deref()).await;
    }
    let (reported, refuses_all) = match reported {
        Some(reported) => reported.map(|webhook| (webhook.url, webhook.refuses_all)).unzip(),
        None => (context.config()?.server.public_url.map(|base| listing::url(&base, &args.slug)), None),
    };
    let address = Address::new(client.base(), &args.slug, reported.as_deref());
    let wish = Wish { token: args.token.as_deref(), body: body.as_deref(), ..args.wish() };
    let draft = match args.file.as_slice() {
        [] => sample::draft(def, wish, context.now()).await?,
        files => sample::form_draft(def, &[args.field.as_slice(), files].concat(), wish)?,
    };
    warn_of_misfit(context.ui, def, &draft);
    let seal = || -> Result<Request> {
        let (id, spoilt) = (context.fresh_id(), args.bad_signature);
        let sealed = draft.seal(def, &address.known_as, &keyring, &id, context.now(), spoilt)?;
        Ok(address.direct(sealed))
    };
    if args.print_curl {
        return print_curl(context.ui, &seal()?);
    }
    let mut refused = None;
    for _ in 0..args.count {
        let request = seal()?;
        for _ in 0..if args.duplicate { 2 } else { 1 } {
            let begun = Stopwatch::start();
            let answer = send(&client, &request).await?;
            let several = args.count > 1 || args.duplicate;
            print(context.ui, &Said::of(&answer), several, &args.slug, begun.elapsed())?;
            if !answer.is_success() {
                let tried = Tried {
                    signed: request.signed,
                    spoilt: args.bad_signature,
                    variable: def.verification.secret.as_deref(),
                    refuses_all: refuses_all.clone().flatten(),
                };
                refused = Some(refusal(&client, &answer, &tried).await);
            }
        }
    }
    refused.map_or(Ok(()), Err)
}

/// What the server says of the webhook, if it knows it; a line to be pasted later needs no server now.
async fn asked(client: &Client, args: &Args) -> Result<Option<Option<Webhook>>> {
    match reported(client, &args.slug).await {
        Ok(reported) => Ok(Some(reported)),
        Err(error) if error.kind == Kind::Unreachable && args.print_curl => Ok(None),
        Err(error) => Err(error),
    }
}

impl Args {
    /// The payload that is wished for.
    fn wish(&self) -> Wish<'_> {
        Wish {
            identifier: self.identifier.as_deref(),
            event: self.event.as_deref(),
            kind: self.kind.as_deref(),
            ..Wish::default()
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut body = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut body);
        return read.map(|_| body).map_err(|error| Error::usage(format!("cannot read stdin: {error}")));
    }
    std::fs::read(path).map_err(|error| Error::usage(format!("cannot read {}: {error}", path.display())))
}

/// A file that is meant as JSON is to be JSON: what begins like it, or is
/// called so. Anything else is sent as a form.
fn check_json(file: &Path, body: &[u8]) -> Result<()> {
    let is_named = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let begins = body.iter().find(|byte| !byte.is_ascii_whitespace());
    if !is_named && !matches!(begins, Some(b'{' | b'[')) {
        return Ok(());
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::usage(format!("{} is no JSON: {error}", file.display()))),
    }
}

/// A payload that somebody wrote may be wrong on purpose, and is sent all the same.
fn warn_of_misfit(ui: Ui, def: &px_sdk::WebhookDef, draft: &Draft) {
    let Ok(validator) = sample::validator(def) else { return };
    if let Some(payload) = draft.payload().filter(|payload| !validator.is_valid(payload)) {
        for error in validator.iter_errors(&payload).take(5) {
            ui.warn(format_args!("the payload does not fit the schema at {}: {error}", place(&error)));
        }
    }
}

fn place(error: &jsonschema::ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    if path.is_empty() { "/".to_owned() } else { path }
}

fn print_curl(ui: Ui, request: &Request) -> Result<()> {
    let line =
        curl::line(&request.method, &request.url, &request.headers, &request.body).ok_or_else(|| {
            Error::failed("the payload is no text, which a curl line cannot carry")
                .hint("send it without --print-curl")
        })?;
    if ui.json { ui.json(&serde_json::json!({ "curl": line })) } else { ui.line(line) }
}

async fn send(client: &Client, request: &Request) -> Result<WebhookAnswer> {
    let (method, headers) = (request.method.clone(), request.headers.clone());
    Ok(client.send_webhook(method, &request.url, headers, request.body.clone()).await?)
}

/// What a webhook said to a sender, whoever that was.
struct Said {
    status: u16,
    accepted: Option<Accepted>,
    /// The body of the route, for `--json`.
    json: Value,
    /// The body of the webhook's answer.
    body: Value,
}

impl Said {
    fn of(answer: &WebhookAnswer) -> Self {
        let json = answer.to_json();
        Self { status: answer.status, accepted: answer.accepted(), body: json.clone(), json }
    }

    fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn print(ui: Ui, answer: &Said, several: bool, slug: &str, took: Duration) -> Result<()> {
    match (ui.json, several) {
        (true, true) => return ui.json_line(&answer.json),
        (true, false) => return ui.json(&answer.json),
        _ => {}
    }
    let style = if answer.is_success() { GOOD } else { ERROR };
    let status = paint(style, answer.status);
    match &answer.accepted {
        Some(accepted) if ui.is_for_people() => {
            let run = accepted.brain_run_id.map_or_else(String::new, |run| format!(" {}", ids::short(run)));
            let identifier = accepted.identifier.as_ref().map_or_else(String::new, |id| format!(" {id}"));
            ui.line(format_args!(
                "{} {status} in {}: {} {}{run} {}",
                paint(style, "✓"),
                words::duration(took),
                shown(format_args!("{slug}{identifier}")),
                accepted.action,
                paint(FAINT, format_args!("(delivery {})", ids::short(accepted.delivery_id))),
            ))?;
            let run = accepted.brain_run_id.map(ids::short);
            if let Some(meaning) = meaning(&accepted.action, run.as_deref()) {
                ui.note(meaning);
            }
            Ok(())
        }
        Some(accepted) => {
            ui.line(format_args!("{status} {}", shown(became(accepted))))?;
            let run = accepted.brain_run_id.map(|run| run.to_string());
            if let Some(meaning) = meaning(&accepted.action, run.as_deref()) {
                ui.note(meaning);
            }
            Ok(())
        }
        // A handshake, or an answer of the webhook's own.
        None if answer.is_success() => {
            let said = answer.body.as_str().map_or_else(|| answer.body.to_string(), str::to_owned);
            ui.line(format_args!("{status} {said}").to_string().trim_end())
        }
        None => ui.line(status),
    }
}

/// Returns what became of a webhook, in the API's own words.
fn became(accepted: &Accepted) -> String {
    let run = accepted.brain_run_id.map(|run| run.to_string());
    let delivery = accepted.delivery_id.to_string();
    let words = [
        Some(accepted.action.as_str()),
        accepted.identifier.as_deref(),
        run.as_deref(),
        Some(&*delivery),
        accepted.reason.as_deref(),
    ];
    let line = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
    match &accepted.original {
        Some(original) => format!("{line} of {}", original.delivery_id),
        None => line,
    }
}

/// Returns what an action means, in words: the answer's own are the API's.
fn meaning(action: &Action, run: Option<&str>) -> Option<String> {
    Some(match (action, run) {
        (Action::Queued, None) => "Nobody waits for it yet; it is kept for a wait to come.".to_owned(),
        (Action::Queued, Some(run)) => format!("It is kept for {run}, which takes it when it can."),
        (action, run) => {
            let run = run.unwrap_or("a run");
            match action {
                Action::Triggered => format!("It started {run}."),
                Action::Resumed => format!("It resumed {run}."),
                Action::Collected => format!("It is one of several responses that {run} waits for."),
                Action::Duplicate => "It was seen before; nothing happened again.".to_owned(),
                Action::Late => format!(
                    "It came too late for {run}; `px webhooks deliveries bind` gives it to a run by hand."
                ),
                Action::Ignored => "It is in the inbox, and nothing follows from it.".to_owned(),
                _ => return None,
            }
        }
    })
}

/// Knowledge about a request that was refused.
struct Tried<'a> {
    signed: bool,
    spoilt: bool,
    variable: Option<&'a str>,
    /// Reason that the server gives for refusing all requests.
    refuses_all: Option<String>,
}

/// Returns whether the server's store has a secret, as far as the token may know that.
async fn is_stored(client: &Client, name: &str) -> bool {
    client
        .secrets()
        .await
        .is_ok_and(|listed| listed.into_value().secrets.iter().any(|secret| secret.name == name))
}

async fn refusal(client: &Client, answer: &WebhookAnswer, tried: &Tried<'_>) -> Error {
    let refused = answer.error();
    let said = match (&refused, answer.to_json()) {
        (Some(error), _) => format!(": {}", error.error),
        (None, Value::String(text)) => format!(": {text}"),
        (None, _) => String::new(),
    };
    let hint = match (answer.status, tried.variable) {
        (401, _) if tried.spoilt => Some("the signature was spoilt, as asked".to_owned()),
        (401, _) if let Some(why) = &tried.refuses_all => Some(format!("the server believes nobody: {why}")),
        (401, Some(variable)) if tried.signed => {
            Some(format!("the secret in {variable} here may not be the server's"))
        }
        (401, Some(variable)) if is_stored(client, variable).await => Some(format!(
            "{variable} is in the server's store, which shows it to nobody: set it here to the value that was set \
             there, or give the store another one with `px secrets set {variable}`"
        )),
        (401, Some(variable)) => Some(format!("set {variable} here to what the server has")),
        (404, _) => {
            Some("the server does not serve this webhook; was it started from this project?".to_owned())
        }
        (422, _) => refused.and_then(|error| error.details()),
        (503, _) => Some("the server cannot take it now; try again in a moment".to_owned()),
        _ => None,
    };
    let mut error = Error::failed(format!("the server answered {}{said}", answer.status)).maybe_hint(hint);
    error.details.insert("status".into(), answer.status.into());
    error
}
