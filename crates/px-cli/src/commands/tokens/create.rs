//! `px tokens create <name>`

use px_store::tokens::Permission;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{Place, Way, refused, way};
use crate::context::Context;
use crate::error::{Error, Result};

/// Make a token; it is shown this once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The token is the only line on stdout. The first token has to have the scope admin.\n\nExamples:\n  \
                  px tokens create me --scope admin\n  \
                  export PX_TOKEN=$(px tokens create deploy --scope operate)"
)]
pub(crate) struct Args {
    /// What it is for
    name: String,

    /// What it permits: read looks, operate also moves runs and deliveries, admin also changes hooks and tokens
    #[arg(long, value_name = "SCOPE", default_value = "read", value_parser = ["read", "operate", "admin"])]
    scope: String,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let made = match way(context, args.place, true).await? {
        Way::Server(client) => {
            client.post("/tokens", &json!({ "name": args.name, "scope": args.scope })).await?
        }
        Way::Store(None) => return Err(Error::failed("there is no store")),
        Way::Store(Some(opened)) => {
            let permission = Permission::parse(&args.scope).unwrap_or(Permission::Read);
            let made = opened.tokens.create(&args.name, permission).await;
            opened.close()?;
            let (token, secret) = made.map_err(refused)?;
            json!({
                "id": token.id, "name": token.name, "scope": token.permission.as_str(),
                "createdAt": token.created_at, "token": secret.expose_secret(),
            })
        }
    };
    if context.ui.json {
        return context.ui.json(&made);
    }
    let text = |name: &str| made.get(name).and_then(Value::as_str).unwrap_or_default();
    context.ui.line(text("token"))?;
    context.ui.note(format_args!(
        "{} may {}. It is shown this once: keep it, and give it to the command line as PX_TOKEN.",
        text("id"),
        text("scope")
    ));
    Ok(())
}
