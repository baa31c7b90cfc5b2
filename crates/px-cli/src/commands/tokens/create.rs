//! `px tokens create <name>`

use px_api::{CreateToken, CreatedToken, Scope, Token};
use px_store::tokens::Permission;
use serde_json::json;

use super::{Place, Way, refused, shown, way};
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
    /// Name for people, such as the service that uses the token
    name: String,

    /// Permission: read looks, operate also moves runs and deliveries, admin also changes hooks and tokens
    #[arg(long, value_name = "SCOPE", default_value = "read", value_parser = ["read", "operate", "admin"])]
    scope: String,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let (created, json) = match way(context, args.place, true).await? {
        Way::Server(client) => {
            let token = CreateToken::new(args.name, &Scope::from(&*args.scope));
            let answer = client.create_token(&token).await?;
            let json = answer.to_json();
            (answer.into_value(), json)
        }
        Way::Store(None) => return Err(Error::failed("there is no store")),
        Way::Store(Some(opened)) => {
            let permission = Permission::parse(&args.scope).unwrap_or(Permission::Read);
            let made = opened.tokens.create(&args.name, permission).await;
            opened.close()?;
            let (token, secret) = made.map_err(refused)?;
            let Token { id, name, scope, created_at } = shown(&token);
            let created = CreatedToken { id, name, scope, created_at, token: secret.into() };
            let json = json!(created);
            (created, json)
        }
    };
    if context.ui.json {
        return context.ui.json_of::<CreatedToken>(&json);
    }
    context.ui.line(created.token.expose())?;
    context.ui.note(format_args!(
        "{} may {}. It is shown this once: keep it, and give it to the command line as PX_TOKEN.",
        created.id, created.scope
    ));
    Ok(())
}
