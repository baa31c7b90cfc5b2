//! Behind a branch the brain goes on with one state, whichever arm was taken.
mod given;
use given::*;
use px::prelude::*;

#[derive(Serialize, Deserialize)]
struct Gift {
    card: String,
}

async fn wrap(_cx: Cx, _receipt: Receipt) -> Result<Next<Gift>> {
    px::bail!("no paper")
}

async fn pack(_cx: Cx, receipt: Receipt) -> Result<Next<Receipt>> {
    Ok(Next(receipt))
}

fn skipped() -> Brain<Order> {
    brain("skipped").step("price", price).when("is gift", |_| true, |b| b.step("wrap", wrap)).build()
}

fn either() -> Brain<Order> {
    brain("either")
        .step("price", price)
        .when_else("is gift", |_| true, |b| b.step("wrap", wrap), |b| b.step("pack", pack))
        .build()
}

fn repeated() -> Brain<Order> {
    brain("repeated").step("price", price).repeat_until("until", |_| true, |b| b.step("wrap", wrap)).build()
}

fn main() {}
