//! Parts of a brain, types gone: the turns of a loop and the arms of a branch.

use std::sync::Arc;

use serde_json::Value;

use super::def::{Body, BrainDef, StepDef};
use super::migration::Migrations;
use super::output::StepError;
use crate::resource::Need;

pub(super) type Until = Arc<dyn Fn(Value) -> Result<bool, StepError> + Send + Sync>;
pub(super) type Choose = Arc<dyn Fn(Value) -> Result<(usize, Value), StepError> + Send + Sync>;

/// A loop: a part of its brain that runs in turns.
#[derive(Clone)]
pub struct Repeated {
    /// The brain, with the steps of a turn.
    pub turn: Arc<BrainDef>,
    pub(super) until: Until,
}

impl Repeated {
    /// Returns true if the turn that left this state was the last.
    ///
    /// # Errors
    /// The stored state does not fit.
    pub fn until(&self, state: Value) -> Result<bool, StepError> {
        (self.until)(state)
    }
}

/// A branch: one of its arms runs.
#[derive(Clone)]
pub struct Branched {
    /// The arms, in order.
    pub arms: Vec<Arm>,
    pub(super) choose: Choose,
}

/// An arm of a branch.
#[derive(Debug, Clone)]
pub struct Arm {
    /// Its name, unique in the branch; a run goes on in it by this.
    pub name: String,
    /// The brain, with the steps of the arm. An arm without steps passes its state on.
    pub steps: Arc<BrainDef>,
}

impl Branched {
    /// The arm that a run with this state takes, and the state that the arm begins with.
    /// Asked once for each time that a run comes to the branch: the run's log has the answer.
    ///
    /// # Errors
    /// The stored state does not fit.
    pub fn choose(&self, state: Value) -> Result<(&Arm, Value), StepError> {
        let (index, state) = (self.choose)(state)?;
        let arm = self.arms.get(index).ok_or_else(|| StepError::State("no arm takes it".to_owned()))?;
        Ok((arm, state))
    }

    /// The arm of this name.
    #[must_use]
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == name)
    }
}

impl Body {
    /// The pipelines inside the step that are parts of its own brain: for each the arm's name, if it is one.
    pub fn parts(&self) -> Vec<(Option<&str>, &Arc<BrainDef>)> {
        match self {
            Self::Repeat(repeated) => vec![(None, &repeated.turn)],
            Self::Branch(branched) => {
                branched.arms.iter().map(|arm| (Some(arm.name.as_str()), &arm.steps)).collect()
            }
            Self::Code(_) | Self::Brain(_) | Self::Map(_) => Vec::new(),
        }
    }

    /// The pipelines inside the step, nested brains among them.
    pub(crate) fn inside(&self) -> Vec<&Arc<BrainDef>> {
        match self {
            Self::Brain(nested) => vec![&nested.brain],
            _ => self.parts().into_iter().map(|(_, part)| part).collect(),
        }
    }

    fn parts_mut(&mut self) -> Vec<&mut Arc<BrainDef>> {
        match self {
            Self::Repeat(repeated) => vec![&mut repeated.turn],
            Self::Branch(branched) => branched.arms.iter_mut().map(|arm| &mut arm.steps).collect(),
            Self::Code(_) | Self::Brain(_) | Self::Map(_) => Vec::new(),
        }
    }
}

impl StepDef {
    fn mistake_in_name(&self) -> Option<String> {
        // The empty name is that of the place behind the last step.
        let is_empty = self.info.title.is_empty() || self.formerly.iter().any(String::is_empty);
        is_empty.then(|| "A step has an empty name: give it one, a run goes on by it.".to_owned())
    }

    fn mistake_in_options(&self) -> Option<String> {
        let what = match &self.body {
            Body::Code(_) | Body::Map(_) => return None,
            Body::Brain(_) => "is a brain",
            Body::Repeat(_) => "is a loop",
            Body::Branch(_) => "is a branch",
        };
        let option = match (self.options.retry.is_some(), self.options.timeout.is_some()) {
            (true, _) => "retry",
            (_, true) => "timeout",
            (false, false) => return None,
        };
        let name = &self.info.title;
        Some(format!(
            "`.{option}(..)` stands behind '{name}', which {what}, and would do nothing there: put it behind a step \
             inside '{name}'."
        ))
    }

