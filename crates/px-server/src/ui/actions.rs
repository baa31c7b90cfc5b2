//! What the forms of the page do: each calls what the API's route does, and leads to the
//! page that shows it.

use axum::extract::{Path, State};
use axum::response::Response;
use axum::{Extension, Json};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::Markup;
use px_api::{
    BindDelivery, BulkAction, BulkFilter, CallbackPage, CreateToken, ForkRun, ListCallbacks, RecoverHook,
    RerunRun, Scope, SendTest, SignalRun, SignalType, StartBulk, StartRun, UpdateHook,
};
use px_core::{Code, RunId};
use px_dashboard::page::{self, HookView, TokensView};
use px_dashboard::route::{self, Route, field};
use serde::Serialize;
use serde_json::{Map, Value};

use super::answers::html;
use super::done::{Done, Word};
use super::guard::Form;
use super::look::{self, Look, Page};
use super::place::Place;
use super::typed;
use crate::access::Right;
use crate::api::guard::Sight;
use crate::api::{bulk, hooks, operator, rerun, runs, send_test, signals, start_run, tokens};
use crate::app::Shared;
use crate::error::ApiError;

/// A form that may do what it asks for.
struct Act {
    look: Look,
    form: Form,
}

impl Act {
    fn new(look: Look, form: Form, route: Route) -> Result<Self, ApiError> {
        look.may(route)?;
        Ok(Self { look, form })
    }

    fn app(&self) -> State<Shared> {
        State(self.look.app.clone())
    }

    /// What was typed as JSON in a field; none if it is empty.
    fn json(&self, name: &str) -> Result<Option<Value>, ApiError> {
        let Some(text) = self.form.get(name).filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        // As a sender's: of a key that is there twice, nobody knows which value is meant.
        px_inbound::verify::parse_json(text.as_bytes()).map(Some).map_err(|error| {
            let text = format!("What was typed as {name} is no JSON: {error}. Nothing was done");
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, text)
        })
    }

    /// What was typed into the fields that a schema names, or else as JSON; none if both are empty.
    fn value(&self, json: &str, code: Code) -> Result<Option<Value>, ApiError> {
        if !typed::has_fields(&self.form) {
            return self.json(json);
        }
        let place = Place::of(&self.look.uri);
        let schema = typed::schema_of(&self.look.app, &place, &self.form).unwrap_or_default();
        let unfit =
            |violations| ApiError::unfit(code, "What was typed does not fit. Nothing was done", violations);
        typed::object(&schema, &self.form).map(Some).map_err(unfit)
    }

    fn number(&self, name: &str) -> Result<u32, ApiError> {
        let text = self.form.get(name).unwrap_or_default();
        text.parse()
            .map_err(|_| ApiError::bad_request(format!("The field {name} is '{text}', and no number")))
    }
}

/// A request of the API as its route reads it.
fn body(request: &impl Serialize) -> Result<Bytes, ApiError> {
    let bytes = serde_json::to_vec(request);
    bytes
        .map(Bytes::from)
        .map_err(|error| ApiError::bad_request(format!("The form cannot be sent on: {error}")))
}

/// Makes the handler of a form with an id in its path.
macro_rules! act {
    ($name:ident, $route:expr, |$act:ident, $id:ident| $done:expr) => {
        pub(super) async fn $name(
            look: Look,
            Path($id): Path<String>,
            Extension(form): Extension<Form>,
        ) -> Page {
            let $act = &Act::new(look, form, $route)?;
            let (done, place): (Done, String) = $done;
            $act.look.done(done, &place)
        }
    };
}

async fn signal(act: &Act, id: &str, signal: &SignalRun) -> Result<(), ApiError> {
    drop(signals::send(act.app(), Path(id.to_owned()), body(signal)?).await?);
    Ok(())
}

act!(pause, route::PAUSE, |act, id| {
    signal(act, &id, &SignalRun { kind: SignalType::Pause, response: None, slug: None }).await?;
    (Done::to_run(Word::Paused, &id), format!("runs/{id}"))
});

act!(resume, route::RESUME, |act, id| {
    drop(runs::resume(act.app(), Path(id.clone()), Bytes::new()).await?);
    (Done::to_run(Word::Resumed, &id), format!("runs/{id}"))
});

act!(cancel, route::CANCEL, |act, id| {
    runs::cancel(act.app(), Path(id.clone())).await?;
    (Done::new(Word::Cancelled), format!("runs/{id}"))
});

