//! Phase 2: the sender is known, the body is still bytes.

use std::sync::Arc;

use px_sdk::Received as Request;
use px_store::Delivery;

use super::{Parsed, ProviderIds, Received, Unhandled};
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::endpoint::Endpoint;
use crate::quarantine::Trouble;
use crate::record::{self, micros};
use crate::upload::{self, Upload};
use crate::validate::Violation;
use crate::verify::{BodyError, BodyErrorKind, Prepared, Verified as Proof};

/// A request whose sender is who it says, or need not say it.
pub(crate) struct Verified<'a> {
    pub(crate) received: Received<'a>,
    /// The one that believed the sender: its secrets may be others by now.
    pub(crate) verifier: Arc<Prepared>,
    pub(crate) proof: Proof,
}

/// A delivery whose body cannot be read.
pub(crate) struct Unreadable<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Without its event.
    pub(crate) delivery: Delivery,
    pub(crate) error: BodyError,
}

/// The other ends of parsing.
pub(crate) enum Unparsed<'a> {
    /// A signed handshake: answered, and nothing is kept.
    Answered(Answer),
    /// Answered 400 or 415.
    Unreadable(Box<Unreadable<'a>>),
    /// It is no payload of this provider: quarantined.
    Unhandled(Box<Unhandled<'a>>),
}

impl<'a> Verified<'a> {
    /// Makes JSON of the body. What is left of a form without the contents of its files
    /// is the body from here on.
    pub(crate) async fn parse(self, context: &InboundContext) -> Result<Parsed<'a>, Unparsed<'a>> {
        let Received { endpoint, mut request, watch, test } = self.received;
        let (id, size) = (context.ids.delivery(request.at), request.body.len());
        let (read, upload) = match upload::limits(endpoint, &request, context) {
            None => (endpoint.verifier.parse(&request), None),
            Some(limits) => match upload::read(endpoint, &request, &limits, id).await {
                Ok((upload, read)) => (read, Some(upload)),
                Err(error) => (Err(error), None),
            },
        };
        if let Some(upload) = &upload {
            request = Arc::new(Request { body: upload.rest.clone(), ..Request::clone(&request) });
        }
        if let Ok(content) = &read
            && let Some(reply) = self.verifier.handshake(&self.proof, content.value())
        {
            return Err(Unparsed::Answered(Answer::handshake(reply)));
        }
        let verdict = match self.proof.key_index {
            Some(0) => "verified".to_owned(),
            Some(key) => format!("verified by secret {}", key + 1),
            None => "unverified".to_owned(),
        };
        let mut delivery = record::delivery(id, endpoint, &request, verdict);
        (delivery.size, delivery.test) = (size as u64, test);
        if let Some(Upload { files, contents, .. }) = upload {
            (delivery.files, delivery.contents) = (files, contents);
        }
        match read {
            Ok(content) => Ok(Parsed::arrived(endpoint, request, content, delivery, watch)),
            Err(error) if error.kind() == BodyErrorKind::Unfit => {
                delivery.took_us = micros(watch);
                let ids = ProviderIds::of_headers(endpoint, &request);
                let violation = Violation { path: String::new(), message: error.to_string() };
                let trouble = Trouble::Violations(vec![violation]);
                Err(Unparsed::Unhandled(Box::new(Unhandled { endpoint, delivery, ids, trouble })))
            }
            Err(error) => {
                delivery.took_us = micros(watch);
                // A form that was not cut into its parts may be larger than what one row of the inbox should
                // hold. One that was is its texts, beside its files.
                if delivery.body.len() > context.max_response_bytes {
                    delivery.body = bytes::Bytes::new();
                    delivery.emptied = true;
                }
                Err(Unparsed::Unreadable(Box::new(Unreadable { endpoint, delivery, error })))
            }
        }
    }
}
