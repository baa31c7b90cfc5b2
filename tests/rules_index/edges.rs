//! The rules of px's edges: HTTP, proxies, streams, health, and what clients get
//! wrong. `docs/rules.md` has them among the others, by their numbers.

use super::Rule;

pub(super) const EDGES: &[Rule] = &[
    (51, "what an operator gives is checked first", "An unreadable answer ends no wait.", &[]),
    (
        52,
        "a 2xx is said of what was understood",
        "A provider does not send again what was answered 2xx. Taken for something else, the event would be gone, and its id used up.",
        &["px-testkit/tests/reading.rs::cloudevents_without_data_with_text_and_in_batches"],
    ),
    (
        53,
        "what senders write is read, and what cannot be read leaves a trace",
        "Many providers never send again, and only the operator can find out that a proxy has spoilt a body.",
        &["px-inbound/src/validate.rs::an_integer_beyond_its_type_is_a_violation_with_its_path"],
    ),
    (
        54,
        "an id is the text that the sender wrote",
        "Two ids that differ in a digit which a float does not hold are two events; the second must not be taken for a repetition.",
        &[
            "px-verify/tests/form_data.rs::two_ids_of_forms_that_differ_in_bytes_that_are_no_text_are_two",
            "px-verify/tests/form_data.rs::two_numbers_in_the_json_of_a_form_are_two_ids",
        ],
    ),
    (
        55,
        "a log, a terminal or a metric that cannot be written takes no work down",
        "A log is there to help. A full disk or a closed terminal must not be able to stop an approval.",
        &[],
    ),
    (
        56,
        "what outsiders wrote reaches a terminal escaped",
        "An identifier or a reason is chosen by whoever sends it, and a terminal obeys what is in it: it renames windows, hides text and turns lines around.",
        &[
            "px-cli/src/paint.rs::rules_56_only_styles_of_px_itself_reach_a_terminal",
            "px-cli/tests/cli/outsiders.rs::rules_56_nothing_that_an_outsider_wrote_is_obeyed_by_a_terminal",
            "px-cli/tests/cli/outsiders.rs::rules_56_json_is_json",
        ],
    ),
    (
        57,
        "a refusal of one message is no illness of its endpoint",
        "A receiver that does not want one kind of event would else be left alone for an hour, with all the events that it does want.",
        &[
            "px-outbound/tests/operating.rs::rules_57_refusals_of_single_messages_do_not_park_their_neighbours",
            "px-outbound/tests/attempts.rs::rules_57_no_answer_on_a_kept_connection_goes_out_again_once_over_a_new_one",
            "px-outbound/tests/attempts.rs::rules_57_a_2xx_with_an_odd_head_is_delivered_up_to_its_bounds",
            "px-outbound/src/http_date.rs::rfc_9110_all_three_forms_are_read",
        ],
    ),
    (
        58,
        "the edges of HTTP are px's own",
        "A sender without an id that gets no answer sends again, which is a second effect; a head or body that is refused without a word is looked for at the wrong place.",
        &[
            "px-server/tests/http_edges.rs::rule_58_a_half_closed_request_is_answered",
            "px-server/tests/streams.rs::rule_58_a_half_closed_watch_of_a_run_that_is_over_gets_all_of_its_log",
            "px-server/tests/http_edges.rs::rule_58_a_head_has_a_size_wherever_a_read_ends",
            "px-server/tests/http_edges.rs::rule_58_a_body_beyond_its_bound_is_413_and_who_still_sends_gets_to_read_it",
            "px-server/tests/http_edges.rs::rules_58_and_69_hosts_and_codings_that_are_none_are_refused_at_every_door",
            "px-server/tests/http_edges.rs::every_405_says_what_is_allowed_and_a_slash_too_many_is_named",
        ],
    ),
    (
        59,
        "scheme, host and port are those of the hop at which the sender's address is found",
        "A provider signs the URL that it called. Two readers of one list of proxies that disagree refuse genuine requests, or believe a client's header.",
        &[
            "px-verify/src/evaluate/hops.rs::scheme_host_and_port_are_those_of_the_hop_at_which_the_address_is_found",
        ],
    ),
    (
        60,
        "ready means that work would be taken now",
        "A balancer that sends webhooks to a server with a full disk has each of them answered 503; a probe that needs a token restarts a healthy server for ever.",
        &[
            "px-server/src/api/health.rs::readiness_asks_what_work_asks_and_reasons_are_for_readers",
            "px-store-sled/src/tests/failures.rs::a_store_that_was_full_finds_out_by_itself_that_there_is_room",
        ],
    ),
    (
        61,
        "a client's mistake is a 4xx that names the bound",
        "Who is answered \"later\" comes back for ever, and who misspells a field and hears nothing believes that it counts.",
        &[
            "px-server/tests/http_edges.rs::rule_61_a_clients_mistake_is_a_4xx_with_the_bound_in_its_text",
            "px-server/tests/http_edges.rs::rule_61_unknown_fields_are_refused_on_own_routes_and_named_on_the_ancestors",
            "px-server/tests/http_edges.rs::rule_61_what_is_passed_over_is_named_once_for_each_field_and_as_plain_text",
            "px-server/tests/secrets.rs::rules_61_no_refusal_repeats_what_may_be_a_secret",
        ],
    ),
    (
        62,
        "a secret that is there and blank stops the start",
        "A variable that a deployment left empty would else make a webhook that believes every sender, without a word.",
        &[
            "px-cli/tests/cli/refusing.rs::rules_62_a_secret_that_is_there_and_blank_stops_the_start_and_the_check",
            "px-cli/tests/cli/refusing.rs::rules_62_the_secrets_of_every_proof_are_checked_by_the_start_and_the_check_alike",
            "px-cli/src/config/webhooks.rs::rules_62_a_secret_that_is_there_and_blank_is_a_mistake",
            "px-inbound/src/endpoint.rs::rules_62_by_a_file_that_is_gone_nobody_is_believed_though_the_store_has_a_value",
            "px-server/tests/secrets.rs::rules_62_a_file_with_another_value_is_noticed_and_by_one_that_is_gone_nobody_is_believed",
        ],
    ),
    (
        63,
        "damage is never taken for emptiness, and a store that has not begun is not damaged",
        "A journal that looks empty would be served as an empty store, and every acknowledged webhook would be gone without a word.",
        &[
            "px-store-sled/src/tests/damage/attacks.rs::a_store_without_its_mark_is_no_new_one_whatever_else_is_damaged",
            "px-store-sled/src/tests/damage/attacks.rs::a_journal_that_is_as_long_as_an_earlier_mark_says_and_holds_more_is_refused",
            "px-store-sled/src/tests/damage/versions.rs::a_mark_of_version_1_is_rewritten_before_anything_is_committed",
            "px-store-sled/src/tests/journal.rs::a_missing_mark_or_a_newer_format_is_no_empty_store",
        ],
    ),
    (
        64,
        "one rule says at every door who is this machine",
        "A page on another site can send requests to this machine from its visitor's browser; each door needs the same answer to whether a request is local.",
        &[
            "px-server/src/api/tests/matrix.rs::every_route_lets_in_whom_its_door_does",
            "px-server/tests/spellings.rs::the_api_and_unverified_webhooks_agree_on_every_spelling",
            "px-server/tests/spellings.rs::bodies_of_the_api_say_that_they_are_json",
            "px-verify/tests/local.rs::an_origin_is_the_targets_own_or_an_allowed_one",
            "px-verify/tests/local.rs::what_fetch_metadata_says_of_the_site_counts",
        ],
    ),
    (
        65,
        "a permission takes what it opened with it",
        "A token is revoked because somebody has it who should not; a stream that it opened would go on telling.",
        &[
            "px-server/tests/streams.rs::rule_65_streams_end_with_the_permission_that_opened_them",
            "px-server/tests/streams.rs::rule_65_a_right_that_ends_while_a_body_comes_does_nothing_any_more",
        ],
    ),
    (
        66,
        "streams are bounded apart from requests",
        "A stream holds its connection and has no end of its own; one token that may only look could otherwise keep every webhook out.",
        &[
            "px-server/tests/streams.rs::rule_66_streams_are_bounded_by_holder_and_in_all_and_leave_room_for_requests",
            "px-server/tests/streams.rs::rule_66_a_stream_leaves_its_place_when_its_peer_resets_or_sends_more_and_goes",
            "px-server/tests/watchers.rs::rule_66_a_change_of_a_run_is_read_once_however_many_watch_it",
            "px-server/tests/watchers.rs::rule_66_who_watches_a_run_that_rests_costs_a_look_at_its_seq_each_second_with_all_others",
        ],
    ),
    (
        67,
        "files are their owner's",
        "A store holds what people wrote, with their names and numbers; everybody who has an account on the machine could else read it.",
        &[
            "px-cli/tests/cli/store.rs::rules_67_what_a_store_is_in_is_its_owners_and_so_are_its_copies",
            "px-cli/src/private.rs::rules_67_what_is_made_and_what_is_narrowed_is_its_owners",
            "px-secrets/src/vault.rs::rules_67_a_key_that_others_can_read_is_refused",
            "px-secrets/tests/secrets.rs::another_key_is_refused_before_anything_is_sealed_under_it",
            "px-cli/tests/cli/keys.rs::a_backup_has_no_key_unless_it_is_asked_for",
        ],
    ),
    (
        68,
        "two headers that name two senders are refused unless one counts, and this machine is closed to callbacks where px serves others",
        "A proxy writes one of them, and lets through what a client wrote into the other. Whoever may start a run names a URL; behind a proxy that is somebody else, who could post to every service that trusts this machine.",
        &[
            "px-verify/src/evaluate/hops.rs::two_headers_that_name_two_senders_are_refused_unless_one_of_them_counts",
            "px-outbound/tests/operating.rs::rules_68_callbacks_to_a_machine_that_is_closed_are_held_and_go_out_once_it_is_open",
            "px-outbound/tests/operating.rs::rules_68_only_what_is_closed_for_serving_others_is_held",
            "px-outbound/tests/operating.rs::rules_68_a_configured_hook_that_is_closed_later_stays_and_a_new_one_is_refused",
            "px-outbound/tests/operating.rs::rules_68_a_name_that_the_resolver_calls_this_machine_is_tried_again",
            "px-outbound/tests/operating.rs::rules_68_what_comes_after_a_held_callback_of_an_ordered_hook_does_not_overtake_it",
            "px-outbound/tests/attempts.rs::rules_68_a_url_that_says_itself_that_it_is_this_machine_is_no_attempt_while_that_is_closed",
        ],
    ),
    (
        69,
        "a coding that is not read is 501, one key is one start with one callback, and secrets in URLs are hidden below admin",
        "Who starts a run with a known key and another callback believes that the callback is registered. The path and query of a chat's webhook are all that one needs to write there.",
        &[
            "px-server/tests/http_edges.rs::rule_69_one_key_is_one_start_with_one_callback",
            "px-outbound/src/guard/target.rs::rules_69_what_may_be_a_secret_in_a_url_is_hidden",
        ],
    ),
    (
        71,
        "code of users that does not yield costs its own thread and nobody else",
        "A step that never yields would hold a thread that answers webhooks, timers and signals.",
        &[
            "px-pool/tests/pool.rs::a_blocked_thread_is_replaced_and_everything_else_goes_on",
            "px-pool/tests/pool.rs::timers_and_sockets_go_on_while_spawned_tasks_spin",
            "px-pool/tests/threads.rs::what_awaits_holds_no_thread",
        ],
    ),
    (
        75,
        "a reminder runs while its wait is open, holds up nothing of its run, and never fails it",
        "A reminder is there for whoever waits. If the answer had to wait for it, or the run failed with it, the wait would be worse off than without.",
        &[
            "px-testkit/tests/reminders.rs::an_answer_is_taken_at_once_while_a_reminder_runs_whose_next_commit_is_refused",
            "px-testkit/tests/reminders.rs::a_timeout_and_a_cancel_are_taken_at_once_while_a_reminder_runs",
            "px-testkit/tests/reminders.rs::a_reminder_that_a_pause_cuts_short_runs_again_after_the_resume_and_repeats_no_effect",
            "px-testkit/tests/reminders.rs::a_reminder_that_fails_is_tried_again_as_said_and_never_fails_the_run",
            "px-testkit/tests/reminders.rs::a_process_that_dies_in_a_reminder_leaves_it_to_the_next_and_after_three_deaths_it_is_given_up",
            "px-testkit/tests/reminders_moving.rs::an_answer_at_another_node_goes_on_there_and_the_reminder_is_dropped_with_a_hint_or_without",
            "px-testkit/tests/reminders_moving.rs::a_build_that_cannot_run_a_reminder_leaves_it_to_one_that_can",
            "px-testkit/tests/reminders_engine.rs::an_answer_goes_on_within_a_second_while_a_reminder_runs_however_few_places_there_are",
            "px-testkit/tests/broken_stores.rs::a_reminder_that_ends_whatever_has_become_of_its_wait_is_caught",
        ],
    ),
    (
        76,
        "what fell due while px was down comes once, and the next turn at its time",
        "Five mails at once remind nobody better than one does; and a reminder of a wait that was over as well would be wrong.",
        &[
            "px-core/src/reminder.rs::the_next_turn_lies_in_the_future_on_the_grid_of_the_opening",
            "px-testkit/tests/reminders.rs::what_fell_due_while_px_was_down_comes_once_and_the_next_turn_at_its_time",
            "px-testkit/tests/reminders.rs::nobody_is_reminded_of_a_wait_whose_time_was_up_as_well",
        ],
    ),
    (
        77,
        "a file is there with its delivery or not at all, and is never what its sender says",
        "A 2xx for a form without its files would be a lie, and so would half of one. A name with slashes or a type that a browser runs is how strangers get at a machine or at its reader.",
        &[
            "px-testkit/tests/files.rs::rule_17_no_file_is_there_before_its_delivery_and_every_file_with_it",
            "px-testkit/tests/files.rs::files_stay_while_a_run_may_read_them_and_then_go_with_their_delivery",
            "px-testkit/tests/files.rs::a_replay_that_turns_out_to_be_a_repetition_keeps_its_files_until_it_is_forgotten",
            "px-testkit/tests/hostile_forms.rs::ten_hostile_names_and_types_are_texts",
            "px-server/tests/files.rs::a_gigabyte_is_refused_before_it_is_read",
            "px-server/tests/files.rs::a_file_is_handed_out_as_it_came_and_runs_nowhere",
            "px-store/src/conformance/files.rs::the_files_of_a_delivery_are_there_with_it",
            "px-store-sled/src/tests/damage/files.rs::no_power_cut_loses_a_file_that_was_answered_or_leaves_a_part_of_another_one",
        ],
    ),
];
