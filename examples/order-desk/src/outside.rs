//! Whatever the desk asks of others: mail, chat, carrier and bank. A resource, so that steps share one client; an
//! effect around each call, so that it is made once, and stubbed in tests.

use std::time::Duration;

use px::prelude::*;
use serde_json::{Value, json};

/// Where Slack's messages are replaced.
const SLACK: &str = "https://hooks.slack.com";

/// The one address of all that is outside. A real desk has a client for each.
pub struct Outside {
    client: reqwest::Client,
    /// Where requests go; none writes them into the log, to try the desk without anything.
    url: Option<String>,
}

impl Outside {
    /// Connects to what `ORDER_DESK_OUTSIDE` names.
    ///
    /// # Errors
    /// The client cannot be made.
    pub async fn connect() -> Result<Self> {
        // reqwest is built without a provider of TLS of its own.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Who is asked is known by its address: no redirect leads to somebody else.
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, url: std::env::var("ORDER_DESK_OUTSIDE").ok().filter(|url| !url.is_empty()) })
    }

    /// Sends a mail, once for each key.
    ///
    /// # Errors
    /// It was not taken.
    pub async fn mail(&self, key: &str, to: &str, text: &str) -> Result<()> {
        self.ask("mail", key, json!({ "to": to, "text": text })).await.map(drop)
    }

    /// Posts a message with buttons to a person in Slack. Each button bears what it answers for.
    ///
    /// # Errors
    /// It was not taken.
    pub async fn buttons(&self, key: &str, user: &str, text: &str, question: &str) -> Result<()> {
        let button = |action: &str, label: &str| {
            json!({
                "type": "button",
                "action_id": action,
                "value": question,
                "text": { "type": "plain_text", "text": label },
            })
        };
        let blocks = json!([
            { "type": "section", "text": { "type": "plain_text", "text": text } },
            { "type": "actions", "elements": [button("yes", "Yes"), button("no", "No")] },
        ]);
        self.ask("slack", key, json!({ "channel": user, "text": text, "blocks": blocks })).await.map(drop)
    }

    /// Replaces a message of Slack by this text, at the address that came with a press of its button.
    ///
    /// # Errors
    /// The address is not Slack's, or it was not taken.
    pub async fn replace(&self, response_url: &str, text: &str) -> Result<()> {
        let body = json!({ "replace_original": true, "text": text });
        // It came in a request that Slack has signed; it is looked at all the same.
        if ![Some(SLACK), self.url.as_deref()].into_iter().flatten().any(|known| is_at(response_url, known)) {
            return Err(Error::permanent(format_args!("{response_url} is no address of Slack")));
        }
        if self.url.is_none() {
            tracing::info!(response_url, text, "a message of Slack would be replaced");
            return Ok(());
        }
        self.client.post(response_url).json(&body).send().await?.error_for_status()?;
        Ok(())
    }

    /// Books a parcel, and returns its number.
    ///
    /// # Errors
    /// The carrier did not take it: this one fails now and then.
    pub async fn book(&self, key: &str, order: &str, parcels: &[String]) -> Result<String> {
        let booked = self.ask("book", key, json!({ "order": order, "parcels": parcels })).await?;
        let number = booked.get("number").and_then(Value::as_str);
        Ok(number.map_or_else(|| format!("parcel-of-{order}"), str::to_owned))
    }

    /// Keeps a picture under its digest, so that twice is once.
    ///
    /// # Errors
    /// It was not taken.
    pub async fn archive(&self, sha256: &str, kind: &str, picture: &[u8]) -> Result<()> {
        let Some(url) = &self.url else {
            tracing::info!(sha256, kind, bytes = picture.len(), "a picture would be archived");
            return Ok(());
        };
        let request = self.client.put(format!("{url}/archive/{sha256}")).header("Content-Type", kind);
        request.body(picture.to_vec()).send().await?.error_for_status()?;
        Ok(())
    }

    /// Pays back, once for each key.
    ///
    /// # Errors
    /// The bank did not take it.
    pub async fn pay_back(&self, key: &str, order: &str, cents: u64) -> Result<()> {
        self.ask("refund", key, json!({ "order": order, "cents": cents })).await.map(drop)
    }

    async fn ask(&self, what: &str, key: &str, body: Value) -> Result<Value> {
        let Some(url) = &self.url else {
            tracing::info!(what, key, %body, "would go out");
            return Ok(Value::Null);
        };
        let request = self.client.post(format!("{url}/{what}")).header("Idempotency-Key", key).json(&body);
        let answer = request.send().await?.error_for_status()?;
        Ok(answer.json().await.unwrap_or_default())
    }
}

/// True if a URL has the scheme, the host and the port of another one. A text that only begins alike may lead to
/// `https://hooks.slack.com.example`, or to a host behind an `@`.
fn is_at(url: &str, known: &str) -> bool {
    let origin = |url: &str| reqwest::Url::parse(url).ok().map(|url| url.origin());
    origin(url).is_some_and(|origin_of| Some(origin_of) == origin(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_by_its_origin_and_not_by_how_it_begins() {
        for known in [SLACK, "http://outside.example:81"] {
            assert!(is_at(&format!("{known}/actions/1"), known), "{known}");
            for other in [".example.com/a", "@evil.example/a", "2/a", ":444/a"] {
                assert!(!is_at(&format!("{known}{other}"), known), "{known}{other}");
            }
        }
        assert!(!is_at("http://hooks.slack.com/a", SLACK) && !is_at("data:,a", "data:,a") && !is_at("", ""));
    }

    #[test]
    fn a_message_is_replaced_at_slacks_address_alone_also_if_it_is_only_logged() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let outside = Outside { url: None, ..Outside::connect().await.unwrap() };
            outside.replace("https://hooks.slack.com/actions/1", "Yes").await.unwrap();
            let error = outside.replace("https://hooks.slack.com.evil.example/1", "Yes").await.unwrap_err();
            assert!(error.to_string().contains("no address of Slack"), "{error}");
        });
    }
}
