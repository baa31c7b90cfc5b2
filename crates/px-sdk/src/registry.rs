//! The registry: which brains and webhooks the binary links, found by
//! `inventory`, which promises no order and finds nothing if the binary never
//! names the crate. So the registry sorts, and refuses to be empty.

mod error;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use px_core::key::{FORM_SLUG, LINK_SLUG, SLOT_SLUG};
use px_core::run::{BrainInfo, Catalog};
use px_core::{KeyId, Labels};
use serde_json::Value;

use crate::brain::BrainDef;
use crate::verify::{Key, Verification};
use crate::webhook::WebhookDef;

pub use error::RegistryError;

/// A registered brain: a function, since a brain is no constant.
#[derive(Debug)]
pub struct BrainEntry {
    /// Makes the brain.
    pub make: fn() -> BrainDef,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// The folder of the package that it was compiled in.
    pub manifest_dir: &'static str,
}

/// A registered webhook.
#[derive(Debug)]
pub struct WebhookEntry {
    /// Makes the webhook.
    pub make: fn() -> WebhookDef,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
    /// The folder of the package that it was compiled in.
    pub manifest_dir: &'static str,
}

inventory::collect!(BrainEntry);
inventory::collect!(WebhookEntry);

/// The folders of the packages whose brains and webhooks the binary links, as
/// they were when it was compiled.
pub fn manifest_dirs() -> impl Iterator<Item = &'static str> {
    let brains = inventory::iter::<BrainEntry>.into_iter().map(|entry| entry.manifest_dir);
    brains.chain(inventory::iter::<WebhookEntry>.into_iter().map(|entry| entry.manifest_dir))
}

/// The files that these are written in, as the compiler names them.
pub(crate) fn files() -> impl Iterator<Item = String> {
    let brains = inventory::iter::<BrainEntry>.into_iter().map(|entry| entry.file);
    let webhooks = inventory::iter::<WebhookEntry>.into_iter().map(|entry| entry.file);
    brains.chain(webhooks).map(|file| Source::new(file, 0).file)
}

/// A place in the user's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The file, slashes forward.
    pub file: String,
    /// The line.
    pub line: u32,
}

impl Source {
    fn new(file: &str, line: u32) -> Self {
        Self { file: normal(&file.replace('\\', "/")), line }
    }

