//! Work over a list: some items at once, each result committed as it comes,
//! so that a crash loses only what was under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use px_core::Labels;
use px_core::run::{Command, ItemResult};
use px_sdk::{
    Continue, Cx, ErasedItem, KvWrites, MapBody, Result, StepContext, StepError, StepOutput, StepPort,
};
use serde_json::Value;

use crate::kv::{MAX_ROUNDS, MAX_RUNS, contended};
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
        let mut about = StepContext { item: Some(index), labels: None, ..about.clone() };
        if let Some(stand_in) = &mut about.stand_in {
            stand_in.input = item.value.clone();
        }
        let cx = Cx::new(about, Arc::clone(&port) as _);
        let port = Arc::clone(&port);
        async move { one(&port, item, cx, index, total).await.map(|result| (index, result)) }
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
    Ok(StepOutput { state, then: Continue::Go, repeats: false, halts: false, labels: Labels::new() })
}

/// Works on one item and commits its result, with what the work has written. Where a value that it has
/// read was changed meanwhile, the work is done again.
async fn one(port: &Port, mut item: ErasedItem, mut cx: Cx, index: u32, total: u32) -> Result<Value> {
    for _ in 0..MAX_RUNS {
        let result = item.run(cx.clone()).await?;
        let done = Command::RecordItem { index, total, item: item.value.clone(), result: result.clone() };
        if record(port, done, cx.end_kv()).await? {
            return Ok(result);
        }
        cx = cx.again();
    }
    Err(contended())
}

/// Commits the result of an item. Returns false if a value that its work has read was changed meanwhile, or
/// to one that an update fails with.
async fn record(port: &Port, done: Command, mut kv: KvWrites) -> Result<bool> {
    for _ in 0..MAX_ROUNDS {
        let mut found = Vec::new();
        for id in kv.ids() {
            found.push(port.read_kv(id.clone()).await?);
        }
        match kv.is_stale(&found) {
            Err(_) => return Ok(false),
            // What an update says to the value of now is for the work to hear.
            Ok(true) if kv.apply_again(&found).is_err() => return Ok(false),
            Ok(_) => {}
        }
        if port.record_item(done.clone(), kv.changes(&found)).await? {
            return Ok(true);
        }
    }
    Err(contended())
}
