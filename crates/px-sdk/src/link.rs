//! Signed links: a step makes one by [`ask`] and sends its URL to a person, who
//! answers on the page behind it.
//!
//! Opening the page changes nothing, whoever does it and however often; a
//! button on it answers. Whoever has the URL can answer: whoever has the mail has
//! the vote.
//!
//! ```
//! # use px_sdk::{Cx, Result, Timed, Waiting, link, wait_for};
//! # use serde::{Deserialize, Serialize};
//! # use std::time::Duration;
//! # #[derive(Serialize, Deserialize)]
//! # struct Refund { order: String, euros: u32 }
//! # struct Mail;
//! # impl Mail { async fn send(&self, _to: &str, _url: &str, _key: &str) -> Result<()> { Ok(()) } }
//! #[derive(Serialize, Deserialize)]
//! enum Decision {
//!     Approve,
//!     Refuse,
//! }
//!
//! # async fn step(cx: Cx, mail: Mail, refund: Refund) -> Result<Waiting<Refund, Timed<link::Answered<Decision>>>> {
//! let question = format!("Refund order {} of {} EUR?", refund.order, refund.euros);
//! let anna = link::ask(&cx, "anna", question)
//!     .answer(Decision::Approve, "Approve")
//!     .answer(Decision::Refuse, "Refuse")
//!     .approver("anna@example.com")
//!     .await?;
//! cx.effect("mail anna", async |key| mail.send("anna@example.com", anna.url(), key).await).await?;
//! Ok(wait_for(refund, anna.on()).timeout(Duration::from_hours(48)))
//! # }
//! ```
//!
//! The words of the question are kept with the wait and not in the URL; the URL
//! has a token, which is made anew from the store's key each time that the step
//! runs and is stored nowhere.

use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::time::Duration;

use px_core::key::LINK_SLUG;
use px_core::wait::{Ask, AskedAnswer};
use px_core::{LinkId, RunId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cx::Cx;
use crate::error::{Error, Result};
use crate::port::PortFuture;
use crate::read::Misfit;
use crate::wait::On;

/// Maximum length of a question, bytes.
pub const MAX_WORDS: usize = 4_096;
/// Maximum number of answers to one question.
pub const MAX_ANSWERS: usize = 16;
/// Maximum length of an answer's label, of its value as JSON, and of an approver's
/// name, bytes.
pub const MAX_LABEL: usize = 255;

/// Answer of a person to the question behind a link. `by` is the approver that the
/// link was made for, if one was said; nobody has proved to be that person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered<D> {
    /// The answer that was chosen.
    pub answer: D,
    /// The approver of the link that brought it; none where it was given by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Claims of a link's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkClaims {
    /// The run that asks.
    pub run: RunId,
    /// The registration that an answer is for.
    pub link: LinkId,
    /// Time from which it is worth nothing.
    pub expires: Option<Timestamp>,
}

/// Maker of links: in a server by its store's key and its public URL, in a test by
/// the world.
pub trait LinkSource: Send + Sync + 'static {
    /// Draws the id of a new link, and says what time it is.
    fn draw(&self) -> (LinkId, Timestamp);

    /// Returns the URL of a link: the same for the same claims.
    ///
    /// # Errors
    /// Nobody knows by which URL people reach this server.
    fn url(&self, claims: &LinkClaims) -> Result<String>;
}

/// Begins a link that asks these words. The name is one for [`Cx::once`]: a step
/// that runs again gets the same link, and each turn of a loop another one.
///
/// Give it at least one [`answer`](Asking::answer), and await it. It is for a step that waits: in a reminder, and
/// in the work on an item of a list, it is a permanent error; a reminder sends the link again by its
/// [`handle`](Link::handle).
pub fn ask<D>(cx: &Cx, name: impl Into<String>, words: impl Into<String>) -> Asking<'_, D> {
    Asking {
        cx,
        name: name.into(),
        words: words.into(),
        answers: Vec::new(),
        approver: None,
        expires: None,
        answer: PhantomData,
    }
}

/// A link in the making: see [`ask`].
#[must_use = "a link is made when this is awaited"]
pub struct Asking<'a, D> {
    cx: &'a Cx,
    name: String,
    words: String,
    answers: Vec<(String, serde_json::Result<Value>)>,
    approver: Option<String>,
    expires: Option<Duration>,
    answer: PhantomData<fn() -> D>,
}

