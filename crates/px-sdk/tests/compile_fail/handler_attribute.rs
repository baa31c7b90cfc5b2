//! What the attribute of a handler needs to know.
mod given;
use given::slack::SlackReply;
use px::prelude::*;

mod without_slug {
    use super::*;

    #[px::handler(verify = px::verify::unverified())]
    async fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("thread", reply))
    }
}

mod without_verify {
    use super::*;

    #[px::handler(slug = "slack")]
    async fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("thread", reply))
    }
}

mod not_async {
    use super::*;

    #[px::handler(slug = "slack", verify = px::verify::unverified())]
    fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("thread", reply))
    }
}

mod without_payload {
    use super::*;

    #[px::handler(slug = "slack", verify = px::verify::unverified())]
    async fn receive() -> Result<Inbound<SlackReply>> {
        Ok(Inbound::ignore("nothing came"))
    }
}

mod by_an_alias {
    use super::*;

    type Said = Result<Inbound<SlackReply>>;

    #[px::handler(slug = "slack", verify = px::verify::unverified())]
    async fn receive(reply: SlackReply) -> Said {
        Ok(Inbound::resume("thread", reply))
    }
}

mod unknown_option {
    use super::*;

    #[px::handler(slug = "slack", verify = px::verify::unverified(), earlier = Duration::from_secs(1))]
    async fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("thread", reply))
    }
}

fn main() {}
