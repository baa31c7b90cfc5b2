//! The way of one request, as a type for each phase. A step consumes the phase
//! before it, so that no phase can be left out and none is entered twice.
//!
//! | phase | made by | known by then |
//! |---|---|---|
//! | [`Received`] | the stage | the endpoint, the raw request |
//! | [`Verified`] | [`Received::verify`] | the sender |
//! | [`Parsed`] | [`Verified::parse`], or a replay | the payload, as JSON; the record that the inbox will keep |
//! | [`Handled`] | [`Parsed::handle`] | the handler's events |
//! | [`Routed`] | [`Acceptor`](crate::accept::Acceptor) | the fate of each event, in a draft that is not committed |
//! | [`Answered`] | [`Routed::commit`] | the answer, durable |
//!
//! A request leaves this way early by an [`Answer`](crate::answer::Answer) that
//! leaves nothing behind, by a [`Refused`] sender or an [`Unreadable`] body, of
//! which the inbox keeps a record, or by an [`Unhandled`] delivery, which is kept
//! in quarantine.

mod answered;
mod handled;
mod parsed;
mod received;
mod routed;
mod verified;

pub(crate) use answered::Answered;
pub(crate) use handled::{Handled, Incoming, Occasion};
pub(crate) use parsed::{Parsed, ProviderIds, Replayed, Unhandled, id_of_several};
pub(crate) use received::{Received, Refused, Unverified};
pub(crate) use routed::{Committed, Routed};
pub(crate) use verified::{Unparsed, Unreadable, Verified};
