//! Two webhooks with one slug: the command line refuses and names both places.

mod slack {
    use px_sdk::{Inbound, Result};

    px_sdk::webhook! {
        slug = "slack",
        payload = serde_json::Value,
        response = serde_json::Value,
        verify = px_sdk::verify::unverified(),
        handler = receive,
    }

    async fn receive(_: serde_json::Value) -> Result<Inbound<serde_json::Value>> {
        Ok(Inbound::ignore("an example"))
    }
}

mod slack_events {
    use px_sdk::{Inbound, Result};

    px_sdk::webhook! {
        slug = "slack",
        payload = serde_json::Value,
        response = serde_json::Value,
        verify = px_sdk::verify::unverified(),
        handler = receive,
    }

    async fn receive(_: serde_json::Value) -> Result<Inbound<serde_json::Value>> {
        Ok(Inbound::ignore("an example"))
    }
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
