//! The names of posting lists, by which runs and deliveries are found. Lists may
//! lag; who reads one confirms each id at its row.

use px_core::{RunStatus, Scope};
use px_store::InboxState;

use crate::rows::RowKey;

/// Deliveries are found by identifier through one of so many lists: few, so
/// that the lists pack well, and enough that one is short.
const IDENTIFIER_LISTS: u64 = 64;

pub(crate) fn list(scope: Scope, name: &[&[u8]]) -> RowKey {
    let mut list = RowKey::from_slice(&scope.0.to_be_bytes());
    for part in name {
        list.extend_from_slice(part);
        list.push(0);
    }
    list
}

pub(crate) fn runs_by_brain(scope: Scope, brain: &str) -> RowKey {
    list(scope, &[b"run", brain.as_bytes()])
}

pub(crate) fn runs_by_status(scope: Scope, brain: Option<&str>, status: RunStatus) -> RowKey {
    list(scope, &[b"run", brain.unwrap_or_default().as_bytes(), status.as_str().as_bytes()])
}

pub(crate) fn runs_by_label(scope: Scope, name: &str, value: &str) -> RowKey {
    list(scope, &[b"label", name.as_bytes(), value.as_bytes()])
}

pub(crate) fn deliveries_by_slug(scope: Scope, slug: &str) -> RowKey {
    list(scope, &[b"slug", slug.as_bytes()])
}

pub(crate) fn deliveries_by_state(scope: Scope, state: InboxState) -> RowKey {
    list(scope, &[b"state", state.as_str().as_bytes()])
}

pub(crate) fn deliveries_by_identifier(scope: Scope, identifier: &str) -> RowKey {
    // FNV-1a: stable over versions and machines, and quick on short texts.
    let hash = identifier.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    list(scope, &[b"identifier", &(hash % IDENTIFIER_LISTS).to_be_bytes()])
}
