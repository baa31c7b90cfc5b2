//! `px run`

use clap::Subcommand as _;
use px_api::{Detail, Event, StartRun};
use px_client::Client;
use serde_json::{Map, Value};

use super::input;
use super::runs::{fetch, watch};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::ui::{GOOD, paint, reader_gone};
use crate::{suggest, typed};

/// Start a run of a brain
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A value given with -s takes the type that the input's schema says; without one, only exact \
                  JSON literals are no text.\n\n\
                  Exit codes with --wait and --watch: 0 the run is complete, 1 it failed or was cancelled, \
                  4 it is paused.\n\n\
                  Examples:\n  \
                  px run customer-feedback -s name=Ada -s slackChannel=C1 -s phoneNumber=+15550100\n  \
                  px run customer-feedback --state '{\"name\": \"Ada\", \"slackChannel\": \"C1\", \"phoneNumber\": \
                  \"+15550100\"}' --wait\n  \
                  px run customer-feedback --state @input.json --watch\n  \
                  px run customer-feedback --edit"
)]
pub(crate) struct Args {
    /// The brain's title, its file's name, or a part of either
    brain: String,

    /// A field of the initial state
    #[arg(short = 's', long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// The initial state as a JSON object, or as @FILE; -s adds to it
    #[arg(long, value_name = "JSON")]
    state: Option<String>,

    /// Open the initial state in $VISUAL or $EDITOR, with an example in it
    #[arg(long)]
    edit: bool,

    /// An option of the run
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    option: Vec<String>,

    /// Start at most one run for this key, however often this is said
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,

    /// Print the run's events until it ends
    #[arg(long, conflicts_with = "wait")]
    watch: bool,

    /// Wait until the run ends, and print its last state
    #[arg(long)]
    wait: bool,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (ui, client) = (context.ui, context.client()?);
    let body = body(context, &client, &args).await?;
    let started = match client.start_run(&body).await {
        Ok(started) => started,
        Err(error) if error.status() == Some(422) => {
            let error = Error::from(error);
            if ui.json {
                // The wire's own text, with the exit code of an input that is none.
                return Err(Error { kind: Kind::Usage, ..error });
            }
            return Err(match schema(context, &client, &args.brain).await {
                Ok(schema) => input::misfit(error, &schema, &args.brain, &args.set),
                Err(_) => explained(context, error, &args.brain),
            });
        }
        Err(error) => return Err(explained(context, error.into(), &args.brain)),
    };
    let id = started.brain_run_id.to_string();
    let follows = args.watch || args.wait;
    if !ui.json {
        ui.line(&id)?;
        if !follows {
            ui.note(format_args!(
                "Follow it with `px runs watch {id}`; `px runs explain {id}` says what it waits for."
            ));
        }
    } else if !follows {
        return ui.answer(&started);
    }
    if !follows {
        return Ok(());
    }
    let followed = watch::follow(&client, &id, watch::Until::Outcome, |event| {
        if args.watch { watch::print(ui, event) } else { Ok(()) }
    });
    let last = tokio::select! {
        last = followed => last?,
        // Nobody would see how it ends, which may be weeks away.
        () = reader_gone() => return Err(Error::new(Kind::Unread, "")),
    };
    if ui.json && args.wait {
        ui.json(&fetch(&client, &id).await?.to_json())?;
    }
    let text = outcome(&id, last.as_deref())?;
    if !ui.json {
        if args.wait {
            ui.json(&fetch(&client, &id).await?.state)?;
        }
        ui.note(paint(GOOD, text));
    }
    Ok(())
}

/// The run's outcome as the command's: docs/rules.md#44.
fn outcome(id: &str, last: Option<&Event>) -> Result<String> {
    let because = |text: Option<String>| text.map_or(String::new(), |text| format!(": {text}"));
    match last.map(|event| (&*event.kind, event.detail())) {
        Some(("brain:complete", _)) => Ok("Complete.".to_owned()),
        Some((_, Detail::Failed { error })) => {
            Err(Error::failed(format!("run {id} failed{}", because(Some(error.message))))
                .hint(format!("`px runs events {id}` shows how it got there")))
        }
        Some((_, Detail::Cancelled { reason })) => {
            Err(Error::failed(format!("run {id} was cancelled{}", because(reason))))
        }
        Some((_, Detail::Paused { reason })) => {
            Err(Error::new(Kind::Conflict, format!("run {id} is paused{}", because(reason)))
                .hint(format!("`px runs explain {id}` says more")))
        }
        _ => Err(Error::failed(format!("the stream of run {id} ended before the run did"))
            .hint(format!("`px runs show {id}` says how it is"))),
    }
}

/// The request's body.
async fn body(context: &Context, client: &Client, args: &Args) -> Result<StartRun> {
    let mut body = StartRun { idempotency_key: args.idempotency_key.clone(), ..StartRun::of(&args.brain) };
    let mut state = match &args.state {
        Some(text) => Some(typed::object("--state", text)?),
        None => None,
    };
    if !args.set.is_empty() {
        let schema = schema(context, client, &args.brain).await?;
        let fields = state.get_or_insert_default();
        for text in &args.set {
            let (key, text) = typed::pair("-s", text)?;
            if let Some(complaint) = typed::unknown_key(&schema, &key) {
                context.ui.warn(complaint);
            }
            let value = typed::value(&schema, &key, &text).map_err(|error| {
                error.hint(format!("`px brains show {}` prints the input's schema", args.brain))
            })?;
            fields.insert(key, value);
        }
    }
    if args.edit {
        let schema = schema(context, client, &args.brain).await?;
        state = Some(input::edited(&schema, state)?);
    }
    body.initial_state = state.map(Value::Object);
    let mut options = Map::new();
    for text in &args.option {
        let (key, text) = typed::pair("-o", text)?;
        options.insert(key, typed::literal(&text));
    }
    if !options.is_empty() {
        body.options = Some(Value::Object(options));
    }
    Ok(body)
}

/// The schema of the brain's input: this binary's, else the server's.
async fn schema(context: &Context, client: &Client, brain: &str) -> Result<Value> {
    if let Some(schema) = super::brains::input_schema(context, brain) {
        return Ok(schema);
    }
    let shown = client.brain(brain).await.map_err(|error| explained(context, error.into(), brain))?;
    Ok(shown.into_value().input)
}

/// Returns whether the word after `px run` is a command of `px runs`.
fn is_of_runs(word: &str) -> bool {
    super::runs::Command::has_subcommand(word)
}

fn explained(context: &Context, error: Error, brain: &str) -> Error {
    let is_here = || context.registry().is_ok_and(|registry| !registry.find(brain).is_empty());
    match error.kind {
        Kind::NotFound if is_here() => error.hint(
            "this binary has it and the server does not: stop the server and start it again, with this binary",
        ),
        Kind::NotFound if is_of_runs(brain) => error.hint(format!("did you mean `px runs {brain}`?")),
        Kind::NotFound => {
            let registry = context.registry().ok();
            let titles = registry.iter().flat_map(|registry| registry.brains().map(|one| &*one.def.title));
            let meant = suggest::nearest(brain, titles)
                .map_or_else(String::new, |name| format!("did you mean '{name}'? "));
            error.hint(format!(
                "{meant}`px brains list` shows the brains there are; a new one needs its `pub mod` and its \
                 `px::brain!(..)`"
            ))
        }
        Kind::Failed => error.hint(format!("`px brains show {brain}` prints the input's schema")),
        _ => error,
    }
}
