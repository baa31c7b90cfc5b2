//! Migrations that a brain declares once for a type of state: what leads from a
//! stored state to the one that a step takes now. Finding out which stored states
//! are of an older version is the engine's business. Tests: below for the order,
//! `tests/migrations.rs` of px-testkit for runs that go on.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::builder::{Builder, Started};
use super::def::{Body, BrainDef};
use super::output::{as_object, from_object};
use super::state_type::{OldState, StateType, is_new_already};
use super::{Blank, State};
use crate::error::{Error, Result};

/// Kind of value that a migration is declared for. At the first step a migration of
/// the input goes before one of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Input,
    State,
}

type Link = Arc<dyn Fn(Value) -> Result<Value> + Send + Sync>;

/// One declared migration.
#[derive(Clone)]
struct Declared {
    of: Of,
    /// Version from which on states are of the new type.
    before: u32,
    from: StateType,
    to: StateType,
    link: Link,
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match self.of {
            Of::Input => "migrate_input",
            Of::State => "migrate_state",
        };
        write!(f, "`.{method}::<{}, {}>({}, ..)`", self.from, self.to, self.before)
    }
}

impl Declared {
    fn new<Old: OldState, New: State>(
        of: Of,
        before: u32,
        migration: impl Fn(Old) -> Result<New> + Send + Sync + 'static,
    ) -> Self {
        let (from, to) = (StateType::of::<Old>(), StateType::of::<New>());
        let link: Link = Arc::new(move |stored| {
            if from != to && is_new_already::<Old, New>(&stored, &from, &to)? {
                return Ok(stored);
            }
            let old = from_object(stored)
                .map_err(|why| Error::permanent(format_args!("what is stored is no `{from}`: {why}")))?;
            crate::finite::to_value(&migration(old)?)
        });
        Self { of, before, from, to, link }
    }
}

/// All migrations that a brain declares, in the order of its source.
#[derive(Clone, Default)]
pub struct Migrations(Vec<Declared>);

impl fmt::Debug for Migrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(ToString::to_string)).finish()
    }
}

/// Migrations that lead from a stored value to the type that is wanted, one behind the other.
#[derive(Clone)]
pub struct MigrationPath {
    links: Vec<Link>,
    to: StateType,
}

impl fmt::Debug for MigrationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationPath").field("links", &self.links.len()).field("to", &self.to).finish()
    }
}

impl MigrationPath {
    /// Runs the user's migrations on a stored state. The result is an object.
    ///
    /// # Errors
    /// A migration's own, or a value that one of them cannot read.
    pub fn state(&self, stored: Value) -> Result<Value> {
        as_object(self.item(stored)?, self.to.full_name)
    }

    /// Runs the user's migrations on the stored result of an item, which may be any value.
    ///
    /// # Errors
    /// A migration's own, or a value that one of them cannot read.
    pub fn item(&self, stored: Value) -> Result<Value> {
        self.links.iter().try_fold(stored, |value, link| link(value))
    }
}

impl Migrations {
    /// The migrations that lead to `to` from what a frame of this version stored; `None` if none do. The lowest
    /// version above the stored one comes first, so that each brings the state one version up, and the next one
    /// reads what that made. `at_input`: the value is the brain's input.
    #[must_use]
    pub fn path(&self, to: &StateType, version: u32, at_input: bool) -> Option<MigrationPath> {
        if self.0.iter().all(|declared| declared.before <= version) {
            return None;
        }
        let leading = self.leading(to, at_input);
        let mut links = Vec::new();
        let mut next = leading.iter().find(|first| first.before > version);
        while let Some(link) = next {
            links.push(Arc::clone(&link.link));
            next = leading.iter().find(|after| after.from == link.to && after.before > link.before);
        }
        (!links.is_empty()).then_some(MigrationPath { links, to: *to })
    }

