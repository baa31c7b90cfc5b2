//! Events that the server makes, signs and takes in itself (`POST /tests`): where this command has no
//! secret, and the server has.

use px_api::{Accepted, SendTest, SentTest, Webhook};
use px_client::Client;
use px_core::Stopwatch;
use px_sdk::WebhookDef;
use px_sdk::verify::Keyring;

use super::{Args, Said, print};
use crate::context::Context;
use crate::error::{Error, Kind, Result};
use crate::sample;

/// Returns whether the server is to sign: it was asked for, or a request from here would be unsigned and so
/// refused, while the server has the secret and takes tests.
pub(super) fn is_wanted(
    args: &Args,
    def: &WebhookDef,
    keyring: &Keyring,
    reported: Option<&Webhook>,
) -> bool {
    let needs_here = args.print_curl || args.duplicate || args.bad_signature || !args.file.is_empty();
    let can = |webhook: &Webhook| webhook.verified && webhook.allow_test && webhook.refuses_all.is_none();
    args.by_server
        || (!needs_here
            && keyring.is_empty()
            && def.verification.secret.is_some()
            && reported.is_some_and(can))
}

/// Has the server send it, so many times, and says so.
pub(super) async fn send(
    context: &Context,
    client: &Client,
    (args, def): (&Args, &WebhookDef),
    body: Option<&[u8]>,
) -> Result<()> {
    let asked = asked(context, (args, def), body).await?;
    if !args.by_server {
        let variable = def.verification.secret.as_deref().unwrap_or("its secret");
        context.ui.note(format_args!(
            "{variable} is not set here, so the server makes and signs it, and marks it as a test."
        ));
    }
    for _ in 0..args.count {
        let begun = Stopwatch::start();
        let answer = client.send_test(&asked).await.map_err(refused)?;
        let (json, sent) = (answer.to_json(), answer.into_value());
        let said = Said { status: sent.status, accepted: accepted(&sent), json, body: sent.answer };
        print(context.ui, &said, args.count > 1, &args.slug, begun.elapsed())?;
    }
    Ok(())
}

/// What the server is asked for: a payload if one was written or a kind was named, else the identifier, which it
/// puts where it belongs.
async fn asked(
    context: &Context,
    (args, def): (&Args, &WebhookDef),
    body: Option<&[u8]>,
) -> Result<SendTest> {
    let plain = SendTest {
        identifier: args.identifier.clone(),
        event: args.event.clone(),
        token: args.token.clone(),
        ..SendTest::to(&args.slug)
    };
    if body.is_none() && args.kind.is_none() {
        return Ok(plain);
    }
    if let Some(body) = body {
        let payload = serde_json::from_slice(body).map_err(|error| {
            Error::usage(format!("the server makes requests of JSON, and this payload is none: {error}"))
                .hint("write the payload as JSON, or set the webhook's secret here and leave out --by-server")
        })?;
        return Ok(SendTest { payload: Some(payload), ..plain });
    }
    let payload = sample::draft(def, args.wish(), context.now()).await?.payload();
    Ok(SendTest { payload, identifier: None, ..plain })
}

/// The answer to a sender who was taken in, if it is px's own and not one of the webhook's.
fn accepted(sent: &SentTest) -> Option<Accepted> {
    serde_json::from_value(sent.answer.clone()).ok()
}

/// A refusal: the webhook's, or of the request to send one. Either way it was not taken in.
fn refused(error: px_client::Error) -> Error {
    let is_refusal = error.refusal().is_some();
    let error = Error::from(error);
    if is_refusal { Error { kind: Kind::Failed, ..error } } else { error }
}
