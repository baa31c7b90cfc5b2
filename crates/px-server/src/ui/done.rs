//! What an action did, as the page after it says it: a word of a closed list in the
//! query, so that no link can put a sentence of its own on the page.

use px_dashboard::{Notice, Undo, route};

/// Name of the query's field.
const FIELD: &str = "done";

/// An action that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Done {
    word: Word,
    /// The run that a way back would act on.
    run: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Paused,
    Resumed,
    Cancelled,
    Reran,
    Forked,
    Started,
    Answered,
    Replayed,
    Bound,
    Redelivered,
    RedeliveredParked,
    HookTested,
    Recovered,
    HookEnabled,
    HookDisabled,
    HookDeleted,
    Revoked,
    TestSent,
    Chosen,
    JobStopped,
    LoggedOut,
    Kept,
}

impl Word {
    const ALL: [(Self, &'static str, &'static str); 22] = [
        (Self::Paused, "paused", "The run is paused: it takes no step and no event until it is resumed."),
        (Self::Resumed, "resumed", "The run goes on."),
        (Self::Cancelled, "cancelled", "The run is cancelled."),
        (Self::Reran, "reran", "The run goes on from that step."),
        (Self::Forked, "forked", "This run is the fork; the one that it came from stays as it is."),
        (Self::Started, "started", "The run is started, durably."),
        (Self::Answered, "answered", "The run has the answer."),
        (Self::Replayed, "replayed", "The delivery was handled again; below is what became of it."),
        (Self::Bound, "bound", "The run has the event."),
        (Self::Redelivered, "redelivered", "The callback is due once more."),
        (
            Self::RedeliveredParked,
            "redelivered-parked",
            "The callback is due once more, and parked: its endpoint did not answer and is left alone until the time below.",
        ),
        (
            Self::HookTested,
            "hook-tested",
            "A test is in the outbox. It goes out when the hook's callbacks do: at once, unless its endpoint is left alone for a while.",
        ),
        (
            Self::Recovered,
            "recovered",
            "What was given up or discarded since then is due again; what is pending goes out as it was.",
        ),
        (Self::HookEnabled, "hook-enabled", "The hook takes callbacks."),
        (
            Self::HookDisabled,
            "hook-disabled",
            "The hook is told nothing from now on, and nothing is kept for it.",
        ),
        (Self::HookDeleted, "hook-deleted", "The hook is deleted: nobody is told by it any more."),
        (Self::Revoked, "revoked", "The token is revoked, with every session and stream that it opened."),
        (Self::TestSent, "test-sent", "The test event was sent; below is what became of it."),
        (Self::Chosen, "chosen", "It is done with all of the chosen runs."),
        (
            Self::JobStopped,
            "job-stopped",
            "The job is stopped; of the runs that it was at, up to 16 may still be done.",
        ),
        (Self::LoggedOut, "logged-out", "You are logged out."),
        (Self::Kept, "kept", "The settings are kept in this browser."),
    ];

    fn text(self) -> &'static str {
        Self::ALL.iter().find(|(word, ..)| *word == self).map(|(.., text)| *text).unwrap_or_default()
    }
}

impl Done {
    pub(super) const fn new(word: Word) -> Self {
        Self { word, run: None }
    }

    /// The same, with the run that a way back would act on.
    pub(super) fn to_run(word: Word, run: &str) -> Self {
        Self { word, run: Some(run.to_owned()) }
    }

    /// The place with what was done there.
    pub(super) fn at(&self, place: &str) -> String {
        let name = Word::ALL.iter().find(|(word, ..)| *word == self.word).map(|(_, name, _)| *name);
        let joint = if place.contains('?') { '&' } else { '?' };
        let run = match &self.run {
            Some(run) => format!(".{run}"),
            None => String::new(),
        };
        format!("{place}{joint}{FIELD}={}{run}", name.unwrap_or_default())
    }

    pub(super) fn of_query(query: &str) -> Option<Self> {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(FIELD)?.strip_prefix('='))?;
        let (name, run) = value.split_once('.').map_or((value, None), |(name, run)| (name, Some(run)));
        let (word, ..) = Word::ALL.iter().find(|(_, known, _)| *known == name)?;
        let run = run.filter(|run| run.parse::<px_core::RunId>().is_ok()).map(str::to_owned);
        Some(Self { word: *word, run })
    }

    /// Returns whether a page is the one to say it: a way back acts on the run of the page alone.
    pub(super) fn is_about(&self, path: &str) -> bool {
        self.run.as_ref().is_none_or(|run| path.split('/').any(|part| part == run))
    }

    /// Its sentence, with the way back where there is one.
    pub(super) fn notice(self) -> Notice {
        let back = |label: &str, route| {
            let run = self.run.clone()?;
            Some(Undo { label: label.to_owned(), route, args: vec![run], fields: Vec::new() })
        };
        let undo = match self.word {
            Word::Paused => back("Resume", route::RESUME),
            Word::Resumed => back("Pause", route::PAUSE),
            _ => None,
        };
        Notice { text: self.word.text().to_owned(), undo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_back_and_no_other_text_is() {
        let run = px_core::RunId::from_bytes([1; 16]).to_string();
        for (word, name, text) in Word::ALL {
            let place = Done::new(word).at("runs?status=paused");
            assert_eq!(place, format!("runs?status=paused&done={name}"));
            assert_eq!(Done::of_query(place.split_once('?').unwrap().1), Some(Done::new(word)));
            assert!(text.ends_with('.') && Done::new(word).notice().text == text);
        }
        let paused = Done::to_run(Word::Paused, &run);
        let query = paused.at("x");
        assert_eq!(Done::of_query(query.strip_prefix("x?").unwrap()), Some(paused.clone()));
        assert_eq!(paused.notice().undo.unwrap().args, [run]);
        assert_eq!(Done::of_query("done=your%20account%20is%20closed"), None);
        let strange = Done::of_query("done=paused.../../x").unwrap();
        assert_eq!(strange.notice().undo, None, "what is no run has no way back");
    }
}
