//! `px tokens revoke <id>`

use px_core::TokenId;
use serde_json::json;

use super::{Place, Way, refused, way};
use crate::context::Context;
use crate::error::{Error, Result};

/// Revoke a token: what it opened is closed at once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The id is what `px tokens list` shows, and the 32 digits behind `pxt_` in the token itself.\n\n\
                  Examples:\n  px tokens revoke tok_0197c1f0a1b27000800000000000cafe"
)]
pub(crate) struct Args {
    /// The token's id
    id: String,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let missing =
        |why: String| Error::not_found(why).hint("`px tokens list` prints them all, with their ids");
    let id: TokenId = args.id.parse().map_err(|error: px_core::ParseIdError| missing(error.to_string()))?;
    match way(context, args.place, false).await? {
        Way::Server(client) => {
            client.revoke_token(id).await?;
        }
        Way::Store(None) => return Err(missing(format!("Token '{id}' not found"))),
        Way::Store(Some(opened)) => {
            let revoked = opened.tokens.revoke(id).await;
            opened.close()?;
            revoked.map_err(refused)?;
        }
    }
    if context.ui.json {
        return context.ui.json(&json!({ "id": id, "revoked": true }));
    }
    context.ui.note(format_args!("{id} is revoked."));
    Ok(())
}
