//! The rules of keys, deliveries, the way in, runs, the process and callbacks.

use super::Row;

/// Keys, waits and owners; deliveries; the way in; runs; the process; callbacks.
pub(super) const RULES: &[Row] = &[
    (
        1,
        "a key is one versioned record, and whoever lost its version reads anew",
        &[
            "px-testkit/tests/explore.rs::whatever_happens_at_once_comes_to_what_some_order_comes_to",
            "px-testkit/tests/broken_stores.rs::a_store_without_key_versions_is_caught",
        ],
    ),
    (2, "a scope begins every row and every query", &[]),
    (3, "the oldest wait, else the owner, else a start, else the queue", &[]),
    (4, "a run that an event started owns its key, and is succeeded if it ends with events queued", &[]),
    (
        5,
        "what came too late is kept, and answers nothing by itself",
        &["px-testkit/tests/rules.rs::a_timeout_is_given_to_the_step_and_later_events_are_late"],
    ),
    (
        6,
        "an early event waits for its wait as long as its webhook says",
        &["px-testkit/tests/rules.rs::a_queued_event_expires_and_stays_in_the_inbox"],
    ),
    (7, "an opening wait takes what is queued in the order of receipt", &[]),
    (8, "partial arrivals are collected, and a timeout gives what there is", &[]),
    (9, "a paused run takes at its resume what came meanwhile, before a timeout", &[]),
    (10, "a token is part of the match", &[]),
    (11, "of several waits on a key the oldest takes the event", &[]),
    (
        12,
        "a position is a stack of frames, and a wait belongs to its place in it",
        &[
            "px-testkit/tests/forms.rs::a_wait_inside_a_nested_brain_resumes_at_its_depth_whatever_dies",
            "px-testkit/tests/forms.rs::the_items_of_a_list_keep_their_order_and_are_done_once_whatever_dies",
        ],
    ),
    (13, "a step whose future is gone runs again with what it remembered", &[]),
    (14, "a response that changed since its wait opened pauses the run", &[]),
    (15, "a name of `once` is used once in an execution, and its commit is fenced", &[]),
    (16, "a delivery carries events, each with a state of its own", &[]),
    (17, "a dedup key is written with a 2xx and never without", &[]),
    (18, "a duplicate names its original", &["tests/webhooks.rs::fifty_copies_at_once_have_one_effect"]),
    (19, "without an id there is no dedup, unless the webhook says what a repetition is", &[]),
    (20, "a replay skips dedup and runs the handler on what is stored", &[]),
    (21, "a response lives as long as the run that took it", &[]),
    (
        22,
        "slugs have a form, and few routes answer without a token",
        &["px-server/src/api/tests/matrix.rs::every_route_lets_in_whom_its_door_does"],
    ),
    (23, "the schema is the payload type's, and unknown kinds pass", &[]),
    (24, "a handler sees the whole request, and has two seconds", &[]),
    (
        25,
        "a reply says in headers what became of the event",
        &["px-server/tests/edge.rs::a_handler_replies_with_text_xml_or_a_status_of_its_own"],
    ),
    (
        26,
        "an unverified webhook answers this machine only",
        &[
            "px-verify/tests/verify_behaviour.rs::unverified_webhooks_answer_this_machine_only",
            "px-server/tests/spellings.rs::the_api_and_unverified_webhooks_agree_on_every_spelling",
            "tests/webhooks.rs::without_a_secret_only_this_machine_may_send",
        ],
    ),
    (
        27,
        "what is signed is the public URL",
        &["px-verify/tests/verify_behaviour.rs::a_twilio_url_is_rebuilt_from_what_is_trusted"],
    ),
    (28, "a removed webhook is busy while runs wait on it", &[]),
    (
        29,
        "the sample's webhooks know bots, mentions and reviews",
        &[
            "webhooks/slack.rs::bots_subtypes_and_plain_talk_are_ignored",
            "webhooks/slack.rs::a_mention_starts_help_request_also_in_a_thread",
            "webhooks/github.rs::a_review_counts_too_and_an_author_may_be_gone",
            "tests/webhooks.rs::closed_and_then_opened_are_two_runs",
        ],
    ),
    (
        30,
        "a bad state is refused, bad options fail the run, and a key starts one run",
        &["tests/api.rs::starting_a_run", "tests/api.rs::an_idempotency_key_starts_one_run"],
    ),
    (
        31,
        "a log tells reruns, partial arrivals and kinds of errors, and loses nothing",
        &["px-testkit/tests/rules.rs::a_failing_step_and_a_panicking_step_end_the_run_and_say_so"],
    ),
    (32, "a run knows its version and why it was started", &[]),
    (
        33,
        "what is stored and what is shown are two forms, and a number is a number",
        &[
            "px-core/tests/golden.rs::every_golden_log_is_written_as_it_is_read",
            "px-core/tests/golden.rs::the_wire_form_is_flat_and_carries_what_every_event_repeats",
        ],
    ),
    (34, "a step gets the state that was committed", &[]),
    (35, "a cancel counts at once, and a pause when the step is through", &[]),
    (
        36,
        "claims are fenced, and after three deaths a run is paused",
        &["px-testkit/tests/broken_stores.rs::a_store_without_fences_is_caught"],
    ),
    (
        37,
        "streams end after the last event",
        &["tests/api.rs::a_watch_stream_has_history_and_ids_and_ends_with_the_run"],
    ),
    (38, "each form of a step has its name", &["tests/api.rs::brains"]),
    (
        39,
        "any error becomes px's, with its causes",
        &["px-sdk/src/error.rs::takes_any_error_with_its_causes", "px-sdk/src/error.rs::bail_formats"],
    ),
    (
        40,
        "a malformed id is one that is not found",
        &[
            "tests/api.rs::runs_that_do_not_exist",
            "px-cli/tests/cli/against_a_server.rs::an_id_that_is_none_is_not_found_and_says_what_ids_look_like",
        ],
    ),
    (41, "a hint that is lost costs a second", &[]),
    (
        42,
        "a first signal ends it in order, a second at once",
        &["tests/crashes.rs::sigterm_ends_it_gracefully"],
    ),
    (
        43,
        "a directory has one server, and others are told which",
        &[
            "tests/crashes.rs::a_directory_that_is_served_is_not_served_twice",
            "px-cli/tests/cli/audit.rs::a_served_store_is_refused_and_a_killed_one_is_proved",
        ],
    ),
    (44, "values take the schema's type, and exit codes the outcome", &[]),
    (45, "duplicate slugs are told with both places", &[]),
    (
        46,
        "cargo finds everything by itself, and the visible root is what a newcomer needs",
        &["tests/architecture.rs::users_code_names_only_px"],
    ),
    (
        47,
        "no query is unbounded",
        &[
            "px-store/src/conformance/lists.rs::lists_are_filtered_and_page",
            "px-store/src/conformance/lists.rs::tables_are_scanned_in_pages",
        ],
    ),
    (48, "a hook's numbers have no gap, and links are there if an API is", &[]),
    (49, "where a callback may go is asked twice", &[]),
    (50, "a receiver that never answers holds no run", &[]),
];
