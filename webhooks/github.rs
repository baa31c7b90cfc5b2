//! GitHub's events about pull requests: what happens to one, and its reviews
//! and their comments. They resume the run that reviews the pull request, or
//! start one.
//!
//! In the repository's settings, under "Webhooks", give this webhook's URL,
//! the content type JSON and a secret of your own, which goes into
//! `GITHUB_WEBHOOK_SECRET`. Choose the events "Pull requests" and "Pull
//! request reviews"; others are ignored.

use px::prelude::*;

use crate::pr_review::pr_review;

px::webhook! {
    /// Pull request events: starts or resumes a review
    slug = "github",
    payload = GithubPayload,
    response = PullRequestEvent,
    verify = px::verify::github("GITHUB_WEBHOOK_SECRET"),
    handler = receive,
}

/// Something happened to a pull request: what `pr-review` starts with, and
/// what a step that waits for `github` gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PullRequestEvent {
    /// GitHub's action: `opened`, `synchronize`, `labeled`, `submitted`, `closed`, …
    pub action: String,
    /// `<owner>/<repo>`.
    pub repository: String,
    /// The number in the repository.
    pub number: u64,
    /// The login of whoever opened it.
    pub author: String,
}

/// Body of GitHub's requests. Those with a `pull_request` are handled, and must have the other two fields
/// as well; others may have any form.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("dependentRequired" = {"pull_request": ["action", "repository"]}))]
#[schemars(example = example())]
pub struct GithubPayload {
    /// GitHub's action, for example `opened`.
    pub action: Option<String>,
    /// The repository that it happened in.
    pub repository: Option<Repository>,
    /// The pull request that it happened to.
    pub pull_request: Option<PullRequest>,
}

/// A repository, as far as it is needed.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct Repository {
    /// `<owner>/<repo>`.
    pub full_name: String,
}

/// A pull request, as far as it is needed.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PullRequest {
    /// The number in the repository.
    pub number: u64,
    /// The account that opened it; null if that is gone.
    pub user: Option<User>,
}

/// An account, as far as it is needed.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct User {
    /// Its name.
    pub login: String,
}

/// The identifier of a pull request: `<owner>/<repo>#<number>`.
#[must_use]
pub fn identifier(repository: &str, number: u64) -> String {
    format!("{repository}#{number}")
}

async fn receive(payload: GithubPayload) -> Result<Inbound<PullRequestEvent>> {
    let (Some(pull_request), Some(repository), Some(action)) =
        (payload.pull_request, payload.repository, payload.action)
    else {
        return Ok(Inbound::ignore("not about a pull request"));
    };
    let event = PullRequestEvent {
        action,
        repository: repository.full_name,
        number: pull_request.number,
        // GitHub shows the pull requests of deleted accounts as this user's.
        author: pull_request.user.map_or_else(|| "ghost".to_owned(), |user| user.login),
    };
    let identifier = identifier(&event.repository, event.number);
    Ok(Inbound::resume(identifier, event.clone()).or_start(pr_review, event))
}

/// A new pull request, as GitHub posts it, shortened.
fn example() -> serde_json::Value {
    serde_json::json!({
        "action": "opened",
        "number": 2,
        "pull_request": {"number": 2, "title": "Say hello", "state": "open", "user": {"login": "octocat"}},
        "repository": {"full_name": "octo-org/hello", "private": false},
        "sender": {"login": "octocat"}
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::testing::{ignored, resumed, started, violations};
    use serde_json::{Value, json};

    async fn handle(payload: Value) -> Inbound<PullRequestEvent> {
        assert_eq!(violations("github", &payload), Vec::<String>::new());
        receive(serde_json::from_value(payload).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_pull_request_event_resumes_or_starts_its_review() {
        let inbound = handle(example()).await;
        let event =
            json!({"action": "opened", "repository": "octo-org/hello", "number": 2, "author": "octocat"});
        assert_eq!(resumed(&inbound), Some(("octo-org/hello#2", &event)));
        assert_eq!(started(&inbound), Some(("pr-review", &event)));
    }

    #[tokio::test]
    async fn a_review_counts_too_and_an_author_may_be_gone() {
        let review = json!({
            "action": "submitted",
            "review": {"id": 1, "state": "approved", "user": {"login": "hubot"}},
            "pull_request": {"number": 2, "user": null, "base": {"ref": "main"}},
            "repository": {"full_name": "octo-org/hello"}
        });
        let inbound = handle(review).await;
        let (identifier, event) = resumed(&inbound).unwrap();
        assert_eq!((identifier, event["author"].as_str()), ("octo-org/hello#2", Some("ghost")));
    }

    #[tokio::test]
    async fn everything_else_fits_the_schema_and_is_ignored() {
        let ping =
            json!({"zen": "Keep it logically awesome.", "hook_id": 1, "hook": {"type": "Organization"}});
        let push =
            json!({"ref": "refs/heads/main", "commits": [], "repository": {"full_name": "octo-org/hello"}});
        // A comment on a pull request is about an issue, which only says that it is one.
        let comment = json!({
            "action": "created", "comment": {"body": "+1"}, "issue": {"number": 2, "pull_request": {"url": "x"}},
            "repository": {"full_name": "octo-org/hello"}
        });
        let check = json!({
            "action": "created", "check_run": {"pull_requests": [{"number": 2}]},
            "repository": {"full_name": "octo-org/hello"}
        });
        for payload in [ping, push, comment, check] {
            assert_eq!(ignored(&handle(payload).await), Some("not about a pull request"));
        }
    }

    #[test]
    fn a_pull_request_that_is_none_is_a_violation_with_its_path() {
        let odd = json!({"action": "opened", "pull_request": {"number": "two"}, "repository": {"full_name": "a/b"}});
        assert_eq!(violations("github", &odd), ["/pull_request/number"]);
        let nowhere = json!({"action": "opened", "pull_request": {"number": 2}});
        assert_eq!(violations("github", &nowhere), [""]);
    }
}
