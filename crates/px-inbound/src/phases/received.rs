//! Phase 1: a whole request for a known webhook, from a sender who may be anybody.

use std::sync::Arc;

use px_core::Stopwatch;
use px_core::event::TestMark;
use px_sdk::Received as Request;

use super::Verified;
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::endpoint::{Door, Endpoint};
use crate::users;
use crate::verify::Refusal;

/// A request of which nothing is known but its bytes.
pub(crate) struct Received<'a> {
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) request: Arc<Request>,
    /// Runs since the whole request was there.
    pub(crate) watch: Stopwatch,
    /// Set if px sends it to itself.
    pub(crate) test: Option<TestMark>,
}

/// A request whose sender was not believed.
pub(crate) struct Refused<'a> {
    pub(crate) received: Received<'a>,
    pub(crate) refusal: Refusal,
}

/// The other ends of verification.
pub(crate) enum Unverified<'a> {
    /// Answered at once, and nothing is kept: a handshake, a wrong method, or a
    /// verifier that gave no verdict.
    Answered(Answer),
    /// Answered 401.
    Refused(Box<Refused<'a>>),
}

impl<'a> Received<'a> {
    /// Verifies the sender. Unsigned handshakes come before the method is
    /// looked at, since providers send them by GET.
    pub(crate) async fn verify(self, context: &InboundContext) -> Result<Verified<'a>, Unverified<'a>> {
        let verifier = match self.endpoint.door() {
            Door::Open(verifier) => verifier,
            Door::Shut(why) => return Err(self.refuse(Refusal::Shut(why))),
        };
        match verifier.greet(&self.request) {
            Some(Ok(reply)) => return Err(Unverified::Answered(Answer::handshake(reply))),
            Some(Err(refusal)) => return Err(self.refuse(refusal)),
            None => {}
        }
        if !self.endpoint.verifier.takes(&self.request.method) {
            return Err(Unverified::Answered(Answer::wrong_method(&self.endpoint.def.slug)));
        }
        // Verification takes about as long as a thread needs to wake up.
        context.pool.expect_handler();
        match users::verify(context, self.endpoint, &verifier, &self.request).await {
            Ok(Ok(proof)) => Ok(Verified { received: self, verifier, proof }),
            Ok(Err(refusal)) => Err(self.refuse(refusal)),
            // Nothing is known of the sender, so nothing of the request is kept.
            Err(stuck) => Err(Unverified::Answered(stuck.answer(self.endpoint))),
        }
    }

    fn refuse(self, refusal: Refusal) -> Unverified<'a> {
        Unverified::Refused(Box::new(Refused { received: self, refusal }))
    }
}
