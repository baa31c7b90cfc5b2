//! The types of px's HTTP API. The server serialises them, its OpenAPI document
//! is derived from them, and px-client reads them: a field that is not here does
//! not exist. Knows no HTTP, no store and no clock.
//!
//! * Answers accept unknown fields when they are read, so that an older client
//!   reads a newer server. The document says `additionalProperties: false` all the
//!   same: the tests of the whole contract hold each answer against it, and find a
//!   field that this crate does not have.
//! * Requests refuse unknown fields where the server does, which each type says.
//! * Words with a fixed set of values (`status`, `state`, `action`, …) are enums
//!   with a variant for a word that came later.
//!
//! [`story`] and [`why`] put runs and deliveries into sentences, [`pages`] explains
//! the codes of errors.

mod brains;
mod bulk;
mod callbacks;
mod error;
mod events;
mod explained;
mod hooks;
mod ids;
mod inbox;
mod late;
mod lenient;
mod open;
mod overview;
pub mod pages;
mod position;
mod queries;
mod reminders;
mod requests;
mod run_lists;
mod runs;
mod schema;
mod secret;
mod secrets;
mod server;
mod standing;
mod store;
pub mod story;
pub mod suggest;
mod test_events;
mod tokens;
mod waiting;
mod waits;
mod webhooks;
pub mod why;
mod withheld;
pub mod words;

pub use brains::{Brain, BrainPart, BrainReminder, BrainStep, BrainSummary, Brains, Candidate, InnerBrain};
pub use bulk::*;
pub use callbacks::{
    Attempt, AttemptSummary, Callback, CallbackPage, CallbackState, CallbackSummary, Recovered, Response,
    TestSent, Timing,
};
pub use error::{Error, Violation};
pub use events::{Detail, Event, Events};
pub use explained::{DiffRun, Explained, StateDiff, Wakes};
pub use hooks::{CreateHook, Disabled, Hook, HookStats, Hooks, Keys, RecoverHook, Retry, RotateSecret};
pub use hooks::{Signature, UpdateHook};
pub use ids::{FindIds, FoundId, FoundIds, IdKind};
pub use inbox::*;
pub use late::{LatePage, LateWait, ListLate};
pub use open::Open;
pub use overview::*;
pub use position::Position;
/// Ids, times and codes, as every part of px has them.
pub use px_core::{
    BulkId, CallbackId, Code, DeliveryId, EventId, HookId, ParseIdError, RunId, Timestamp, TokenId, WaitId,
};
pub use queries::*;
pub use reminders::Reminder;
pub use requests::{ForkRun, RerunRun, ResumeRun, SignalRun, SignalType, StartRun};
pub use run_lists::{Include, RunPage, RunSummary, RunningBrains, Runs};
pub use runs::{
    Cause, Failure, RestartedRun, Resumed, Run, RunStatus, SignalEntry, SignalTaken, StartedRun,
    StepProgress, StepStatus, Turn,
};
pub use schema::{Nullable, Object};
pub use secret::Secret;
pub use secrets::{
    ReaderKind, SecretExists, SecretInfo, SecretRead, SecretReads, Secrets, SecretsSet, SetSecret, SetSecrets,
};
pub use server::{Health, HealthReason, Status};
pub use standing::{Awaited, Standing, step_of};
pub use store::{ClearedStore, ListStore, StoreBrains, StoreKey, StoreKeys, StoreValue};
pub use test_events::{SendTest, SentTest};
pub use tokens::{CreateToken, CreatedToken, Scope, Token, Tokens};
pub use waiting::*;
pub use waits::{Ask, AskedAnswer, Registration, Wait};
pub use webhooks::*;
pub use withheld::{Withheld, Withhold};
