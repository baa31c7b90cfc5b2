//! Work over a list: some items at once, each result committed as it comes,
//! so that a crash loses only what was under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use px_core::run::ItemResult;
use px_sdk::{Continue, Cx, MapBody, StepContext, StepError, StepOutput};
use serde_json::Value;

use crate::port::Port;

/// Works on the items that have no result yet, and puts all results together.
pub(crate) async fn work(
    port: Arc<Port>,
    done: Vec<ItemResult>,
    map: MapBody,
    about: StepContext,
    state: Value,
) -> Result<StepOutput, StepError> {
    let items = map.list(&state)?;
    let total = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let mut results: BTreeMap<u32, Value> = done.into_iter().map(|done| (done.index, done.result)).collect();
    let open = (0..total).zip(items).filter(|(index, _)| !results.contains_key(index));
    let work = open.map(|(index, item)| {
        let mut about = StepContext { item: Some(index), ..about.clone() };
        if let Some(stand_in) = &mut about.stand_in {
            stand_in.input = item.value.clone();
        }
        let cx = Cx::new(about, Arc::clone(&port) as _);
        let port = Arc::clone(&port);
        async move {
            let value = item.value.clone();
            let result = item.run(cx).await?;
            port.record_item(index, total, value, result.clone()).await?;
            Ok::<_, px_sdk::Error>((index, result))
        }
    });
    // Collected first: the iterator borrows what the loop below changes.
    let work: Vec<_> = work.collect();
    let mut work = stream::iter(work).buffer_unordered(map.parallel);
    while let Some((index, result)) = work.try_next().await.map_err(StepError::Failed)? {
        results.insert(index, result);
    }
    // In the order of the items, whatever was done first; a list that has
    // become shorter since leaves no more results than it has items.
    let results = results.into_iter().filter(|(index, _)| *index < total).map(|(_, result)| result).collect();
    let state = map.collect(state, results)?;
    Ok(StepOutput { state, then: Continue::Go, repeats: false, halts: false })
}