act!(rerun_from, route::RERUN, |act, id| {
    let asked = RerunRun::from_step(&id, act.number(field::STEP)?);
    drop(rerun::rerun(act.app(), body(&asked)?).await?);
    (Done::new(Word::Reran), format!("runs/{id}"))
});

act!(fork, route::FORK_RUN, |act, id| {
    let starts_at = act.number(field::STEP)?;
    let state = edited_state(act, &id, starts_at).await?;
    let asked = ForkRun { starts_at: Some(starts_at), state, ..ForkRun::default() };
    let (_, forked) = rerun::fork(act.app(), Path(id), HeaderMap::new(), body(&asked)?).await?;
    (Done::new(Word::Forked), format!("runs/{}", forked.0.brain_run_id))
});

/// The state of a fork's form if somebody has edited it. As it was shown it is not sent: the
/// page shows no values of secrets, and the fork begins with what the step had.
async fn edited_state(act: &Act, id: &str, starts_at: u32) -> Result<Option<Value>, ApiError> {
    let Some(state) = act.json(field::STATE)? else { return Ok(None) };
    if state.is_null() {
        let text = "What was typed as state is null, which no state can be. Nothing was done";
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, Code::BadRequest, text));
    }
    let run = runs::find(&act.look.app, id).await?;
    let shown = match act.look.app.parts.state_at_step(&run, starts_at).await {
        Ok(then) => act.look.clean(then)?,
        Err(_) => return Ok(Some(state)),
    };
    if shown == state {
        return Ok(None);
    }
    if px_dashboard::editable(&state).contains("[secret ") {
        let text = "The state has the label of a secret in the place of its value, as the page shows it; fork with the \
                    values themselves: px runs fork RUN --from STEP --state FILE";
        return Err(ApiError::bad_request(text));
    }
    Ok(Some(state))
}

act!(answer, route::ANSWER, |act, id| {
    let response = match act.value("response", Code::PayloadUnfit)? {
        None => Map::new(),
        Some(Value::Object(response)) => response,
        Some(_) => {
            let text = "The response must be a JSON object";
            return Err(ApiError::unfit(Code::PayloadUnfit, text, Vec::new()).into());
        }
    };
    let slug = act.form.get("slug").map(str::to_owned);
    let asked = act.form.get(field::WAIT).map(typed::place_of).transpose()?;
    let signal = SignalRun { kind: SignalType::WebhookResponse, response: Some(response), slug };
    signals::answer_wait(&act.look.app, &id, &signal, asked).await?;
    (Done::new(Word::Answered), format!("runs/{id}"))
});

act!(start, route::START, |act, id| {
    let asked = StartRun {
        identifier: Some(id),
        initial_state: act.value(field::STATE, Code::StateUnfit)?,
        idempotency_key: act.form.get("idempotencyKey").map(str::to_owned),
        ..StartRun::default()
    };
    let (_, (_, Json(started))) = start_run::start(act.app(), HeaderMap::new(), body(&asked)?).await?;
    (Done::new(Word::Started), format!("runs/{}", started.brain_run_id))
});

act!(replay, route::REPLAY, |act, id| {
    let answer = operator::replay(act.app(), Path(id.clone())).await?;
    // The answer names the delivery that it made, where it made one.
    let made = answer.headers().get("px-delivery-id").and_then(|made| made.to_str().ok()).map(str::to_owned);
    (Done::new(Word::Replayed), format!("inbox/{}", made.unwrap_or(id)))
});

act!(bind, route::BIND, |act, id| {
    let run = super::pages::run_named(&act.look, act.form.get(field::RUN).unwrap_or_default()).await?;
    let asked = BindDelivery::to(&run);
    drop(operator::bind(act.app(), Path(id.clone()), body(&asked)?).await?);
    (Done::new(Word::Bound), format!("inbox/{id}"))
});

act!(test_webhook, route::TEST_WEBHOOK, |act, id| {
    let asked = SendTest {
        slug: Some(id.clone()),
        identifier: act.form.get("identifier").map(str::to_owned),
        payload: act.value("payload", Code::PayloadUnfit)?,
        ..SendTest::default()
    };
    let sent = send_test::send_test(&act.look.app, act.look.who.right, &asked).await?;
    let place =
        sent.delivery_id.map_or_else(|| format!("webhooks/{id}"), |delivery| format!("inbox/{delivery}"));
    (Done::new(Word::TestSent), place)
});

