//! A run, as a test looks at it. Whatever is not as expected panics with the
//! run's story, so that the message says why.

use std::fmt::{self, Write as _};
use std::rc::Rc;

use px_core::{RunId, RunStatus, wire};
use px_sdk::Waits;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::process::Inner;

/// Number of characters of an entry of the log that are shown.
const SHOWN: usize = 160;

/// Members of an entry of the log that a story leaves out, since they repeat or say nothing about the run's
/// course.
const NOISE: [&str; 8] =
    ["type", "seq", "timestamp", "brainRunId", "options", "brainTitle", "brainDescription", "steps"];

/// A run. Whatever is ready has run before anything is looked at.
#[derive(Clone)]
pub struct Run {
    pub(super) inner: Rc<Inner>,
    id: RunId,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.story())
    }
}

impl Run {
    pub(super) fn new(inner: Rc<Inner>, id: RunId) -> Self {
        Self { inner, id }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.id
    }

    #[track_caller]
    pub(super) fn now(&self) -> px_core::Run {
        self.inner.settle();
        match self.inner.live(async |world| world.run(self.id).await) {
            Some(run) => run,
            None => panic!("there is no run {}", self.id),
        }
    }

    /// Returns the run's status: `waiting`, `complete`, `error`, …
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> &'static str {
        self.now().status.as_str()
    }

    /// Its state, as this type.
    ///
    /// # Panics
    /// The state does not fit the type.
    #[must_use]
    #[track_caller]
    pub fn state<T: DeserializeOwned>(&self) -> T {
        let state = self.now().state().clone();
        match serde_json::from_value(state) {
            Ok(state) => state,
            Err(error) => panic!("the state does not fit: {error}\n{}", self.story()),
        }
    }

    /// Its state, as JSON.
    #[must_use]
    #[track_caller]
    pub fn state_json(&self) -> Value {
        self.now().state().clone()
    }

    /// The value of one of its labels, if it has that.
    #[must_use]
    #[track_caller]
    pub fn label(&self, name: &str) -> Option<String> {
        self.now().labels.get(name).cloned()
    }

    /// Its log, as the API shows it.
    #[must_use]
    #[track_caller]
    pub fn log(&self) -> Vec<Value> {
        let run = self.now();
        let events = self.inner.live(async |world| world.log(self.id).await);
        events.iter().map(|event| wire::event(&run, event)).collect()
    }

    /// Expects this status.
    ///
    /// # Panics
    /// It has another one.
    #[track_caller]
    pub fn expect_status(&self, status: &str) -> &Self {
        let found = self.status();
        assert!(found == status, "the run was to be {status}, and is {found}\n{}", self.story());
        self
    }

    /// Expects it to have ended with a result.
    ///
    /// # Panics
    /// It has not.
    #[track_caller]
    pub fn expect_complete(&self) -> &Self {
        self.expect_status("complete")
    }

    /// Expects it to have failed, with an error that has these words in it.
    ///
    /// # Panics
    /// It has not, or with another one.
    #[track_caller]
    pub fn expect_error(&self, words: &str) -> &Self {
        self.expect_status("error");
        let message = self.now().error.map(|error| error.message).unwrap_or_default();
        let found = message.contains(words);
        assert!(found, "the run was to fail with '{words}', and failed with '{message}'\n{}", self.story());
        self
    }

    /// Expects it to wait on all of this, be it alone or beside others:
    /// `run.expect_waiting_on(slack::on("t"))`.
    ///
    /// # Panics
    /// It does not wait, or not on this.
    #[track_caller]
    pub fn expect_waiting_on(&self, on: impl Waits) -> &Self {
        self.expect_status("waiting");
        let run = self.now();
        let open: Vec<_> = run.waits.iter().flat_map(|wait| &wait.registrations).collect();
        for wanted in on.registrations() {
            let found = open.iter().any(|found| found.key == wanted.key && found.token == wanted.token);
            assert!(found, "the run was to wait on {}, and does not\n{}", wanted.key, self.story());
        }
        self
    }

    /// Lets it stand still.
    #[track_caller]
    pub fn pause(&self) {
        self.inner.control("pause", async |world| world.pause(self.id).await);
        self.inner.settle();
    }

    /// Lets it go on.
    #[track_caller]
    pub fn resume(&self) {
        self.inner.control("resume", async |world| world.resume(self.id).await);
        self.inner.settle();
    }

    /// Answers what it waits for by hand, as an operator may.
    ///
    /// # Panics
    /// It waits for nothing that can be answered so.
    #[track_caller]
    pub fn answer(&self, response: impl Serialize) {
        let response = match serde_json::to_value(response) {
            Ok(response) => response,
            Err(error) => panic!("the response cannot be written as JSON: {error}"),
        };
        self.inner.control("answer", async |world| world.answer(self.id, response.clone()).await);
        self.inner.settle();
    }

    /// Ends it.
    #[track_caller]
    pub fn cancel(&self) {
        self.inner.control("cancel", async |world| world.cancel(self.id).await);
        self.inner.settle();
    }

    /// Describes the run, its waits and its log in words.
    #[must_use]
    #[track_caller]
    pub fn story(&self) -> String {
        let run = self.now();
        let log = self.log();
        // First and as a whole: an error says what to do, and its entry of the log may be cut.
        let mut text = match (&run.error, run.status) {
            (Some(error), _) => format!("error: {}\n", error.message),
            (None, RunStatus::Running) => {
                retried(&log).map_or_else(String::new, |why| format!("error: {why}\n"))
            }
            _ => String::new(),
        };
        // Writing into a text cannot fail.
        let _ = write!(text, "  {} of '{}' is {}", run.id, run.brain, run.status.as_str());
        if let Some(step) = run.frame().map(|frame| &frame.step).filter(|step| !step.is_empty()) {
            let _ = write!(text, ", at step '{step}'");
        }
        if let Some(reason) = &run.reason {
            let _ = write!(text, " ({reason})");
        }
        for wait in &run.waits {
            for registration in &wait.registrations {
                let _ = write!(text, "\n  waits on {}", registration.key);
            }
            if let Some(deadline) = wait.deadline {
                let _ = write!(text, "\n  until {deadline}");
            }
            for reminder in &wait.reminders {
                if let Some(due) = reminder.due {
                    let _ = write!(text, "\n  reminder '{}' at {due}", reminder.turn());
                }
            }
        }
        let _ = write!(text, "\n  state: {}", run.state());
        for mut entry in log {
            let part = |name| entry.get(name).cloned().unwrap_or_default();
            let (seq, name) = (part("seq"), part("type"));
            if let Value::Object(fields) = &mut entry {
                fields.retain(|field, _| !NOISE.contains(&field.as_str()));
            }
            let mut rest = if entry == json!({}) { String::new() } else { entry.to_string() };
            if let Some((cut, _)) = rest.char_indices().nth(SHOWN) {
                rest.truncate(cut);
                rest.push('…');
            }
            let _ = write!(text, "\n  {seq:>4} {} {rest}", name.as_str().unwrap_or_default());
        }
        text
    }

    /// Returns true if nothing more happens to the run without an event, a timer or a caller.
    pub(super) fn rests(&self) -> bool {
        !matches!(self.now().status, RunStatus::Running | RunStatus::Pending)
    }
}

/// Returns why the attempt failed that is about to be made again, if that is what the log ends with.
fn retried(log: &[Value]) -> Option<&str> {
    let last = log.iter().rev().find(|entry| entry["type"] != "step:status")?;
    (last["type"] == "step:retry").then(|| last.pointer("/error/message")?.as_str()).flatten()
}
