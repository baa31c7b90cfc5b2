//! The commands. One command is one file: its arguments, its help, what it does.

mod audit;
mod brains;
mod bulk;
mod check;
mod completions;
mod config;
mod dev;
mod explain;
mod hooks;
mod inbox;
mod input;
mod kv;
mod new;
mod run;
mod runs;
mod secrets;
mod serve;
mod status;
mod store;
mod tokens;
mod top;
mod webhooks;

use clap::Subcommand;

use crate::context::Context;
use crate::error::Result;

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    Serve(serve::Args),
    Dev(dev::Args),
    Check(check::Args),
    #[command(subcommand)]
    Brains(brains::Command),
    Run(run::Args),
    #[command(subcommand)]
    Runs(runs::Command),
    #[command(subcommand)]
    Bulk(bulk::Command),
    #[command(subcommand)]
    Webhooks(webhooks::Command),
    #[command(subcommand)]
    Hooks(hooks::Command),
    Status(status::Args),
    Top(top::Args),
    Inbox(inbox::Args),
    Outbox(hooks::OutboxArgs),
    #[command(subcommand)]
    Kv(kv::Command),
    Audit(audit::Args),
    #[command(subcommand)]
    Store(store::Command),
    #[command(subcommand)]
    Tokens(tokens::Command),
    #[command(subcommand)]
    Secrets(secrets::Command),
    Explain(explain::Args),
    #[command(subcommand)]
    Config(config::Command),
    Completions(completions::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::New(args) => new::run(context, &args),
            Self::Serve(args) => serve::run(context, args).await,
            Self::Dev(args) => dev::run(context, args).await,
            Self::Check(args) => check::run(context, &args).await,
            Self::Brains(command) => command.run(context),
            Self::Run(args) => run::run(context, args).await,
            Self::Runs(command) => command.run(context).await,
            Self::Bulk(command) => command.run(context).await,
            Self::Webhooks(command) => command.run(context).await,
            Self::Hooks(command) => command.run(context).await,
            Self::Status(args) => status::run(context, args).await,
            Self::Top(args) => top::run(context, args).await,
            Self::Inbox(args) => inbox::run(context, args).await,
            Self::Outbox(args) => hooks::outbox(context, args).await,
            Self::Kv(command) => command.run(context).await,
            Self::Audit(args) => audit::run(context, args).await,
            Self::Store(command) => command.run(context).await,
            Self::Tokens(command) => command.run(context).await,
            Self::Secrets(command) => command.run(context).await,
            Self::Explain(args) => explain::run(context, &args),
            Self::Config(command) => command.run(context),
            Self::Completions(args) => completions::run(context, &args),
        }
    }
}