impl<D> fmt::Debug for Asking<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<D: Serialize> Asking<'_, D> {
    /// Adds an answer, with the text of its button.
    pub fn answer(mut self, value: D, label: impl Into<String>) -> Self {
        self.answers.push((label.into(), serde_json::to_value(value)));
        self
    }
}

impl<D> Asking<'_, D> {
    /// Says whom the link is for. The page shows it, and the answer has it as `by`.
    pub fn approver(mut self, approver: impl Into<String>) -> Self {
        self.approver = Some(approver.into());
        self
    }

    /// Lets the link be worth nothing this long after it was made. Without it the link
    /// is good for as long as its wait is open: the end of the wait is its end.
    pub fn expires(mut self, after: Duration) -> Self {
        self.expires = Some(after);
        self
    }

    /// The question, if it keeps to the bounds.
    fn question(&mut self) -> Result<Ask, String> {
        let mut answers: Vec<AskedAnswer> = Vec::new();
        for (label, value) in std::mem::take(&mut self.answers) {
            bounded("the label of an answer", &label, MAX_LABEL)?;
            let value = value.map_err(|error| format!("the answer '{label}' is no JSON: {error}"))?;
            if value.to_string().len() > MAX_LABEL {
                return Err(format!("the answer '{label}' is longer than {MAX_LABEL} bytes of JSON"));
            }
            if answers.iter().any(|other| other.value == value || other.label == label) {
                return Err(format!(
                    "two answers are '{label}', or the same value: nobody could tell them apart"
                ));
            }
            answers.push(AskedAnswer { label, value });
        }
        if answers.is_empty() || answers.len() > MAX_ANSWERS {
            return Err(format!(
                "it has {} answers: give it 1 to {MAX_ANSWERS} by `.answer(value, \"its button\")`",
                answers.len()
            ));
        }
        bounded("the question", &self.words, MAX_WORDS)?;
        if let Some(approver) = &self.approver {
            bounded("the approver", approver, MAX_LABEL)?;
        }
        let words = std::mem::take(&mut self.words);
        Ok(Ask { words, answers, approver: self.approver.take(), expires: None })
    }
}

fn bounded(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.len() > most {
        return Err(format!("{what} is {} bytes long, and at most {most} are taken", text.len()));
    }
    Ok(())
}

/// Memory that a step has of a link: nothing that opens it.
#[derive(Serialize, Deserialize)]
struct Made {
    link: LinkId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl<'a, D: 'a> IntoFuture for Asking<'a, D> {
    type Output = Result<Link<D>>;
    type IntoFuture = PortFuture<'a, Result<Link<D>>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let cx = self.cx;
            let mut ask = self.question().map_err(|why| {
                let (name, step, brain) = (&self.name, cx.step(), cx.brain());
                Error::permanent(format_args!("link '{name}' of step '{step}' of brain '{brain}': {why}"))
            })?;
            if !cx.may_wait() {
                return Err(Error::permanent(format_args!(
                    "link '{}' is made by '{}' of brain '{}', which works on an item of a list or reminds of a wait, \
                     and opens none: nobody could answer it. Make it in the step that waits; a reminder sends the \
                     same one by its handle",
                    self.name,
                    cx.step(),
                    cx.brain()
                )));
            }
            let source = cx.links()?;
            let after = self.expires;
            let name = format!("link {}", self.name);
            let made = cx.once(&name, async || {
                let (link, at) = source.draw();
                Ok(Made { link, expires: after.map(|after| at.after(after)) })
            });
            let Made { link, expires } = made.await?;
            let url = source.url(&LinkClaims { run: cx.run_id(), link, expires })?;
            ask.expires = expires;
            let mut on = On::registered(LINK_SLUG, link.to_string(), fingerprint());
            on.registration.ask = Some(Box::new(ask));
            Ok(Link { url, on, handle: LinkHandle::new(link, expires) })
        })
    }
}

/// A link that is made. It is good for the wait that the same step returns, and for no
/// other one.
#[must_use = "nobody can answer a link that was sent to nobody"]
pub struct Link<D> {
    url: String,
    on: On<Answered<D>>,
    handle: LinkHandle,
}

