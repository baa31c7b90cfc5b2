//! The claim, under one lock: nothing can come between the look and the write.

use px_store::{ClaimRequest, Claimed, Versioned};

use super::{Maps, record};

pub(super) fn claim(maps: &mut Maps, request: ClaimRequest<'_>) -> Vec<Claimed> {
    let Maps { work, runs, .. } = maps;
    let claims = request.runs.iter().filter_map(|run| {
        let row = work.get_mut(run).filter(|row| request.takes(&row.record))?;
        let record = runs.get(run).map(record).filter(|record| request.suits(record))?;
        let claimed = request.claim(row.record.clone(), record);
        *row = Versioned { version: claimed.fence, record: claimed.work.clone() };
        Some(claimed)
    });
    claims.take(request.at_most).collect()
}
