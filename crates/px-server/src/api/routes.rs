//! Every route: the one table (see [`super::table`]).

use px_api as api;

mod runs;

use super::door::Door;
use super::table::{EVENTS, HTML, JSON, Route, TEXT, shape};
use super::{
    brains, deliveries, document, files, health, hooks, metrics, operator, overview, secrets, send_test,
    status, store, tokens, watch_brains, webhooks,
};
use crate::{ingress, links};

/// All of them. What every route of a kind refuses is added at the end.
pub(super) fn all() -> Vec<Route> {
    let mut routes = about_px();
    routes.extend(about_brains());
    routes.extend(runs::about_runs());
    routes.extend(runs::about_bulk());
    routes.extend(runs::about_waits());
    routes.extend(about_webhooks());
    routes.push(about_tests());
    routes.extend(about_links());
    routes.extend(about_hooks());
    routes.extend(about_values());
    routes.extend(about_secrets());
    routes.into_iter().map(super::openapi::with_usual_answers).collect()
}

fn about_px() -> Vec<Route> {
    vec![
        Route::get("/status", Door::Read, status::show)
            .named("status", "Whether the server takes requests")
            .answers::<api::Status>(200, "It does"),
        Route::get("/overview", Door::Read, overview::show)
            .named("overview", "The server at one look: its pace, its counts, and what needs somebody")
            .answers::<api::Overview>(200, "The overview"),
        Route::get("/health/live", Door::Public, health::live)
            .named("live", "Whether the process does anything at all")
            .answers::<api::Health>(200, "It does"),
        Route::get("/health/ready", Door::Public, health::ready)
            .named(
                "ready",
                "Whether the server can take webhooks: its store takes writes, and it does not end",
            )
            .answers::<api::Health>(200, "It can")
            .answers::<api::Health>(503, "It cannot"),
        Route::get("/metrics", Door::Read, metrics::show)
            .named("metrics", "Figures, as Prometheus reads them")
            .answers_as(200, "The figures", TEXT, shape::<String>),
        Route::get("/openapi.json", Door::Read, document::show)
            .named("openapi", "This document")
            .answers::<api::Object>(200, "This document"),
        Route::get("/tokens", Door::Admin, tokens::list)
            .named("listTokens", "Every API token, without its secret")
            .answers::<api::Tokens>(200, "The tokens, oldest first"),
        Route::post("/tokens", Door::FirstToken, tokens::create)
            .named("createToken", "Makes an API token")
            .takes::<api::CreateToken>()
            .answers::<api::CreatedToken>(201, "The token; it is shown this once")
            .refuses(409, "The first token must have the scope admin, or there are too many"),
        Route::delete("/tokens/{id}", Door::Admin, tokens::revoke)
            .named("revokeToken", "Revokes an API token, at once")
            .answers_nothing(204, "It is revoked"),
    ]
}

fn about_secrets() -> Vec<Route> {
    let forbidden = "The name is one that is not set over the API";
    vec![
        Route::get("/secrets", Door::Admin, secrets::list)
            .named("listSecrets", "Every secret of the store, without its value")
            .answers::<api::Secrets>(200, "The secrets, by name"),
        Route::post("/secrets", Door::Admin, secrets::set)
            .named("setSecret", "Sets a secret; the value before it still verifies senders for a while")
            .takes::<api::SetSecret>()
            .answers::<api::SecretInfo>(201, "It is set, durably")
            .refuses(403, forbidden)
            .refuses(409, "There are too many"),
        Route::post("/secrets/bulk", Door::Admin, secrets::set_all)
            .named("setSecrets", "Sets secrets, all of them or none")
            .takes::<api::SetSecrets>()
            .answers::<api::SecretsSet>(201, "They are set, durably")
            .refuses(403, forbidden)
            .refuses(409, "There would be too many"),
        Route::delete("/secrets/{name}", Door::Admin, secrets::delete)
            .named("deleteSecret", "Deletes a secret, and its old values with it")
            .answers_nothing(204, "It is gone")
            .refuses(403, forbidden),
        Route::get("/secrets/{name}/exists", Door::Admin, secrets::exists)
            .named("secretExists", "Whether the store has a secret")
            .answers::<api::SecretExists>(200, "Whether it is there")
            .never_misses(),
        Route::get("/secrets/{name}/reads", Door::Admin, secrets::reads)
            .named("secretReads", "Who has read a secret, and when")
            .answers::<api::SecretReads>(200, "Its readers, the last one first"),
    ]
}

