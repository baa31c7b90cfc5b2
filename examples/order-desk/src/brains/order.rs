//! An order, from its payment to the door.

use px::prelude::*;

use super::approval::{Question, Vote, approval};
use super::shipping::{Shipment, shipping};
use crate::outside::Outside;
use crate::webhooks::bank::{self, Paid};

const DAY: Duration = Duration::from_hours(24);

/// The brain. Its lines are the whole story: what waits, for how long, and what happens if nobody answers.
pub fn order() -> Brain<Order> {
    brain("order")
        .describe("Takes an order from its payment to the door")
        .label_as("order", "/id")
        .needs::<Outside>()
        .step("ask for payment", ask_for_payment)
        .remind_every("remind of payment", 3 * DAY, 3, remind_of_payment)
        .retry(Retry::attempts(3))
        .step("book payment", book_payment)
        .guard("is paid", |sale: &Sale| sale.paid.is_some())
        .when(
            "is large",
            |sale: &Sale| sale.order.cents >= 50_000,
            |b| b.step("ask approvers", ask_approvers).step("count votes", count_votes),
        )
        .guard("is approved", |sale: &Sale| sale.is_approved)
        .map("pack", items(|sale: &Sale| sale.order.lines.clone(), pack).parallel(2), |sale, parcels| Sale {
            parcels,
            ..sale
        })
        .brain("ship", shipping, to_ship, shipped)
        .step("thank", thank)
        .build()
}
px::brain!(order);

/// What a customer orders.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Its number.
    pub id: String,
    /// The customer's address.
    pub mail: String,
    /// What it costs.
    pub cents: u64,
    /// What is ordered.
    pub lines: Vec<Line>,
    /// Who may let a large one pass: two of three.
    #[serde(default)]
    pub approvers: Vec<Approver>,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// The article.
    pub article: String,
    /// How many of it.
    pub count: u32,
}

/// Somebody who may let an order pass, and how to reach them.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Approver {
    /// An address for mail, which gets a link.
    pub mail: String,
    /// A user of Slack, who gets buttons too.
    #[serde(default)]
    pub slack: Option<String>,
}

/// An order for which the payment has been waited for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sale {
    /// What was ordered.
    pub order: Order,
    /// The payment, if it came in time.
    pub paid: Option<Paid>,
    /// True unless it is large and two people did not say yes.
    pub is_approved: bool,
    /// What was packed.
    pub parcels: Vec<String>,
    /// Where the parcel was seen.
    pub places: Vec<String>,
    /// The picture of it at the door.
    #[serde(default)]
    pub picture: Option<px::File>,
}

async fn ask_for_payment(cx: Cx, order: Order) -> Result<Waiting<Order, Timed<Paid>>> {
    let text = format!("Your order {}: please pay {}.", order.id, euros(order.cents));
    cx.effect("mail customer", async |key| cx.get::<Outside>().mail(key, &order.mail, &text).await).await?;
    let on = bank::on(&order.id);
    Ok(wait_for(order, on).timeout(14 * DAY))
}

async fn remind_of_payment(cx: Cx, order: Order) -> Result<()> {
    let text = format!("Your order {} is not paid yet: {}.", order.id, euros(order.cents));
    cx.effect("mail reminder", async |key| cx.get::<Outside>().mail(key, &order.mail, &text).await).await
}

async fn book_payment(cx: Cx, order: Order, paid: Timed<Paid>) -> Result<Next<Sale>> {
    let paid = match paid {
        // A payment of another amount is for a person to look at.
        Timed::Answered(paid) if paid.cents != order.cents => {
            return Err(Error::permanent(format_args!("{} came in place of {}", paid.cents, order.cents)));
        }
        Timed::Answered(paid) => Some(paid),
        Timed::TimedOut => None,
    };
    cx.label("payment", paid.as_ref().map_or("none", |paid| &paid.reference))?;
    Ok(Next(Sale { order, paid, is_approved: true, parcels: Vec::new(), places: Vec::new(), picture: None }))
}

/// Asks each approver in a run of its own, so that each has one vote however they answer.
async fn ask_approvers(cx: Cx, sale: Sale) -> Result<Collecting<Sale, Partly<Votes, Votes>>> {
    let text = format!("Order {} of {}: may it go out?", sale.order.id, euros(sale.order.cents));
    let mut votes = Vec::new();
    for approver in &sale.order.approvers {
        let question = Question { text: text.clone(), approver: approver.clone() };
        let run = cx.start(&format!("ask {}", approver.mail), approval, question).await?;
        votes.push(end_of(approval, run));
    }
    Ok(wait_for_count(sale, 2, votes).distinct_by_registration().timeout(2 * DAY))
}

type Votes = Vec<RunEnd<Vote>>;

async fn count_votes(_cx: Cx, sale: Sale, votes: Partly<Votes, Votes>) -> Result<Next<Sale>> {
    let yes = |end: &RunEnd<Vote>| matches!(end, RunEnd::Complete { result } if result.yes == Some(true));
    let is_approved = match votes {
        Partly::Complete(votes) => votes.iter().all(yes),
        // Who has not answered by now has not said yes.
        Partly::TimedOut(_) => false,
    };
    Ok(Next(Sale { is_approved, ..sale }))
}

async fn pack(_cx: Cx, line: Line) -> Result<String> {
    Ok(format!("{} x {}", line.count, line.article))
}

fn to_ship(sale: &Sale) -> Shipment {
    Shipment {
        order: sale.order.id.clone(),
        parcels: sale.parcels.clone(),
        number: String::new(),
        places: Vec::new(),
        picture: None,
    }
}

fn shipped(sale: Sale, shipment: Shipment) -> Sale {
    Sale { places: shipment.places, picture: shipment.picture, ..sale }
}

async fn thank(cx: Cx, sale: Sale) -> Result<Next<Sale>> {
    let text = format!("Your order {} is delivered. Thank you.", sale.order.id);
    cx.effect("mail thanks", async |key| cx.get::<Outside>().mail(key, &sale.order.mail, &text).await)
        .await?;
    Ok(Next(sale))
}

/// An amount in words.
pub(crate) fn euros(cents: u64) -> String {
    format!("{}.{:02} EUR", cents / 100, cents % 100)
}
