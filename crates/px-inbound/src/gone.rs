//! Slugs that are in no binary any more and that runs still wait on (RULES
//! 28). Found by reading the waiting and paused runs, at most once in a while,
//! since anybody may ask for a slug.

use std::collections::BTreeSet;
use std::time::Duration;

use px_core::{RunStatus, Scope, Timestamp};
use px_store::{RunFilter, Store};
use tokio::sync::Mutex;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(10);

/// How many runs one page holds, and how many pages are read at most.
const PAGE: usize = 500;
const MAX_PAGES: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Gone(Mutex<Option<Awaited>>);

#[derive(Debug)]
struct Awaited {
    at: Timestamp,
    slugs: BTreeSet<String>,
}

impl Gone {
    /// Whether a run waits on this slug, which no endpoint has.
    pub(crate) async fn is_awaited(
        &self,
        slug: &str,
        store: &dyn Store,
        scope: Scope,
        now: Timestamp,
    ) -> Result<bool, px_store::Error> {
        let mut known = self.0.lock().await;
        let is_fresh = known.as_ref().is_some_and(|known| now.since(known.at) < FRESH);
        if !is_fresh {
            *known = Some(Awaited { at: now, slugs: read(store, scope).await? });
        }
        Ok(known.as_ref().is_some_and(|known| known.slugs.contains(slug)))
    }
}

/// Every slug that a run waits on.
async fn read(store: &dyn Store, scope: Scope) -> Result<BTreeSet<String>, px_store::Error> {
    let filter = RunFilter { statuses: vec![RunStatus::Waiting, RunStatus::Paused], ..RunFilter::default() };
    let mut slugs = BTreeSet::new();
    let mut before = None;
    for _ in 0..MAX_PAGES {
        let page = store.runs(scope, &filter, before, PAGE).await?;
        let waits = page.items.iter().flat_map(|record| &record.run.waits);
        for registration in waits.flat_map(|wait| &wait.registrations) {
            if !slugs.contains(&*registration.key.slug) {
                slugs.insert(registration.key.slug.to_string());
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(slugs)
}
