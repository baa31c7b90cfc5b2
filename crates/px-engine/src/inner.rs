//! Pipelines inside a step, as the executor enters and leaves them: nested
//! brains, turns of a loop, arms of a branch.

use px_core::Run;
use px_core::event::{Failure, Part};
use px_core::run::{After, Command, EnteredPart, PassedArm};
use px_sdk::{Arm, BrainDef, Branched, Nested, Repeated, StepError};
use serde_json::Value;

use crate::executor::{StepResult, Users, unfit};
use crate::position::{Around, Found};
use crate::session::{Session, SessionError};

/// Result of users' code that asks for nothing: `None` says that the claim is gone.
type Called<T> = Option<Result<Result<T, StepError>, Failure>>;

impl Users<'_> {
    /// Goes into a nested brain.
    pub(crate) async fn enter(
        &self,
        session: &mut Session,
        run: &Run,
        nested: &Nested,
    ) -> Result<Option<Command>, SessionError> {
        let inner = nested.clone();
        let state = state_of(run);
        let entered = self.call(session, run, move || inner.enter(state)).await?;
        Ok(in_step(run, entered, |initial_state| Command::EnterBrain {
            brain: Box::new(nested.brain.info()),
            initial_state,
        }))
    }

    /// Begins a turn of a loop.
    pub(crate) fn turn(run: &Run, repeated: &Repeated) -> Command {
        Command::EnterPart(Box::new(EnteredPart {
            part: Part::Turn,
            brain: repeated.turn.info(),
            initial_state: state_of(run),
            passed: Vec::new(),
        }))
    }

    /// Takes an arm of a branch.
    pub(crate) async fn branch(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
        branched: &Branched,
    ) -> Result<Option<Command>, SessionError> {
        let (branch, state) = (branched.clone(), state_of(run));
        let choose = move || branch.choose(state).map(|(arm, state)| (arm.clone(), state));
        let chosen = self.call(session, run, choose).await?;
        Ok(in_step(run, chosen, |(arm, state)| taken(run, found, branched, arm, state)))
    }

    /// Takes the result of a pipeline inside a step that is through.
    pub(crate) async fn leave(
        &self,
        session: &mut Session,
        run: &Run,
        found: &Found<'_>,
        around: Around<'_>,
    ) -> Result<Option<Command>, SessionError> {
        let [.., outer, inner] = run.frames.as_slice() else {
            return Ok(Some(Command::Halt { reason: None }));
        };
        let (halted, state) = (inner.halted, inner.state.clone());
        let after = found.after(run, run.frames.len().saturating_sub(2));
        match around {
            Around::Brain(nested) => {
                let (body, outer) = (nested.clone(), outer.state.clone());
                let left = self.call(session, run, move || body.leave(outer, state, halted)).await?;
                Ok(behind_step(run, left, |state| Command::LeaveBrain { state, after }))
            }
            // A guard in a part ends the brain that it is a part of.
            Around::Repeat(_) | Around::Arm if halted => {
                Ok(Some(Command::LeaveBrain { state, after: After::Halt }))
            }
            Around::Arm => Ok(Some(Command::LeaveBrain { state, after })),
            Around::Repeat(repeated) => {
                let (repeated, last) = (repeated.clone(), state.clone());
                let is_last = self.call(session, run, move || repeated.until(last)).await?;
                Ok(behind_step(run, is_last, |is_last| Command::LeaveBrain {
                    state,
                    after: if is_last { after } else { After::Same },
                }))
            }
        }
    }
}

/// The state of the innermost frame.
fn state_of(run: &Run) -> Value {
    run.frame().map(|frame| frame.state.clone()).unwrap_or_default()
}

fn taken(run: &Run, found: &Found<'_>, branched: &Branched, arm: Arm, state: Value) -> Command {
    let others = branched.arms.iter().filter(|other| other.name != arm.name);
    let passed = others.map(|other| PassedArm { arm: other.name.clone(), steps: titles(&other.steps) });
    let passed = passed.filter(|passed| !passed.steps.is_empty()).collect();
    if arm.steps.steps.is_empty() {
        let after = found.after(run, run.frames.len().saturating_sub(1));
        return Command::PassBranch { arm: arm.name, state, after, passed };
    }
    Command::EnterPart(Box::new(EnteredPart {
        part: Part::Arm(arm.name),
        brain: arm.steps.info(),
        initial_state: state,
        passed,
    }))
}

fn titles(part: &BrainDef) -> Vec<String> {
    part.steps.iter().map(|step| step.info.title.clone()).collect()
}

/// The command that follows from users' code while its step is under way.
fn in_step<T>(run: &Run, called: Called<T>, command: impl FnOnce(T) -> Command) -> Option<Command> {
    let fails = |error| Command::FailStep { error, retry_at: None };
    called.map(|called| follows(run, called, command, fails))
}

/// The command that follows from users' code when the step inside is through.
fn behind_step<T>(run: &Run, called: Called<T>, command: impl FnOnce(T) -> Command) -> Option<Command> {
    called.map(|called| follows(run, called, command, |error| Command::Fail { error }))
}

fn follows<T>(
    run: &Run,
    called: Result<Result<T, StepError>, Failure>,
    command: impl FnOnce(T) -> Command,
    fails: impl FnOnce(Failure) -> Command,
) -> Command {
    match called {
        Ok(Ok(value)) => command(value),
        Ok(Err(error)) => match unfit(run, error) {
            StepResult::Failed { error, .. } => fails(error),
            StepResult::Unfit(reason) => Command::Halt { reason: Some(reason) },
            StepResult::Returned(_) => Command::Halt { reason: None },
        },
        Err(panic) => fails(panic),
    }
}
