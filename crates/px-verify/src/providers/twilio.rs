//! Twilio. Source: "Webhooks security" and "Webhooks connection overrides" on
//! twilio.com/docs.

use crate::record::{BodyForm, Scheme, Source, Verification};

/// Twilio: base64 HMAC-SHA1 of the URL that Twilio called and of the form's
/// parameters in `X-Twilio-Signature`; for JSON bodies of the URL, whose query
/// carries `bodySHA256`.
///
/// Several accounts are several secrets: beside the one in the environment and
/// `NAME_PREVIOUS`, `secrets` of `[webhooks.<slug>]` in `px.toml`. A shared key
/// of a Webhook Setting is one of them, too; the request's
/// `X-Twilio-Webhooks-Signature-Settings` says which algorithm it signs with.
///
/// The id is `I-Twilio-Idempotency-Token`; without it the message's id and
/// status, or the call's id, status and sequence number. A duplicate is
/// answered as the original was, since the reply is what Twilio acts on.
#[must_use]
pub fn twilio(secret: &str) -> Verification {
    Verification::new("twilio", Some(secret), Scheme::Twilio)
        .dedup_header("i-twilio-idempotency-token")
        .dedup(Source::pointers(["/MessageSid", "/MessageStatus"]))
        .dedup(Source::pointers(["/MessageSid", "/SmsStatus"]))
        .dedup(Source::pointers(["/CallSid", "/CallStatus", "/SequenceNumber"]))
        .event_pointer("/EventType")
        .event_pointer("/MessageStatus")
        .event_pointer("/SmsStatus")
        .event_pointer("/CallStatus")
        .body(BodyForm::ByContentType { payload_field: None })
        .repeat_duplicates()
        .never_retries()
}
