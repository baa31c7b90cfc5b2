//! What becomes of a batch: it is durable, or a precondition did not hold.

use px_core::{DeliveryId, KeyId, KvId, RunId, TokenId};

use crate::epoch::Epoch;
use crate::model::{DedupRecord, StartKey};
use crate::outbox::OutboxConflict;

/// The outcome of a batch. A conflict is a value, not an error.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The batch is durable.
    Committed {
        /// Its number: it grows within one process, and two commits of one process
        /// never have the same.
        sequence: u64,
    },
    /// A precondition did not hold; nothing was changed. Of several it is the first in the order of dedups,
    /// start keys, work, keys, runs, `unchanged`, deliveries, events apart, `forget`, outbox, tokens, the
    /// key's check, `kv` and secrets: a repeated delivery hears that it is one, whatever else has changed.
    Conflict(Conflict),
}

/// Precondition that did not hold, with the record that is there instead where that saves a read.
#[derive(Debug, Clone, PartialEq)]
pub enum Conflict {
    /// A key has changed since it was read.
    Key(KeyId),
    /// A run has changed since it was read.
    Run(RunId),
    /// A delivery, or an event that lies apart from it, has changed since it was read.
    Delivery(DeliveryId),
    /// The fence of a ready run has changed: somebody else has it, or it was revoked.
    Fence(RunId),
    /// A provider's id is known that must not be.
    Duplicate {
        /// The webhook.
        slug: String,
        /// The provider's id.
        provider_id: String,
        /// The record that is known.
        record: DedupRecord,
    },
    /// The record under a provider's id has changed since it was read.
    Dedup {
        /// The webhook.
        slug: String,
        /// The provider's id.
        provider_id: String,
    },
    /// The event in quarantine under a provider's id has changed since it was read.
    SetAside {
        /// The webhook.
        slug: String,
        /// The provider's id.
        provider_id: String,
    },
    /// The point up to which deliveries were forgotten has changed since it was read.
    Forgotten,
    /// An idempotent start is known.
    Started(StartKey),
    /// A hook or a delivery of the outbox has changed since it was read.
    Outbox(OutboxConflict),
    /// An API token has changed since it was read.
    Token(TokenId),
    /// An epoch has moved on: the records that a draft was made from have changed, or a slot has another
    /// owner.
    Epoch(Epoch),
    /// The check value of the key of secrets has changed since it was read.
    KeyCheck,
    /// A value that outlives runs has changed since it was read.
    Kv(KvId),
    /// The number of values that a brain has is another than was read.
    KvBrain(String),
    /// A secret has changed since it was read.
    Secret(String),
}
