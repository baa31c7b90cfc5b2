//! One person's vote, by a link in a mail or by a button in Slack, whichever comes first.

use px::link;
use px::prelude::*;

use super::order::Approver;
use crate::outside::Outside;
use crate::webhooks::buttons::{self, Pressed};

const DAY: Duration = Duration::from_hours(24);

/// The brain.
pub fn approval() -> Brain<Question, Vote> {
    brain("approval")
        .describe("Asks one person, by link and by button")
        .label_as("approver", "/approver/mail")
        .needs::<Outside>()
        .step("ask", ask)
        .remind("ask again", DAY, ask_again)
        .step("note vote", note_vote)
        .build()
}
px::brain!(approval);

/// What is asked of whom.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The question.
    pub text: String,
    /// The person.
    pub approver: Approver,
}

/// A vote.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Vote {
    /// The answer; none if none came in time.
    pub yes: Option<bool>,
    /// Who gave it: the address that had the link, or Slack's user.
    pub by: Option<String>,
}

type Answer = Timed<Either<link::Answered<bool>, Pressed>>;

async fn ask(cx: Cx, question: Question) -> Result<Waiting<Question, Answer>> {
    let Approver { mail, slack } = &question.approver;
    let asked =
        link::ask(&cx, "vote", &question.text).answer(true, "Yes").answer(false, "No").approver(mail).await?;
    let text = format!("{}\n\n{}", question.text, asked.url());
    cx.effect("mail link", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await?;
    // A button answers for this run, and for no other.
    let button = cx.run_id().to_string();
    if let Some(user) = slack {
        let text = &question.text;
        cx.effect("post buttons", async |key| cx.get::<Outside>().buttons(key, user, text, &button).await)
            .await?;
    }
    let on = (asked.on(), buttons::on(button));
    Ok(wait_for(question, on).timeout(2 * DAY))
}

async fn ask_again(cx: Cx, question: Question) -> Result<()> {
    let text = format!("Still open: {} The link is in our mail of yesterday.", question.text);
    let mail = &question.approver.mail;
    cx.effect("mail reminder", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await
}

async fn note_vote(cx: Cx, question: Question, answer: Answer) -> Result<Next<Vote>> {
    let (vote, message) = match answer {
        Timed::Answered(Either::Left(link::Answered { answer, by })) => {
            (Vote { yes: Some(answer), by }, None)
        }
        Timed::Answered(Either::Right(Pressed { yes, by, response_url })) => {
            (Vote { yes: Some(yes), by: Some(by) }, response_url)
        }
        Timed::TimedOut => (Vote { yes: None, by: None }, None),
    };
    if vote.yes.is_some() {
        // A value of the brain, and of no run. It is written with this step's result: whatever dies meanwhile, a
        // vote counts once.
        cx.kv::<u64>("votes").scope(&question.approver.mail).update(|votes| votes.unwrap_or(0) + 1).await?;
    }
    // Buttons that have been pressed go from the message.
    if let Some(url) = message {
        let word = if vote.yes == Some(true) { "Yes" } else { "No" };
        let text = format!("{} {word}, says <@{}>.", question.text, vote.by.as_deref().unwrap_or_default());
        cx.effect("replace message", async |_key| cx.get::<Outside>().replace(&url, &text).await).await?;
    }
    Ok(Next(vote))
}