act!(redeliver, route::REDELIVER, |act, id| {
    let (_, Json(sent)) = hooks::redeliver::redeliver(act.app(), Path(id.clone())).await?;
    let now = act.look.app.clock().now();
    let is_parked = sent.parked_until.is_some_and(|until| until > now);
    let word = if is_parked { Word::RedeliveredParked } else { Word::Redelivered };
    (Done::new(word), format!("outbox/{id}"))
});

act!(test_hook, route::TEST_HOOK, |act, id| {
    drop(hooks::test::test(act.app(), Path(id.clone())).await?);
    (Done::new(Word::HookTested), format!("hooks/{id}"))
});

act!(recover_hook, route::RECOVER, |act, id| {
    let typed = act.form.get("since").unwrap_or_default();
    let since = px_api::words::parse_since(typed, act.look.app.clock().now());
    let since = since.ok_or_else(|| {
        ApiError::bad_request(format!("'{typed}' says no time: write how long ago, as 15m, 2h or 3d"))
    })?;
    let asked = RecoverHook { since: Some(since), ..RecoverHook::default() };
    drop(hooks::recover::recover(act.app(), Path(id.clone()), body(&asked)?).await?);
    (Done::new(Word::Recovered), format!("hooks/{id}"))
});

act!(enable_hook, route::ENABLE_HOOK, |act, id| {
    set_enabled(act, &id, true).await?;
    (Done::new(Word::HookEnabled), format!("hooks/{id}"))
});

act!(disable_hook, route::DISABLE_HOOK, |act, id| {
    set_enabled(act, &id, false).await?;
    (Done::new(Word::HookDisabled), format!("hooks/{id}"))
});

async fn set_enabled(act: &Act, id: &str, enabled: bool) -> Result<(), ApiError> {
    let asked = UpdateHook { enabled: Some(enabled), ..UpdateHook::default() };
    let sight = Extension(Sight::Redacted);
    drop(hooks::update::update(act.app(), sight, Path(id.to_owned()), body(&asked)?).await?);
    Ok(())
}

act!(delete_hook, route::DELETE_HOOK, |act, id| {
    hooks::delete::delete(act.app(), Path(id.clone())).await?;
    (Done::new(Word::HookDeleted), "hooks".to_owned())
});

/// `POST ui/hooks/{id}/rotate`: the answer is the page that shows the new secret, this once.
pub(super) async fn rotate_secret(
    look: Look,
    Path(id): Path<String>,
    Extension(form): Extension<Form>,
) -> Page {
    let act = Act::new(look, form, route::ROTATE_HOOK)?;
    let sight = || Extension(Sight::Redacted);
    let (_, rotated) =
        hooks::rotate_secret::rotate(act.app(), sight(), Path(id.clone()), Bytes::new()).await?;
    let secret = rotated.0.secret.clone();
    let query = ListCallbacks::default();
    let asked = Ok(axum::extract::Query(query.clone()));
    // The secret is shown this once: whatever else cannot be read now is left out.
    let callbacks = hooks::deliveries::of_hook(act.app(), Path(id.clone()), asked).await.ok();
    let callbacks = callbacks.and_then(|callbacks| act.look.clean(callbacks.0).ok());
    let callbacks = callbacks.unwrap_or(CallbackPage { deliveries: Vec::new(), next_cursor: None });
    let stats = hooks::stats::show(act.app(), Path(id)).await.ok();
    let view = HookView {
        hook: &rotated.0,
        stats: stats.as_ref().map(|stats| &stats.0),
        query: &query,
        callbacks: &callbacks,
        secret: secret.as_ref().map(px_api::Secret::expose),
    };
    Ok(shown_once(page::hook(&view, &act.look.session())))
}

