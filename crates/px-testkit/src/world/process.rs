//! One process of a world: its engine, and the stage that takes deliveries in.

use std::sync::Arc;

use px_core::{Ids, ManualClock, Scope};
use px_engine::{Limits, Parts, Places};
use px_inbound::verify::UrlView;
use px_inbound::{InboundContext, Stage};
use px_pool::Pool;
use px_store::cluster::{Cluster, Member, MemoryCluster, OneMember};
use px_store::{Claimer, Store};

use super::{Doubles, links};
use crate::faulty::FaultyStore;
use crate::project::Project;

/// The engine and the stage of one process of a world.
pub(super) fn process(
    project: &Project,
    store: &FaultyStore,
    clock: &ManualClock,
    ids: &Arc<Ids>,
    cluster: Option<&MemoryCluster>,
    doubles: &Doubles,
) -> (Parts, Stage) {
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    let me = ids.version(px_core::Clock::now(clock));
    let member: Arc<dyn Cluster> = match cluster {
        Some(cluster) => Arc::new(cluster.join(member(project, me))),
        None => Arc::new(OneMember::new(me)),
    };
    let places = Places::new(me, Arc::clone(&project.registry), Limits::default().max_concurrent_steps);
    let parts = Parts {
        store: Arc::clone(&shared),
        registry: Arc::clone(&project.registry),
        clock: Arc::new(clock.clone()),
        ids: Arc::clone(ids),
        scope: Scope::default(),
        cluster: member,
        places: Arc::clone(&places),
        // Nothing may be left to other threads where time is moved by hand.
        pool: Pool::inline(),
        fits: Arc::new(px_inbound::fits_key(project.endpoints.clone())),
        resources: doubles.resources.clone(),
        stand_in: doubles.stand_in.clone(),
    };
    parts.resources.set_links(Arc::new(links::signer(Arc::clone(&parts.clock), Arc::clone(ids))));
    let stage = stage(project, &parts, places);
    (parts, stage)
}

/// The stage that takes deliveries in beside this engine.
pub(super) fn stage(project: &Project, parts: &Parts, claimer: Arc<dyn Claimer>) -> Stage {
    let inbound = InboundContext {
        store: Arc::clone(&parts.store),
        catalog: Arc::clone(&project.registry) as _,
        clock: Arc::clone(&parts.clock),
        ids: Arc::clone(&parts.ids),
        scope: Scope::default(),
        pool: Pool::inline(),
        urls: UrlView::default(),
        claimer: Some(claimer),
        max_response_bytes: px_inbound::LEAST_RESPONSE_BYTES,
        max_batch_events: px_inbound::USUAL_BATCH_EVENTS,
        cluster: Arc::clone(&parts.cluster),
        resources: parts.resources.clone(),
        links: links::keys(),
    };
    Stage::new(inbound, project.endpoints.clone())
}

/// Describes the process of a project to its cluster.
fn member(project: &Project, me: u64) -> Member {
    Member {
        id: me,
        brains: project.registry.brains().map(|brain| brain.def.title.clone()).collect(),
        slugs: project.registry.webhooks().map(|webhook| webhook.def.slug.clone()).collect(),
        ..Member::default()
    }
}
