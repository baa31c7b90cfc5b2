//! The small project after some work on it: a step has another name, one
//! needs more than is stored, and a brain is gone.

use px_sdk::{Brain, Cx, Next, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Customer {
    name: String,
}

fn feedback() -> Brain<Customer> {
    brain("customer-feedback").step("ask", go_on).step("digest", go_on).build()
}
px_sdk::brain!(feedback);

async fn go_on(_: Cx, customer: Customer) -> Result<Next<Customer>> {
    Ok(Next(customer))
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
