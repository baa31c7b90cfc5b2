//! A batch over maps of records: its preconditions in the order in which the
//! contract names the one that failed, then its changes.

use px_core::FILE_PIECE_BYTES;
use px_store::outbox::{OutboxBatch, OutboxConflict};
use px_store::secrets::SecretWrite;
use px_store::tokens::TokenWrite;
use px_store::{
    Batch, Conflict, DeliveryWrite, EventWrite, FileDrop, ForgetWrite, ForgottenWrite, Versioned, WorkChange,
    WorkWrite,
};

use super::{Kept, Maps};

/// The first precondition that does not hold.
pub(super) fn conflict(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    let written = batch.dedups.iter().map(|write| (&write.slug, &write.provider_id, &write.expected));
    let demands = batch.dedup_demands.iter();
    let demanded = demands.map(|demand| (&demand.slug, &demand.provider_id, &demand.expected));
    for (slug, provider_id, expected) in written.chain(demanded) {
        let (slug, provider_id) = (slug.clone(), provider_id.clone());
        let known = maps.dedups.get(&(slug.clone(), provider_id.clone()));
        match (expected, known.cloned()) {
            (None, Some(record)) => return Some(Conflict::Duplicate { slug, provider_id, record }),
            (expected, known) if *expected != known => {
                return Some(Conflict::Dedup { slug, provider_id });
            }
            _ => {}
        }
    }
    for write in &batch.set_asides {
        let (slug, provider_id) = (write.slug.clone(), write.provider_id.clone());
        if maps.set_asides.get(&(slug.clone(), provider_id.clone())).copied() != write.expected {
            return Some(Conflict::SetAside { slug, provider_id });
        }
    }
    for (brain, key, _) in &batch.start_keys {
        if let Some(known) = maps.starts.get(&(brain.clone(), key.clone())) {
            return Some(Conflict::Started(known.clone()));
        }
    }
    for write in &batch.work {
        let fence = maps.work.get(&write.run).map(|work| work.version);
        if write.expected.is_some() && write.expected != fence {
            return Some(Conflict::Fence(write.run));
        }
    }
    for write in &batch.keys {
        if maps.keys.get(&write.key).map_or(0, |kept| kept.version) != write.expected {
            return Some(Conflict::Key(write.key.clone()));
        }
    }
    let seq = |run| maps.runs.get(&run).map_or(0, |kept| kept.run.seq);
    let written = batch.runs.iter().map(|write| (write.run.id, write.expected));
    if let Some((run, _)) =
        written.chain(batch.unchanged.iter().copied()).find(|(run, was)| seq(*run) != *was)
    {
        return Some(Conflict::Run(run));
    }
    let revision = |id| maps.deliveries.get(&id).map_or(0, |kept| kept.revision);
    let changed = batch.deliveries.iter().map(|write| (write.delivery.id, write.delivery.revision));
    let changed = changed.filter(|(_, revision)| *revision != 0);
    if let Some((delivery, _)) = changed.into_iter().find(|(id, was)| revision(*id) != *was) {
        return Some(Conflict::Delivery(delivery));
    }
    let version = |write: &EventWrite| {
        maps.events_apart.get(&(write.delivery, write.place)).map_or(0, |kept| kept.apart)
    };
    if let Some(write) = batch.events_apart.iter().find(|write| version(write) != write.expected) {
        return Some(Conflict::Delivery(write.delivery));
    }
    forget(maps, batch)
        .or_else(|| outbox(maps, batch))
        .or_else(|| tokens(maps, batch))
        .or_else(|| key_check(maps, batch))
        .or_else(|| super::kv::conflict(maps, &batch.kv))
        .or_else(|| secrets(maps, batch))
}

