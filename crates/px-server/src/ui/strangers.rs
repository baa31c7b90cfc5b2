//! What forms of those hold who have not logged in: a form that a session was too old for is carried through the
//! login, and nobody knows yet whose it is. Small forms, a login above all, are read from everybody; of larger
//! ones a few at a time are held, from their first bytes until the answer that carries them is sent.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body_util::BodyExt as _;
use px_core::Code;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// Larger forms of strangers that are held at a time: with the answers that carry them, some 100 MB at most.
const AT_ONCE: usize = 16;

/// Bytes of a form that is read from everybody.
const SMALL: usize = 8 * 1024;

/// The places of larger forms.
#[derive(Debug, Clone)]
pub(crate) struct Strangers(Arc<Semaphore>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

/// The place that a larger form holds, until the answer to it is sent.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// An answer that keeps the place as long as somebody reads it.
    pub(super) fn until_sent(self, response: Response) -> Response {
        let Some(place) = self.0 else { return response };
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                // Moved in here, it goes with the body.
                let _held = &place;
                frame
            }))
        })
    }
}

/// Reason that a body was not read.
pub(super) enum Unread {
    /// It has more bytes than it may.
    TooLarge,
    /// There is no place for it now.
    NoPlace,
    /// It broke off.
    Broken(axum::Error),
}

impl Strangers {
    /// Reads a body of somebody who has not logged in.
    pub(super) async fn read(&self, mut body: Body, most: usize) -> Result<(Bytes, Held), Unread> {
        let (mut bytes, mut held) = (BytesMut::new(), Held::default());
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
            let length = bytes.len().saturating_add(data.len());
            if length > most {
                return Err(Unread::TooLarge);
            }
            if length > SMALL && held.0.is_none() {
                let place = Arc::clone(&self.0).try_acquire_owned();
                held.0 = Some(place.map_err(|_| Unread::NoPlace)?);
            }
            bytes.extend_from_slice(&data);
        }
        Ok((bytes.freeze(), held))
    }
}

/// The refusal of a form that there is no place for.
pub(super) fn no_place() -> ApiError {
    let text = "Too many large forms come without a login at this moment, so this one was not read. Go back to it, \
                log in in another tab, and send it again";
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, text)
}
