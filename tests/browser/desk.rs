//! The brains and webhooks that the tests look at: enough of them for every screen to have something to show. This
//! program serves them itself.

use std::collections::BTreeMap;
use std::fmt;

use px::prelude::*;
use serde_json::Value;

/// Time that a new customer has to sign.
const TO_SIGN: Duration = Duration::from_hours(3 * 24);

/// Webhooks that answer this machine only, and one that is signed.
pub mod approvals {
    use px::prelude::*;

    /// An answer of somebody who was asked.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Answer {
        /// What was asked about.
        pub id: String,
        /// Whoever answers.
        pub by: String,
        /// `approve`, or a reason why not.
        #[serde(default)]
        pub decision: String,
    }

    px::webhook! {
        /// Answers of people who were asked, by the id of what they were asked about
        slug = "approvals",
        payload = Answer,
        response = Answer,
        verify = px::verify::unverified().dedup_header("x-id"),
        handler = receive,
    }

    async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
        match answer.decision.as_str() {
            "none" => Ok(Inbound::ignore("no decision yet")),
            _ => Ok(Inbound::resume(answer.id.clone(), answer)),
        }
    }
}

pub mod pager {
    use px::prelude::*;

    /// Something that the pager has to say of an incident.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Page {
        /// The incident.
        pub id: String,
        /// What happened to it.
        pub event: String,
    }

    px::webhook! {
        /// Alarms: the first of an incident starts its run
        slug = "pager",
        payload = Page,
        response = Page,
        verify = px::verify::unverified(),
        handler = receive,
    }

    async fn receive(page: Page) -> Result<Inbound<Page>> {
        Ok(Inbound::resume(page.id.clone(), page.clone()).or_start(super::incident, page))
    }
}

pub mod payments {
    use px::prelude::*;

    /// A payment that came in.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
    pub struct Payment {
        /// The invoice that it is for.
        pub invoice: String,
        /// The amount.
        pub cents: u64,
    }

    px::webhook! {
        /// Payments, as the bank reports them
        slug = "payments",
        payload = Payment,
        response = Payment,
        verify = px::verify::github("PAYMENTS_SECRET"),
        handler = receive,
    }

    async fn receive(payment: Payment) -> Result<Inbound<Payment>> {
        Ok(Inbound::resume(payment.invoice.clone(), payment))
    }
}

use approvals::Answer;
use pager::Page;
use payments::Payment;

/// State of most runs: an id, a customer, and whatever else a test puts there.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// What people are asked about.
    pub id: String,
    /// The customer's name.
    #[serde(default)]
    pub customer: String,
    /// What is to become of it.
    #[serde(default)]
    pub wish: String,
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl Case {
    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

/// An error with what caused it.
#[derive(Debug)]
struct Failed(String, Option<Box<Failed>>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

fn refund() -> Brain<Case> {
    brain("refund-approval")
        .describe("Asks a manager before money goes back to a customer")
        .label("/customer")
        .step("look up the payment", look_up)
        .step("pay back", pay_back)
        .build()
}
px::brain!(refund);

async fn look_up(cx: Cx, case: Case) -> Result<Waiting<Case, Answer>> {
    let receipt = cx.effect("find the receipt", async |key| Ok(format!("receipt of {key}"))).await?;
    let on = approvals::on(&case.id);
    Ok(wait_for(case.with("receipt", receipt), on))
}

async fn pay_back(_: Cx, case: Case, answer: Answer) -> Result<Next<Case>> {
    Ok(Next(case.with("approvedBy", answer.by)))
}

fn settle() -> Brain<Case> {
    brain("nightly-reconciliation-of-card-settlements-with-the-general-ledger")
        .describe("Compares what the card networks say with what the ledger has, and books the difference")
        .step("fetch the settlement files of all card networks", fetch)
        .step("book the difference", book)
        .build()
}
px::brain!(settle);

async fn fetch(_: Cx, case: Case) -> Result<Next<Case>> {
    Ok(Next(case.with("files", vec!["visa-2026-11-30.csv", "mastercard-2026-11-30.csv"])))
}

async fn book(_: Cx, case: Case) -> Result<Next<Case>> {
    match case.wish.as_str() {
        "fail" => {
            let cause =
                Failed("the row 4711 of visa-2026-11-30.csv has 7 fields, and 9 were expected".into(), None);
            let cause = Failed("the file visa-2026-11-30.csv cannot be read".into(), Some(Box::new(cause)));
            Err(Failed(
                format!("the settlement of {} could not be booked", case.customer),
                Some(Box::new(cause)),
            )
            .into())
        }
        "panic" => panic!("the ledger of {} is not balanced", case.customer),
        _ => Ok(Next(case)),
    }
}

fn onboarding() -> Brain<Case> {
    brain("onboarding")
        .describe("Waits for the signature or the first payment of a new customer, for three days")
        .label("/customer")
        .step("send the contract", send_contract)
        .expect(Duration::from_secs(1))
        .step("open the account", open_account)
        .build()
}
px::brain!(onboarding);

async fn send_contract(_: Cx, case: Case) -> Result<Waiting<Case, Timed<Either<Answer, Payment>>>> {
    let on = (approvals::on(&case.id), payments::on(format!("invoice {}", case.id)));
    Ok(wait_for(case, on).timeout(TO_SIGN))
}

async fn open_account(_: Cx, case: Case, _: Timed<Either<Answer, Payment>>) -> Result<Next<Case>> {
    Ok(Next(case))
}

/// An incident, and what was heard of it.
#[derive(Debug, Serialize, Deserialize)]
struct Incident {
    id: String,
    heard: Vec<String>,
}

fn incident() -> Brain<Page> {
    brain("incident")
        .describe("Follows an incident until it is resolved")
        .step("open", open)
        .each("follow", follow)
        .build()
}
px::brain!(incident);

async fn open(_: Cx, first: Page) -> Result<Waiting<Incident, Page>> {
    let incident = Incident { id: first.id.clone(), heard: Vec::new() };
    Ok(Waiting::given(incident, first))
}

async fn follow(_: Cx, mut incident: Incident, page: Page) -> Result<Again<Incident, Page, Incident>> {
    let is_over = page.event == "resolved";
    incident.heard.push(page.event);
    if is_over {
        return Ok(Again::done(incident));
    }
    let on = pager::on(&incident.id);
    Ok(Again::wait(incident, on))
}

fn invoice() -> Brain<Case> {
    brain("invoice")
        .describe("Numbers an invoice, and sends it")
        .step("number", number)
        .step("send", send)
        .build()
}
px::brain!(invoice);

async fn number(cx: Cx, case: Case) -> Result<Next<Case>> {
    let last = cx.kv::<u64>("last invoice");
    let number = last.get().await?.unwrap_or(1000) + 1;
    last.set(number).await?;
    cx.kv::<String>("last customer").scope(&case.id).set(case.customer.clone()).await?;
    Ok(Next(case.with("number", number)))
}

async fn send(_: Cx, case: Case) -> Result<Next<Case>> {
    Ok(Next(case))
}
