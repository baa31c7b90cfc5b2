//! The needs of a webhook are types in parentheses, behind its handler.
mod given;
use px::prelude::*;

mod needy {
    use super::given::slack::SlackReply;
    use super::*;

    pub struct Db;

    px::webhook! {
        slug = "needy",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::unverified(),
        handler = receive,
        needs = Db,
    }

    async fn receive(resources: &Resources, reply: SlackReply) -> Result<Inbound<SlackReply>> {
        let _db = resources.get::<Db>();
        Ok(Inbound::resume("x", reply))
    }
}

fn main() {}
