//! One person's vote, by a link in a mail or by a button in Slack, whichever comes first.

use px::RunId;
use px::link::{self, LinkHandle};
use px::prelude::*;

use super::order::Approver;
use super::poll::{Decision, poll};
use crate::outside::Outside;
use crate::webhooks::buttons::{self, Pressed};

const DAY: Duration = Duration::from_hours(24);

/// The brain.
pub fn approval() -> Brain<Question, Vote> {
    brain("approval")
        .describe("Asks one person of several, by link and by button")
        .label("/order")
        .label_as("approver", "/approver/mail")
        .needs::<Outside>()
        // Waits for the first of link, button, and the end of the poll that asks, two days at most. The vote is what the
        // run results in: the poll waits for its end.
        .step("ask", ask)
        .retry(Retry::attempts(5))
        .remind("ask again", DAY, ask_again)
        .retry(Retry::attempts(5))
        .step("note vote", note_vote)
        .build()
}
px::brain!(approval);

/// What is asked of whom.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// The order's number.
    pub order: String,
    /// The question.
    pub text: String,
    /// The person.
    pub approver: Approver,
    /// The poll that it is asked for. Once that has ended, nobody is asked any more.
    pub asked_by: RunId,
}

/// A question that is out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// The question.
    pub question: Question,
    /// Its link, for the reminder: it names the link, and opens nothing.
    pub link: LinkHandle,
}

/// A vote.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Vote {
    /// The answer; none if none came in time, or before it was decided.
    pub yes: Option<bool>,
    /// Who gave it: the address that had the link, or Slack's user.
    pub by: Option<String>,
}

type Answer = Timed<OneOf3<link::Answered<bool>, Pressed, RunEnd<Decision>>>;

async fn ask(cx: Cx, question: Question) -> Result<Waiting<Asked, Answer>> {
    let Approver { mail, slack } = &question.approver;
    let link =
        link::ask(&cx, "vote", &question.text).answer(true, "Yes").answer(false, "No").approver(mail).await?;
    let text = format!("{}\n\n{}", question.text, link.url());
    cx.effect("mail link", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await?;
    // A button answers for this run, and for no other.
    let run = cx.run_id().to_string();
    if let Some(user) = slack {
        let text = &question.text;
        cx.effect("post buttons", async |key| cx.get::<Outside>().buttons(key, user, text, &run).await)
            .await?;
    }
    let decided = end_of(poll, question.asked_by);
    // It answers for the person who is asked alone, however many see the message.
    let button = buttons::of(&run, slack.as_deref().unwrap_or_default());
    let asked = Asked { question, link: link.handle() };
    Ok(wait_for(asked, (link.on(), buttons::on(button), decided)).timeout(2 * DAY))
}

async fn ask_again(cx: Cx, Asked { question, link }: Asked) -> Result<()> {
    let text = format!("Still open: {}\n\n{}", question.text, link.url(&cx)?);
    let mail = &question.approver.mail;
    cx.effect("mail reminder", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await
}

async fn note_vote(cx: Cx, Asked { question, .. }: Asked, answer: Answer) -> Result<Next<Vote>> {
    let (vote, message) = match answer {
        Timed::Answered(OneOf3::First(link::Answered { answer, by })) => {
            (Vote { yes: Some(answer), by }, None)
        }
        Timed::Answered(OneOf3::Second(Pressed { yes, by, response_url })) => {
            (Vote { yes: Some(yes), by: Some(by) }, response_url)
        }
        // It was decided without them, or they have said nothing.
        Timed::Answered(OneOf3::Third(_)) | Timed::TimedOut => (Vote { yes: None, by: None }, None),
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
        let replaced =
            cx.effect("replace message", async |_key| cx.get::<Outside>().replace(&url, &text).await).await;
        // The address lives for half an hour, and this may be later: the vote counts all the same.
        if let Err(error) = replaced {
            cx.emit("message keeps its buttons", error.to_string()).await?;
        }
    }
    Ok(Next(vote))
}
