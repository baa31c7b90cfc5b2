//! Phase 2: the sender is known, the body is still bytes.

use super::{Parsed, Received};
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::record;
use crate::verify::Verified as Proof;

/// A request whose sender is who it says, or need not say it.
pub(crate) struct Verified<'a> {
    pub(crate) received: Received<'a>,
    pub(crate) proof: Proof,
}

impl<'a> Verified<'a> {
    /// Makes JSON of the body. A signed handshake, and a body that cannot be
    /// read, are answered and leave nothing behind.
    pub(crate) fn parse(self, context: &InboundContext) -> Result<Parsed<'a>, Answer> {
        let Received { endpoint, request, watch } = self.received;
        let payload = endpoint
            .verifier
            .parse(&request)
            .map_err(|error| Answer::unreadable(error.kind(), &error.to_string()))?;
        if let Some(reply) = endpoint.verifier.handshake(&self.proof, &payload) {
            return Err(Answer::handshake(reply));
        }
        let verdict = match self.proof.key_index {
            Some(0) => "verified".to_owned(),
            Some(key) => format!("verified by secret {}", key + 1),
            None => "unverified".to_owned(),
        };
        let delivery = record::delivery(&context.ids, endpoint, &request, verdict);
        Ok(Parsed::arrived(endpoint, request, payload, delivery, watch))
    }
}
