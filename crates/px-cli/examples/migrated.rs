//! The small project in its second version: reviews have another state, and the
//! migration does not know what to do with one of them.

use px_sdk::{Brain, Cx, Error, Inbound, Next, Result, brain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// As version 1 stored it.
#[derive(Deserialize)]
struct ReviewV1 {
    repository: String,
    number: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Review {
    pull_request: String,
}

fn review() -> Brain<Review> {
    brain("review")
        .version(2)
        .migrate_state::<ReviewV1, Review>(2, |old| match old.number {
            1 => Err(Error::msg("pull request 1 is nobody's")),
            // As a library may that was written for a program of its own.
            3 => std::process::exit(0),
            4 => std::process::abort(),
            number => Ok(Review { pull_request: format!("{}#{number}", old.repository) }),
        })
        .step("wait", go_on)
        .step("end", go_on)
        .build()
}
px_sdk::brain!(review);

async fn go_on(_: Cx, review: Review) -> Result<Next<Review>> {
    Ok(Next(review))
}

/// The webhook that reviews wait on, whose response is another one by now.
mod code {
    use super::*;

    #[derive(Deserialize, JsonSchema)]
    struct Event {
        number: u64,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Merged {
        number: u64,
    }

    px_sdk::webhook! {
        /// Merged pull requests
        slug = "code",
        payload = Event,
        response = Merged,
        verify = px_sdk::verify::github("CODE_SECRET"),
        handler = receive,
    }

    async fn receive(event: Event) -> Result<Inbound<Merged>> {
        Ok(Inbound::resume(event.number.to_string(), Merged { number: event.number }))
    }
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