    /// The file's name without folder and ending (docs/rules.md#38).
    #[must_use]
    pub fn stem(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        name.strip_suffix(".rs").unwrap_or(name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A path without `.` and without the folders that `..` leaves again: a
/// webhook's file is `brains/../webhooks/slack.rs` to the compiler.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for (at, part) in path.split('/').enumerate() {
        match part {
            "." => {}
            "" if at > 0 => {}
            ".." if parts.last().is_some_and(|last| !matches!(*last, ".." | "")) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Something registered, with where it is written.
#[derive(Debug, Clone)]
pub struct Registered<T> {
    /// The thing.
    pub def: T,
    /// Place in the sources.
    pub source: Source,
}

/// Every brain and webhook of the binary, sorted.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    brains: BTreeMap<String, Registered<Arc<BrainDef>>>,
    webhooks: BTreeMap<String, Registered<Arc<WebhookDef>>>,
    responses: BTreeMap<String, u64>,
}

impl Registry {
    /// Collects what the binary links.
    ///
    /// # Errors
    /// What [`RegistryError`] says first; the binary must not serve then.
    pub fn collect() -> Result<Self, RegistryError> {
        let (registry, mistakes) = Self::collect_all();
        mistakes.into_iter().next().map_or(Ok(registry), Err)
    }

    /// Collects what the binary links and can be served, and everything that
    /// keeps the binary from serving.
    #[must_use]
    pub fn collect_all() -> (Self, Vec<RegistryError>) {
        let brains = inventory::iter::<BrainEntry>
            .into_iter()
            .map(|entry| (Source::new(entry.file, entry.line), (entry.make)()));
        let webhooks = inventory::iter::<WebhookEntry>
            .into_iter()
            .map(|entry| (Source::new(entry.file, entry.line), (entry.make)()));
        let (registry, mut mistakes) = Self::build(brains, webhooks);
        if registry.brains.is_empty() && registry.webhooks.is_empty() && mistakes.is_empty() {
            mistakes.push(RegistryError::Empty);
        }
        (registry, mistakes)
    }

    /// A registry of these.
    ///
    /// # Errors
    /// Duplicates and bad names, the first of them.
    pub fn of(
        brains: impl IntoIterator<Item = (Source, BrainDef)>,
        webhooks: impl IntoIterator<Item = (Source, WebhookDef)>,
    ) -> Result<Self, RegistryError> {
        let (registry, mistakes) = Self::build(brains, webhooks);
        mistakes.into_iter().next().map_or(Ok(registry), Err)
    }

    fn build(
        brains: impl IntoIterator<Item = (Source, BrainDef)>,
        webhooks: impl IntoIterator<Item = (Source, WebhookDef)>,
    ) -> (Self, Vec<RegistryError>) {
        let mut mistakes = Vec::new();
        let mut registry = Self::default();
        let form = crate::__private::fingerprint::<crate::Form>();
        registry.responses.insert(FORM_SLUG.to_owned(), form);
        registry.responses.insert(LINK_SLUG.to_owned(), crate::link::fingerprint());
        let mut brains: Vec<_> = brains.into_iter().collect();
        brains.sort_by(|(a, _), (b, _)| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let mut webhooks: Vec<_> = webhooks.into_iter().collect();
        webhooks.sort_by(|(a, _), (b, _)| (&a.file, a.line).cmp(&(&b.file, b.line)));
        for (source, def) in webhooks {
            if !is_slug(&def.slug) {
                mistakes.push(RegistryError::BadSlug { slug: def.slug, source });
                continue;
            }
            if let Some(other) = registry.webhooks.get(&def.slug) {
                let sources = vec![other.source.clone(), source];
                mistakes.push(RegistryError::DuplicateSlug { slug: def.slug, sources });
                continue;
            }
            let response = crate::__private::fingerprint_of(def.response_schema.clone());
            registry.responses.insert(def.slug.clone(), response);
            registry.webhooks.insert(def.slug.clone(), Registered { def: Arc::new(def), source });
        }
        for (source, def) in brains {
            if let Some((title, step)) = duplicate_step(&def) {
                mistakes.push(RegistryError::DuplicateStep { title, step, source });
                continue;
            }
            if let Some(why) = def.mistake_in_parts().or_else(|| def.mistake_in_reminders()) {
                mistakes.push(RegistryError::BadPart { title: def.title, why, source });
                continue;
            }
            if let Some(why) = def.mistake_in_labels() {
                mistakes.push(RegistryError::BadLabel { title: def.title, why, source });
                continue;
            }
            if let Some(why) = def.mistake_in_migrations() {
                mistakes.push(RegistryError::BadMigration { title: def.title, why, source });
                continue;
            }
            if let Some(other) = registry.brains.get(&def.title) {
                let sources = vec![other.source.clone(), source];
                mistakes.push(RegistryError::DuplicateTitle { title: def.title, sources });
                continue;
            }
            registry.brains.insert(def.title.clone(), Registered { def: Arc::new(def), source });
        }
        (registry, mistakes)
    }

    /// The brain of exactly this title.
    #[must_use]
    pub fn brain(&self, title: &str) -> Option<&Arc<BrainDef>> {
        self.brains.get(title).map(|brain| &brain.def)
    }

    /// Every brain that a text can mean; case does not count. The one of
    /// exactly this title, else those whose file is called so, else those with
    /// the text in title, file name or description (docs/api.md).
    #[must_use]
    pub fn find(&self, text: &str) -> Vec<&Registered<Arc<BrainDef>>> {
        let wanted = text.to_lowercase();
        let is = |name: &str| name.to_lowercase() == wanted;
        let holds = |name: &str| name.to_lowercase().contains(&wanted);
        if let Some(titled) = self.brains().find(|brain| is(&brain.def.title)) {
            return vec![titled];
        }
        let named: Vec<_> = self.brains().filter(|brain| is(brain.source.stem())).collect();
        if !named.is_empty() {
            return named;
        }
        self.brains()
            .filter(|brain| {
                holds(&brain.def.title)
                    || holds(brain.source.stem())
                    || brain.def.description.as_deref().is_some_and(holds)
            })
            .collect()
    }

    /// Every brain, by title.
    pub fn brains(&self) -> impl ExactSizeIterator<Item = &Registered<Arc<BrainDef>>> {
        self.brains.values()
    }

    /// The webhook of this slug.
    #[must_use]
    pub fn webhook(&self, slug: &str) -> Option<&Arc<WebhookDef>> {
        self.webhooks.get(slug).map(|webhook| &webhook.def)
    }

    /// Changes one webhook as the operator configures it
    /// ([`WebhookDef::configured`]). False if there is none of this slug.
    #[must_use]
    pub fn configure(&mut self, slug: &str, verification: Option<Verification>, keys: Vec<Key>) -> bool {
        let Some(webhook) = self.webhooks.get_mut(slug) else { return false };
        webhook.def = Arc::new(WebhookDef::clone(&webhook.def).configured(verification, keys));
        true
    }

    /// The fingerprint of a webhook's response schema, as waits store it (docs/rules.md#14).
    #[must_use]
    pub fn response_fingerprint(&self, slug: &str) -> Option<u64> {
        self.responses.get(slug).copied()
    }

    /// Every webhook, by slug.
    pub fn webhooks(&self) -> impl ExactSizeIterator<Item = &Registered<Arc<WebhookDef>>> {
        self.webhooks.values()
    }
}

impl Catalog for Registry {
    fn brain(&self, title: &str) -> Option<BrainInfo> {
        self.brains.get(title).map(|brain| brain.def.info())
    }

    fn version(&self, title: &str) -> Option<u32> {
        self.brains.get(title).map(|brain| brain.def.version)
    }

    fn labels(&self, brain: &str, input: &Value) -> Labels {
        self.brains.get(brain).map(|brain| brain.def.labels_of(input)).unwrap_or_default()
    }

    fn slot(&self, brain: &str, input: &Value) -> Option<KeyId> {
        let turns = self.brains.get(brain)?.def.turns.as_ref()?;
        // An input that does not fit fails in the first step, with the reason. So
        // it does where the user's function panics: a start must not, and neither
        // may the commit that starts a run of an event that was queued.
        let key = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turns.key(input.clone())));
        let key = key.ok().and_then(Result::ok).unwrap_or_default();
        let place = if key.is_empty() { brain.to_owned() } else { format!("{brain}\n{key}") };
        Some(KeyId::new(SLOT_SLUG, place))
    }

    fn slot_limit(&self, slot: &KeyId) -> u32 {
        let brain = slot.identifier.split('\n').next().unwrap_or_default();
        let turns = self.brains.get(brain).and_then(|brain| brain.def.turns.as_ref());
        // A brain that limits its runs no more lets all go on that still wait.
        turns.map_or(u32::MAX, |turns| turns.limit)
    }

    fn early(&self, slug: &str) -> Option<Duration> {
        self.webhooks.get(slug).map_or(Some(crate::webhook::DEFAULT_EARLY), |webhook| webhook.def.early)
    }
}

/// A name that two steps of a brain have, or of one inside it: the brain and the step.
fn duplicate_step(def: &BrainDef) -> Option<(String, String)> {
    let mut seen = std::collections::BTreeSet::new();
    for step in &def.steps {
        for name in step.formerly.iter().chain([&step.info.title]) {
            if !seen.insert(name) {
                return Some((def.title.clone(), name.clone()));
            }
        }
        if let Some(found) = step.body.inside().iter().find_map(|def| duplicate_step(def)) {
            return Some(found);
        }
    }
    None
}

/// `[a-z0-9][a-z0-9-]{0,62}`, and not one of px's own words (docs/rules.md#22).
fn is_slug(slug: &str) -> bool {
    let bytes = slug.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes.first() != Some(&b'-')
        && !matches!(slug, "deliveries" | "system" | FORM_SLUG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rule_22_slugs() {
        for good in ["slack", "a", "0-1", &"a".repeat(63)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["", "-a", "A", "a_b", "a/b", "deliveries", "system", "page-form", &"a".repeat(64)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn rule_45_paths_are_normal() {
        for (path, normal) in [
            ("brains/../webhooks/slack.rs", "webhooks/slack.rs"),
            ("./brains/./a.rs", "brains/a.rs"),
            ("../shared/a.rs", "../shared/a.rs"),
            ("a/b/../../../c.rs", "../c.rs"),
            ("/abs/brains/../webhooks/a.rs", "/abs/webhooks/a.rs"),
        ] {
            assert_eq!(Source::new(path, 1).file, normal);
        }
    }

    #[test]
    fn rule_45_the_duplicate_slug_text() {
        let error = RegistryError::DuplicateSlug {
            slug: "slack".into(),
            sources: vec![
                Source::new("webhooks/slack.rs", 12),
                Source::new(".\\webhooks\\slack_events.rs", 9),
            ],
        };
        assert_eq!(
            format!("Error: {error}"),
            "Error: Duplicate webhook slug 'slack'\n  - webhooks/slack.rs:12\n  - webhooks/slack_events.rs:9\n\
             Each webhook must have a unique slug for its URL path."
        );
    }
}
