//! A brain whose runs wait for a form.

use px_sdk::{Brain, Cx, Form, Next, Result, Waiting, brain, form, wait_for};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Page {
    id: String,
}

fn parked() -> Brain<Page> {
    brain("parked").step("ask", ask).step("note", note).build()
}
px_sdk::brain!(parked);

async fn ask(_: Cx, page: Page) -> Result<Waiting<Page, Form>> {
    let wait = form::on(&page.id, "token");
    Ok(wait_for(page, wait))
}

async fn note(_: Cx, _: Page, form: Form) -> Result<Next<Form>> {
    Ok(Next(form))
}