/// A page with a secret on it, which nobody keeps.
fn shown_once(page: Markup) -> Response {
    let mut response = html(StatusCode::CREATED, page);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

act!(revoke_token, route::REVOKE_TOKEN, |act, id| {
    tokens::revoke(act.app(), Path(id.clone())).await?;
    // Whoever revokes the own token has no session any more.
    let is_own = act.look.who.token().is_some_and(|own| own.to_string() == id);
    (Done::new(Word::Revoked), if is_own { "login" } else { "tokens" }.to_owned())
});

/// `POST ui/bulk`: over a filter it starts a job; with runs that were chosen one by one it is
/// done at once.
pub(super) async fn start_job(look: Look, Extension(form): Extension<Form>) -> Page {
    let act = Act::new(look, form, route::START_JOB)?;
    let action = BulkAction::from(act.form.get(field::DO).unwrap_or_default());
    let chosen = look::chosen(&act.form.0)?;
    if !chosen.is_empty() {
        return each(&act, &action, &chosen).await;
    }
    let fields =
        act.form.0.iter().filter(|(name, value)| !value.is_empty() && OF_FILTER.contains(&name.as_str()));
    // There may be several labels.
    let (labels, fields): (Vec<_>, Vec<_>) = fields.partition(|(name, _)| name == LABEL);
    let mut filter: Map<String, Value> =
        fields.into_iter().map(|(name, value)| (name.clone(), number_or_text(name, value))).collect();
    filter.insert(LABEL.to_owned(), labels.into_iter().map(|(_, label)| label.as_str()).collect());
    let filter: BulkFilter = serde_json::from_value(filter.into())
        .map_err(|error| ApiError::bad_request(format!("The filter cannot be read: {error}")))?;
    // No more than were shown: a form without a number is none of ours.
    let at_most = Some(u64::from(act.number(field::COUNT)?));
    let asked = StartBulk { action, filter, dry_run: false, at_most };
    let sight = act.look.sight();
    let job = bulk::begin(&act.look.app, sight, act.look.who.right, &asked).await?;
    act.look.see(&format!("bulk/{}", job.id))
}

/// The field of a job's filter that may be there several times.
const LABEL: &str = "label";

/// Fields of a job's filter.
const OF_FILTER: [&str; 9] =
    ["status", "brain", "slug", "identifier", LABEL, "where", "step", "since", "until"];

fn number_or_text(name: &str, value: &str) -> Value {
    let number = matches!(name, "since" | "until").then(|| value.parse::<u64>().ok()).flatten();
    number.map_or_else(|| value.into(), Value::from)
}

/// Does something with runs that were chosen one by one, and says how many refused.
async fn each(act: &Act, action: &BulkAction, chosen: &[RunId]) -> Page {
    let (mut done, mut refusals) = (0_usize, Vec::new());
    for id in chosen {
        let tried = match action {
            BulkAction::Cancel => runs::cancel(act.app(), Path(id.to_string())).await.map(drop),
            BulkAction::Pause => {
                let pause = SignalRun { kind: SignalType::Pause, response: None, slug: None };
                signal(act, &id.to_string(), &pause).await
            }
            BulkAction::Resume => runs::resume(act.app(), Path(id.to_string()), Bytes::new()).await.map(drop),
            other => {
                return Err(
                    ApiError::bad_request(format!("'{other}' is nothing that is done with runs")).into()
                );
            }
        };
        match tried {
            Ok(()) => done += 1,
            Err(error) => refusals.push(format!("{id}: {}", error.body().error)),
        }
    }
    if refusals.is_empty() {
        return act.look.done(Done::new(Word::Chosen), "runs");
    }
    let text = format!(
        "It was done with {done} of {} runs, and stays done. The others refused. {}",
        chosen.len(),
        refusals.join(". ")
    );
    Err(ApiError::conflict(text).into())
}

act!(stop_job, route::STOP_JOB, |act, id| {
    drop(bulk::stop(act.app(), Path(id.clone())).await?);
    (Done::new(Word::JobStopped), format!("bulk/{id}"))
});

/// `POST ui/tokens`: the answer is the page that shows the token, this once. Without
/// tokens it makes none, for whoever makes the first one has the server.
pub(super) async fn create_token(look: Look, Extension(form): Extension<Form>) -> Page {
    let act = Act::new(look, form, route::CREATE_TOKEN)?;
    let Some(right) = act.look.who.token().map(Right::Token) else {
        let text = "The first API token is not made from a browser; make it where px runs: \
                    `px tokens create me --scope admin`";
        return Err(ApiError::new(StatusCode::FORBIDDEN, Code::NotLocal, text).into());
    };
    let scope = Scope::from(act.form.get("scope").unwrap_or("read"));
    let asked = CreateToken::new(act.form.get("name").unwrap_or_default(), &scope);
    let (_, created) = tokens::create(act.app(), Extension(right), body(&asked)?).await?;
    let all = tokens::list(act.app()).await;
    let view = TokensView { tokens: &all.0, created: Some(&created.0) };
    Ok(shown_once(page::tokens(&view, &act.look.session())))
}
