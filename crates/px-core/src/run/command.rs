//! Commands: everything that can be asked of a run.

use serde_json::Value;

use crate::event::{Cause, Failure, Given, Part, Position, StepInfo, TestMark};
use crate::id::{DeliveryId, EventId, RunId, WaitId};
use crate::key::KeyId;
use crate::label::Labels;
use crate::reminder::ReminderEnd;
use crate::run::state::ItemResult;
use crate::time::Timestamp;
use crate::wait::Wait;

/// A request to change a run. [`super::decide`] turns it into events or a refusal.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Creates the run.
    Start(Box<Start>),
    /// The current step's code begins.
    BeginStep {
        /// The step's place in the pipeline.
        index: u32,
    },
    /// The current step has made a side effect.
    RecordOnce {
        /// The effect's name.
        name: String,
        /// Value that the effect returned.
        value: Value,
        /// The item of a map that made it, from 0.
        item: Option<u32>,
    },
    /// The current step, a map, has done an item.
    RecordItem {
        /// The item's place in the list, from 0.
        index: u32,
        /// Number of items in the list.
        total: u32,
        /// The item.
        item: Value,
        /// Its result.
        result: Value,
    },
    /// The current step reports progress.
    Emit {
        /// Name of the progress, chosen by the step.
        name: String,
        /// Content of the progress, chosen by the step.
        data: Value,
        /// True if hooks are told of it too, and not only those who watch the run (docs/rules.md#48).
        durable: bool,
    },
    /// The current step is a nested brain, and goes into it.
    EnterBrain {
        /// The nested brain.
        brain: Box<BrainInfo>,
        /// The state of its first step, an object.
        initial_state: Value,
    },
    /// The current step goes into a part of its brain: an arm, or a turn of a loop.
    EnterPart(Box<EnteredPart>),
    /// The current step is a branch, and takes an arm without steps.
    PassBranch {
        /// The arm's name.
        arm: String,
        /// The state of the step that comes next, an object.
        state: Value,
        /// The step that comes next.
        after: After,
        /// The other arms.
        passed: Vec<PassedArm>,
    },
    /// The nested brain is through, and the step around it has taken its result.
    LeaveBrain {
        /// The state of the outer brain.
        state: Value,
        /// The step that comes next.
        after: After,
    },
    /// Stored states of the run fit another version of their brains now: all of them in one commit.
    Migrate(Vec<MigratedFrame>),
    /// The current step has returned.
    ReturnStep(Box<StepOutcome>),
    /// The current step has failed.
    FailStep {
        /// Error of the attempt.
        error: Failure,
        /// Time of the next attempt; `None` fails the run.
        retry_at: Option<Timestamp>,
    },
    /// The time of a retry has come.
    Retry,
    /// A wait got a response.
    Respond(Box<Response>),
    /// A wait's deadline has passed.
    TimeOut {
        /// The wait.
        wait: WaitId,
    },
    /// The time of a wait's reminder has come.
    Remind {
        /// The wait.
        wait: WaitId,
    },
    /// The code of the reminder that is under way has ended.
    EndReminder(ReminderEnd),
    /// A wait that has a deadline need not wait for it.
    EndWait {
        /// The wait.
        wait: WaitId,
    },
    /// Somebody answers by hand: an open wait takes it, or the next one.
    Answer {
        /// The response, an object.
        response: Value,
        /// The registration that takes it; the first of the oldest wait if absent.
        place: Option<Place>,
    },
    /// End the run.
    Cancel {
        /// Person or rule that asks, in words for readers of the log.
        reason: Option<String>,
    },
    /// Let the run stand still: at once if it waits, else once its step returns.
    Pause {
        /// Cause, in words for readers of the log.
        reason: Option<String>,
    },
    /// Let the run stand still at once: its step will not return here.
    Halt {
        /// Cause, in words for readers of the log.
        reason: Option<String>,
    },
    /// Let a paused run go on.
    Resume,
    /// Let a run begin that waited for its turn.
    Admit,
    /// Another run waits for this one's end.
    Await {
        /// The run that waits.
        by: RunId,
    },
    /// Go back to a step.
    Rerun(Box<Position>),
    /// The engine cannot go on with the run.
    Fail {
        /// Error that ends the run.
        error: Failure,
    },
}

/// Everything that a new run begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The brain's title.
    pub brain: String,
    /// Its description.
    pub description: Option<String>,
    /// Its declared version.
    pub version: u32,
    /// Its steps.
    pub steps: Vec<StepInfo>,
    /// The state of the first step, an object.
    pub initial_state: Value,
    /// The run's options, an object.
    pub options: Value,
    /// Reason that the run exists.
    pub cause: Cause,
    /// Set if a test event is at the beginning of what caused it.
    pub test: Option<TestMark>,
    /// The caller's own name for the request.
    pub request_id: Option<String>,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// The key it owns.
    pub owns: Option<KeyId>,
    /// The options do not fit the brain: the run exists and fails at once (docs/rules.md#30).
    pub bad_options: Option<String>,
    /// Key at which the run takes its turn, if its brain limits how many run at once.
    pub slot: Option<KeyId>,
    /// Labels that the brain takes from the initial state.
    pub labels: Labels,
    /// Point at which a fork begins; `None` begins at the first step.
    pub position: Option<Position>,
}

