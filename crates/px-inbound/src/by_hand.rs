//! What an operator gives to a wait: it is checked as a sender's payload is,
//! before anything is consumed (docs/rules.md#51). First by the response's schema,
//! which names each place, then by the type that the step will read.

use px_core::run::Place;
use px_core::wait::Registration;
use px_core::{Run, RunStatus};
use px_sdk::link::fits_ask;
use serde_json::Value;

use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::validate::Violation;

/// Returns the check of a response for what a step waits for at a key, by the schemas
/// and types of these endpoints: true if it fits.
pub fn fits_key(endpoints: Vec<Endpoint>) -> impl Fn(&Registration, &Value) -> bool + Send + Sync + 'static {
    let endpoints = Endpoints::new(endpoints);
    move |registration, response| check(&endpoints, registration, response).is_ok()
}

/// Checks a response for what a step waits for.
pub(crate) fn check(
    endpoints: &Endpoints,
    registration: &Registration,
    response: &Value,
) -> Result<(), Vec<Violation>> {
    let Registration { key, ask, .. } = registration;
    let endpoint = endpoints.get(&key.slug);
    if let Some(endpoint) = endpoint {
        endpoint.response.check(response)?;
    }
    let read = px_sdk::fits_key(key, endpoint.map(|endpoint| &*endpoint.def), response);
    let read = read.and_then(|()| ask.as_ref().map_or(Ok(()), |ask| fits_ask(ask, response)));
    read.map_err(|misfit| vec![Violation { path: misfit.path, message: misfit.why }])
}

/// Finds the registration that takes a response: the link of the approver whom it
/// names as `by`, else the oldest of the webhook `slug`, else the first that the
/// response fits; of a place that was asked for, that one alone. `None` if the run listens to nothing there now.
pub(crate) fn place(
    endpoints: &Endpoints,
    run: &Run,
    (slug, asked): (Option<&str>, Option<Place>),
    response: &Value,
) -> Result<Option<Place>, Vec<Violation>> {
    if run.status != RunStatus::Waiting {
        return Ok(None);
    }
    let registrations = run.waits.iter().flat_map(|wait| {
        let indexes = 0..u32::try_from(wait.registrations.len()).unwrap_or(u32::MAX);
        indexes
            .zip(&wait.registrations)
            // One that has its answer already takes no other.
            .filter(|(index, _)| !wait.takes_one(*index) || wait.is_distinct(*index, response))
            .map(|(index, one)| (Place { wait: wait.id, index }, one))
            .filter(|(place, _)| asked.is_none_or(|asked| *place == asked))
    });
    let mut all: Vec<(Place, &Registration)> = registrations.collect();
    if asked.is_some() && all.is_empty() {
        return Ok(None);
    }
    if let Some(approver) = named_approver(run, response) {
        all.retain(|(_, one)| one.ask.as_ref().is_some_and(|ask| ask.approver.as_deref() == Some(approver)));
        if all.is_empty() {
            return Err(has_answered(approver));
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    if let Some(slug) = slug {
        let is_it = |(_, one): &&(Place, &Registration)| *one.key.slug == *slug;
        let found = all.iter().find(is_it).ok_or_else(|| not_awaited(slug, &all))?;
        return check(endpoints, found.1, response).map(|()| Some(found.0));
    }
    let mut violations = Vec::new();
    for (place, one) in &all {
        match check(endpoints, one, response) {
            Ok(()) => return Ok(Some(*place)),
            Err(found) if all.len() == 1 => return Err(found),
            Err(found) => violations.extend(found.into_iter().map(|violation| Violation {
                message: format!("as a response of '{}': {}", one.key.slug, violation.message),
                ..violation
            })),
        }
    }
    violations.dedup();
    Err(violations)
}

/// The approver of one of the run's links whom a response says that it is by: it is put to that link.
fn named_approver<'a>(run: &Run, response: &'a Value) -> Option<&'a str> {
    let by = response.get("by")?.as_str()?;
    let asks = run.waits.iter().flat_map(|wait| &wait.registrations).filter_map(|one| one.ask.as_ref());
    asks.filter_map(|ask| ask.approver.as_deref()).any(|approver| approver == by).then_some(by)
}

fn has_answered(approver: &str) -> Vec<Violation> {
    let message = format!("'{approver}' has answered already, and each link has one answer");
    vec![Violation { path: "/by".into(), message }]
}

fn not_awaited(slug: &str, all: &[(Place, &Registration)]) -> Vec<Violation> {
    let mut slugs: Vec<&str> = all.iter().map(|(_, one)| &*one.key.slug).collect();
    slugs.dedup();
    let message = format!("the run does not wait on webhook '{slug}'; it waits on {}", slugs.join(", "));
    vec![Violation { path: String::new(), message }]
}
