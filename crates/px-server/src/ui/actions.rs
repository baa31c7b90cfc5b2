//! What the forms of the page do: each calls what the API's route does, and leads to the
//! page that shows it.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use px_core::Code;
use px_dashboard::route::{self, Route, field};
use px_store::tokens::Permission;
use serde_json::{Value, json};

use super::answers::{refused, see};
use super::done::{Done, Word};
use super::guard::{Form, Who};
use super::place::Place;
use crate::api::{hooks, operator, rerun, runs, signals, start_run, tokens};
use crate::app::Shared;
use crate::error::ApiError;

/// The place after an action, or why it was not done.
type Outcome = Result<String, ApiError>;

/// Context of one action.
pub(super) struct Act {
    app: Shared,
    who: Who,
    form: Form,
    uri: Uri,
}

impl Act {
    /// Does it if the scope permits it, and answers.
    async fn answer(self, route: Route, act: impl AsyncFnOnce(&Self) -> Outcome) -> Response {
        let needed = Permission::parse(route.scope().as_str()).unwrap_or(Permission::Admin);
        let outcome = if self.who.permission >= needed {
            act(&self).await
        } else {
            let text = format!("The token of this session does not have the scope {}", needed.as_str());
            Err(ApiError::new(StatusCode::FORBIDDEN, Code::ScopeMissing, text))
        };
        match outcome {
            Ok(place) => see(&Place::of(&self.uri), &place),
            Err(error) => refused(&self.app, Some(&self.who), &self.uri, error),
        }
    }

    fn body(&self, body: &Value) -> Bytes {
        body.to_string().into()
    }

    /// A text of JSON in a field.
    fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let Some(text) = self.form.get(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| {
            ApiError::bad_request(format!("What was typed as {name} is no JSON: {error}. Nothing was done"))
        })
    }

    fn number(&self, name: &str) -> Result<u32, ApiError> {
        let text = self.form.get(name).unwrap_or_default();
        text.parse().map_err(|_| ApiError::bad_request(format!("The field {name} is '{text}', and no number")))
    }
}

/// Makes the handler of a form with an id in its path.
macro_rules! act {
    ($name:ident, $route:expr, |$act:ident, $id:ident| $body:expr) => {
        pub(super) async fn $name(
            State(app): State<Shared>,
            Path($id): Path<String>,
            Extension(who): Extension<Who>,
            Extension(form): Extension<Form>,
            uri: Uri,
        ) -> Response {
            let act = Act { app, who, form, uri };
            act.answer($route, async |$act: &Act| -> Outcome { $body }).await
        }
    };
}

async fn signal(act: &Act, id: &str, body: Value) -> Result<(), ApiError> {
    signals::send(State(act.app.clone()), Path(id.to_owned()), act.body(&body)).await?;
    Ok(())
}

act!(pause, route::PAUSE, |act, id| {
    signal(act, &id, json!({ "type": "PAUSE" })).await?;
    Ok(Done::to_run(Word::Paused, &id).at(&format!("runs/{id}")))
});

act!(resume, route::RESUME, |act, id| {
    runs::resume(State(act.app.clone()), Path(id.clone()), Bytes::new()).await?;
    Ok(Done::to_run(Word::Resumed, &id).at(&format!("runs/{id}")))
});

act!(cancel, route::CANCEL, |act, id| {
    runs::cancel(State(act.app.clone()), Path(id.clone())).await?;
    Ok(Done::new(Word::Cancelled).at(&format!("runs/{id}")))
});

act!(rerun_from, route::RERUN, |act, id| {
    let body = json!({ "runId": id, "startsAt": act.number(field::STEP)? });
    rerun::rerun(State(act.app.clone()), act.body(&body)).await?;
    Ok(Done::new(Word::Reran).at(&format!("runs/{id}")))
});

