//! One webhook per provider, nothing else: what `tests/scripts/official-libraries`
//! posts to, signed by each provider's own library, and `tests/presets.rs`. Each takes any JSON, keeps
//! nothing, and answers `ignored`; the slug is the provider's name and the
//! secret is in `<NAME>_SECRET`.
//!
//! ```text
//! STRIPE_SECRET=whsec_… cargo run --example providers -- serve
//! ```

use px::prelude::*;
use px::verify;

/// Whatever a provider posts.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
struct Anything(serde_json::Value);

/// What a wait would get; nothing waits here.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Nothing {}

async fn receive(_: Anything) -> Result<Inbound<Nothing>> {
    Ok(Inbound::ignore("seen"))
}

/// A webhook in a module of its own, since each defines `on`.
macro_rules! provider {
    ($name:ident, $slug:literal, $verification:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the macro's callers share them")]
            use super::*;
            px::webhook! {
                slug = $slug,
                payload = Anything,
                response = Nothing,
                verify = $verification,
                handler = receive,
            }
        }
    };
}

provider!(slack, "slack", verify::slack("SLACK_SECRET"));
provider!(slack_command, "slack-command", verify::slack_command("SLACK_SECRET"));
provider!(slack_interactivity, "slack-interactivity", verify::slack_interactivity("SLACK_SECRET"));
provider!(github, "github", verify::github("GITHUB_SECRET"));
provider!(gitlab, "gitlab", verify::gitlab("GITLAB_SECRET"));
provider!(gitlab_signed, "gitlab-signed", verify::gitlab_signed("STANDARD_SECRET"));
provider!(stripe, "stripe", verify::stripe("STRIPE_SECRET"));
provider!(twilio, "twilio", verify::twilio("TWILIO_SECRET"));
provider!(shopify, "shopify", verify::shopify("SHOPIFY_SECRET"));
provider!(discord, "discord", verify::discord("DISCORD_SECRET"));
provider!(discord_events, "discord-events", verify::discord_events("DISCORD_SECRET"));
provider!(linear, "linear", verify::linear("LINEAR_SECRET"));
provider!(standard, "standard", verify::standard_webhooks("STANDARD_SECRET"));
provider!(
    standard_asymmetric,
    "standard-asymmetric",
    verify::standard_webhooks_asymmetric("STANDARD_PUBLIC")
);
provider!(svix, "svix", verify::svix("STANDARD_SECRET"));
provider!(mailgun, "mailgun", verify::mailgun("MAILGUN_SECRET"));
provider!(sendgrid, "sendgrid", verify::sendgrid("SENDGRID_SECRET"));
provider!(zoom, "zoom", verify::zoom("ZOOM_SECRET"));
provider!(meta, "meta", verify::meta("META_SECRET", "META_VERIFY_TOKEN"));
provider!(jira, "jira", verify::jira("JIRA_SECRET"));
provider!(jira_app, "jira-app", verify::jira_app("JIRA_SECRET"));
provider!(convoy, "convoy", verify::convoy("CONVOY_SECRET"));
provider!(convoy_advanced, "convoy-advanced", verify::convoy_advanced("CONVOY_SECRET"));
provider!(outpost, "outpost", verify::outpost("OUTPOST_SECRET"));
provider!(cloudevents, "cloudevents", verify::cloudevents("BEARER_SECRET"));
provider!(forge, "forge", verify::timestamped("X-Forge", "FORGE_SECRET"));
provider!(lazyagent, "lazyagent", verify::hmac("X-Signature", "LAZYAGENT_SECRET").prefix("sha256="));
provider!(token, "token", verify::token_header("X-Token", "TOKEN_SECRET"));
provider!(bearer, "bearer", verify::bearer("BEARER_SECRET"));
provider!(basic, "basic", verify::basic("BASIC_SECRET"));
provider!(query, "query", verify::token_query("key", "QUERY_SECRET"));
// For whoever adds a provider in `px.toml`.
provider!(acme, "acme", verify::unverified());

/// Nothing runs here, but a project has a brain.
fn idle() -> Brain<Nothing> {
    brain("idle").step("end", end).build()
}
px::brain!(idle);

async fn end(_: Cx, nothing: Nothing) -> Result<Next<Nothing>> {
    Ok(Next(nothing))
}

fn main() -> std::process::ExitCode {
    px::main()
}
