//! Signed links, as a test opens and answers them.

use std::fmt;

use px_core::wait::Ask;
use px_inbound::{LinkAnswer, LinkState};

use super::run::Run;
use super::windy::Windy;
use super::world::World;
use crate::world::ORIGIN_OF_WORLDS;

/// The page behind a signed link.
#[derive(Clone)]
pub struct LinkPage(LinkAnswer);

impl fmt::Debug for LinkPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (status, state) = (self.status(), self.state());
        f.debug_struct("LinkPage").field("status", &status).field("state", &state).finish_non_exhaustive()
    }
}

impl LinkPage {
    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.answer.status
    }

    /// Returns what it shows: `open` (the question, with buttons), `early` (the step has not
    /// come to its wait), `answered`, `closed` (the wait ended without an answer), `expired`,
    /// `unknown` (no link of this world).
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.0.state {
            LinkState::Open => "open",
            LinkState::Early => "early",
            LinkState::Answered => "answered",
            LinkState::Closed => "closed",
            LinkState::Expired => "expired",
            LinkState::Unknown => "unknown",
            LinkState::Foreign => "foreign",
            LinkState::Unavailable => "unavailable",
        }
    }

    /// The question, where it can be answered; else nothing.
    #[must_use]
    pub fn words(&self) -> &str {
        self.0.ask.as_ref().map_or("", |ask| &ask.words)
    }

    /// The texts of its buttons.
    #[must_use]
    pub fn answers(&self) -> Vec<&str> {
        self.0.ask.iter().flat_map(|ask| &ask.answers).map(|answer| &*answer.label).collect()
    }

    /// The page itself.
    #[must_use]
    pub fn html(&self) -> &str {
        &self.0.answer.body
    }

    /// The form that a press of this button posts.
    fn form(&self, label: &str) -> Option<String> {
        let index = self.answers().iter().position(|answer| *answer == label)?;
        Some(format!("nonce={}&answer={index}", self.0.nonce.as_deref()?))
    }
}

impl World {
    /// Opens a signed link, as a person does, or a mail scanner before. Nothing changes.
    #[must_use]
    #[track_caller]
    pub fn open(&self, link: &str) -> LinkPage {
        LinkPage(self.inner.live(async |world| world.open_link(link).await))
    }

    /// Opens a signed link, presses the button with this text, and runs what follows.
    /// Returns the page that is there then. A page without buttons stays as it is.
    ///
    /// # Panics
    /// No button of the question has this text.
    #[track_caller]
    pub fn answer(&self, link: &str, label: &str) -> LinkPage {
        self.inner.tell(format!("answer a link by '{label}'"));
        self.press(link, label);
        self.inner.settle();
        self.open(link)
    }

    /// Presses a button of the page of a link, if it has buttons.
    #[track_caller]
    pub(super) fn press(&self, link: &str, label: &str) -> Option<LinkAnswer> {
        let page = self.open(link);
        if page.state() != "open" {
            return None;
        }
        let Some(form) = page.form(label) else {
            panic!("the page has no button '{label}'; it has {:?}", page.answers())
        };
        Some(self.inner.live(async |world| world.post_link(link, Some(ORIGIN_OF_WORLDS), &form).await))
    }
}

impl Windy {
    /// Opens a signed link and presses the button with this text; now and then twice, and
    /// now and then the process dies of it. A page without buttons stays as it is.
    ///
    /// # Panics
    /// No button of the question has this text.
    #[track_caller]
    pub fn answer(&self, link: &str, label: &str) {
        self.press(link, label);
    }
}

impl Run {
    /// The signed links that it waits on, in the order in which the step named them.
    #[must_use]
    #[track_caller]
    pub fn links(&self) -> Vec<String> {
        self.asked().into_iter().map(|(url, _)| url).collect()
    }

    /// The signed link of an approver that it waits on.
    ///
    /// # Panics
    /// It waits on none.
    #[must_use]
    #[track_caller]
    pub fn link_of(&self, approver: &str) -> String {
        let found = self.asked().into_iter().find(|(_, ask)| ask.approver.as_deref() == Some(approver));
        match found {
            Some((url, _)) => url,
            None => panic!("the run waits on no link of '{approver}'\n{}", self.story()),
        }
    }

    #[track_caller]
    fn asked(&self) -> Vec<(String, Ask)> {
        self.inner.settle();
        self.inner.live(async |world| world.links(self.id()).await)
    }
}
