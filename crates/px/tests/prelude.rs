//! A program that uses every shape of step and wait, with nothing but the
//! prelude in scope: that it compiles is most of the test. The mistakes that
//! must not compile are in `px-sdk/tests/compile_fail/`.

use px::prelude::*;
use px::registry::Registry;

/// A webhook as small as they get.
mod answers {
    use px::prelude::*;

    /// An answer to a question.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Answer {
        pub(crate) question: String,
        pub(crate) text: String,
    }

    #[px::handler(slug = "answers", verify = px::verify::hmac("X-Signature", "ANSWERS_SECRET"))]
    async fn receive(answer: Answer) -> Result<Inbound<Answer>> {
        Ok(Inbound::resume(answer.question.clone(), answer).or_start(super::count, ()))
    }
}

/// A webhook with everything: kinds of events, options, the request, a batch.
mod orders {
    use px::prelude::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Order {
        pub(crate) number: u32,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    pub(crate) enum Event {
        Placed(Order),
        Cancelled { number: u32 },
    }

    px::webhook! {
        /// Orders of the shop.
        ///
        /// This is not in lists.
        slug = "orders",
        payload = Kind<Event>,
        response = Order,
        verify = px::verify::unverified(),
        handler = receive,
        early = Duration::from_hours(1),
        queue_limit = 10,
    }

    async fn receive(received: &Received, event: Kind<Event>) -> Result<Vec<Inbound<Order>>> {
        if received.header("x-test").is_some() {
            return Ok(vec![Inbound::reply(Reply::text("pong"))]);
        }
        Ok(vec![match event {
            Kind::Known(Event::Placed(order)) => Inbound::start(super::confirm, order).provider_id("one"),
            Kind::Known(Event::Cancelled { number }) => {
                Inbound::resume(number.to_string(), Order { number }).token("secret")
            }
            Kind::Other(_) => Inbound::ignore("not about an order"),
        }])
    }
}

/// A webhook by its handler alone: options, the request, an alias as the return type.
mod parcels {
    use px::prelude::*;

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Parcel {
        number: u32,
    }

    type Said = Result<Vec<Inbound<Parcel>>>;

    /// Parcels on their way.
    #[px::handler(
        slug = "parcels",
        verify = px::verify::unverified(),
        response = Parcel,
        early = Duration::from_mins(5),
        queue_limit = 7,
    )]
    async fn receive(_received: &Received, parcel: Kind<Parcel>) -> Said {
        Ok(match parcel {
            Kind::Known(parcel) => vec![Inbound::resume(parcel.number.to_string(), parcel)],
            Kind::Other(_) => Vec::new(),
        })
    }
}

use answers::Answer;
use orders::Order;

#[derive(Serialize, Deserialize, JsonSchema)]
struct Sum {
    total: u32,
}

fn confirm() -> Brain<Order> {
    brain("confirm")
        .describe("Asks until somebody confirms")
        .version(2)
        .step("ask", ask)
        .timeout(Duration::from_secs(9))
        .remind("hint", Duration::from_mins(30), async |_cx: Cx, _order: Order| Ok(()))
        .remind_every("nudge", Duration::from_hours(24), 3, nudge)
        .retry(Retry::attempts(4))
        .timeout(Duration::from_secs(5))
        .step("either", either)
        .step("of many", of_many)
        .step("end", async |_cx: Cx, sum: Sum, _picked: Picked<Answer>| Ok(Next(sum)))
        .build()
}
px::brain!(confirm);

async fn nudge(cx: Cx, order: Order) -> Result<()> {
    cx.emit("nudged", format!("order {}, {} of 3", order.number, cx.nth())).await
}

async fn ask(cx: Cx, order: Order) -> Result<Waiting<Order, Answer>> {
    let question = cx.once("question", async || Ok(format!("order {}?", order.number))).await?;
    Ok(wait_for(order, answers::on(question)).fresh())
}

async fn either(_cx: Cx, order: Order, answer: Answer) -> Result<Waiting<Sum, Timed<Either<Answer, Order>>>> {
    if answer.text.is_empty() {
        px::bail!("no answer to {}", answer.question);
    }
    let on = (answers::on("a"), orders::on(order.number.to_string()).token("secret"));
    Ok(wait_for(Sum { total: order.number }, on).timeout(Duration::from_mins(1)))
}

async fn of_many(
    _cx: Cx,
    sum: Sum,
    response: Timed<Either<Answer, Order>>,
) -> Result<Waiting<Sum, Picked<Answer>>> {
    let total = match response {
        Timed::Answered(Either::Left(answer)) => answer.text.parse()?,
        Timed::Answered(Either::Right(order)) => order.number,
        Timed::TimedOut => return Err(Error::permanent("nobody said anything")),
    };
    let on: Vec<_> = (0..sum.total).map(|n| answers::on(n.to_string())).collect();
    Ok(wait_for(Sum { total }, on))
}

#[px::register]
fn count() -> Brain<()> {
    brain("count")
        .at_most(3)
        .step("begin", begin)
        .each("add", add)
        .step("double", double)
        .retry(Retry::attempts(2))
        .describe("Counts")
        .version(7)
        .options::<Sum>()
        .build()
}

async fn begin(_cx: Cx, _input: ()) -> Result<Waiting<Sum, Answer>> {
    Ok(Waiting::given(Sum { total: 0 }, Answer { question: "a".into(), text: "1".into() }))
}

