//! Warnings of webhooks whose senders nobody verifies, and the refusal to serve them
//! to other machines.

use std::net::SocketAddr;

use px_inbound::Endpoint;

use crate::error::StartError;

/// Returns the warnings of these webhooks.
///
/// # Errors
/// [`StartError::Unverified`] if other machines could reach one that is not verified.
pub(crate) fn warnings(endpoints: &[Endpoint], bind: SocketAddr) -> Result<Vec<String>, StartError> {
    let mut warnings = Vec::new();
    let mut open = Vec::new();
    for endpoint in endpoints {
        let slug = &endpoint.def.slug;
        warnings.extend(endpoint.warnings.iter().map(|warning| format!("webhook '{slug}': {warning}")));
        if endpoint.is_unverified() {
            let remedy = endpoint
                .secret_variable()
                .map(|variable| format!("; set {variable} to verify its senders"))
                .unwrap_or_default();
            warnings.push(format!(
                "webhook '{slug}' is UNVERIFIED: anybody on this machine can send to it{remedy}"
            ));
            open.push(endpoint);
        }
    }
    if !open.is_empty() && !bind.ip().is_loopback() {
        let slugs = open.iter().map(|endpoint| endpoint.def.slug.clone()).collect();
        let variables =
            open.iter().filter_map(|endpoint| endpoint.secret_variable().map(str::to_owned)).collect();
        return Err(StartError::Unverified { slugs, variables, bind });
    }
    Ok(warnings)
}