fn forget(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    for write in &batch.forget {
        let revision = maps.deliveries.get(&write.delivery).map_or(0, |kept| kept.revision);
        if revision != write.revision.unwrap_or(0) {
            return Some(Conflict::Delivery(write.delivery));
        }
        let name = |provider_id: &String| (write.slug.clone(), provider_id.clone());
        for (provider_id, record) in &write.provider_ids {
            if maps.dedups.get(&name(provider_id)) != Some(record) {
                let (slug, provider_id) = name(provider_id);
                return Some(Conflict::Dedup { slug, provider_id });
            }
        }
        for (provider_id, record) in &write.set_asides {
            if maps.set_asides.get(&name(provider_id)) != Some(record) {
                let (slug, provider_id) = name(provider_id);
                return Some(Conflict::SetAside { slug, provider_id });
            }
        }
    }
    batch.forgotten.filter(|write| write.expected != maps.forgotten).map(|_| Conflict::Forgotten)
}

fn outbox(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    for write in &batch.outbox.hooks {
        if maps.hooks.get(&write.hook.id).map_or(0, |kept| kept.version) != write.expected {
            return Some(Conflict::Outbox(OutboxConflict::Hook(write.hook.id)));
        }
    }
    let changed = batch.outbox.callback.iter().map(|write| &write.callback);
    for callback in changed.chain(&batch.outbox.removed) {
        if maps.callback.get(&callback.id).map_or(0, |kept| kept.version) != callback.version {
            return Some(Conflict::Outbox(OutboxConflict::Callback(callback.id)));
        }
    }
    None
}

fn tokens(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    batch.tokens.iter().find_map(|write| {
        let (id, expected) = match write {
            TokenWrite::Create(token, _) => (token.id, 0),
            TokenWrite::Remove(id, version) => (*id, *version),
        };
        let version = maps.tokens.get(&id).map_or(0, |kept| kept.version);
        (version != expected).then_some(Conflict::Token(id))
    })
}

fn key_check(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    let kept = maps.key_check.as_ref().map(|kept| kept.version);
    batch.key_check.as_ref().filter(|write| write.expected != kept).map(|_| Conflict::KeyCheck)
}

fn secrets(maps: &Maps, batch: &Batch) -> Option<Conflict> {
    let version = |name| maps.secrets.get(name).map(|kept| kept.version);
    let lost = batch.secrets.iter().find(|write| version(&write.name) != write.expected);
    lost.map(|write| Conflict::Secret(write.name.clone()))
}

/// All changes of a batch whose preconditions hold.
pub(super) fn apply(maps: &mut Maps, batch: Batch) {
    for write in batch.dedups {
        maps.dedups.insert((write.slug, write.provider_id), write.record);
    }
    for write in batch.set_asides {
        let name = (write.slug, write.provider_id);
        match write.record {
            Some(record) => maps.set_asides.insert(name, record),
            None => maps.set_asides.remove(&name),
        };
    }
    for (brain, key, record) in batch.start_keys {
        maps.starts.insert((brain, key), record);
    }
    apply_work(maps, batch.work);
    for write in batch.keys.into_iter().filter(|write| write.changed) {
        match write.record {
            Some(record) => maps.keys.insert(write.key, Versioned { version: write.version, record }),
            None => maps.keys.remove(&write.key),
        };
    }
    for write in batch.waiters {
        match write.entered {
            Some(waiter) => maps.lines.insert((write.key, write.place), waiter),
            None => maps.lines.remove(&(write.key, write.place)),
        };
    }
    for write in batch.runs {
        let mut log = maps.runs.remove(&write.run.id).map(|kept| kept.log).unwrap_or_default();
        log.extend(write.events);
        maps.runs.insert(write.run.id, Kept { run: write.run, log, told: write.tail.told });
    }
    for (key, place, event) in batch.queue {
        match event {
            Some(event) => maps.queues.insert((key, place), event),
            None => maps.queues.remove(&(key, place)),
        };
    }
    drop_files(maps, &batch.dropped_files);
    apply_inbox(maps, (batch.deliveries, batch.events_apart, batch.forget, batch.forgotten));
    for timer in batch.disarm {
        maps.timers.remove(&(timer.due, timer.kind));
    }
    maps.timers.extend(batch.arm.into_iter().map(|timer| ((timer.due, timer.kind), ())));
    apply_outbox(maps, batch.outbox);
    if let Some(write) = batch.key_check {
        maps.key_check = Some(Versioned { version: write.version, record: write.check });
    }
    super::kv::apply(maps, batch.kv);
    apply_secrets(maps, batch.secrets);
    for write in batch.tokens {
        match write {
            TokenWrite::Create(token, version) => {
                maps.tokens.insert(token.id, Versioned { version, record: token });
            }
            TokenWrite::Remove(id, _) => {
                maps.tokens.remove(&id);
            }
        }
    }
}

