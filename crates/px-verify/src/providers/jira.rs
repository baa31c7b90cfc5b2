//! Jira Cloud. Source: "Webhooks" on developer.atlassian.com/cloud/jira.

use crate::record::{BodyForm, Scheme, Signature, Verification};

/// Jira Cloud's administrator webhooks: `sha256=` and the hex HMAC-SHA256 of
/// the body in `X-Hub-Signature` (whose name promises SHA-1, whose value does
/// not). The id is `X-Atlassian-Webhook-Identifier`, the same over retries.
#[must_use]
pub fn jira(secret: &str) -> Verification {
    let scheme = Scheme::Signature(Signature::new("x-hub-signature"));
    behaviour(Verification::new("jira", Some(secret), scheme).prefix("sha256="))
}

/// The webhooks of Connect and OAuth 2.0 apps: a JSON Web Token with HS256 in
/// `Authorization`, under the secret of the installation (`JWT …`, Connect) or
/// of the app (`Bearer …`, OAuth). Several installations are several secrets.
///
/// **It does not cover the body.** A token of Connect says which URL it is for;
/// it counts three minutes. The asymmetric tokens of Connect's `installed` and
/// `uninstalled` callbacks are not taken: Atlassian publishes their keys, and px
/// fetches none.
#[must_use]
pub fn jira_app(secret: &str) -> Verification {
    behaviour(Verification::new("jira-app", Some(secret), Scheme::AtlassianJwt))
}

fn behaviour(verification: Verification) -> Verification {
    verification
        .dedup_header("x-atlassian-webhook-identifier")
        .event_pointer("/webhookEvent")
        .body(BodyForm::Json)
}
