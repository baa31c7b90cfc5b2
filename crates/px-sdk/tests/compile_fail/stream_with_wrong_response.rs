//! A stream gives what its webhook answers.
mod given;
use given::slack;
use given::twilio::Sms;
use given::*;
use px::prelude::*;
use px::{More, Streaming, stream};

async fn open(_cx: Cx, order: Order) -> Result<Streaming<Order, slack::SlackReply>> {
    Ok(stream(order, slack::on("thread")))
}

async fn take(_cx: Cx, order: Order, _sms: Sms) -> Result<More<Order, Order>> {
    Ok(More::Done(order))
}

fn orders() -> Brain<Order> {
    brain("orders").step("open", open).for_each("take", take).build()
}

fn main() {}
