//! The providers that px knows, one a file. Facts and their sources are with
//! each.

mod discord;
mod gateways;
mod generic;
mod github;
mod gitlab;
mod jira;
mod linear;
mod mailgun;
mod meta;
mod postmark;
mod sendgrid;
mod shopify;
mod slack;
mod standard;
mod stripe;
mod twilio;
mod zoom;

pub use discord::{discord, discord_events};
pub use gateways::{convoy, convoy_advanced, outpost, timestamped};
pub use generic::{basic, bearer, cloudevents, hmac, token_header, token_query, unverified};
pub use github::github;
pub use gitlab::{gitlab, gitlab_signed};
pub use jira::{jira, jira_app};
pub use linear::linear;
pub use mailgun::{mailgun, mailgun_routes};
pub use meta::meta;
pub use postmark::postmark_inbound;
pub use sendgrid::{sendgrid, sendgrid_inbound};
pub use shopify::shopify;
pub use slack::{slack, slack_command, slack_interactivity};
pub use standard::{standard_webhooks, standard_webhooks_asymmetric, svix};
pub use stripe::stripe;
pub use twilio::twilio;
pub use zoom::zoom;
