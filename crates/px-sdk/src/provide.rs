//! Providers: how a project's resources are made. `px::app()` collects them, a
//! server runs them once, before it takes work, and no other command does.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use crate::brain::{Body, BrainDef};
use crate::error::Result;
use crate::registry::Registry;
use crate::resource::{AnyResource, Need, Resource};

/// A resource in the making.
pub type ProviderFuture = Pin<Box<dyn Future<Output = Result<AnyResource>> + Send>>;

/// A function of the project that makes a resource.
pub struct Provider {
    /// The type that it makes.
    pub need: Need,
    /// Its place in the user's sources.
    pub place: &'static Location<'static>,
    make: Box<dyn FnOnce() -> ProviderFuture + Send>,
}

impl Provider {
    /// Makes the resource. The call itself is users' code, too.
    #[must_use]
    pub fn make(self) -> ProviderFuture {
        (self.make)()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("need", &self.need).finish_non_exhaustive()
    }
}

/// The resources that a project's program makes, in the order of its lines.
#[derive(Debug, Default)]
pub struct Providers(Vec<Provider>);

impl Providers {
    /// Adds a resource, to be made when a server starts.
    #[track_caller]
    pub fn add<T, F, Fut>(&mut self, make: F)
    where
        T: Resource,
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        let make =
            move || -> ProviderFuture { Box::pin(async move { Ok(Arc::new(make().await?) as AnyResource) }) };
        let (need, place) = (Need::of::<T>(), Location::caller());
        self.0.push(Provider { need, place, make: Box::new(make) });
    }

    /// Returns what keeps a program with these brains and webhooks from running
    /// steps: each need that nobody provides, with who needs it, and each type
    /// that is provided twice.
    #[must_use]
    pub fn problems(&self, registry: &Registry) -> Vec<String> {
        let mut problems = Vec::new();
        for brain in registry.brains() {
            let who = format!("brain '{}'", brain.def.title);
            let mut unmet = Vec::new();
            self.of_brain(&who, &brain.def, &mut unmet);
            problems.extend(unmet.iter().map(|problem| format!("{}: {problem}", brain.source)));
        }
        for webhook in registry.webhooks() {
            let who = format!("webhook '{}'", webhook.def.slug);
            let unmet = webhook.def.needs.iter().filter_map(|need| self.unmet(&who, *need));
            problems.extend(unmet.map(|problem| format!("{}: {problem}", webhook.source)));
        }
        for (at, second) in self.0.iter().enumerate() {
            if let Some(first) = self.0.iter().take(at).find(|first| first.need == second.need) {
                problems.push(format!(
                    "{}: the resource `{}` is provided already, at {}: remove one of them, or give it a type of its own",
                    second.place, second.need, first.place
                ));
            }
        }
        problems
    }

    fn of_brain(&self, who: &str, brain: &BrainDef, problems: &mut Vec<String>) {
        for problem in brain.needs.iter().filter_map(|need| self.unmet(who, *need)) {
            // A need may be said twice, and a brain be inside another one several times.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        for step in &brain.steps {
            if let Body::Brain(nested) = &step.body {
                let inner = format!("brain '{}' inside {who}", nested.brain.title);
                self.of_brain(&inner, &nested.brain, problems);
            }
            // A part is of the same brain, and may have others inside.
            for (_, part) in step.body.parts() {
                self.of_brain(who, part, problems);
            }
        }
    }

    fn unmet(&self, who: &str, need: Need) -> Option<String> {
        if self.0.iter().any(|provider| provider.need == need) {
            return None;
        }
        let name = need.to_string();
        let namesake = self.0.iter().find(|provider| provider.need.to_string() == name);
        let other = namesake.map(|other| {
            format!("; `{}` is provided, `{}` is needed", other.need.full_name(), need.full_name())
        });
        Some(format!(
            "{who} needs the resource `{name}`, and nobody provides it: in main.rs write \
             `px::app().provide(async || Ok(/* a {name} */)).main()`{}",
            other.unwrap_or_default()
        ))
    }
}

impl IntoIterator for Providers {
    type Item = Provider;
    type IntoIter = std::vec::IntoIter<Provider>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::{Cx, Next, brain, registry::Source};

    struct Db;

    mod other {
        pub(super) struct Db;
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Order {}

    async fn file(_cx: Cx, order: Order) -> Result<Next<Order>> {
        Ok(Next(order))
    }

    fn registry() -> Registry {
        let def =
            brain("order").needs::<Db>().step("file", file).needs::<Db>().build::<crate::Untold>().into_def();
        Registry::of([(Source { file: "brains/order.rs".to_owned(), line: 4 }, def)], []).unwrap()
    }

    #[test]
    fn a_need_is_met_by_its_own_type_only() {
        let mut providers = Providers::default();
        providers.add(async || Ok(other::Db));
        let problems = providers.problems(&registry());
        assert_eq!(
            problems,
            [
                "brains/order.rs:4: brain 'order' needs the resource `Db`, and nobody provides it: in main.rs write \
              `px::app().provide(async || Ok(/* a Db */)).main()`; `px_sdk::provide::tests::other::Db` is provided, \
              `px_sdk::provide::tests::Db` is needed"
            ]
        );
        providers.add(async || Ok(Db));
        assert_eq!(providers.problems(&registry()), Vec::<String>::new());
        providers.add(async || Ok(Db));
        let [twice] = providers.problems(&registry()).try_into().unwrap();
        assert!(
            twice.contains("the resource `Db` is provided already, at crates/px-sdk/src/provide.rs"),
            "{twice}"
        );
    }
}
