//! Takeover: what belongs to a member that is none any more becomes free, and
//! that is counted as a death. Nothing else ever takes a row from its owner, who
//! gives back what it has when it ends.

use std::collections::BTreeSet;

use px_core::RunId;
use px_store::{Admission, Outcome, Versioned, Work};

use crate::scan::SCAN;
use crate::shared::Parts;

/// Rows that one commit frees.
const AT_ONCE: usize = 128;

/// Frees those of these rows whose owner is no member, and returns their runs.
/// For an embedded store that is every owner but this process, for the lock of
/// its directory proves that all others are dead.
pub(crate) async fn free(
    parts: &Parts,
    rows: &[(RunId, Versioned<Work>)],
) -> Result<BTreeSet<RunId>, px_store::Error> {
    let me = parts.cluster.me();
    let others = rows.iter().filter(|(_, work)| work.record.owner.is_some_and(|owner| owner != me));
    let others: Vec<_> = others.collect();
    if others.is_empty() {
        return Ok(BTreeSet::new());
    }
    // Read after the rows: whoever owns one had joined before it wrote it.
    let members = parts.cluster.members().await?;
    let is_gone = |owner: Option<u64>| members.iter().all(|member| Some(member.id) != owner);
    let gone: Vec<_> = others.into_iter().filter(|(_, work)| is_gone(work.record.owner)).collect();
    let freed = free_each(parts, &gone, 1).await?;
    if !freed.is_empty() {
        tracing::info!(runs = freed.len(), "runs of a process that died are free again");
    }
    Ok(freed)
}

/// Frees what this member has, at its end: the next process takes it up at once, and
/// no death is counted.
///
/// # Errors
/// The store failed; what is left counts as if this process had died.
pub(crate) async fn give_back(parts: &Parts) -> Result<(), px_store::Error> {
    let me = Some(parts.cluster.me());
    let mut after = None;
    loop {
        let rows = parts.store.work(parts.scope, after, SCAN).await?;
        let mine: Vec<_> = rows.iter().filter(|(_, work)| work.record.owner == me).collect();
        free_each(parts, &mine, 0).await?;
        match rows.last() {
            Some((run, _)) if rows.len() == SCAN => after = Some(*run),
            _ => return Ok(()),
        }
    }
}

/// Frees each of these rows that has not changed meanwhile, and adds so many deaths.
/// Returns the runs of those that are free.
async fn free_each(
    parts: &Parts,
    rows: &[&(RunId, Versioned<Work>)],
    deaths: u32,
) -> Result<BTreeSet<RunId>, px_store::Error> {
    let mut freed = BTreeSet::new();
    for chunk in rows.chunks(AT_ONCE) {
        if free_all(parts, chunk, deaths).await? {
            freed.extend(chunk.iter().map(|(run, _)| *run));
            continue;
        }
        // One of them was cancelled meanwhile, or another member was first.
        for row in chunk {
            if free_all(parts, std::slice::from_ref(row), deaths).await? {
                freed.insert(row.0);
            }
        }
    }
    Ok(freed)
}

/// Frees all of these rows, or none: false if one has changed meanwhile.
async fn free_all(
    parts: &Parts,
    rows: &[&(RunId, Versioned<Work>)],
    deaths: u32,
) -> Result<bool, px_store::Error> {
    let mut draft = parts.draft();
    for (run, work) in rows {
        let record = &work.record;
        draft.fence(*run, work.version);
        let free = Work { owner: None, deaths: record.deaths.saturating_add(deaths), ..record.clone() };
        draft.put_work(*run, parts.ids.version(draft.now()), free);
    }
    let outcome = parts.store.commit(draft.into_batch(), Admission::Wait).await?;
    Ok(matches!(outcome, Outcome::Committed { .. }))
}

/// Renews this member's lease, and ends the members whose leases are over: what
/// they had becomes free at the next look at the ready runs.
///
/// # Errors
/// The cluster could not be read or written, or has ended this member.
pub(crate) async fn beat(parts: &Parts) -> Result<(), px_store::Error> {
    for member in parts.cluster.beat().await? {
        if parts.cluster.end(member).await? {
            tracing::warn!(member, "the lease of a member of the cluster is over; its runs are taken over");
        }
    }
    Ok(())
}
