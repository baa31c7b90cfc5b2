//! An order, from its payment to the door.

use std::collections::BTreeSet;

use px::prelude::*;

use super::poll::{Decision, Poll, poll};
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
        // A large order names two people at least who can let it pass. A guard that fails ends the run, and well: it is
        // complete, and nothing below is run.
        .guard("has its approvers", Order::has_its_approvers)
        // Waits for the bank, two weeks at most.
        .step("ask for payment", ask_for_payment)
        .retry(Retry::attempts(5))
        .remind_every("remind of payment", 3 * DAY, 3, remind_of_payment)
        .retry(Retry::attempts(3))
        .step("book payment", book_payment)
        .guard("is paid", |sale: &Sale| sale.paid.is_some())
        // Too little or too much: what came goes back, and the order ends.
        .when("is of another amount", Sale::is_of_another_amount, |b| {
            b.step("pay back what came", pay_back_what_came)
                .retry(Retry::attempts(5))
                .step("tell amount", tell_amount)
                .retry(Retry::attempts(5))
        })
        .guard("is of its amount", |sale: &Sale| !sale.is_of_another_amount())
        // From 500.00 EUR on, two have to let it pass.
        .when(
            "is large",
            |sale: &Sale| sale.order.is_large(),
            // Starts the brain `poll`, which asks each approver by a run of the brain `approval`, and waits for its end:
            // until two have said yes or two no more can.
            |b| b.step("ask approvers", ask_approvers).step("hear decision", hear_decision),
        )
        // Nobody keeps the money of an order that does not go out.
        .when(
            "is refused",
            |sale: &Sale| !sale.is_approved,
            |b| {
                b.step("pay back", pay_back)
                    .retry(Retry::attempts(5))
                    .step("tell refusal", tell_refusal)
                    .retry(Retry::attempts(5))
            },
        )
        .guard("is approved", |sale: &Sale| sale.is_approved)
        .map("pack", items(|sale: &Sale| sale.order.lines.clone(), pack).parallel(2), |sale, parcels| Sale {
            parcels,
            ..sale
        })
        // The steps of the brain `shipping`, in this run: they wait for the carrier.
        .brain("ship", shipping, to_ship, shipped)
        .step("thank", thank)
        .retry(Retry::attempts(5))
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
    /// Who may let a large one pass: the yes of two of them is enough, whatever the others say. Another one needs none.
    #[serde(default)]
    pub approvers: Vec<Approver>,
}

impl Order {
    /// Number of people who have to let a large one pass.
    const VOTES: usize = 2;

    /// True from 500 euros on.
    fn is_large(&self) -> bool {
        self.cents >= 50_000
    }

    /// False for a large one that two people could never let pass. It is known before anything is paid.
    fn has_its_approvers(&self) -> bool {
        let people: BTreeSet<_> = self.approvers.iter().map(|approver| &approver.mail).collect();
        let is_each_another = people.len() == self.approvers.len();
        !self.is_large() || (is_each_another && people.len() >= Self::VOTES)
    }
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
    /// True once the money went back: it was not approved, or paid with another amount.
    #[serde(default)]
    pub is_paid_back: bool,
}

impl Sale {
    /// True if something else was paid than the order costs.
    fn is_of_another_amount(&self) -> bool {
        self.paid.as_ref().is_some_and(|paid| paid.cents != self.order.cents)
    }
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
        Timed::Answered(paid) => Some(paid),
        Timed::TimedOut => None,
    };
    if paid.is_none() {
        cx.label("outcome", "unpaid")?;
    }
    cx.label("payment", paid.as_ref().map_or("none", |paid| &paid.reference))?;
    let (parcels, places) = (Vec::new(), Vec::new());
    Ok(Next(Sale { order, paid, is_approved: true, parcels, places, picture: None, is_paid_back: false }))
}

/// Lets the approvers decide, in a run that ends with the decision.
async fn ask_approvers(cx: Cx, sale: Sale) -> Result<Waiting<Sale, RunEnd<Decision>>> {
    let Order { id, cents, approvers, .. } = &sale.order;
    let text = format!("Order {id} of {}: may it go out?", euros(*cents));
    let question = Poll { order: id.clone(), text, approvers: approvers.clone(), votes: Order::VOTES };
    let run = cx.start("poll", poll, question).await?;
    Ok(wait_for(sale, end_of(poll, run)))
}

async fn hear_decision(_cx: Cx, sale: Sale, end: RunEnd<Decision>) -> Result<Next<Sale>> {
    let is_approved = matches!(end, RunEnd::Complete { result } if result.is_approved);
    Ok(Next(Sale { is_approved, ..sale }))
}

async fn pay_back(cx: Cx, sale: Sale) -> Result<Next<Sale>> {
    Ok(Next(paid_back(&cx, sale, "refused").await?))
}

async fn pay_back_what_came(cx: Cx, sale: Sale) -> Result<Next<Sale>> {
    Ok(Next(paid_back(&cx, sale, "wrong-amount").await?))
}

/// Pays back what was paid, once: a step that is run again pays under the same key.
async fn paid_back(cx: &Cx, sale: Sale, outcome: &str) -> Result<Sale> {
    let cents = sale.paid.as_ref().map_or(0, |paid| paid.cents);
    let order = &sale.order.id;
    cx.effect("pay back", async |key| cx.get::<Outside>().pay_back(key, order, cents).await).await?;
    cx.label("outcome", outcome)?;
    Ok(Sale { is_paid_back: true, ..sale })
}

async fn tell_amount(cx: Cx, sale: Sale) -> Result<Next<Sale>> {
    let Order { id, mail, cents, .. } = &sale.order;
    let came = euros(sale.paid.as_ref().map_or(0, |paid| paid.cents));
    let text = format!(
        "Your order {id} costs {}, and {came} came. They are on their way back; please order again.",
        euros(*cents)
    );
    cx.effect("mail amount", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await?;
    Ok(Next(sale))
}

async fn tell_refusal(cx: Cx, sale: Sale) -> Result<Next<Sale>> {
    let Order { id, mail, cents, .. } = &sale.order;
    let text = format!("Your order {id} cannot be sent. Your {} are on their way back.", euros(*cents));
    cx.effect("mail refusal", async |key| cx.get::<Outside>().mail(key, mail, &text).await).await?;
    Ok(Next(sale))
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
    cx.label("outcome", "delivered")?;
    Ok(Next(sale))
}

/// An amount in words.
pub(crate) fn euros(cents: u64) -> String {
    format!("{}.{:02} EUR", cents / 100, cents % 100)
}
