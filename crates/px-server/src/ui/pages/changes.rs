//! The page of when a part of a run's state changed: its log is replayed, a bounded number of entries a page.

use axum::extract::Path;
use http::StatusCode;
use px_api::Event;
use px_core::{Code, Run};
use px_dashboard::page::{self, Change, ChangesView};
use px_dashboard::route;

use crate::api::runs;
use crate::error::ApiError;
use crate::ui::look::{Look, Page};

/// Entries of a log that one page looks at.
const LOOKED: u64 = 1_000;

/// Entries that are read at once. Each may be as large as a state.
const AT_ONCE: u64 = 16;

#[derive(Debug, Default, serde::Deserialize)]
struct Asked {
    path: Option<String>,
    after: Option<u64>,
}

pub(in crate::ui) async fn changes(look: Look, Path(id): Path<String>) -> Page {
    look.payloads().demand("The course of a state")?;
    let asked: Asked = look.query(route::CHANGES)?;
    let path = asked.path.unwrap_or_default();
    let run = runs::find(&look.app, &id).await?;
    let after = asked.after.unwrap_or(0).min(run.seq);
    let until = after.saturating_add(LOOKED).min(run.seq);
    let past = match after {
        0 => Run::vacant(run.id),
        seq => runs::as_of(&look.app, &run, seq).await?,
    };
    let mut found = found(&look, &run, past, until, &path).await?;
    let values: Vec<_> = found.iter_mut().map(|change| change.value.take()).collect();
    for (change, value) in found.iter_mut().zip(look.clean(values)?) {
        change.value = value;
    }
    look.page(|who| {
        let view = ChangesView { run: run.id, path: &path, changes: &found, after, until, seq: run.seq };
        page::changes(&view, who)
    })
}

/// The changes of a part from a point of the log up to an event.
async fn found(
    look: &Look,
    run: &Run,
    mut past: Run,
    until: u64,
    path: &str,
) -> Result<Vec<Change>, ApiError> {
    let broken = |why: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, why);
    let mut before = past.state().pointer(path).cloned();
    let mut found = Vec::new();
    while past.seq < until {
        let room = usize::try_from((until - past.seq).min(AT_ONCE)).unwrap_or(usize::MAX);
        let events = look.app.store().events(look.app.parts.scope, run.id, past.seq, room).await?;
        if events.is_empty() {
            return Err(broken(format!("The log of run '{}' ends at event {}", run.id, past.seq)));
        }
        for event in &events {
            past.apply(event).map_err(|error| broken(error.to_string()))?;
            let now = past.state().pointer(path);
            if now == before.as_ref() {
                continue;
            }
            before = now.cloned();
            let shown = Event::of(run, event);
            let step = shown.step_id.or(shown.step_title);
            found.push(Change {
                seq: event.seq,
                at: event.at,
                kind: shown.kind,
                step,
                value: before.clone(),
            });
        }
    }
    Ok(found)
}
