//! `px tokens list`

use px_api::{Token, Tokens};
use serde_json::json;

use super::{Place, Way, shown, way};
use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::way::may_make;

/// List the tokens, oldest first; never their secrets
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px tokens list\n  px tokens list --json")]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    // The advice is no command that is refused.
    let refused = may_make(context, &args.place).err();
    let (listed, json) = match way(context, args.place, false).await? {
        Way::Server(client) => {
            let answer = client.tokens().await?;
            let json = answer.to_json();
            (answer.into_value(), json)
        }
        Way::Store(opened) => {
            let mut tokens = Vec::new();
            if let Some(opened) = opened {
                tokens.extend(opened.tokens.list().iter().map(shown));
                opened.close()?;
            }
            let listed = Tokens::from(tokens);
            let json = json!(listed);
            (listed, json)
        }
    };
    if context.ui.json {
        return context.ui.json_of::<Tokens>(&json);
    }
    if listed.tokens.is_empty() {
        let advice = match refused.and_then(|refused| refused.hint) {
            Some(hint) => format!("To make one, {hint}."),
            None => "`px tokens create` makes one.".to_owned(),
        };
        context.ui.note(format_args!("No tokens: the API is for this machine only. {advice}"));
        return Ok(());
    }
    let now = context.now();
    let row = |token: &Token| {
        let age = format!("{} ago", words::duration(now.since(token.created_at)));
        vec![token.id.to_string(), token.name.clone(), token.scope.to_string(), age]
    };
    context.ui.table(&["Token", "Name", "Scope", "Made"], listed.tokens.iter().map(row).collect(), &[0])
}