act!(fork, route::FORK_RUN, |act, id| {
    let mut body = json!({ "startsAt": act.number(field::STEP)? });
    if let (Some(state), Value::Object(fields)) = (act.json(field::STATE)?, &mut body) {
        fields.insert("state".into(), state);
    }
    let forked = rerun::fork(State(act.app.clone()), Path(id), HeaderMap::new(), act.body(&body)).await?;
    Ok(Done::new(Word::Forked).at(&format!("runs/{}", forked.1.0.brain_run_id)))
});

act!(answer, route::ANSWER, |act, id| {
    let response = act.json("response")?.unwrap_or_else(|| json!({}));
    let mut body = json!({ "type": "WEBHOOK_RESPONSE", "response": response });
    if let (Some(slug), Value::Object(fields)) = (act.form.get("slug"), &mut body) {
        fields.insert("slug".into(), slug.into());
    }
    signal(act, &id, body).await?;
    Ok(Done::new(Word::Answered).at(&format!("runs/{id}")))
});

act!(start, route::START, |act, id| {
    let mut body = json!({ "identifier": id, "options": {} });
    if let Value::Object(fields) = &mut body {
        if let Some(state) = act.json(field::STATE)? {
            fields.insert("initialState".into(), state);
        }
        if let Some(key) = act.form.get("idempotencyKey") {
            fields.insert("idempotencyKey".into(), key.into());
        }
    }
    let started = start_run::start(State(act.app.clone()), HeaderMap::new(), act.body(&body)).await?;
    Ok(Done::new(Word::Started).at(&format!("runs/{}", started.2.0.brain_run_id)))
});

act!(replay, route::REPLAY, |act, id| {
    let answer = operator::replay(State(act.app.clone()), Path(id.clone())).await?;
    // The answer names the delivery that it made, where it made one.
    let made = answer.headers().get("px-delivery-id").and_then(|made| made.to_str().ok()).map(str::to_owned);
    Ok(Done::new(Word::Replayed).at(&format!("inbox/{}", made.unwrap_or(id))))
});

act!(bind, route::BIND, |act, id| {
    let body = json!({ "brainRunId": act.form.get(field::RUN) });
    operator::bind(State(act.app.clone()), Path(id.clone()), act.body(&body)).await?;
    Ok(Done::new(Word::Bound).at(&format!("inbox/{id}")))
});

act!(redeliver, route::REDELIVER, |act, id| {
    hooks::redeliver::redeliver(State(act.app.clone()), Path(id.clone())).await?;
    Ok(Done::new(Word::Redelivered).at(&format!("outbox/{id}")))
});

act!(test_hook, route::TEST_HOOK, |act, id| {
    hooks::test::test(State(act.app.clone()), Path(id.clone())).await?;
    Ok(Done::new(Word::HookTested).at(&format!("hooks/{id}")))
});

act!(recover_hook, route::RECOVER, |act, id| {
    let since: u64 = super::since(act.form.get("since"), act.app.clock().now())?;
    let body = json!({ "since": since });
    hooks::recover::recover(State(act.app.clone()), Path(id.clone()), act.body(&body)).await?;
    Ok(Done::new(Word::Recovered).at(&format!("hooks/{id}")))
});

act!(enable_hook, route::ENABLE_HOOK, |act, id| { set_enabled(act, &id, true).await });
act!(disable_hook, route::DISABLE_HOOK, |act, id| { set_enabled(act, &id, false).await });

async fn set_enabled(act: &Act, id: &str, enabled: bool) -> Outcome {
    let body = json!({ "enabled": enabled });
    hooks::update::update(State(act.app.clone()), Path(id.to_owned()), act.body(&body)).await?;
    let word = if enabled { Word::HookEnabled } else { Word::HookDisabled };
    Ok(Done::new(word).at(&format!("hooks/{id}")))
}

act!(revoke_token, route::REVOKE_TOKEN, |act, id| {
    tokens::revoke(State(act.app.clone()), Path(id.clone())).await?;
    // Whoever revokes the own token has no session any more.
    let is_own = act.who.token().is_some_and(|own| own.to_string() == id);
    Ok(Done::new(Word::Revoked).at(if is_own { "login" } else { "tokens" }))
});