async fn add(cx: Cx, sum: Sum, answer: Answer) -> Result<Again<Sum, Answer, Sum>> {
    let sum = Sum { total: sum.total + answer.text.parse::<u32>()? };
    Ok(if cx.iteration() > 3 { Again::done(sum) } else { Again::wait(sum, answers::on("a")) })
}

async fn double(_cx: Cx, sum: Sum) -> Result<Next<Sum>> {
    Ok(Next(Sum { total: sum.total * 2 }))
}

#[derive(Serialize, Deserialize, Choice)]
enum Route {
    Small(Sum),
    Large(Order),
}

fn paths() -> Brain<Order> {
    brain("paths")
        .when(
            "is odd",
            |order: &Order| order.number % 2 == 1,
            |b| b.step("ask", may_ask).step("hear", may_hear),
        )
        .step("route", route)
        .choose("how", Route::ways().small(|b| b).large(|b| b.step("sum", sum)))
        .repeat_until("grow", |sum: &Sum| sum.total > 100, |b| b.step("double", double))
        .build()
}
px::brain!(paths);

async fn may_ask(_cx: Cx, order: Order) -> Result<MayWait<Order, Timed<Answer>>> {
    if order.number > 1_000 {
        return Ok(MayWait::go(order));
    }
    let on = answers::on(order.number.to_string());
    Ok(MayWait::wait(order, on).timeout(Duration::from_mins(1)))
}

async fn may_hear(_cx: Cx, order: Order, _answer: Option<Timed<Answer>>) -> Result<Next<Order>> {
    Ok(Next(order))
}

async fn route(_cx: Cx, order: Order) -> Result<Next<Route>> {
    Ok(Next(if order.number < 10 { Route::Small(Sum { total: order.number }) } else { Route::Large(order) }))
}

async fn sum(_cx: Cx, order: Order) -> Result<Next<Sum>> {
    Ok(Next(Sum { total: order.number }))
}

#[test]
fn everything_is_registered_sorted_and_described() {
    let registry = Registry::collect().unwrap();

    let brains: Vec<_> = registry.brains().map(|brain| brain.def.title.as_str()).collect();
    assert_eq!(brains, ["confirm", "count", "paths"]);
    let confirm = registry.brain("confirm").unwrap();
    assert_eq!(confirm.version, 2);
    let steps: Vec<_> = confirm.steps.iter().map(|step| step.info.title.as_str()).collect();
    assert_eq!(steps, ["ask", "either", "of many", "end"]);
    let ask = confirm.steps.first().unwrap();
    let limits =
        |options: px::StepOptions| (options.retry.is_some(), options.timeout.map(|time| time.as_secs()));
    assert_eq!(limits(ask.options), (false, Some(9)));
    let reminders: Vec<_> =
        ask.reminders.iter().map(|one| (&*one.name, one.at_most, limits(one.options))).collect();
    assert_eq!(reminders, [("hint", 1, (false, None)), ("nudge", 3, (true, Some(5)))]);

    let count = registry.brain("count").unwrap();
    assert_eq!((count.version, count.description.as_deref()), (7, Some("Counts")));
    assert!(count.options.is_some() && count.turns.as_ref().is_some_and(|turns| turns.limit == 3));
    assert!(count.steps.last().unwrap().options.retry.is_some());

    let webhooks: Vec<_> =
        registry.webhooks().map(|webhook| (webhook.def.slug.as_str(), &*webhook.def.description)).collect();
    let parcels = ("parcels", "Parcels on their way");
    assert_eq!(webhooks, [("answers", "An answer to a question"), ("orders", "Orders of the shop"), parcels]);
    let parcels = registry.webhook("parcels").unwrap();
    assert_eq!((parcels.early, parcels.queue_limit), (Some(Duration::from_mins(5)), 7));
    let orders = registry.webhook("orders").unwrap();
    assert_eq!((orders.early, orders.queue_limit), (Some(Duration::from_hours(1)), 10));

    let source = &registry.brains().next().unwrap().source;
    assert_eq!(source.stem(), "prelude");
    let text = include_str!("prelude.rs");
    for brain in registry.brains() {
        let line = text.lines().nth(brain.source.line as usize - 1).unwrap();
        assert!(line.starts_with("px::brain!(") || line == "#[px::register]", "{line}");
    }
}

/// What either of two webhooks says, kept in a state.
#[derive(Debug, Serialize, OneOf)]
enum Heard {
    Answer(Answer),
    Order(Order),
}

#[test]
fn an_enum_of_several_webhooks_is_read_as_it_is_written() {
    let heard = Heard::Order(Order { number: 7 });
    let json = serde_json::to_value(&heard).unwrap();
    assert_eq!(json, serde_json::json!({"Order": {"number": 7}}));
    let read: Heard = serde_json::from_value(json).unwrap();
    assert!(matches!(read, Heard::Order(Order { number: 7 })));
    let unknown = serde_json::from_value::<Heard>(serde_json::json!({"Parcel": {}})).unwrap_err();
    assert!(
        unknown.to_string().contains("unknown variant `Parcel`, expected `Answer` or `Order`"),
        "{unknown}"
    );
    let answer: Heard = serde_json::from_str(r#"{"Answer": {"question": "a", "text": "b"}}"#).unwrap();
    assert!(matches!(answer, Heard::Answer(Answer { text, .. }) if text == "b"));
}