    /// Returns true if an effect of the step of this name could have the key of one inside this step: keys name
    /// turns by `[`, what is inside by `/`, and items by `:` and a number. Its reminders are inside it.
    fn has_inside(&self, other: &str) -> bool {
        let Some(rest) = other.strip_prefix(self.info.title.as_str()) else { return false };
        if !self.reminders.is_empty() && rest.starts_with('/') {
            return true;
        }
        match (&self.body, rest.strip_prefix(':')) {
            (Body::Map(_), Some(item)) => item.starts_with(|first: char| first.is_ascii_digit()),
            (Body::Map(_) | Body::Code(_), _) => false,
            _ => rest.starts_with(['[', '/']),
        }
    }
}

impl BrainDef {
    /// The mistake that keeps a loop or a branch of it, or of a brain inside it, from being run, in words.
    pub(crate) fn mistake_in_parts(&self) -> Option<String> {
        for step in &self.steps {
            let name = &step.info.title;
            if let Body::Repeat(repeated) = &step.body
                && repeated.turn.steps.is_empty()
            {
                return Some(format!("Loop '{name}' has no steps: add one to its `|b| b.step(..)`."));
            }
            if let Some(mistake) = step.mistake_in_name().or_else(|| step.mistake_in_options()) {
                return Some(mistake);
            }
            let mut idle = step.body.parts().into_iter().flat_map(|(_, part)| &part.idle_options);
            if let Some(option) = idle.next() {
                return Some(format!(
                    "`.{option}(..)` stands before the first step inside '{name}', and would do nothing there: put it \
                     behind the step that it is for."
                ));
            }
            let is_inside = |other: &&StepDef| step.has_inside(&other.info.title);
            if let Some(other) = self.steps.iter().find(is_inside) {
                let other = &other.info.title;
                return Some(format!(
                    "Step '{other}' is called like something inside '{name}', and their effects would have the \
                     same idempotency keys: rename one of them."
                ));
            }
            if let Some(mistake) = step.body.inside().iter().find_map(|def| def.mistake_in_parts()) {
                return Some(mistake);
            }
        }
        None
    }

    /// A part of the brain of this title, before its first step.
    pub(super) fn part_of(title: &str, version: u32) -> Self {
        Self {
            title: title.to_owned(),
            description: None,
            version,
            steps: Vec::new(),
            input_schema: Value::Null,
            options: None,
            turns: None,
            needs: Vec::new(),
            migrations: Migrations::default(),
            idle_migrations: Vec::new(),
            idle_options: Vec::new(),
            secrets: Vec::new(),
            labels: Vec::new(),
        }
    }

    /// Gives the parts of a brain that is complete its title, its version, its needs,
    /// its migrations and its secrets.
    pub(super) fn settle(&mut self) {
        // What a part says it needs, the brain needs.
        for need in self.needs_of_parts() {
            if !self.needs.contains(&need) {
                self.needs.push(need);
            }
        }
        for name in self.secrets_of_parts() {
            if !self.secrets.contains(&name) {
                self.secrets.push(name);
            }
        }
        for part in self.steps.iter_mut().flat_map(|step| step.body.parts_mut()) {
            let part = Arc::make_mut(part);
            part.title.clone_from(&self.title);
            part.version = self.version;
            part.needs.clone_from(&self.needs);
            part.migrations.clone_from(&self.migrations);
            part.secrets.clone_from(&self.secrets);
            part.settle();
        }
    }

    fn secrets_of_parts(&self) -> Vec<String> {
        let parts = self.steps.iter().flat_map(|step| step.body.parts());
        parts.flat_map(|(_, part)| [part.secrets.clone(), part.secrets_of_parts()].concat()).collect()
    }

    fn needs_of_parts(&self) -> Vec<Need> {
        let parts = self.steps.iter().flat_map(|step| step.body.parts());
        parts.flat_map(|(_, part)| [part.needs.clone(), part.needs_of_parts()].concat()).collect()
    }
}
