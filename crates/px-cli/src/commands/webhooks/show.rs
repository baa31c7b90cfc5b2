//! `px webhooks show`

use serde_json::Value;

use crate::context::Context;
use crate::error::Result;
use crate::listing::{self, Verified};
use crate::outgoing::{self, Wish};
use crate::resolve;
use crate::ui::{FAINT, HEADING, paint};

/// Show a webhook: how senders are verified, its payload's schema, a sample
#[derive(Debug, clap::Args)]
#[command(after_help = "Needs no server.\n\nExamples:\n  px webhooks show slack\n  \
                        px webhooks show github --json | jq .sample > payload.json")]
pub(crate) struct Args {
    /// Its slug
    slug: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let registry = context.registry()?;
    let webhook = resolve::webhook(&registry, &args.slug)?;
    let (def, ui) = (&webhook.def, context.ui);
    let base = context.config()?.webhook_base();
    let sample = outgoing::draft(def, Wish::default(), context.now()).await;
    let sample = sample.map(|draft| draft.payload().unwrap_or_default());
    if ui.json {
        let mut shown = listing::json(&base, webhook);
        if let Value::Object(fields) = &mut shown {
            fields.insert("source".into(), webhook.source.to_string().into());
            fields.insert("verification".into(), serde_json::to_value(&def.verification).unwrap_or_default());
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
    let verification = &def.verification;
    let state = match (Verified::of(def), &verification.secret) {
        (Verified::Never, _) => "nothing is verified; only callers on this machine are answered".to_owned(),
        (Verified::Missing(variable), _) => {
            format!("{variable} is not set: only callers on this machine are answered")
        }
        (Verified::Yes, variable) => {
            format!("the secret is in {}", variable.as_deref().unwrap_or("the environment"))
        }
    };
    ui.line(format_args!("\n{}\n  {}: {state}", paint(HEADING, "Verification"), verification.provider))?;
    ui.line(format_args!("\n{}\n{:#}", paint(HEADING, "Payload (JSON Schema)"), def.payload_schema))?;
    match sample {
        Ok(sample) => ui.line(format_args!("\n{}\n{sample:#}", paint(HEADING, "Sample payload")))?,
        Err(error) => ui.warn(error.message),
    }
    ui.note(format_args!("\nSend it with `px webhooks send {}`.", def.slug));
    Ok(())
}
