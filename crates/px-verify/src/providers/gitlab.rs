//! GitLab. Source: "Webhooks" and "Webhook events" on docs.gitlab.com.

use super::standard_webhooks;
use crate::record::{BodyForm, Scheme, Token, Verification};

/// GitLab's secret token: the text itself in `X-Gitlab-Token`.
///
/// The id is `Idempotency-Key`, which is the same over retries;
/// `X-Gitlab-Event-UUID` is not used, since recursive hooks repeat it.
#[must_use]
pub fn gitlab(secret: &str) -> Verification {
    behaviour(Verification::new(
        "gitlab",
        Some(secret),
        Scheme::Token(Token::Header("x-gitlab-token".to_owned())),
    ))
}

/// GitLab's signing token: Standard Webhooks, under the same `webhook-*`
/// headers.
#[must_use]
pub fn gitlab_signed(secret: &str) -> Verification {
    behaviour(standard_webhooks(secret).provider("gitlab-signed"))
}

fn behaviour(verification: Verification) -> Verification {
    verification
        .dedup_header("idempotency-key")
        .event_header("x-gitlab-event")
        .never_retries()
        .body(BodyForm::Json)
}
