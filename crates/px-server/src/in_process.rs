//! A server without a socket and without an engine: every route, asked by a
//! function call. For fuzzers and for tests that need no connection.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::{Router, body};
use bytes::Bytes;
use http::{Request, Response};
use px_pool::Pool;
use px_sdk::Provided;
use tokio::sync::watch;
use tower_service::Service as _;

use crate::error::StartError;
use crate::options::Options;
use crate::secrets::ServerSecrets;
use crate::start::{self, Checked, router};

/// Every route of a server, without its listener and without its engine: runs
/// that are started stay where they are.
#[derive(Debug)]
pub struct InProcess {
    router: Router,
    // Streams end with it.
    _closing: watch::Sender<bool>,
}

impl InProcess {
    /// Puts the stages together over the store of the options.
    ///
    /// # Errors
    /// What [`start`](crate::start) says of options, except of the address.
    pub async fn new(mut options: Options) -> Result<Self, StartError> {
        // Whoever calls is in this process: there is nobody to keep out.
        options.insecure = true;
        let secrets = ServerSecrets::open(&mut options).await?;
        let checked = Checked::new(&mut options, &secrets)?;
        let closing = watch::Sender::new(false);
        let tokens = start::tokens(&options).await?;
        let provided = Provided::default();
        provided.set_secrets(Arc::new(secrets.clone()));
        let (users, closing_soon) = ((Pool::inline(), provided), closing.subscribe());
        let (app, _warnings) =
            checked.assemble(&options, (tokens, secrets), options.bind, users, closing_soon).await?;
        Ok(Self { router: router(app).with_state(()), _closing: closing })
    }

    /// Answers one request from `remote`. A reply that never ends is not
    /// waited for: its body is read up to `max_reply` bytes, else left empty.
    pub async fn call(
        &self,
        remote: SocketAddr,
        request: Request<Bytes>,
        max_reply: usize,
    ) -> Response<Bytes> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(ConnectInfo(remote));
        let response = self.router.clone().call(request).await.unwrap_or_else(|never| match never {});
        let (head, reply) = response.into_parts();
        Response::from_parts(head, body::to_bytes(reply, max_reply).await.unwrap_or_default())
    }
}
