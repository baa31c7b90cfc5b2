//! The hard cases of webhooks, and what others get wrong with callbacks.

use super::Row;

/// The hard cases of webhooks, in the order in which they were thought of.
pub(super) const HARD_CASES: &[Row] = &[
    (
        1,
        "an event before its wait",
        &[
            "px-testkit/tests/rules.rs::an_early_event_is_kept_and_taken_by_the_wait_that_opens_later",
            "tests/crashes.rs::an_early_event_survives_a_crash_and_answers_the_wait_that_opens_later",
        ],
    ),
    (
        2,
        "two events for one wait",
        &[
            "px-testkit/tests/rules.rs::two_events_for_one_wait_the_second_stays_queued_and_is_late_when_the_run_ends",
        ],
    ),
    (
        3,
        "one event, two runs that wait on its key",
        &["px-testkit/tests/rules.rs::rule_11_one_event_two_runs_the_oldest_wait_takes_it"],
    ),
    (
        4,
        "a provider's duplicate, at once or days later",
        &[
            "px-testkit/tests/rules.rs::rule_18_a_duplicate_names_the_original",
            "tests/webhooks/pull_requests.rs::a_delivery_that_is_posted_again_changes_nothing",
        ],
    ),
    (5, "fifty copies at once", &["tests/webhooks/pull_requests.rs::fifty_copies_at_once_have_one_effect"]),
    (
        6,
        "event and timeout tie",
        &[
            "px-testkit/tests/rules.rs::event_and_timeout_tie_and_one_wins",
            "px-core/tests/rules.rs::event_timeout_and_cancel_race_for_one_compare_and_set",
            "px-testkit/tests/broken_stores.rs::a_timeout_without_compare_and_set_is_caught",
        ],
    ),
    (
        7,
        "an event after its timeout, or after the run's end",
        &[
            "px-testkit/tests/rules.rs::a_timeout_is_given_to_the_step_and_later_events_are_late",
            "px-testkit/tests/rules.rs::cancel_ends_the_wait_and_later_events_are_late",
        ],
    ),
    (
        8,
        "resume-or-start, twice at once for one identifier",
        &[
            "px-testkit/tests/rules.rs::rule_4_the_started_run_owns_its_key_and_takes_what_comes_meanwhile",
            "px-testkit/tests/explore.rs::whatever_happens_at_once_comes_to_what_some_order_comes_to",
        ],
    ),
    (
        9,
        "four events of one pull request in flight at once",
        &[
            "tests/webhooks/pull_requests.rs::four_events_of_one_pull_request_at_once_are_one_run_that_sees_each_once",
        ],
    ),
    (
        10,
        "an owner ends with events queued for it",
        &[
            "px-testkit/tests/rules.rs::rule_4_an_owner_that_ends_with_events_queued_is_succeeded_in_the_same_commit",
        ],
    ),
    (
        11,
        "a run that was paused while it waits",
        &[
            "px-testkit/tests/steps.rs::rule_9_a_paused_run_takes_at_resume_what_came_meanwhile_before_its_timeout",
        ],
    ),
    (
        12,
        "cancel against event",
        &[
            "px-testkit/tests/rules.rs::rule_1_a_wait_that_ends_between_two_reads_makes_the_event_read_anew",
            "px-testkit/tests/explore.rs::whatever_happens_at_once_comes_to_what_some_order_comes_to",
        ],
    ),
    (13, "a step that is retried after it took a response", &[]),
    (
        14,
        "a crash between any two writes",
        &[
            "px-testkit/tests/weather.rs::whatever_the_weather_the_ledger_adds_up",
            "px-testkit/tests/explore.rs::whatever_the_order_the_ledger_adds_up",
        ],
    ),
    (
        15,
        "a crash after the answer and before the step",
        &["tests/crashes.rs::a_run_that_was_acknowledged_and_not_begun_goes_on_at_the_restart"],
    ),
    (
        16,
        "a bad signature",
        &[
            "tests/webhooks/pull_requests.rs::a_wrong_signature_is_refused_and_burns_no_id",
            "px-inbound/src/redact.rs::rule_20_signatures_credentials_and_cookies_are_not_kept",
        ],
    ),
    (
        17,
        "a payload that does not fit",
        &[
            "tests/webhooks/refusals.rs::a_payload_that_does_not_fit_is_set_aside_with_every_violation",
            "px-testkit/tests/inbox.rs::rules_17_and_20_a_quarantined_delivery_is_superseded_by_its_retry_and_replayed_in_its_row",
        ],
    ),
    (
        18,
        "a handler that panics",
        &["px-testkit/tests/rules.rs::rule_17_a_failed_handler_burns_no_dedup_key"],
    ),
    (19, "an identifier that says nothing", &["px-testkit/tests/rules.rs::an_identifier_must_say_something"]),
    (
        20,
        "a body over the limit, one that trickles, ten thousand idle connections",
        &[
            "tests/webhooks/refusals.rs::a_body_over_the_limit_is_refused_before_it_is_read",
            "px-server/tests/connections.rs::a_head_that_trickles_and_a_connection_that_idles_are_closed",
            "px-server/tests/connections.rs::ten_thousand_idle_connections_give_way_to_a_good_sender",
            "px-server/tests/edge.rs::bodies_that_trickle_take_no_room_from_others",
        ],
    ),
    (
        21,
        "deep JSON, and keys that come twice",
        &[
            "px-verify/src/evaluate/json.rs::refuses_duplicate_keys_anywhere",
            "px-verify/src/evaluate/json.rs::refuses_depth_and_junk",
            "tests/webhooks/refusals.rs::bodies_that_cannot_be_read_are_refused",
        ],
    ),
    (
        22,
        "a webhook that a redeploy removed",
        &["px-testkit/tests/inbox.rs::rule_28_a_slug_that_a_redeploy_removed_is_busy_while_runs_wait_on_it"],
    ),
    (23, "a step that a redeploy renamed", &[]),
    (
        24,
        "a clock that is set back",
        &[
            "px-testkit/tests/rules.rs::the_clock_set_back_rings_nothing_twice",
            "px-core/src/entropy.rs::ids_sort_by_creation_even_when_the_clock_goes_back",
        ],
    ),
    (
        25,
        "a full disk",
        &[
            "px-store-sled/src/tests/failures.rs::a_full_disk_before_a_new_segment_is_refused_and_then_goes_on",
            "px-store-sled/src/tests/failures.rs::a_full_disk_in_the_middle_of_a_record_leaves_nothing_of_it",
        ],
    ),
];

