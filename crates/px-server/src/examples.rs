//! Examples for the forms of the page and for test events: payloads that fit a webhook and carry
//! an identifier, and what its handler makes of them.
//!
//! The handler is asked where an identifier belongs ([`px_sample`]), on the threads of users' code, and
//! so often at most; one example is made at a time, and a bounded number of them is remembered. A
//! handler that needs resources is not asked: what it does with them is nobody's example.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use px_inbound::Stage;
use px_sample::{AskHandler, Asked, Draft, Wish};
use px_sdk::{Received, WebhookDef};
use serde_json::Value;

use crate::app::App;

/// Times that a handler is asked for one example.
const MAX_ASKS: usize = 2_000;

/// Examples that are remembered; then all are forgotten.
const MAX_KNOWN: usize = 256;

/// Longest identifier that an example is made for, bytes.
pub(crate) const MAX_IDENTIFIER: usize = 1_024;

/// An example of a webhook.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Example {
    /// A payload that fits its schema and carries the identifier, if one was found.
    pub(crate) payload: Option<Value>,
    /// Identifier that its handler finds in that.
    pub(crate) identifier: Option<String>,
    /// Response that its handler makes of it, or one that fits the schema of responses.
    pub(crate) response: Option<Value>,
}

/// Slug, and identifier if one is wanted.
type Wanted = (String, Option<String>);

/// The examples that were made.
#[derive(Debug, Default)]
pub(crate) struct Examples {
    known: Mutex<BTreeMap<Wanted, Arc<Example>>>,
    turn: tokio::sync::Mutex<()>,
}

/// The handler of a webhook, which runs on the threads of users' code.
struct OnPool<'a> {
    stage: &'a Stage,
    slug: &'a str,
    left: AtomicUsize,
}

impl AskHandler for OnPool<'_> {
    fn ask(&self, request: Received, payload: Value) -> Asked<'_> {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            return Box::pin(std::future::ready(None));
        }
        Box::pin(self.stage.ask_handler(self.slug, request, payload))
    }
}

impl App {
    /// Makes the request that a wish asks for, without its ids and its signature.
    pub(crate) async fn draft(&self, def: &WebhookDef, wish: Wish<'_>) -> px_sample::Result<Draft> {
        let _turn = self.examples.turn.lock().await;
        px_sample::draft(def, &self.on_pool(&def.slug), wish, self.clock().now()).await
    }

    fn on_pool<'a>(&'a self, slug: &'a str) -> OnPool<'a> {
        OnPool { stage: &self.stage, slug, left: AtomicUsize::new(MAX_ASKS) }
    }

    /// Returns an example of a webhook for an identifier, or for any; `None` if there is no such webhook.
    pub(crate) async fn example(&self, slug: &str, identifier: Option<&str>) -> Option<Arc<Example>> {
        let endpoint = self.stage.endpoints().find(|endpoint| endpoint.def.slug == slug)?;
        let identifier = identifier.filter(|identifier| identifier.len() <= MAX_IDENTIFIER);
        let wanted = (slug.to_owned(), identifier.map(str::to_owned));
        if let Some(known) = self.examples.of(&wanted) {
            return Some(known);
        }
        let _turn = self.examples.turn.lock().await;
        // Somebody else may have made it meanwhile.
        if let Some(known) = self.examples.of(&wanted) {
            return Some(known);
        }
        let (def, handler, now) = (&*endpoint.def, self.on_pool(slug), self.clock().now());
        let wish = Wish { identifier, ..Wish::default() };
        let draft = px_sample::draft(def, &handler, wish, now).await.ok();
        let made = match &draft {
            Some(draft) => draft.outcome(def, &handler, now).await,
            None => None,
        };
        let (identifier, made) =
            made.map(|inbound| (inbound.identifier, inbound.response)).unwrap_or_default();
        let fits = |response: &Value| endpoint.response.check(response).is_ok();
        let response =
            made.filter(fits).or_else(|| px_sample::samples(&def.response_schema).into_iter().find(fits));
        let example =
            Arc::new(Example { payload: draft.and_then(|draft| draft.payload()), identifier, response });
        self.examples.remember(wanted, Arc::clone(&example));
        Some(example)
    }

    /// Returns an example of the input of a brain of exactly this title.
    pub(crate) fn example_input(&self, title: &str) -> Option<Value> {
        let brain = self.registry().brain(title)?;
        let schema = self.inputs.get(title)?;
        px_sample::samples(&brain.input_schema).into_iter().find(|sample| schema.check(sample).is_ok())
    }
}

impl Examples {
    fn of(&self, wanted: &Wanted) -> Option<Arc<Example>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(wanted).cloned()
    }

    fn remember(&self, wanted: Wanted, example: Arc<Example>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(wanted, example);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_examples_are_remembered_and_then_all_are_forgotten() {
        let examples = Examples::default();
        let wanted = |n: usize| ("slug".to_owned(), Some(n.to_string()));
        for n in 0..MAX_KNOWN {
            examples.remember(wanted(n), Arc::default());
        }
        assert!(examples.of(&wanted(0)).is_some());
        examples.remember(wanted(MAX_KNOWN), Arc::default());
        assert!(examples.of(&wanted(0)).is_none() && examples.of(&wanted(MAX_KNOWN)).is_some());
    }
}