fn about_brains() -> Vec<Route> {
    vec![
        Route::get("/brains", Door::Read, brains::list)
            .named("listBrains", "Every brain, or those that a text can mean")
            .query::<api::FindBrains>()
            .answers::<api::Brains>(200, "The brains"),
        Route::get("/brains/watch", Door::Stream, watch_brains::brains)
            .named(
                "watchBrains",
                "The runs that have not ended as server-sent events, at once and on each lifecycle change",
            )
            .answers_as(200, "The stream; `data` is `{runningBrains}`", EVENTS, shape::<String>),
        Route::get("/brains/{id}", Door::Read, brains::show)
            .named("showBrain", "A brain, by title, file name or a part of them")
            .answers::<api::Brain>(200, "The brain")
            .refuses(300, "Several brains could be meant"),
        Route::get("/brains/{id}/history", Door::Read, brains::history)
            .named("brainHistory", "The newest runs of a brain")
            .query::<api::BrainHistory>()
            .answers::<api::Runs>(200, "The runs, newest first")
            .refuses(300, "Several brains could be meant"),
        Route::get("/brains/{id}/active-runs", Door::Read, brains::active_runs)
            .named("activeRuns", "The runs of a brain that are running, paused or waiting")
            .answers::<api::Runs>(200, "The runs, newest first")
            .refuses(300, "Several brains could be meant"),
    ]
}

fn about_webhooks() -> Vec<Route> {
    let receive = |route: Route, name| {
        route
            .named(
                name,
                "Sends a webhook; what the body is, and how the sender is verified, is the webhook's",
            )
            .answers_as(200, "It is taken in, or a handshake is answered", JSON, shape::<serde_json::Value>)
            .answers::<api::Accepted>(201, "A run was started")
            .answers::<api::Error>(202, "The payload does not fit, and the webhook takes it all the same")
            .refuses(400, "The body cannot be read")
            .refuses(401, "The sender is not believed")
            .refuses(405, "The webhook does not take this method")
            .refuses(415, "The webhook does not take this content type")
            .refuses(422, "The payload does not fit the schema")
            .refuses(500, "The handler failed")
    };
    vec![
        Route::get("/webhooks", Door::Read, webhooks::list)
            .named("listWebhooks", "Every webhook")
            .answers::<api::Webhooks>(200, "The webhooks"),
        Route::get("/webhooks/deliveries", Door::Read, deliveries::list)
            .named("listDeliveries", "The inbox, newest first, in pages")
            .query::<api::ListDeliveries>()
            .answers::<api::DeliveryPage>(200, "The deliveries"),
        Route::get("/webhooks/deliveries/{id}", Door::Read, deliveries::show)
            .named("showDelivery", "A delivery, with what became of it and why")
            .answers::<api::Delivery>(200, "The delivery"),
        Route::get("/webhooks/deliveries/{id}/files/{place}", Door::Read, files::show)
            .named(
                "downloadFile",
                "The bytes of a file that was posted, by its place among the delivery's, from 0",
            )
            .answers_as(200, "The file, to be saved", files::BYTES, shape::<serde_json::Value>),
        Route::post("/webhooks/deliveries/{id}/replay", Door::Operate, operator::replay)
            .named("replayDelivery", "Handles a delivery again, and answers as its webhook would")
            .answers_as(200, "It is taken in", JSON, shape::<serde_json::Value>)
            .answers::<api::Accepted>(201, "A run was started")
            .answers::<api::Error>(202, "The payload does not fit, and the webhook takes it all the same")
            .refuses(409, "It cannot be replayed")
            .refuses(422, "The payload does not fit the schema")
            .refuses(500, "The handler failed"),
        Route::post("/webhooks/deliveries/{id}/bind", Door::Operate, operator::bind)
            .named("bindDelivery", "Gives a kept event to a run by hand")
            .takes::<api::BindDelivery>()
            .answers::<api::BoundEvent>(200, "The run has it")
            .refuses(409, "The event is not kept, or the run does not wait for it")
            .refuses(422, "The event's response does not fit what the run waits for"),
        receive(Route::post("/webhooks/{slug}", Door::Webhook, ingress::receive), "sendWebhook")
            .takes_forms(vec![(JSON, shape::<serde_json::Value>)]),
        receive(Route::get("/webhooks/{slug}", Door::Webhook, ingress::receive), "webhookHandshake"),
        Route::options("/webhooks/{slug}", Door::Public, ingress::options)
            .named("askWebhook", "What may be sent there")
            .answers_nothing(204, "The header Allow says it")
            .answers_nothing(200, "The origin that asks may send (CloudEvents)"),
        Route::post("/webhooks/system/page-form", Door::Form, ingress::receive_form)
            .named("sendForm", "Sends a form of a page to the run that waits for it")
            .query::<api::FormQuery>()
            .takes_forms(vec![
                ("application/x-www-form-urlencoded", shape::<api::Object>),
                ("multipart/form-data", shape::<api::Object>),
            ])
            .answers::<api::FormAccepted>(200, "The run has it, or had one of this form before")
            .answers::<api::RefusedForm>(403, "The token is missing or another one")
            .answers::<api::FormNotFound>(404, "No run waits for it")
            .refuses(415, "It is neither urlencoded nor multipart"),
    ]
}

