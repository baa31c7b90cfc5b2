//! Asks a customer for feedback, in Slack and by SMS. The first answer wins;
//! after three days without one the run completes all the same.
//!
//! Here to learn: side effects that are made once, a wait on two webhooks, and
//! a timeout that the next step cannot forget.

use std::time::Duration;

use px::prelude::*;

use crate::chat;
use crate::webhooks::slack::{self, SlackReply};
use crate::webhooks::twilio::{self, Sms};

/// Time that the customer has for an answer.
const PATIENCE: Duration = Duration::from_hours(3 * 24);

/// Input of a run: the customer to ask.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Name that the message addresses them by.
    pub name: String,
    /// The Slack channel to ask in, by name or id.
    pub slack_channel: String,
    /// The phone to ask, in the form that Twilio reports: `+15550100`.
    pub phone_number: String,
}

/// The question is out. This is what the run keeps while it waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    /// The customer.
    pub name: String,
    /// The Slack channel that the question was posted in.
    pub slack_channel: String,
    /// The phone that was asked.
    pub phone_number: String,
    /// The thread that the question began; replies in it carry this id.
    pub slack_thread_id: String,
}

/// The result of a run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Feedback {
    /// The customer.
    pub name: String,
    /// The Slack channel that the question was posted in.
    pub slack_channel: String,
    /// The phone that was asked.
    pub phone_number: String,
    /// The thread that the question began.
    pub slack_thread_id: String,
    /// The text of the answer; absent if none came in time.
    pub feedback: Option<String>,
    /// The way by which the answer came.
    pub source: Source,
}

/// An answer, with one variant for each webhook that the run waits on.
#[derive(OneOf)]
enum Answer {
    Slack(SlackReply),
    Sms(Sms),
}

/// The way by which an answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A reply in the Slack thread.
    Slack,
    /// A text message.
    Sms,
    /// None came in time.
    None,
}

/// The brain: `ask`, wait for either answer, `process`.
pub fn customer_feedback() -> Brain<Customer> {
    brain("customer-feedback")
        .describe("Asks in Slack and by SMS; the first answer wins")
        .step("ask", ask)
        .step("process", process)
        .build()
}
px::brain!(customer_feedback);

async fn ask(cx: Cx, customer: Customer) -> Result<Waiting<Asked, Timed<Answer>>> {
    let Customer { name, slack_channel, phone_number } = customer;
    let question = format!("Hi {name}, how do you like it so far?");

    // Should the process die in between, this step runs again; an effect that is
    // remembered is then not made again.
    let slack_thread_id = cx
        .effect("ask in Slack", async |key| chat::slack(&slack_channel, None, &question, key).await)
        .await?;
    cx.effect("ask by SMS", async |key| chat::sms(&phone_number, &question, key).await).await?;

    let answers = Answer::on(slack::on(&slack_thread_id), twilio::on(&phone_number));
    let asked = Asked { name, slack_channel, phone_number, slack_thread_id };
    Ok(wait_for(asked, answers).timeout(PATIENCE))
}

async fn process(_cx: Cx, asked: Asked, answer: Timed<Answer>) -> Result<Next<Feedback>> {
    let (feedback, source) = match answer {
        Timed::Answered(Answer::Slack(reply)) => (Some(reply.message), Source::Slack),
        Timed::Answered(Answer::Sms(sms)) => (Some(sms.body), Source::Sms),
        Timed::TimedOut => (None, Source::None),
    };
    let Asked { name, slack_channel, phone_number, slack_thread_id } = asked;
    Ok(Next(Feedback { name, slack_channel, phone_number, slack_thread_id, feedback, source }))
}
