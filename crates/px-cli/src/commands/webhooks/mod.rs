//! `px webhooks …`: `list` and `show` need only the registry, the rest the server.

mod deliveries;
mod list;
mod send;
mod show;
mod stored;
mod verify;

use clap::Subcommand;
use px_api::Webhook;
use px_client::Client;

use crate::context::Context;
use crate::error::Result;
use crate::show::curl::quoted;

/// List, show and try the webhooks of this project
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Args),
    Show(show::Args),
    Send(send::Args),
    Verify(verify::Args),
    #[command(subcommand)]
    Deliveries(deliveries::Command),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(args) => list::run(context, &args).await,
            Self::Show(args) => show::run(context, args).await,
            Self::Send(args) => send::run(context, args).await,
            Self::Verify(args) => verify::run(context, args).await,
            Self::Deliveries(command) => command.run(context).await,
        }
    }
}

/// What the server reports of a webhook; `None` if it does not know it.
async fn reported(client: &Client, slug: &str) -> Result<Option<Webhook>> {
    let listed = client.webhooks().await?.into_value();
    Ok(listed.webhooks.into_iter().find(|webhook| webhook.slug == slug))
}

/// The URL that the server reports for a webhook; `None` if it does not know it.
pub(crate) async fn reported_url(client: &Client, slug: &str) -> Result<Option<String>> {
    Ok(reported(client, slug).await?.map(|webhook| webhook.url))
}

/// The line that sends an event, with those flags that have a value.
pub(crate) fn send_line(slug: &str, flags: &[(&str, Option<&str>)]) -> String {
    let mut line = format!("px webhooks send {slug}");
    for (flag, value) in flags {
        if let Some(value) = value {
            line.push_str(&format!(" {flag} {}", quoted(value)));
        }
    }
    line
}