fn apply_secrets(maps: &mut Maps, writes: Vec<SecretWrite>) {
    for write in writes {
        match write.record {
            Some(record) => {
                maps.secrets.insert(write.name, Versioned { version: write.version, record });
            }
            None => {
                maps.secrets.remove(&write.name);
            }
        }
    }
}

fn drop_files(maps: &mut Maps, files: &[FileDrop]) {
    for FileDrop { file, .. } in files {
        maps.files.retain(|(of, at, _), _| (*of, *at) != (file.delivery, file.place));
    }
}

fn apply_work(maps: &mut Maps, writes: Vec<WorkWrite>) {
    for write in writes {
        match write.change {
            WorkChange::Keep => {}
            WorkChange::Put(version, record) => {
                maps.work.insert(write.run, Versioned { version, record });
            }
            WorkChange::Remove => {
                maps.work.remove(&write.run);
            }
        }
    }
}

/// Deliveries, events apart from them, and what is forgotten.
type InboxWrites = (Vec<DeliveryWrite>, Vec<EventWrite>, Vec<ForgetWrite>, Option<ForgottenWrite>);

fn apply_inbox(maps: &mut Maps, (deliveries, events, forget, forgotten): InboxWrites) {
    maps.events_apart.extend(events.into_iter().map(|write| ((write.delivery, write.place), write.event)));
    for write in deliveries {
        let mut delivery = write.delivery;
        delivery.revision += 1;
        for (place, content) in (0..).zip(std::mem::take(&mut delivery.contents)) {
            let most = usize::try_from(FILE_PIECE_BYTES).expect("it fits");
            for (piece, bytes) in (0..).zip(content.chunks(most)) {
                maps.files.insert((delivery.id, place, piece), content.slice_ref(bytes));
            }
        }
        for event in delivery.events.iter_mut().filter(|event| event.apart != 0) {
            *event = event.stub();
        }
        maps.deliveries.insert(delivery.id, delivery);
    }
    for write in forget {
        maps.deliveries.remove(&write.delivery);
        maps.events_apart.retain(|(delivery, _), _| *delivery != write.delivery);
        for (provider_id, _) in write.provider_ids {
            maps.dedups.remove(&(write.slug.clone(), provider_id));
        }
        for (provider_id, _) in write.set_asides {
            maps.set_asides.remove(&(write.slug.clone(), provider_id));
        }
    }
    maps.forgotten = forgotten.map(|write| write.record).or(maps.forgotten);
}

fn apply_outbox(maps: &mut Maps, outbox: OutboxBatch) {
    for write in outbox.hooks {
        maps.hooks.insert(write.hook.id, Versioned { version: write.version, record: write.hook });
    }
    for write in outbox.callback {
        let mut callback = write.callback;
        callback.version += 1;
        maps.callback.insert(callback.id, callback);
    }
    for callback in outbox.removed {
        maps.callback.remove(&callback.id);
        maps.attempts.retain(|(id, _), _| *id != callback.id);
    }
    maps.attempts.extend(outbox.attempts.into_iter().map(|(id, attempt)| ((id, attempt.number), attempt)));
    for endpoint in outbox.endpoints {
        maps.endpoints.insert(endpoint.lane, endpoint);
    }
    maps.endpoints.retain(|_, endpoint| !endpoint.is_well());
}