    /// Those from which upward steps lead to `to`, by version.
    fn leading(&self, to: &StateType, at_input: bool) -> Vec<&Declared> {
        let mut sorted: Vec<_> =
            self.0.iter().filter(|declared| at_input || declared.of == Of::State).collect();
        sorted.sort_by_key(|declared| (declared.before, declared.of));
        let mut leading: Vec<&Declared> = Vec::new();
        for declared in sorted.into_iter().rev() {
            let goes_on = |after: &&Declared| after.from == declared.to && after.before > declared.before;
            if declared.to == *to || leading.iter().any(goes_on) {
                leading.push(declared);
            }
        }
        leading.reverse();
        leading
    }
}

impl BrainDef {
    /// The mistake in the migrations of it, or of a brain inside it, in words.
    pub(crate) fn mistake_in_migrations(&self) -> Option<String> {
        let of_version = self.migrations.0.iter().find_map(|declared| self.mistake_of_version(declared));
        of_version
            .or_else(|| self.mistake_of_types())
            .or_else(|| self.idle_migration())
            .or_else(|| self.nested().into_iter().find_map(|inner| inner.mistake_in_migrations()))
    }

    fn mistake_of_version(&self, declared: &Declared) -> Option<String> {
        let (before, version, title) = (declared.before, self.version, &self.title);
        if before <= 1 {
            return Some(format!(
                "{declared} is never run: versions begin with 1, and no state is of a lower one. Its number is the \
                 first version whose states are a `{}`: 2 or higher, and `.version(..)` of the brain at least that.",
                declared.to
            ));
        }
        (before > version).then(|| {
            format!(
                "{declared} belongs to version {before} of brain '{title}', which is of version {version}: raise it \
                 by `.version({before})`."
            )
        })
    }

    fn mistake_of_types(&self) -> Option<String> {
        let mut used = Vec::new();
        let input = self.steps.first().map(|first| (first.state, true));
        let all = input.into_iter().chain(self.state_types().into_iter().map(|state| (state, false)));
        for (state, at_input) in all {
            let leading = self.migrations.leading(&state, at_input);
            let twice = leading.iter().zip(leading.iter().skip(1));
            if let Some((one, other)) =
                twice.into_iter().find(|(one, other)| (one.before, one.of) == (other.before, other.of))
            {
                return Some(format!(
                    "{one} and {other} both bring what was stored before version {} to a `{state}`, and px could not \
                     tell which of the two it was: keep one of them, and put `.migrate(..)` before the step that \
                     needs the other.",
                    one.before
                ));
            }
            used.extend(leading);
        }
        let is_used = |declared: &Declared| used.iter().any(|used| std::ptr::eq(*used, declared));
        let unused = self.migrations.0.iter().find(|declared| !is_used(declared))?;
        let taker = match unused.of {
            Of::Input => "the first step takes no",
            Of::State => "no step takes a",
        };
        Some(format!(
            "{unused} leads nowhere: {taker} `{}`, and no later migration reads one. Name the type that the step \
             takes now, or remove the line.",
            unused.to
        ))
    }

    /// The sentence about a migration of one step that no step takes, in whatever part of it.
    fn idle_migration(&self) -> Option<String> {
        let parts = self.steps.iter().flat_map(|step| step.body.parts());
        let mut in_parts = parts.filter_map(|(_, part)| part.idle_migration());
        self.idle_migrations.first().cloned().or_else(|| in_parts.next()).or_else(|| {
            let step = self.steps.iter().find(|step| self.version <= 1 && step.migrates())?;
            Some(format!(
                "`.migrate(..)` before step '{}' is never run: brain '{}' is of version 1, and no state is of a lower \
                 one. Raise it by `.version(2)`.",
                step.info.title, self.title
            ))
        })
    }

    /// The types of all that may be stored in a run of it: states, and results of items.
    fn state_types(&self) -> Vec<StateType> {
        let mut types = Vec::new();
        for step in &self.steps {
            types.push(step.state);
            match &step.body {
                Body::Map(map) => types.push(map.result),
                Body::Brain(nested) => types.push(nested.result),
                Body::Code(_) | Body::Repeat(_) | Body::Branch(_) => {}
            }
            types.extend(step.body.inside().into_iter().flat_map(|inner| inner.state_types()));
        }
        types
    }

