//! Vocabulary that brains and webhooks are written with. Users reach it through the
//! crate `px`, whose documentation shows it at work.
//!
//! Read in this order: a [`brain()`] and what its steps return; what a step
//! waits for; the step's context; webhooks, what their handlers say, and how
//! their senders are verified; the registry that finds them all.

mod blocking;
mod brain;
mod collect;
mod cx;
pub mod dedup;
mod effect;
mod emit;
mod ends;
mod error;
mod file;
mod finite;
pub mod form;
mod given;
mod in_effect;
mod inbound;
mod kind;
mod kv;
mod label;
pub mod layer;
pub mod link;
mod macros;
mod may_wait;
mod options;
mod outcome;
mod port;
mod provide;
mod read;
pub mod registry;
mod resource;
mod secret;
pub mod sources;
mod stream;
mod union;
pub mod verify;
mod wait;
mod webhook;

pub use blocking::blocking;
pub use brain::{
    Arm, Async, AwaitedResult, Blank, Body, Brain, BrainDef, Branched, Builder, Choice, Continue, Ends,
    ErasedItem, Expectable, Finished, Guarded, InPart, InnerResult, Input, ItemFuture, ItemResult, Items,
    Joins, MapBody, MayHalt, MayResume, MigrationPath, Migrations, Nested, OfStepBefore, OldState, Opened,
    OptionsDef, Or, Outcome, PartOf, PhaseAfter, Ready, Remindable, ReminderDef, ReminderFuture, Reminds,
    Repeated, ResultOf, Resumed, Started, State, StateAfter, StateType, StepDef, StepError, StepFuture,
    StepOutput, Streamed, Sure, Takes, Turns, Untold, Waited, Ways, brain, items,
};
pub use collect::{All, Collecting, Partly, Several, WaitsForAll, wait_for_all, wait_for_count};
pub use cx::{Cx, StepContext};
pub use dedup::Dedup;
pub use effect::{EffectCall, StandIn, StepStandIn};
pub use emit::Emit;
pub use ends::{RunEnd, end_of};
pub use error::{Error, Result};
pub use file::{File, FileRead, FileStream, Files};
pub use form::Form;
pub use inbound::{Inbound, IntoInbounds, RawInbound, Reply};
pub use kind::Kind;
pub use kv::{Kv, KvLost, KvRead, KvWrites};
#[doc(hidden)]
pub use macros::__private;
pub use may_wait::MayWait;
pub use options::{Retry, StepOptions};
pub use outcome::{Again, Next, Sleeping, Waiting, sleep, sleep_until, wait_for};
pub use port::{PortFuture, StepPort};
pub use provide::{Provider, ProviderFuture, Providers};
pub use px_core::{RunId, Timestamp};
pub use px_verify::Received;
pub use read::{Misfit, fits_key};
pub use registry::Registry;
pub use resource::{AnyResource, Need, Provided, Resource, Resources};
pub use secret::{Secret, SecretReader, SecretSource};
pub use stream::{More, Streaming, stream};
pub use union::{Either, OneOf, OneOf3, OneOf4, Union, no_entry, read_one_of};
pub use wait::{On, Picked, Timed, WaitRequest, Waits};
pub use webhook::{
    Asked, Borrowing, DEFAULT_EARLY, DEFAULT_QUEUE_LIMIT, Handler, HandlerError, HandlerFuture, Payload,
    Response, TakesBoth, TakesPayload, TakesReceived, TakesResources, WebhookBuilder, WebhookDef,
};
