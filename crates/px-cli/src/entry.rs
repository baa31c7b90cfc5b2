//! From the process's arguments to its exit code.

use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use px_sdk::Providers;

use crate::commands::Command;
use crate::context::{Context, Global};
use crate::error::{Error, Kind};
use crate::handover;
use crate::log;
use crate::ui::Ui;

/// Durable workflows that wait for webhooks
#[derive(Debug, Parser)]
#[command(
    name = "px",
    bin_name = "px",
    version,
    arg_required_else_help = true,
    subcommand_required = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 cannot reach the server\n\n\
                  Examples:\n  \
                  px serve\n  \
                  px run customer-feedback -s name=Ada -s phoneNumber=+15550100\n  \
                  px runs explain run_0197c1f0a1b27000800000000000cafe\n  \
                  px webhooks send github --identifier 'octo/repo#7'"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

pub(crate) fn main(providers: Providers) -> ExitCode {
    // Users' clients, too, may have been built without a provider. One that the
    // project has installed before stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let code = run(providers);
    log::finish();
    code
}

fn run(providers: Providers) -> ExitCode {
    if let Err(error) = handover::attempt() {
        Ui::new(wants_json()).error(&error);
        return ExitCode::from(error.kind.exit_code());
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let context = Context::new(cli.global, providers);
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::failed(format!("cannot start the runtime: {error}")))
        .and_then(|runtime| {
            let outcome = runtime.block_on(cli.command.run(&context));
            // A blocking read of stdin must not keep the process alive.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = match spaced_fields(std::env::args()).filter(|_| error.kind == Kind::NotFound) {
                Some(hint) => Error { hint: Some(hint), ..error },
                None => error,
            };
            context.ui.error(&error);
            ExitCode::from(error.kind.exit_code())
        }
    }
}

/// Advice about fields that stand behind `--json` and not in it, where they are the command's own words. One
/// word may be another thing's name, several with commas are none.
fn spaced_fields(arguments: impl Iterator<Item = String>) -> Option<String> {
    let fields = fields_behind_json(arguments).filter(|fields| fields.contains(','))?;
    Some(equals_sign(&fields))
}

fn equals_sign(fields: &str) -> String {
    format!("fields are named behind an equals sign: --json={fields}")
}

/// The word behind `--json`, if it may be names of fields.
fn fields_behind_json(mut arguments: impl Iterator<Item = String>) -> Option<String> {
    arguments.find(|argument| argument == "--json")?;
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == ',';
    arguments.next().filter(|word| !word.is_empty() && word.chars().all(is_letter))
}

/// The same, of a word that no command takes.
fn refused_fields(error: &clap::Error) -> Option<String> {
    let word =
        match error.get(ContextKind::InvalidArg).or_else(|| error.get(ContextKind::InvalidSubcommand))? {
            ContextValue::String(word) => word,
            _ => return None,
        };
    fields_behind_json(std::env::args()).filter(|fields| fields == word).map(|fields| equals_sign(&fields))
}

/// Returns whether JSON is asked for, before the command line is understood.
pub(crate) fn wants_json() -> bool {
    std::env::args_os().any(|argument| argument.to_str().is_some_and(is_json))
}

/// Returns whether an argument asks for JSON.
pub(crate) fn is_json(argument: &str) -> bool {
    argument == "--json" || argument.starts_with("--json=")
}

/// clap's own answers: help and version on stdout with 0, the rest on stderr with 2.
fn refused(error: &clap::Error) -> ExitCode {
    let json = wants_json();
    if json && error.use_stderr() {
        let text = error.render().to_string();
        let message = text.split("\n\n").next().unwrap_or(&text).trim();
        let message = message.strip_prefix("error: ").unwrap_or(message);
        Ui::new(json).error(
            &Error::usage(message)
                .hint(refused_fields(error).unwrap_or_else(|| "see `px --help`".to_owned())),
        );
    } else if let Err(unwritten) = Ui::new(false).help(&error.render(), !error.use_stderr()) {
        Ui::new(json).error(&unwritten);
        return ExitCode::from(unwritten.kind.exit_code());
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Kind::Usage.exit_code()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn fields_that_stand_behind_json_are_told_from_names() {
        let hint = |line: &str| spaced_fields(line.split(' ').map(str::to_owned));
        let said = "fields are named behind an equals sign: --json=id,status";
        assert_eq!(hint("px runs show --json id,status").as_deref(), Some(said));
        for other in [
            "px runs show --json run_1",
            "px runs show run_1,2 --json",
            "px runs show --json=id,status x",
            "px",
        ] {
            assert_eq!(hint(other), None, "{other}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
