//! What every program here has: two webhooks, a state, a brain.
#![allow(dead_code, unused_imports, reason = "each program uses a part")]

pub mod slack {
    use px::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct SlackReply {
        pub message: String,
    }

    px::webhook! {
        slug = "slack",
        payload = SlackReply,
        response = SlackReply,
        verify = px::verify::slack("SLACK_SIGNING_SECRET"),
        handler = receive,
    }

    async fn receive(reply: SlackReply) -> Result<Inbound<SlackReply>> {
        Ok(Inbound::resume("thread", reply))
    }
}

pub mod twilio {
    use px::prelude::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub struct Sms {
        pub body: String,
    }

    px::webhook! {
        slug = "twilio",
        payload = Sms,
        response = Sms,
        verify = px::verify::twilio("TWILIO_AUTH_TOKEN"),
        handler = receive,
    }

    async fn receive(sms: Sms) -> Result<Inbound<Sms>> {
        Ok(Inbound::resume("number", sms))
    }
}

use px::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Order {
    pub number: u32,
}

#[derive(Serialize, Deserialize)]
pub struct Receipt {
    pub total: u32,
}

pub async fn price(_cx: Cx, order: Order) -> Result<Next<Receipt>> {
    Ok(Next(Receipt { total: order.number }))
}

pub async fn ask(_cx: Cx, order: Order) -> Result<Waiting<Order, slack::SlackReply>> {
    Ok(wait_for(order, slack::on("thread")))
}

pub fn billing() -> Brain<Order> {
    brain("billing").step("price", price).build()
}
