//! Settings and their steps: what stands before a step is kept until that is added, and what stands where no
//! step takes it is remembered, so that px does not start with it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::State;
use super::builder::Builder;
use super::def::{BrainDef, Migration, StepDef};
use super::output::to_object;
use crate::error::Result;

/// Settings for the step to come, before it is there.
#[derive(Default)]
pub(super) struct ToCome {
    migration: Option<Migration>,
    /// True if another migration stood before this one, for the same step.
    is_second: bool,
}

impl fmt::Debug for ToCome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToCome").field("migrates", &self.migration.is_some()).finish()
    }
}

impl ToCome {
    /// The migration for the step of this name, which is added now.
    pub(super) fn of_step(self, step: &str, def: &mut BrainDef) -> Option<Migration> {
        if self.is_second {
            def.idle_migrations.push(format!(
                "Two `.migrate(..)` stand before step '{step}', and one of them would never be run: make them one, \
                 which is told the version that left the state."
            ));
        }
        self.migration
    }
}

impl<I, S, P, E> Builder<I, S, P, E> {
    /// Brings the state that an older [version](super::Blank::version) of this brain left for the
    /// **next** step to what that step takes now. Runs once, when such a run
    /// goes on; what it returns is written into the run's log. For a type that many steps take there is
    /// [`migrate_state`](super::Blank::migrate_state).
    pub fn migrate(mut self, migration: impl Fn(u32, Value) -> Result<S> + Send + Sync + 'static) -> Self
    where
        S: State,
    {
        let brings: Migration =
            Arc::new(move |from, state| migration(from, state).and_then(|state| to_object(&state)));
        let is_second = self.next.migration.is_some();
        self.next = ToCome { migration: Some(brings), is_second };
        self
    }

    /// The step before this line, which takes an option. A part may have none yet: a brain's first step is
    /// looked for by the compiler, see [`OfStepBefore`](super::OfStepBefore).
    pub(super) fn step_before(&mut self, option: &'static str) -> Option<&mut StepDef> {
        if self.def.steps.is_empty() {
            self.def.idle_options.push(option);
        }
        self.def.steps.last_mut()
    }

    /// The definition, behind whose last step nothing comes any more.
    pub(super) fn finish(mut self) -> BrainDef {
        if self.next.migration.is_some() {
            let place = match self.def.steps.last() {
                Some(last) => format!("behind the last step '{}'", last.info.title),
                None => "in a part without steps".to_owned(),
            };
            self.def.idle_migrations.push(format!(
                "`.migrate(..)` stands {place}, and would never be run: it belongs before the step that takes what it \
                 returns."
            ));
        }
        self.def
    }
}
