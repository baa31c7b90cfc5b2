//! `px webhooks show`

use px_api::{SecretSource, Webhook};
use px_sdk::WebhookDef;
use serde_json::{Value, json};

use super::{list, stored};
use crate::commands::brains::needs;
use crate::context::{self, Context};
use crate::error::Result;
use crate::resolve;
use crate::sample::{self, Wish};
use crate::show::listing::{self, Verified};
use crate::show::proof;
use crate::show::words;
use crate::ui::{FAINT, HEADING, paint, shown};

/// Show a webhook: how senders are verified, its payload's schema, a sample
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs no server. Where the secret comes from (the environment, a file, the store, or px.toml) is told \
                        as the server sees it, if one that has the store open answers; else as this command does.\n\nExamples:\n  px webhooks show slack\n  \
                        px webhooks show github --json | jq .sample > payload.json"
)]
pub(crate) struct Args {
    /// Its slug
    slug: String,
}

/// The place of a webhook's secret, and who says so.
struct Seen {
    source: Option<SecretSource>,
    is_servers: bool,
}

impl Seen {
    /// As the server sees it, if it answers; else as this command does.
    fn of(def: &WebhookDef, reported: Option<&Webhook>) -> Self {
        if let Some(reported) = reported {
            return Self { source: reported.secret_source.clone(), is_servers: true };
        }
        let named = def.verification.secret.as_deref().and_then(|name| {
            if context::env(name).is_some() {
                let is_of_file = context::is_of_file(name);
                return Some(if is_of_file { SecretSource::File } else { SecretSource::Environment });
            }
            context::secret(name).map(|_| SecretSource::Store)
        });
        let source = named.or_else(|| (!def.keys.is_empty()).then_some(SecretSource::Configuration));
        Self { source, is_servers: false }
    }

    /// Returns who sees it so.
    const fn seen_by(&self) -> &'static str {
        if self.is_servers { "server" } else { "command" }
    }

    /// The sentence about the place of the secrets.
    fn said(&self, def: &WebhookDef) -> String {
        let variable = def.verification.secret.as_deref().unwrap_or_default();
        let previous = context::env(&format!("{variable}_PREVIOUS")).is_some();
        let named = match &self.source {
            Some(SecretSource::Environment) if previous && !self.is_servers => Some(format!(
                "the secret is in the variable {variable}, the one before it in {variable}_PREVIOUS"
            )),
            Some(SecretSource::Environment) => Some(format!("the secret is in the variable {variable}")),
            Some(SecretSource::File) => Some(format!("the secret is in the file that {variable}_FILE names")),
            Some(SecretSource::Store) => Some(format!("the secret {variable} is in the store")),
            Some(other) if *other != SecretSource::Configuration => {
                Some(format!("the secret is in: {other}"))
            }
            _ => None,
        };
        let of_config = u64::try_from(def.keys.len()).unwrap_or(u64::MAX);
        let file = (of_config > 0).then(|| format!("{} from px.toml", words::count(of_config, "secret")));
        let said = [named, file].into_iter().flatten().collect::<Vec<_>>().join(", and ");
        match self.is_servers {
            true => format!("{said} (so says the server)"),
            false => format!("{said} (seen from here: no server has answered)"),
        }
    }
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let reported = stored::learn(context).await;
    let registry = context.configured()?;
    let webhook = resolve::webhook(&registry, &args.slug)?;
    let (def, ui) = (&webhook.def, context.ui);
    let reported = reported.iter().flatten().find(|reported| reported.slug == def.slug);
    let seen = Seen::of(def, reported);
    let base = list::base(context).await?;
    let sample = sample::draft(def, Wish::default(), context.now()).await;
    let sample = sample.map(|draft| draft.payload().unwrap_or_default());
    if ui.json {
        let mut shown = listing::json(&base, webhook);
        if let Value::Object(fields) = &mut shown {
            fields.insert("source".into(), webhook.source.to_string().into());
            fields.insert("secretSource".into(), json!(seen.source));
            fields.insert("secretSeenBy".into(), seen.seen_by().into());
            fields.insert("verification".into(), serde_json::to_value(&def.verification).unwrap_or_default());
            fields.insert("needs".into(), needs(&def.needs).into());
            fields.insert("payloadSchema".into(), def.payload_schema.clone());
            fields.insert("responseSchema".into(), def.response_schema.clone());
            fields.insert("sample".into(), sample.unwrap_or_default());
        }
        return ui.json(&shown);
    }
    ui.line(paint(HEADING, &def.slug))?;
    ui.line(format_args!("  {}", def.description))?;
    ui.line(format_args!("  {}", listing::url(&base, &def.slug)))?;
    ui.line(paint(FAINT, format_args!("  {}", webhook.source)))?;
    for need in needs(&def.needs) {
        ui.line(format_args!("  needs the resource {need}"))?;
    }
    let verification = &def.verification;
    // A server that has the secret verifies, whatever is set here; and the other way round.
    let verified = match reported {
        Some(reported) if reported.refuses_all.is_none() && reported.verified => Verified::Yes,
        Some(Webhook { refuses_all: None, secret: Some(variable), .. }) => {
            Verified::Missing(variable.clone())
        }
        _ => Verified::of(def),
    };
    let state = match (verified, &verification.secret) {
        (Verified::Never, _) => "nothing is verified; only callers on this machine are answered".to_owned(),
        (Verified::Missing(variable), _) => {
            format!("{variable} is not set: only callers on this machine are answered")
        }
        (Verified::Refused(why), _) => format!("every request is refused: {why}"),
        (Verified::Yes, _) => seen.said(def),
    };
    ui.line(format_args!("\n{}\n  {}: {state}", paint(HEADING, "Verification"), verification.provider))?;
    for (name, text) in proof::lines(verification) {
        ui.line(format_args!("  {name:<10} {}", shown(text)))?;
    }
    ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "Payload (JSON Schema)"), def.payload_schema))?;
    match sample {
        Ok(sample) => ui.line(format_args!("\n{}\n{sample:#}", paint(HEADING, "Sample payload")))?,
        Err(error) => ui.warn(error.message),
    }
    ui.note(format_args!("\nSend it with `px webhooks send {}`.", def.slug));
    Ok(())
}
