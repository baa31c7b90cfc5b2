//! A project with resources, made as the variable `PROVIDES` says. What is made
//! and what ends is a line in the file `story`. The tests of `tests/` drive it.

use std::io::Write as _;

use px_sdk::{Brain, Cx, Inbound, Next, Resources, Result, Waiting, brain, wait_for};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Writes a line of the story.
fn tell(line: &str) -> std::io::Result<()> {
    writeln!(std::fs::OpenOptions::new().append(true).create(true).open("story")?, "{line}")
}

/// A resource with a life that can be seen.
struct Db {
    name: String,
}

impl Drop for Db {
    fn drop(&mut self) {
        // Where steps run there is a runtime for what a resource leaves behind.
        let runtime = tokio::runtime::Handle::try_current().is_ok();
        let _ = tell(&format!("{} ends, with a runtime: {runtime}", self.name));
    }
}

/// A second one.
struct Mail(Db);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Order {
    number: u32,
}

fn order() -> Brain<Order> {
    brain("order")
        .brain("file", filing, |order: &Order| Order { number: order.number }, |_, filed| filed)
        .build()
}
px_sdk::brain!(order);

fn filing() -> Brain<Order, Order> {
    brain("filing").needs::<Db>().step("write", write).build()
}

async fn write(cx: Cx, order: Order) -> Result<Next<Order>> {
    tell(&format!("{} has order {}", cx.get::<Db>().name, order.number))?;
    Ok(Next(order))
}

fn asking() -> Brain<Order> {
    brain("asking").step("ask", ask).step("heard", heard).build()
}
px_sdk::brain!(asking);

async fn ask(_cx: Cx, order: Order) -> Result<Waiting<Order, Order>> {
    let on = mails::on(order.number.to_string());
    Ok(wait_for(order, on))
}

async fn heard(_cx: Cx, _asked: Order, order: Order) -> Result<Next<Order>> {
    Ok(Next(order))
}

mod mails {
    use super::*;
    px_sdk::webhook! {
        slug = "mails",
        payload = Order,
        response = Order,
        verify = px_sdk::verify::unverified(),
        handler = receive,
        needs = (Mail),
    }
    async fn receive(resources: &Resources, order: Order) -> Result<Inbound<Order>> {
        tell(&format!("{} has mail {}", resources.get::<Mail>().0.name, order.number))?;
        Ok(Inbound::resume(order.number.to_string(), order))
    }
}

/// Makes a resource, in as many awaits as a connection takes.
async fn open(name: &str) -> Result<Db> {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    tell(&format!("{name} begins"))?;
    Ok(Db { name: name.to_owned() })
}

fn main() -> std::process::ExitCode {
    let url = "db".to_owned();
    let app = px_cli::app();
    match std::env::var("PROVIDES").unwrap_or_default().as_str() {
        "all" => app.provide(async move || open(&url).await).provide(async || Ok(Mail(open("mail").await?))),
        "all but mail" => app.provide(async move || open(&url).await),
        "twice" => {
            let app = app.provide(async move || open(&url).await).provide(async || open("again").await);
            app.provide(async || Ok(Mail(open("mail").await?)))
        }
        "a failure" => app.provide(async || open("db").await).provide(async || {
            let port = "none".parse::<u16>()?;
            Ok(Mail(open(&port.to_string()).await?))
        }),
        "a hang" => app.provide(async || open("db").await).provide(async || {
            std::future::pending::<()>().await;
            Ok(Mail(open("mail").await?))
        }),
        "a panic" => app.provide(async || open("db").await).provide(async || {
            if std::env::args().len() > 1 {
                panic!("no mail today");
            }
            Ok(Mail(open("mail").await?))
        }),
        _ => app,
    }
    .main()
}
