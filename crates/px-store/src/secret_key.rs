//! The check value of the key that secrets at rest are sealed under: a known
//! text, sealed. Processes that share a store compare their key with it before
//! they do anything, so that none seals what the others cannot open. The store
//! holds no key and cannot tell keys apart; that is the sender's.

use px_core::hook::Sealed;
use serde::{Deserialize, Serialize};

/// The check value. A store has one or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCheck {
    /// The known text, sealed under the store's key.
    pub sealed: Sealed,
    /// The number of the store, drawn once: what is sealed for one store opens in
    /// no other. Absent in stores of before there were secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<[u8; 16]>,
    /// The key of signed links, sealed. Drawn once: it survives a change of the store's
    /// key, so that links that are out stay good. Absent in stores of before there were
    /// links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Sealed>,
}

/// A new check value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCheckWrite {
    /// The value.
    pub check: KeyCheck,
    /// The version that was read; `None` if there must be none yet.
    pub expected: Option<u64>,
    /// Its own version, never used before.
    pub version: u64,
}
