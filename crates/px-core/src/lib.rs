//! The nouns and the rules of px, and nothing else: no async, no clock but the
//! one in [`Clock`], no randomness but the one in [`Ids`], no store, no HTTP.
//!
//! Read in this order: ids and times; keys and waits, where events and runs
//! meet; the log of a run; the run itself, with [`run::decide`] and
//! [`run::apply`], the rule book; and what the outside is told of it.

mod changes;
mod clock;
mod code;
mod entropy;
mod id;
mod time;

pub mod event;
mod file;
pub mod hook;
mod json_size;
pub mod key;
mod kv;
mod label;
pub mod lifecycle;
pub mod reminder;
pub mod run;
pub mod trace;
pub mod wait;
pub mod wire;

pub use changes::changes;
pub use clock::{Clock, ManualClock, Stopwatch, SystemClock};
pub use code::Code;
pub use entropy::{Ids, random_bytes, salt};
pub use event::Event;
pub use file::{FILE_PIECE_BYTES, FileId, StoredFile};
pub use id::{BulkId, CallbackId, DeliveryId, EventId, HookId, LinkId, ParseIdError, RunId, TokenId, WaitId};
pub use json_size::{json_bytes, json_exceeds};
pub use key::{KeyId, KeyRecord, Scope};
pub use kv::{KvChange, KvId};
pub use label::{Labels, MAX_LABELS, check_label_name, check_label_value};
pub use run::{Run, RunStatus};
pub use time::{Date, Timestamp};