fn about_tests() -> Route {
    Route::post("/tests", Door::Operate, send_test::send)
        .named(
            "sendTest",
            "Sends a webhook a test event, signed with the secret that the server has; what follows is real, and \
             marked as a test",
        )
        .takes::<api::SendTest>()
        .answers::<api::SentTest>(200, "The webhook has taken it in")
        .refuses(403, "The webhook takes no test events")
        .refuses(404, "There is no such webhook")
        .refuses(409, "It cannot be signed, or the webhook refuses every request")
        .refuses(413, "The payload is larger than the webhook takes")
        .refuses(422, "No payload has the identifier, or the payload does not fit the schema")
        .refuses(500, "The handler failed")
}

fn about_links() -> Vec<Route> {
    let path = "/webhooks/system/link/{token}";
    let page = |route: Route, status, what| route.answers_as(status, what, HTML, shape::<String>);
    let show = Route::get(path, Door::Link, links::show)
        .named("showLink", "Shows what a signed link asks, and changes nothing; HEAD likewise");
    let show = page(show, 200, "The question with its answers, or who has answered it and when");
    let show = page(show, 404, "It is no link of this store");
    let show = page(show, 410, "The link has expired, or its wait has ended without an answer");
    let answer = Route::post(path, Door::Link, links::answer)
        .named("answerLink", "Answers what a signed link asks, from its page")
        .takes_forms(vec![("application/x-www-form-urlencoded", shape::<px_api::LinkForm>)])
        .answers_nothing(303, "The answer is taken, or the question is closed: the page says which");
    let answer = page(answer, 403, "Another page sent it");
    let answer = page(answer, 404, "It is no link of this store");
    let answer = page(answer, 409, "The page was too old: it is shown again");
    let answer = page(answer, 422, "No answer was chosen: the page is shown again");
    let options = Route::options(path, Door::Public, links::options)
        .named("askLink", "What may be done there")
        .answers_nothing(204, "The header Allow says it");
    vec![show, answer, options]
}

