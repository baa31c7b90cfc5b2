//! The webhooks of this binary, by slug.

use std::collections::BTreeMap;

use crate::endpoint::Endpoint;

/// The endpoints of a stage. They do not change while it lives.
#[derive(Debug)]
pub(crate) struct Endpoints(BTreeMap<String, Endpoint>);

impl Endpoints {
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        Self(endpoints.into_iter().map(|endpoint| (endpoint.def.slug.clone(), endpoint)).collect())
    }

    pub(crate) fn get(&self, slug: &str) -> Option<&Endpoint> {
        self.0.get(slug)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.0.values()
    }
}
