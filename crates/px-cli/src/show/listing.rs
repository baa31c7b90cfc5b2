//! Webhooks as lists show them: the URL, and whether senders are verified.

use px_api::Webhook;
use px_sdk::WebhookDef;
use px_sdk::registry::{Registered, Registry};
use px_sdk::verify::Scheme;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::context;
use crate::ui::Ui;

/// Verification of a webhook's senders, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verified {
    /// There is a secret.
    Yes,
    /// This variable would hold the secret, and is not set.
    Missing(String),
    /// The webhook says that nothing is verified.
    Never,
    /// Nobody is believed, for this reason: the server says so.
    Refused(String),
}

/// The webhooks of the server that refuse every request, by slug, each with the reason.
static REFUSED: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Lets the listings know which webhooks refuse every request, the first time.
pub(crate) fn know_refused(listed: &[Webhook]) {
    let refused =
        listed.iter().filter_map(|webhook| Some((webhook.slug.clone(), webhook.refuses_all.clone()?)));
    let _ = REFUSED.set(refused.collect());
}

impl Verified {
    pub(crate) fn of(def: &WebhookDef) -> Self {
        if let Some(why) = REFUSED.get().and_then(|refused| refused.get(&def.slug)) {
            return Self::Refused(why.clone());
        }
        let verification = &def.verification;
        match (&verification.scheme, &verification.secret) {
            (Scheme::Unverified, _) => Self::Never,
            (_, None) if def.keyring(&context::secret).is_empty() => Self::Never,
            (_, Some(variable)) if def.keyring(&context::secret).is_empty() => {
                Self::Missing(variable.clone())
            }
            _ => Self::Yes,
        }
    }

    /// Returns what to know about a webhook that is not verified.
    pub(crate) fn warning(&self, slug: &str) -> Option<String> {
        let consequence = "it answers only callers on this machine";
        match self {
            Self::Yes => None,
            Self::Missing(variable) => {
                Some(format!("webhook '{slug}' is unverified, {consequence}: set {variable}"))
            }
            Self::Never => Some(format!("webhook '{slug}' is declared unverified, {consequence}")),
            Self::Refused(why) => Some(format!("webhook '{slug}' refuses every request: {why}")),
        }
    }
}

/// The warnings of all webhooks: about unverified ones, and about secrets that
/// look like a slip.
pub(crate) fn warnings(registry: &Registry) -> Vec<String> {
    let mut warnings = Vec::new();
    for webhook in registry.webhooks() {
        warnings.extend(Verified::of(&webhook.def).warning(&webhook.def.slug));
        warnings.extend(webhook.def.keyring(&context::secret).warnings().iter().cloned());
        let twice = px_inbound::knows_no_duplicates(&webhook.def);
        warnings.extend(twice.map(|warning| format!("webhook '{}': {warning}", webhook.def.slug)));
    }
    warnings.dedup();
    warnings
}

/// The slugs of the webhooks whose senders are not verified.
pub(crate) fn unverified(registry: &Registry) -> Vec<String> {
    registry
        .webhooks()
        .filter(|webhook| matches!(Verified::of(&webhook.def), Verified::Missing(_) | Verified::Never))
        .map(|webhook| webhook.def.slug.clone())
        .collect()
}

/// The URL of a webhook.
pub(crate) fn url(base: &str, slug: &str) -> String {
    format!("{base}/webhooks/{slug}")
}

/// A webhook as `GET /webhooks` lists it.
pub(crate) fn json(base: &str, webhook: &Registered<Arc<WebhookDef>>) -> Value {
    let def = &webhook.def;
    let verified = Verified::of(def);
    let mut out = json!({
        "slug": def.slug,
        "description": def.description,
        "url": url(base, &def.slug),
        "provider": def.verification.provider,
        // One that refuses everybody lets nobody in.
        "verified": matches!(verified, Verified::Yes | Verified::Refused(_)),
    });
    if let (Verified::Refused(why), Value::Object(fields)) = (verified, &mut out) {
        fields.insert("refusesAll".into(), why.into());
    }
    if let (Some(variable), Value::Object(fields)) = (&def.verification.secret, &mut out) {
        fields.insert("secret".into(), variable.clone().into());
    }
    out
}

/// The table of `webhooks list` and `serve`: an exclamation mark stands for
/// "unverified", and for "refuses every request".
pub(crate) fn table(ui: Ui, base: &str, registry: &Registry) -> crate::error::Result<()> {
    let rows = registry.webhooks().map(|webhook| {
        let def = &webhook.def;
        let mark = if Verified::of(def) == Verified::Yes { "" } else { " !" };
        vec![format!("{}{mark}", def.slug), url(base, &def.slug), def.description.clone()]
    });
    ui.table(&["Name", "URL", "Description"], rows.collect(), &[0])
}
