//! A small project with what the command line has to cope with: a tagged
//! payload with a nested identifier, a form, a webhook without verification,
//! a brain that waits, one that fails, one that never ends. The tests of `tests/` drive it.

mod chat {
    use px_sdk::{Inbound, Result};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Event {
        /// Somebody wrote.
        Message {
            user: String,
            text: String,
            /// Set in a thread.
            thread: Option<String>,
            /// Set if a program wrote it.
            bot: Option<String>,
        },
        /// Somebody looked.
        Seen,
    }

    /// An answer in a thread
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Answer {
        pub(crate) text: String,
    }

    px_sdk::webhook! {
        /// Answers in threads
        slug = "chat",
        payload = Event,
        response = Answer,
        verify = px_sdk::verify::slack("CHAT_SECRET"),
        handler = receive,
    }

    async fn receive(event: Event) -> Result<Inbound<Answer>> {
        Ok(match event {
            Event::Message { bot: Some(_), .. } => Inbound::ignore("a program wrote it"),
            Event::Message { thread: Some(thread), text, .. } => Inbound::resume(thread, Answer { text }),
            Event::Message { user, text, .. } => Inbound::resume(format!("dm-{user}"), Answer { text }),
            Event::Seen => Inbound::ignore("nothing was said"),
        })
    }
}

mod code {
    use px_sdk::{Inbound, Result};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, JsonSchema)]
    struct Event {
        action: String,
        number: u64,
        repository: Repository,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Repository {
        full_name: String,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Change {
        pub(crate) action: String,
    }

    px_sdk::webhook! {
        /// Changes of pull requests
        slug = "code",
        payload = Event,
        response = Change,
        verify = px_sdk::verify::github("CODE_SECRET"),
        handler = receive,
    }

    async fn receive(event: Event) -> Result<Inbound<Change>> {
        let identifier = format!("{}#{}", event.repository.full_name, event.number);
        Ok(Inbound::resume(identifier, Change { action: event.action }))
    }
}

mod sms {
    use px_sdk::{Inbound, Result};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "PascalCase")]
    struct Incoming {
        from: String,
        body: String,
    }

    /// A text message
    #[derive(Serialize, Deserialize, JsonSchema)]
    pub(crate) struct Sms {
        pub(crate) body: String,
    }

    px_sdk::webhook! {
        slug = "sms",
        payload = Incoming,
        response = Sms,
        verify = px_sdk::verify::twilio("SMS_SECRET"),
        handler = receive,
    }

    async fn receive(incoming: Incoming) -> Result<Inbound<Sms>> {
        Ok(Inbound::resume(incoming.from, Sms { body: incoming.body }))
    }
}

mod open {
    use px_sdk::{Inbound, Result};
    use serde_json::Value;

    px_sdk::webhook! {
        /// Anything from anybody
        slug = "open",
        payload = Value,
        response = Value,
        verify = px_sdk::verify::unverified(),
        handler = receive,
    }

    async fn receive(_: Value) -> Result<Inbound<Value>> {
        Ok(Inbound::ignore("an example"))
    }
}

mod feedback {
    use std::time::Duration;

    use px_sdk::{Brain, Cx, Either, Next, Result, Timed, Waiting, brain, wait_for};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::{chat, sms};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Customer {
        name: String,
        phone: String,
        visits: Option<u32>,
    }

    #[derive(Serialize, Deserialize)]
    struct Feedback {
        name: String,
        feedback: Option<String>,
        source: String,
    }

    fn feedback() -> Brain<Customer> {
        brain("customer-feedback")
            .describe("Asks by chat and by text message; the first answer wins")
            .step("ask", ask)
            .step("process", process)
            .build()
    }
    px_sdk::brain!(feedback);

    type Reply = Timed<Either<chat::Answer, sms::Sms>>;

    async fn ask(_: Cx, customer: Customer) -> Result<Waiting<Customer, Reply>> {
        let (thread, phone) = (format!("thread-{}", customer.name), customer.phone.clone());
        let wait = (chat::on(thread), sms::on(phone));
        Ok(wait_for(customer, wait).timeout(Duration::from_hours(72)))
    }

    async fn process(cx: Cx, customer: Customer, reply: Reply) -> Result<Next<Feedback>> {
        cx.kv::<u64>("answers").update(|answers| answers.unwrap_or(0) + 1).await?;
        let (feedback, source) = match reply {
            Timed::Answered(Either::Left(answer)) => (Some(answer.text), "chat"),
            Timed::Answered(Either::Right(sms)) => (Some(sms.body), "sms"),
            Timed::TimedOut => (None, "none"),
        };
        Ok(Next(Feedback { name: customer.name, feedback, source: source.to_owned() }))
    }
}

mod review {
    use px_sdk::{Brain, Cx, Next, Result, Waiting, brain, wait_for};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::code;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Review {
        repository: String,
        number: u64,
    }

    fn review() -> Brain<Review> {
        brain("review").step("wait", wait).step("end", end).build()
    }
    px_sdk::brain!(review);

    async fn wait(_: Cx, review: Review) -> Result<Waiting<Review, code::Change>> {
        let identifier = format!("{}#{}", review.repository, review.number);
        Ok(wait_for(review, code::on(identifier)))
    }

    async fn end(_: Cx, review: Review, _: code::Change) -> Result<Next<Review>> {
        Ok(Next(review))
    }
}

mod broken {
    use px_sdk::{Brain, Cx, Error, Next, Result, brain};

    fn broken() -> Brain<()> {
        brain("broken").describe("Fails at once").step("fail", fail).build()
    }
    px_sdk::brain!(broken);

    async fn fail(_: Cx, (): ()) -> Result<Next<()>> {
        Err(Error::permanent("it was bound to fail"))
    }
}

mod slow {
    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn slow() -> Brain<()> {
        brain("slow").describe("Never gets done").step("sleep", sleep).build()
    }
    px_sdk::brain!(slow);

    async fn sleep(_: Cx, (): ()) -> Result<Next<()>> {
        std::future::pending().await
    }
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
