//! A handler takes the payload and returns an `Inbound` of the response.
mod given;
use px::prelude::*;

mod swapped {
    use super::given::slack::SlackReply;
    use super::given::twilio::Sms;
    use super::*;

    px::webhook! {
        slug = "swapped",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(sms: Sms) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::ignore(sms.body))
    }
}

mod other_response {
    use super::given::slack::SlackReply;
    use super::given::twilio::Sms;
    use super::*;

    px::webhook! {
        slug = "other",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(reply: SlackReply) -> Result<Inbound<Sms>> {
        Ok(Inbound::resume("x", Sms { body: reply.message }))
    }
}

mod not_async {
    use super::given::slack::SlackReply;
    use super::*;

    px::webhook! {
        slug = "sync",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::unverified(),
        handler = receive,
    }

    fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("x", reply))
    }
}

mod not_inbound {
    use super::given::slack::SlackReply;
    use super::*;

    px::webhook! {
        slug = "bare",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(reply: SlackReply) -> Result<SlackReply> {
        Ok(reply)
    }
}

fn main() {}