/// What senders and receivers of callbacks are known to do wrong.
pub(super) const CALLBACKS: &[Row] = &[
    (
        1,
        "a missing signature is accepted",
        &["px-callbacks/tests/receive.rs::hooks_6_a_missing_signature_header_accepted_when_a_secret_is_set"],
    ),
    (
        2,
        "a receiver's dedup is not atomic",
        &["px-callbacks/tests/receive.rs::hooks_6_a_receivers_dedup_that_is_not_atomic"],
    ),
    (
        3,
        "only a hash of the secret is kept",
        &["px-secrets/src/vault.rs::hooks_3_a_secret_signs_again_after_a_restart_and_is_nowhere_in_clear"],
    ),
    (
        4,
        "no body is kept for a retry after a restart",
        &[
            "px-outbound/tests/format.rs::hooks_2_the_bytes_are_the_same_on_every_retry",
            "px-outbound/tests/explore.rs::hooks_4_what_was_under_way_at_a_death_goes_out_again_at_once_and_nothing_else_does",
        ],
    ),
    (
        5,
        "a breaker opens once and never again, or for each request",
        &[
            "px-outbound/src/breaker.rs::hooks_4_each_failed_probe_doubles_the_pause_up_to_an_hour_and_it_re_arms",
            "px-outbound/tests/sending.rs::hooks_4_an_open_breaker_parks_in_order_and_burns_no_retry",
        ],
    ),
    (
        6,
        "what comes while it is open is dropped",
        &["px-outbound/tests/sending.rs::hooks_4_an_open_breaker_parks_in_order_and_burns_no_retry"],
    ),
    (
        7,
        "workers sleep through a backoff",
        &[
            "px-outbound/tests/sending.rs::hooks_6_a_dead_endpoint_holds_none_of_its_neighbours_slots",
            "tests/hooks/crowds.rs::hooks_6_a_hook_that_always_answers_500_costs_its_neighbour_nothing",
        ],
    ),
    (8, "a burst vanishes", &["tests/hooks/crowds.rs::hooks_6_a_burst_of_5_000_events_arrives_whole"]),
    (
        9,
        "what was not stored is marked as seen",
        &["px-callbacks/src/journal/writer.rs::hooks_6_seen_marks_set_before_the_event_is_stored"],
    ),
    (
        10,
        "408 and 429 are final",
        &["px-outbound/src/verdict.rs::hooks_6_408_425_and_429_are_tried_again_and_other_4xx_are_not"],
    ),
    (
        11,
        "a redirect gets the signature",
        &["px-outbound/tests/guard.rs::hooks_6_redirects_followed_with_the_signature_attached"],
    ),
    (
        12,
        "an event has no id",
        &["px-outbound/tests/format.rs::hooks_6_no_event_id_so_that_receivers_cannot_deduplicate"],
    ),
    (
        13,
        "one try and gone",
        &[
            "px-outbound/tests/sending.rs::hooks_4_the_whole_table_is_walked_with_jitter_and_the_same_bytes_and_then_it_is_dead",
        ],
    ),
    (
        14,
        "169.254.169.254 passes",
        &["px-outbound/tests/guard.rs::hooks_6_a_url_check_that_accepts_169_254_169_254"],
    ),
];
