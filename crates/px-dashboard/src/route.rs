//! Every path of the dashboard with the fields of its form: the one table that pages link by
//! and that a router is written from. A test holds each link and each form of every page to it.

use px_api::Scope;

/// Method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Shows something, and changes nothing.
    Get,
    /// Does something, and answers 303 to the page that shows it.
    Post,
}

/// A path below the root of the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Method that it takes.
    pub method: Method,
    /// The path; parts in braces are filled in.
    pub path: &'static str,
    /// Fields of its query or of its form. Posts have [`field::CSRF`] besides.
    pub fields: &'static [&'static str],
}

impl Route {
    const fn get(path: &'static str, fields: &'static [&'static str]) -> Self {
        Self { method: Method::Get, path, fields }
    }

    const fn post(path: &'static str, fields: &'static [&'static str]) -> Self {
        Self { method: Method::Post, path, fields }
    }

    /// Number of folders below the root of the dashboard.
    pub(crate) const fn depth(self) -> usize {
        let (mut depth, mut rest) = (0, self.path.as_bytes());
        while let [byte, more @ ..] = rest {
            if *byte == b'/' {
                depth += 1;
            }
            rest = more;
        }
        depth
    }

    /// The least scope that it demands.
    #[must_use]
    pub fn scope(self) -> Scope {
        match self {
            Self { method: Method::Get, path, .. } if !ADMIN_PAGES.contains(&path) => Scope::Read,
            Self { method: Method::Post, path, .. } if !ADMIN_POSTS.contains(&path) => {
                if PERSONAL_POSTS.contains(&path) { Scope::Read } else { Scope::Operate }
            }
            _ => Scope::Admin,
        }
    }
}

const ADMIN_PAGES: [&str; 3] = ["tokens", "secrets", "secrets/{name}"];
const ADMIN_POSTS: [&str; 8] = [
    "tokens",
    "tokens/{id}/revoke",
    "secrets",
    "secrets/{name}/delete",
    "hooks/{id}/enable",
    "hooks/{id}/disable",
    "hooks/{id}/rotate",
    "hooks/{id}/delete",
];
const PERSONAL_POSTS: [&str; 3] = ["login", "logout", "settings"];

/// Names of fields.
pub mod field {
    /// Proof that a form was sent from a page of px.
    pub const CSRF: &str = "csrf";
    /// Zone of times: `utc`, or minutes east.
    pub const ZONE: &str = "zone";
    /// What an answer is for: a wait of the run, by its id, and the place in it.
    pub const WAIT: &str = "wait";
    /// Token of a login.
    pub const TOKEN: &str = "token";
    /// Page to show after a login or a change of settings: a path below the root of the dashboard.
    pub const NEXT: &str = "next";
    /// Cursor of a page of a list.
    pub const CURSOR: &str = "cursor";
    /// Number of the event after which a state is shown.
    pub const AT: &str = "at";
    /// JSON pointer into a state.
    pub const PATH: &str = "path";
    /// Number of the parts, or of the event, to go on behind.
    pub const FROM: &str = "from";
    /// Number of the step to begin with, from 1.
    pub const STEP: &str = "step";
    /// A state, as JSON text.
    pub const STATE: &str = "state";
    /// Beginning of the names of fields that a schema names: `in:phoneNumber`.
    pub const OF_SCHEMA: &str = "in:";
    /// Run that something is done to; several times for several runs.
    pub const RUN: &str = "run";
    /// Act of a bulk job: `cancel`, `pause` or `resume`.
    pub const DO: &str = "do";
    /// Number of the runs that were shown before a bulk job was started.
    pub const COUNT: &str = "count";
}

/// Fields of the list of runs, which a bulk job over that list has too.
const RUN_FILTER: &[&str] = &[
    "status",
    "brain",
    "slug",
    "identifier",
    "label",
    "where",
    "step",
    "requestId",
    "since",
    "until",
    "order",
    "cursor",
];

macro_rules! routes {
    ($($(#[$doc:meta])* $name:ident = $kind:ident $path:literal [$($field:expr),* $(,)?];)+) => {
        $($(#[$doc])* pub const $name: Route = Route::$kind($path, &[$($field),*]);)+

        /// Every route that is written as a table; [`RUNS`] and the previews of bulk jobs are beside it.
        const TABLE: &[Route] = &[$($name),+];
    };
}

routes! {
    /// The server at a glance.
    OVERVIEW = get "" [];
    /// The form that takes a token.
    LOGIN = get "login" [field::NEXT];
    /// Begins a session.
    LOG_IN = post "login" [field::TOKEN, field::NEXT];
    /// Ends the session.
    LOG_OUT = post "logout" [];
    /// Zone of times, and single keys.
    SETTINGS = get "settings" [field::NEXT];
    /// Keeps the zone and the keys in a cookie.
    SET = post "settings" [field::ZONE, "keys", field::NEXT];
    /// Finds a thing by its id, the tail of one, or an identifier, and answers 303 to it.
    FIND = get "find" ["q"];
    /// The stream of hints.
    LIVE = get "live" ["topic"];
    /// A run.
    RUN = get "runs/{id}" [field::AT, "after", "all"];
    /// A part of a run's state.
    VALUE = get "runs/{id}/value" [field::AT, field::PATH, field::FROM];
    /// The bytes of a run's state.
    STATE = get "runs/{id}/state" [field::AT, field::PATH];
    /// The events at which a part of a run's state changed.
    CHANGES = get "runs/{id}/changes" [field::PATH, "after"];
    /// Pauses a run.
    PAUSE = post "runs/{id}/pause" [];
    /// Resumes a run.
    RESUME = post "runs/{id}/resume" [];
    /// Cancels a run.
    CANCEL = post "runs/{id}/cancel" [];
    /// Sends a run back to a step.
    RERUN = post "runs/{id}/rerun" [field::STEP];
    /// The form of a fork: the state of then, to be edited.
    FORK = get "runs/{id}/fork" [field::STEP];
    /// Starts a run from a step of another one.
    FORK_RUN = post "runs/{id}/fork" [field::STEP, field::STATE];
    /// Gives a waiting run a response by hand.
    ANSWER = post "runs/{id}/answer" ["slug", field::WAIT, "response", field::OF_SCHEMA];
    /// Who waits for what.
    WAITS = get "waits" ["view", "slug", "identifier", "prefix", field::CURSOR];
    /// Deliveries of webhooks.
    INBOX = get "inbox" ["slug", "state", "identifier", "since", field::CURSOR];
    /// A delivery.
    DELIVERY = get "inbox/{id}" [];
    /// The bytes of a file that came with a delivery.
    FILE = get "inbox/{id}/files/{place}" [];
    /// Has a delivery handled again.
    REPLAY = post "inbox/{id}/replay" [];
    /// Gives a kept event to a run.
    BIND = post "inbox/{id}/bind" [field::RUN];
    /// The webhooks.
    WEBHOOKS = get "webhooks" [];
    /// A webhook.
    WEBHOOK = get "webhooks/{slug}" [];
    /// Sends a signed test event to a webhook.
    TEST_WEBHOOK = post "webhooks/{slug}/test" ["identifier", "payload", field::OF_SCHEMA];
    /// The hooks.
    HOOKS = get "hooks" [];
    /// A hook, with its callbacks.
    HOOK = get "hooks/{id}" ["state", field::CURSOR];
    /// Sends a test to a hook.
    TEST_HOOK = post "hooks/{id}/test" [];
    /// Sends the callbacks of a stretch of time again.
    RECOVER = post "hooks/{id}/recover" ["since"];
    /// Lets a hook take callbacks.
    ENABLE_HOOK = post "hooks/{id}/enable" [];
    /// Lets a hook take none.
    DISABLE_HOOK = post "hooks/{id}/disable" [];
    /// Gives a hook a new secret, which is shown once.
    ROTATE_HOOK = post "hooks/{id}/rotate" [];
    /// Deletes a hook.
    DELETE_HOOK = post "hooks/{id}/delete" [];
    /// Callbacks to every hook.
    OUTBOX = get "outbox" ["state", "hook", "brainRunId", "since", field::CURSOR];
    /// A callback.
    CALLBACK = get "outbox/{id}" [];
    /// Sends a callback again.
    REDELIVER = post "outbox/{id}/redeliver" [];
    /// The brains.
    BRAINS = get "brains" ["q"];
    /// A brain.
    BRAIN = get "brains/{title}" [];
    /// Starts a run.
    START = post "brains/{title}/start" [field::STATE, "idempotencyKey", field::OF_SCHEMA];
    /// The store and its figures.
    STORE = get "store" [];
    /// The brains that have values.
    VALUES = get "values" [field::CURSOR];
    /// The values of a brain.
    VALUES_OF = get "values/{brain}" [field::CURSOR];
    /// A value that outlives runs.
    KV = get "values/{brain}/{scope}/{key}" [];
    /// API tokens.
    TOKENS = get "tokens" [];
    /// Makes a token.
    CREATE_TOKEN = post "tokens" ["name", "scope"];
    /// Revokes a token.
    REVOKE_TOKEN = post "tokens/{id}/revoke" [];
    /// Secrets, without their values.
    SECRETS = get "secrets" [];
    /// Those who read a secret.
    SECRET = get "secrets/{name}" [];
    /// A bulk job.
    JOB = get "bulk/{id}" [];
    /// Stops a bulk job.
    STOP_JOB = post "bulk/{id}/stop" [];
}

/// The runs.
pub const RUNS: Route = Route::get("runs", RUN_FILTER);
/// Preview of a bulk job over a filter, or over the runs that are named.
pub const BULK: Route = Route::get("bulk", BULK_FIELDS);
/// Starts a bulk job.
pub const START_JOB: Route = Route::post("bulk", BULK_FIELDS);

const BULK_FIELDS: &[&str] = &[
    "do",
    "run",
    "count",
    "status",
    "brain",
    "slug",
    "identifier",
    "label",
    "where",
    "step",
    "requestId",
    "since",
    "until",
    "order",
];

/// Every route of the dashboard. Files of [`crate::assets`] are at `assets/{name}`.
pub fn all() -> impl Iterator<Item = Route> {
    TABLE.iter().copied().chain([RUNS, BULK, START_JOB])
}
