//! Going back: where a run stood when it last began a step, read from its log.
//! It decides nothing about the run as it is now; `decide` does.

use px_core::event::{EventBody, Given, Position};
use px_core::run::Frame;
use px_core::{Event, Run, RunId};
use px_sdk::{StepDef, Takes};
use px_store::DraftError;
use serde_json::Value;

use crate::control::ControlError;
use crate::shared::Parts;

/// Maximum number of log entries that one read returns.
const PAGE: usize = 512;

/// Reason that a run cannot go on from the step that was named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// The pipeline is shorter.
    #[error("the run has {steps} steps, and startsAt is {starts_at}")]
    BeyondEnd {
        /// Step that was asked for, from 1.
        starts_at: u32,
        /// Number of steps in the pipeline.
        steps: usize,
    },
    /// The run never came there, so nobody knows its state there.
    #[error("the run never reached step {starts_at}, '{step}': there is no state to begin it with")]
    NotReached {
        /// Step that was asked for, from 1.
        starts_at: u32,
        /// The step's name.
        step: String,
    },
    /// The step takes a response, and the run has had none there.
    #[error(
        "step {starts_at}, '{step}', takes a response and the run has had none; begin at step {before}, which waits for it",
        before = starts_at - 1
    )]
    NoResponse {
        /// Step that was asked for, from 1.
        starts_at: u32,
        /// The step's name.
        step: String,
    },
    /// The step takes a stream, which ended with the run or went on without it.
    #[error(
        "step {starts_at}, '{step}', takes a stream, and that is closed; begin at step {before}, which opens it",
        before = starts_at - 1
    )]
    StreamClosed {
        /// Step that was asked for, from 1.
        starts_at: u32,
        /// The step's name.
        step: String,
    },
    /// The brain has changed since.
    #[error("step '{step}' is not in brain '{brain}' any more")]
    StepGone {
        /// The step's name.
        step: String,
        /// The brain's title.
        brain: String,
    },
    /// The edited state is none that the step takes.
    #[error("the state does not fit step '{step}': {why}")]
    Unfit {
        /// The step's name.
        step: String,
        /// Explanation of the mismatch.
        why: String,
    },
}

/// A run from its log, and its position at a step.
pub(crate) struct Past {
    /// The run as it was first.
    pub(crate) initial_state: Value,
    /// Version of the brain that the initial state fits.
    pub(crate) initial_version: u32,
    /// Step at which the run goes on, and its input.
    pub(crate) position: Position,
}

impl Parts {
    /// Returns the state with which a run last began its step `starts_at`, from 1: what a fork from
    /// there begins with.
    ///
    /// # Errors
    /// The run never came there, or cannot go on from there; see [`PositionError`].
    pub async fn state_at_step(&self, run: &Run, starts_at: u32) -> Result<Value, ControlError> {
        Ok(self.position_of(run, starts_at, None).await?.position.state)
    }

    /// Finds the state and input with which a run last began its step `starts_at`, from 1. `edited` takes
    /// the place of that state.
    pub(crate) async fn position_of(
        &self,
        run: &Run,
        starts_at: u32,
        edited: Option<Value>,
    ) -> Result<Past, ControlError> {
        let beyond = || PositionError::BeyondEnd { starts_at, steps: run.steps.len() };
        let at = (starts_at as usize).checked_sub(1);
        let step = at.and_then(|at| run.steps.get(at)).ok_or_else(beyond)?.title.clone();
        let brain = self
            .registry
            .as_ref()
            .brain(&run.brain)
            .ok_or_else(|| ControlError::UnknownBrain(run.brain.clone()))?;
        let def = brain
            .steps
            .iter()
            .find(|def| def.is_called(&step))
            .ok_or_else(|| PositionError::StepGone { step: step.clone(), brain: run.brain.clone() })?;
        if def.takes == Takes::Stream {
            return Err(PositionError::StreamClosed { starts_at, step }.into());
        }
        let mut search = Search::of(run.id, step.clone(), def);
        let mut after = 0;
        // Entries that came after the look at the run belong to another story.
        while after < run.seq {
            let page = self.store.events(self.scope, run.id, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for event in page.iter().filter(|event| event.seq <= run.seq) {
                search.read(event).map_err(DraftError::from)?;
            }
        }
        let visit = match (search.found, edited) {
            (Some(visit), None) => visit,
            (Some(visit), Some(state)) => Visit { state, version: brain.version, ..visit },
            (None, Some(state)) => Visit { seq: run.seq, state, version: brain.version, given: None },
            (None, None) => return Err(PositionError::NotReached { starts_at, step }.into()),
        };
        fits(def, &visit, brain.version)?;
        if def.takes == Takes::Response && visit.given.is_none() {
            return Err(PositionError::NoResponse { starts_at, step }.into());
        }
        let Visit { seq, state, version, given } = visit;
        let position = Position { step, starts_at, reset_to: seq, state, version, given };
        Ok(Past { initial_state: search.initial_state, initial_version: search.initial_version, position })
    }
}

/// A state of this version must be one that the step takes; an older one is
/// migrated when the step's turn comes.
fn fits(step: &StepDef, visit: &Visit, version: u32) -> Result<(), PositionError> {
    if visit.version != version {
        return Ok(());
    }
    step.fits(&visit.state).map_err(|why| PositionError::Unfit { step: step.info.title.clone(), why })
}

/// The run at the beginning of the step.
struct Visit {
    seq: u64,
    state: Value,
    version: u32,
    given: Option<Given>,
}

/// Replays a log and remembers the last time that the run stood before the step.
struct Search<'a> {
    run: Run,
    def: &'a StepDef,
    step: String,
    initial_state: Value,
    initial_version: u32,
    /// True while the log shows the run at the step, since the last time that it came there.
    there: bool,
    found: Option<Visit>,
}

impl<'a> Search<'a> {
    fn of(run: RunId, step: String, def: &'a StepDef) -> Self {
        let run = Run::vacant(run);
        Self { run, def, step, initial_state: Value::Null, initial_version: 0, there: false, found: None }
    }

    /// Returns true if a frame is at the step, by the name that the run knows or by another one of it.
    fn is_at(&self, frame: &Frame) -> bool {
        frame.step == self.step || self.def.is_called(&frame.step)
    }

    fn read(&mut self, event: &Event) -> Result<(), px_core::run::IllegalEvent> {
        self.run.apply(event)?;
        match &event.event {
            EventBody::BrainStart { initial_state, brain_version, .. } => {
                self.initial_state = initial_state.clone();
                self.initial_version = *brain_version;
            }
            EventBody::Rerun { position } => {
                // What came after that point does not count any more.
                self.found = self.found.take().filter(|visit| visit.seq <= position.reset_to);
                self.there = false;
            }
            _ => {}
        }
        let [frame] = self.run.frames.as_slice() else { return Ok(()) };
        let is_here = self.is_at(frame);
        if !is_here || self.run.status.is_terminal() {
            self.there &= is_here;
            return Ok(());
        }
        if frame.iteration > 0 || self.run.in_step {
            return Ok(());
        }
        let before = self.found.take().filter(|_| self.there).and_then(|visit| visit.given);
        self.found = Some(Visit {
            seq: event.seq,
            state: frame.state.clone(),
            version: frame.version,
            given: self.run.given.clone().or(before),
        });
        self.there = true;
        Ok(())
    }
}