impl<D> fmt::Debug for Link<D> {
    /// Writes no URL, since whoever has it can answer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("on", &self.on.registration.key).finish_non_exhaustive()
    }
}

impl<D> Link<D> {
    /// The URL to send. Whoever has it can answer, so keep it out of the state, of logs
    /// and of errors.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A name of the link for the state: a reminder makes its URL of it once more.
    #[must_use]
    pub fn handle(&self) -> LinkHandle {
        self.handle.clone()
    }

    /// The answer, for `wait_for`. Several links in a `Vec` are several people: the
    /// first answer counts with `wait_for`, so many with `wait_for_count`; each link has
    /// one vote.
    #[must_use]
    pub fn on(&self) -> On<Answered<D>> {
        self.on.clone()
    }
}

/// A link as a state may keep it: it names the link, and opens nothing without the key of
/// the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct LinkHandle(String);

impl LinkHandle {
    fn new(link: LinkId, expires: Option<Timestamp>) -> Self {
        Self(expires.map_or_else(|| link.to_string(), |at| format!("{link}@{}", at.as_millis())))
    }

    /// The URL of the link, as [`Link::url`] gave it: for a reminder that sends it again.
    ///
    /// # Errors
    /// It is no handle that a link has given, or nobody knows by which URL people reach
    /// this server. The handle of another run's link gives a URL that opens nothing.
    pub fn url(&self, cx: &Cx) -> Result<String> {
        let (link, expires) = self.0.split_once('@').map_or((&*self.0, None), |(link, at)| (link, Some(at)));
        let (Ok(link), Ok(expires)) = (link.parse::<LinkId>(), expires.map(str::parse::<u64>).transpose())
        else {
            return Err(Error::permanent(format_args!("'{}' is no handle of a signed link", self.0)));
        };
        let expires = expires.map(Timestamp::from_millis);
        cx.links()?.url(&LinkClaims { run: cx.run_id(), link, expires })
    }
}

/// The fingerprint of the answer of any link: which answers there are is the question's to say.
pub(crate) fn fingerprint() -> u64 {
    static SCHEMA: OnceLock<u64> = OnceLock::new();
    *SCHEMA.get_or_init(crate::__private::fingerprint::<Answered<Value>>)
}

/// Tells whether a response is one of the answers to a question.
///
/// # Errors
/// It is none.
pub fn fits_ask(ask: &Ask, response: &Value) -> Result<(), Misfit> {
    let given = response.get("answer");
    if ask.answers.iter().any(|answer| Some(&answer.value) == given) {
        return Ok(());
    }
    let values: Vec<String> = ask.answers.iter().map(|answer| answer.value.to_string()).collect();
    Err(Misfit { path: "/answer".to_owned(), why: format!("the answers are {}", values.join(", ")) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_reads_with_and_without_who_gave_it() {
        let read = |value| serde_json::from_value::<Answered<bool>>(value).unwrap();
        assert_eq!(read(json!({"answer": true})), Answered { answer: true, by: None });
        let by = Some("anna@example.com".to_owned());
        assert_eq!(read(json!({"answer": false, "by": "anna@example.com"})), Answered { answer: false, by });
        let none = Answered { answer: 1, by: None };
        assert_eq!(serde_json::to_value(none).unwrap(), json!({"answer": 1}));
    }

    #[test]
    fn only_the_answers_of_the_question_fit() {
        let answer = |label: &str, value| AskedAnswer { label: label.into(), value };
        let answers = vec![answer("Yes", json!("yes")), answer("No", json!({"no": 1}))];
        let ask = Ask { words: "?".into(), answers, approver: None, expires: None };
        for fits in [json!({"answer": "yes"}), json!({"answer": {"no": 1}, "by": "x"})] {
            assert_eq!(fits_ask(&ask, &fits), Ok(()), "{fits}");
        }
        for unfit in [json!({}), json!({"answer": "Yes"}), json!({"answer": null}), json!("yes")] {
            let misfit = fits_ask(&ask, &unfit).unwrap_err();
            assert_eq!(
                (&*misfit.path, &*misfit.why),
                ("/answer", r#"the answers are "yes", {"no":1}"#),
                "{unfit}"
            );
        }
    }
}
