//! `px dev`: serves the project, and builds and restarts it when its sources
//! change. The server is a process of its own: it serves on while the next one
//! is built, and is replaced only by one that has passed its check. Runs
//! survive that as they survive any restart.

mod build;
mod server;
mod sources;

use std::path::{Path, PathBuf};

use build::{Build, Built};
use server::{End, Server};
use sources::Sources;

use super::serve;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::handover;
use crate::log;
use crate::signals::Signals;
use crate::ui::{ERROR, GOOD, WARNING, paint};

/// Serve the project, and build and restart it when its sources change
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Watches Cargo.toml, Cargo.lock, px.toml, build.rs, .cargo/, brains/, webhooks/, src/ and crates/. \
                  The old server goes on while the new one is built, and if it does not build. Runs go on where they were.\n\n\
                  Examples:\n  px dev\n  px dev --port 9000\n  px dev --watch ../shared/src"
)]
pub(crate) struct Args {
    #[command(flatten)]
    serve: serve::Args,

    /// Watch this file or folder too
    #[arg(long, value_name = "PATH")]
    watch: Vec<PathBuf>,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let here = std::env::current_dir()
        .map_err(|error| Error::failed(format!("there is no current directory: {error}")))?;
    let Some(root) = handover::project_of(&here) else {
        return Err(Error::usage(format!("{} is in no px project: a px.toml beside a Cargo.toml that depends on px", here.display()))
            .hint("go to the project's folder, or make one with `px new`; a binary without its sources runs `px serve`"));
    };
    log::start(args.serve.is_log_json())?;
    let mut signals = Signals::new()?;
    let mut dev = Dev { context, serve: &args.serve, words: words(context, &args.serve), root, server: None };
    let outcome = dev.live(&args.watch, &mut signals).await;
    if let Some(server) = dev.server.take() {
        server.stop().await;
    }
    outcome
}

/// The arguments of the server.
fn words(context: &Context, serve: &serve::Args) -> Vec<String> {
    context.global_words().into_iter().chain(["serve".to_owned()]).chain(serve.words()).collect()
}

struct Dev<'a> {
    context: &'a Context,
    serve: &'a serve::Args,
    words: Vec<String>,
    root: PathBuf,
    server: Option<Server>,
}

impl Dev<'_> {
    /// Builds, serves and waits for changes, until somebody asks for the end.
    async fn live(&mut self, also: &[PathBuf], signals: &mut Signals) -> Result<()> {
        let sources = Sources::new(&self.root, also);
        loop {
            // Before the build: what changes while it runs is seen after it.
            let seen = sources.look();
            tokio::select! {
                () = self.turn() => {}
                () = signals.next() => return Ok(()),
            }
            tokio::select! {
                what = self.until_changed(&sources, seen) => self.say(format_args!("{what} changed.")),
                () = signals.next() => return Ok(()),
            }
        }
    }

    /// One build, and a new server if there is something new to serve.
    async fn turn(&mut self) {
        let began = self.context.now();
        let program = match Build::run(&self.root).await {
            Built::Program(path) => path,
            Built::Failed(why) => return self.went_wrong(&why),
        };
        match server::check(&program, &self.root, &self.context.global_words(), self.serve).await {
            Ok(stuck) => stuck.iter().for_each(|runs| self.warn(runs)),
            Err(why) => return self.went_wrong(&why),
        }
        let millis = self.context.now().as_millis().saturating_sub(began.as_millis());
        if let Some(old) = self.server.take() {
            self.say(paint(
                GOOD,
                format_args!("Built in {millis} ms; restarting. Runs go on where they were."),
            ));
            old.stop().await;
        }
        match Server::start(&program, &self.root, &self.words) {
            Ok(server) => self.server = Some(server),
            Err(why) => self.went_wrong(&why),
        }
    }

    /// Waits until the sources are others than these; if the server ends
    /// meanwhile, says so. Returns the file that changed.
    async fn until_changed(&mut self, sources: &Sources, seen: sources::Look) -> String {
        loop {
            let Some(server) = &mut self.server else { return sources.changed(seen).await };
            let code = tokio::select! {
                what = sources.changed(seen.clone()) => return what,
                End(code) = server.ended() => code,
            };
            self.server = None;
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| format!("with exit code {code}"));
            self.say(paint(
                ERROR,
                format_args!("The server ended {code}. It is started again at the next change."),
            ));
        }
    }

    fn went_wrong(&self, why: &str) {
        let and = match self.server {
            Some(_) => "The server of before goes on.",
            None => "Nothing is served until that is mended.",
        };
        self.say(format_args!("{}: {why}\n{}", paint(ERROR, "Error"), paint(WARNING, and)));
    }

    /// Says which parked runs the new server could not go on with, and what helps.
    fn warn(&self, runs: &str) {
        self.say(format_args!(
            "{}: {runs}\nThey are paused when their turn comes; `.formerly(..)` names a step's old name, `px runs resume` \
             lets them go on.",
            paint(WARNING, "Warning")
        ));
    }

    fn say(&self, text: impl std::fmt::Display) {
        self.context.ui.note(format_args!("[dev] {text}"));
    }
}

/// A path as seen from the project.
fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
