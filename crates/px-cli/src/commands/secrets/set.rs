//! `px secrets set <name>`

use px_api::SetSecret;
use px_secrets::NewSecret;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Way, find, old_values, prompt, refused};
use crate::context::{self, Context};
use crate::error::{Error, Result};
use crate::way::{self, Place};

/// Set a secret; its value comes from stdin, or from a prompt that does not show it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The value is all of stdin, without the line break at its end. It has 8 to 32768 bytes. Steps and handlers \
                  get the new value at once; the one before it still verifies senders for --grace, and the answer says until when.\n\n\
                  Examples:\n  px secrets set STRIPE_KEY\n  px secrets set SLACK_SIGNING_SECRET --grace 1h < new-secret\n  \
                  openssl rand -hex 32 | px secrets set SIGNING_KEY"
)]
pub(crate) struct Args {
    /// Letters, digits and underscores, such as STRIPE_KEY
    name: String,

    /// Time that the value before it still verifies senders, at most 7d; 0s if it became known to others
    #[arg(long, value_name = "TIME", default_value = "24h")]
    grace: String,

    /// A value would be seen by everybody on this machine
    #[arg(hide = true, num_args = 0.., allow_hyphen_values = true)]
    values: Vec<String>,

    #[command(flatten)]
    place: Place,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    if !args.values.is_empty() {
        // Not repeated.
        return Err(Error::usage("the value of a secret is not an argument: others on this machine could read it")
            .hint("give it on stdin, or at the prompt of `px secrets set NAME`; what was in the history of a shell is known"));
    }
    let grace = super::grace(&args.grace)?;
    way::may_make(context, &args.place)?;
    px_secrets::check_name(&args.name).map_err(|unfit| Error::usage(unfit.to_string()))?;
    let value = prompt::value(context.ui, &args.name).await?;
    px_secrets::check_value(value.expose_secret()).map_err(|unfit| Error::usage(unfit.to_string()))?;
    let (done, until, shadow) = match find(context, args.place, true).await? {
        Way::Server(client) => {
            let grace = Value::from(grace.as_secs());
            let secret = SetSecret { grace: Some(grace), ..SetSecret::new(&args.name, value) };
            let set = client.set_secret(&secret).await?.into_value();
            let shadow = set.shadowed.then(|| super::SHADOWED.to_owned());
            (Done::new(set.created_at == set.updated_at, set.unchanged), set.old_value_until, shadow)
        }
        Way::Nowhere(_) => return Err(Error::failed("there is no store")),
        Way::Store(opened) => {
            let new = NewSecret { name: args.name.clone(), value, grace };
            let set = opened.secrets.set(vec![new]).await;
            let until = old_values(&opened.secrets, context.now()).remove(&args.name);
            opened.close()?;
            let set = set.map_err(refused)?;
            (Done::new(set.created == 1, set.unchanged == 1), until, context::shadowed(&args.name))
        }
    };
    if context.ui.json {
        let mut said = json!({ "name": args.name, "created": done == Done::Created });
        if let (Some(until), Value::Object(fields)) = (until, &mut said) {
            fields.insert("oldValueUntil".to_owned(), until.into());
        }
        return context.ui.json(&said);
    }
    context.ui.note(format_args!("{} {}.", args.name, done.said(until.as_deref())));
    if let Some(shadow) = shadow {
        context.ui.warn(format_args!("nobody gets this value of {}: {shadow}", args.name));
    }
    Ok(())
}

/// Outcome for a secret that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Created,
    Changed,
    Unchanged,
}

impl Done {
    fn new(is_new: bool, is_unchanged: bool) -> Self {
        match (is_new, is_unchanged) {
            (_, true) => Self::Unchanged,
            (true, false) => Self::Created,
            (false, false) => Self::Changed,
        }
    }

    /// Says what has become of the secret, and until when values before this one count: of several the one
    /// whose grace is the longest, which need not be the last one's.
    fn said(self, until: Option<&str>) -> String {
        let what = match self {
            Self::Created => return "is set".to_owned(),
            Self::Changed => "has a new value",
            Self::Unchanged => "has that value already",
        };
        match until {
            Some(until) => format!("{what}; values before it verify senders until {until} at the latest"),
            None => format!("{what}; no value before it counts any more"),
        }
    }
}

/// A value without the line break at its end.
pub(super) fn without_line_break(text: &str) -> SecretString {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text).into()
}
