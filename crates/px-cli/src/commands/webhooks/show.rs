//! `px webhooks show`

use px_sdk::WebhookDef;
use serde_json::Value;

use super::{list, stored};
use crate::commands::brains::needs;
use crate::complete;
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
#[command(after_help = "Needs no server.\n\nExamples:\n  px webhooks show slack\n  \
                        px webhooks show github --json | jq .sample > payload.json")]
pub(crate) struct Args {
    /// Its slug
    #[arg(add = complete::slugs())]
    slug: String,
}

/// Returns where the secrets are, and how many.
fn said_of_secrets(def: &WebhookDef, variable: Option<&str>) -> String {
    let from_environment = def.verification.resolve(&context::env).keys().len();
    let from_file = def.keys.len();
    let environment = match (from_environment, variable) {
        (0, _) | (_, None) => None,
        (1, Some(variable)) => Some(format!("the secret is in {variable}")),
        (_, Some(variable)) => {
            Some(format!("the secret is in {variable}, the one before it in {variable}_PREVIOUS"))
        }
    };
    let environment = environment.or_else(|| {
        let variable = variable.filter(|variable| context::secret(variable).is_some())?;
        Some(format!(
            "the secret {variable} is in the store, and counts where the server's environment has none"
        ))
    });
    let file = (from_file > 0).then(|| {
        format!("{} from px.toml", words::count(u64::try_from(from_file).unwrap_or(u64::MAX), "secret"))
    });
    [environment, file].into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    stored::learn(context).await;
    let registry = context.configured()?;
    let webhook = resolve::webhook(&registry, &args.slug)?;
    let (def, ui) = (&webhook.def, context.ui);
    let base = list::base(context).await?;
    let sample = sample::draft(def, Wish::default(), context.now()).await;
    let sample = sample.map(|draft| draft.payload().unwrap_or_default());
    if ui.json {
        let mut shown = listing::json(&base, webhook);
        if let Value::Object(fields) = &mut shown {
            fields.insert("source".into(), webhook.source.to_string().into());
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
    let state = match (Verified::of(def), &verification.secret) {
        (Verified::Never, _) => "nothing is verified; only callers on this machine are answered".to_owned(),
        (Verified::Missing(variable), _) => {
            format!("{variable} is not set: only callers on this machine are answered")
        }
        (Verified::Refused(why), _) => format!("every request is refused: {why}"),
        (Verified::Yes, variable) => said_of_secrets(def, variable.as_deref()),
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