fn about_hooks() -> Vec<Route> {
    vec![
        Route::get("/hooks", Door::Read, hooks::list::list)
            .named("listHooks", "Every hook")
            .answers::<api::Hooks>(200, "The hooks"),
        Route::post("/hooks", Door::Admin, hooks::create::create)
            .named("createHook", "Makes a hook")
            .takes::<api::CreateHook>()
            .answers::<api::Hook>(201, "The hook; its secret is shown this once")
            .refuses(409, "There are too many")
            .refuses(422, "The address may not be sent to"),
        Route::get("/hooks/{id}", Door::Read, hooks::show::show)
            .named("showHook", "A hook")
            .answers::<api::Hook>(200, "The hook"),
        Route::patch("/hooks/{id}", Door::Admin, hooks::update::update)
            .named("updateHook", "Changes a hook; what is left out stays as it is")
            .may_take::<api::UpdateHook>()
            .answers::<api::Hook>(200, "The hook as it is now")
            .refuses(409, "It belongs to the configuration, or has changed at the same time")
            .refuses(422, "The address may not be sent to"),
        Route::delete("/hooks/{id}", Door::Admin, hooks::delete::delete)
            .named("deleteHook", "Deletes a hook")
            .answers_nothing(204, "It is deleted")
            .refuses(409, "It belongs to the configuration"),
        Route::post("/hooks/{id}/test", Door::Operate, hooks::test::test)
            .named("testHook", "Sends a hook a test")
            .answers::<api::TestSent>(202, "It is on its way")
            .refuses(409, "The hook takes no deliveries"),
        Route::post("/hooks/{id}/rotate-secret", Door::Admin, hooks::rotate_secret::rotate)
            .named("rotateSecret", "Gives a hook another secret; the old one signs too for a while")
            .may_take::<api::RotateSecret>()
            .answers::<api::Hook>(200, "The hook; its new secret is shown this once")
            .refuses(409, "It belongs to the configuration, or does not sign"),
        Route::get("/hooks/{id}/deliveries", Door::Read, hooks::deliveries::of_hook)
            .named("hookDeliveries", "What is on its way to a hook, newest first, in pages")
            .query::<api::ListCallbacks>()
            .answers::<api::CallbackPage>(200, "The deliveries"),
        Route::post("/hooks/{id}/recover", Door::Operate, hooks::recover::recover)
            .named("recoverHook", "Sends a hook everything that it did not get since a time")
            .takes::<api::RecoverHook>()
            .answers::<api::Recovered>(200, "What is sent")
            .refuses(409, "The hook takes no deliveries"),
        Route::get("/hooks/{id}/stats", Door::Read, hooks::stats::show)
            .named("hookStats", "How a hook does")
            .answers::<api::HookStats>(200, "Its figures"),
        Route::get("/deliveries", Door::Read, hooks::deliveries::list)
            .named("listOutgoing", "The outbox, newest first, in pages")
            .query::<api::ListCallbacks>()
            .answers::<api::CallbackPage>(200, "The deliveries")
            .refuses(404, "There is no such hook, or no such run"),
        Route::get("/deliveries/{id}", Door::Read, hooks::delivery::show)
            .named("showOutgoing", "A delivery to a hook, with every attempt")
            .answers::<api::Callback>(200, "The delivery"),
        Route::post("/deliveries/{id}/redeliver", Door::Operate, hooks::redeliver::redeliver)
            .named("redeliver", "Sends a delivery once more")
            .answers::<api::CallbackSummary>(202, "It is due")
            .refuses(409, "Its hook takes no deliveries"),
        Route::get("/.well-known/webhooks-keys", Door::Public, hooks::keys::show)
            .named("hookKeys", "The public keys that callbacks are verified with")
            .answers::<api::Keys>(200, "The keys"),
    ]
}

/// Values that outlive runs. Fixed words in these paths are the ancestor's.
fn about_values() -> Vec<Route> {
    vec![
        Route::get("/store", Door::Read, store::brains)
            .named("listStore", "The brains that have values which outlive runs, by title, in pages")
            .query::<api::ListStore>()
            .answers::<api::StoreBrains>(200, "The titles"),
        Route::get("/store/{brain}", Door::Read, store::keys)
            .named("listStoreKeys", "The values of a brain, by scope and key, in pages")
            .query::<api::ListStore>()
            .answers::<api::StoreKeys>(200, "The values; none if there is no such brain")
            .never_misses(),
        Route::delete("/store/{brain}", Door::Operate, store::clear)
            .named("clearStore", "Removes all values of a brain")
            .answers::<api::ClearedStore>(200, "They are gone")
            .never_misses(),
        Route::get("/store/{brain}/{scope}/{key}", Door::Read, store::show)
            .named("showStoreValue", "A value; the scope that all runs of a brain share is `shared`")
            .answers::<api::StoreValue>(200, "The value"),
        Route::delete("/store/{brain}/{scope}/{key}", Door::Operate, store::delete)
            .named("deleteStoreValue", "Removes a value")
            .answers_nothing(204, "It is gone"),
    ]
}