/// One registration of an open wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The wait.
    pub wait: WaitId,
    /// Index of its registration, from 0.
    pub index: u32,
}

/// An answer that was given by hand before there was a wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenAnswer {
    /// Place of the answer among those that the run has kept, from 0.
    pub answer: usize,
    /// Index of the registration that takes it, from 0.
    pub index: u32,
}

/// A frame whose state fits another version of its brain now.
#[derive(Debug, Clone, PartialEq)]
pub struct MigratedFrame {
    /// Nesting depth of the frame; the run's own brain is at 0.
    pub depth: u32,
    /// Version of the brain that the state fits now.
    pub version: u32,
    /// The state, an object.
    pub state: Value,
    /// Results of items that fit now, if the step is a map and has some already.
    pub items: Vec<ItemResult>,
}

/// Result of a step that returned.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// The state after the step.
    pub state: Value,
    /// The step that comes next.
    pub after: After,
    /// Condition under which the next step runs.
    pub then: Then,
    /// The answer that was given by hand meanwhile and is taken by the wait that this
    /// opens; none if no such answer fits the wait. Others are kept for later waits.
    pub takes_kept: Option<TakenAnswer>,
    /// Labels that the step puts on the run.
    pub labels: Labels,
}

/// The step that comes after one that returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum After {
    /// The step of this name.
    Step(String),
    /// The same step again, next iteration.
    Same,
    /// None: the pipeline is through.
    End,
    /// None: the step is a guard, and ends its brain here.
    Halt,
}

/// Condition that has to be met before the next step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Nothing.
    Go,
    /// A wait.
    Wait(Wait),
    /// Nothing; the step supplies the response of the next one itself.
    Given(Given),
    /// The stream that is open has another response.
    Stream,
}

/// A response for a wait.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The wait.
    pub wait: WaitId,
    /// Index of the registration that was answered.
    pub index: u32,
    /// The key that it came by; none if given by hand.
    pub key: Option<KeyId>,
    /// The event that brought it.
    pub event: Option<EventId>,
    /// The delivery that the event came with.
    pub delivery: Option<DeliveryId>,
    /// The response, an object.
    pub response: Value,
    /// Set if the event was a test.
    pub test: Option<TestMark>,
}

/// A part of a brain that begins.
#[derive(Debug, Clone, PartialEq)]
pub struct EnteredPart {
    /// The part.
    pub part: Part,
    /// The brain, with the steps of the part.
    pub brain: BrainInfo,
    /// The state of its first step, an object.
    pub initial_state: Value,
    /// The arms that are not taken.
    pub passed: Vec<PassedArm>,
}

/// An arm that a branch has not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedArm {
    /// Its name.
    pub arm: String,
    /// The names of its steps, in order.
    pub steps: Vec<String>,
}

/// Description of a brain, as far as starting a run of it needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrainInfo {
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: Option<String>,
    /// Its declared version.
    pub version: u32,
    /// Its steps.
    pub steps: Vec<StepInfo>,
}

/// The brains and webhooks that this process knows.
pub trait Catalog: Send + Sync {
    /// The brain of exactly this title.
    fn brain(&self, title: &str) -> Option<BrainInfo>;

    /// Returns the declared version of the brain of exactly this title.
    fn version(&self, title: &str) -> Option<u32> {
        self.brain(title).map(|brain| brain.version)
    }

    /// Returns the key at which a run of this brain with this input takes its turn, if the brain limits how
    /// many of its runs are under way at once.
    fn slot(&self, _brain: &str, _input: &Value) -> Option<KeyId> {
        None
    }

    /// Returns the labels that a brain takes from a run's input.
    fn labels(&self, _brain: &str, _input: &Value) -> Labels {
        Labels::new()
    }

    /// Returns the maximum number of runs that may be under way at once at a key where runs take turns.
    fn slot_limit(&self, _slot: &KeyId) -> u32 {
        u32::MAX
    }

    /// The early window of a webhook: how long an event is kept for a wait to
    /// come, and how long after a wait's end an event is late (docs/rules.md#5, #6).
    /// `None` keeps nothing.
    fn early(&self, slug: &str) -> Option<std::time::Duration>;
}

impl Start {
    /// A start without options, owner or names: the caller fills in what it has.
    #[must_use]
    pub fn of(brain: BrainInfo, initial_state: Value, cause: Cause) -> Self {
        Self {
            brain: brain.title,
            description: brain.description,
            version: brain.version,
            steps: brain.steps,
            initial_state,
            options: Value::Object(serde_json::Map::new()),
            cause,
            test: None,
            request_id: None,
            traceparent: None,
            owns: None,
            bad_options: None,
            slot: None,
            labels: Labels::new(),
            position: None,
        }
    }
}