    /// The brains inside its steps, in whatever part they are.
    fn nested(&self) -> Vec<&Arc<Self>> {
        let mut inside = Vec::new();
        for step in &self.steps {
            match &step.body {
                Body::Brain(nested) => inside.push(&nested.brain),
                body => inside.extend(body.parts().into_iter().flat_map(|(_, part)| part.nested())),
            }
        }
        inside
    }
}

impl Blank {
    /// Brings a stored `Old` to the `New` that it is from version `before` of this brain on. Said once, it acts on
    /// whatever a run of a lower version has stored, wherever a `New` is taken now: the state of each step, in
    /// arms, loops and brains inside this one, and the results of a list's items. A step's own
    /// [`migrate`](Builder::migrate) goes before it.
    ///
    /// Migrations follow on each other: a run of version 1 goes through `<A, B>(2, ..)` and then through
    /// `<B, C>(3, ..)`. Leave them in the source as long as such runs may be there. They are run once, when the run
    /// goes on, and what they return is in the run's log as `brain:migrated`. A migration that fails leaves the run
    /// paused; `px check` runs it beforehand, and writes nothing.
    ///
    /// px does not start if two migrations would bring one version to one type, and names both.
    ///
    /// ```
    /// # use px_sdk::{Brain, Cx, Next, Result, brain};
    /// # use serde::{Deserialize, Serialize};
    /// /// The state as version 1 stored it.
    /// #[derive(Deserialize)]
    /// struct OrderV1 {
    ///     name: String,
    /// }
    ///
    /// #[derive(Serialize, Deserialize, schemars::JsonSchema)]
    /// struct Order {
    ///     first: String,
    ///     last: String,
    /// }
    ///
    /// fn orders() -> Brain<Order> {
    ///     brain("orders")
    ///         .version(2)
    ///         .migrate_state::<OrderV1, Order>(2, |old| {
    ///             let (first, last) = old.name.split_once(' ').unwrap_or(("", &old.name));
    ///             Ok(Order { first: first.into(), last: last.into() })
    ///         })
    ///         .step("greet", greet)
    ///         .build()
    /// }
    /// # async fn greet(_cx: Cx, order: Order) -> Result<Next<Order>> { Ok(Next(order)) }
    /// ```
    pub fn migrate_state<Old: OldState, New: State>(
        mut self,
        before: u32,
        migration: impl Fn(Old) -> Result<New> + Send + Sync + 'static,
    ) -> Self {
        self.migrations.0.push(Declared::new(Of::State, before, migration));
        self
    }

    /// Like [`migrate_state`](Self::migrate_state), for the brain's input alone: a run that has not completed its
    /// first step, such as one that waits for its turn. Where both would do it goes before the other.
    pub fn migrate_input<Old: OldState, New: State>(
        mut self,
        before: u32,
        migration: impl Fn(Old) -> Result<New> + Send + Sync + 'static,
    ) -> Self {
        self.migrations.0.push(Declared::new(Of::Input, before, migration));
        self
    }
}

impl<I, S, P, E> Builder<I, S, P, E> {
    /// Brings a stored `Old` to the `New` that it is from version `before` of this brain on, wherever a `New` is
    /// taken: see [`Blank::migrate_state`].
    pub fn migrate_state<Old, New>(
        mut self,
        before: u32,
        migration: impl Fn(Old) -> Result<New> + Send + Sync + 'static,
    ) -> Self
    where
        I: Started,
        Old: OldState,
        New: State,
    {
        self.def.migrations.0.push(Declared::new(Of::State, before, migration));
        self
    }

    /// Like [`migrate_state`](Self::migrate_state), for the input of this brain alone: see
    /// [`Blank::migrate_input`].
    pub fn migrate_input<Old, New>(
        mut self,
        before: u32,
        migration: impl Fn(Old) -> Result<New> + Send + Sync + 'static,
    ) -> Self
    where
        I: Started,
        Old: OldState,
        New: State,
    {
        self.def.migrations.0.push(Declared::new(Of::Input, before, migration));
        self
    }
}
