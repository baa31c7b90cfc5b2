//! The rules of keys, deliveries, the way in, runs, the process and callbacks.
//! `docs/rules.md` is written from this table.

use super::Rule;

/// Keys, waits and owners; deliveries; the way in; runs; the process; callbacks;
/// edges. A rule keeps its number, so numbers may be missing.
pub(super) const RULES: &[Rule] = &[
    (
        1,
        "a key is one versioned record, and whoever lost its version reads anew",
        "An opening wait and an arriving event meet at the key. If both could commit without seeing the other, the event would lie queued beside a wait that nobody answers.",
        &[
            "px-testkit/tests/explore.rs::whatever_happens_at_once_comes_to_what_some_order_comes_to",
            "px-testkit/tests/broken_stores.rs::a_store_without_key_versions_is_caught",
        ],
    ),
    (
        2,
        "a scope begins every row and every query",
        "Tenants come later; a row without a scope could then not be told from another tenant's.",
        &[],
    ),
    (
        3,
        "the oldest wait, else the owner, else a start, else the queue",
        "The sender cannot say whether the run has got as far as its wait. The order makes the outcome depend on the store and not on who was quicker.",
        &[],
    ),
    (
        4,
        "a run that an event started owns its key, and is succeeded if it ends with events queued",
        "Two events of one pull request are one story. Without an owner each would start a run of its own whenever they arrive together.",
        &[],
    ),
    (
        5,
        "what came too late is kept, and answers nothing by itself",
        "Yesterday's \"thanks!\" must not answer tomorrow's question; and what a person wrote must not be thrown away either.",
        &["px-testkit/tests/rules.rs::a_timeout_is_given_to_the_step_and_later_events_are_late"],
    ),
    (
        6,
        "an early event waits for its wait as long as its webhook says",
        "Senders are often quicker than the step that waits for them; after a day, an answer most likely means something else.",
        &["px-testkit/tests/rules.rs::a_queued_event_expires_and_stays_in_the_inbox"],
    ),
    (
        7,
        "an opening wait takes what is queued in the order of receipt",
        "People expect that what they said first counts first.",
        &[],
    ),
    (
        8,
        "partial arrivals are collected, and a timeout gives what there is",
        "Three approvals of five that came in time are worth more to a step than none.",
        &[],
    ),
    (
        9,
        "a paused run takes at its resume what came meanwhile, before a timeout",
        "A pause is the operator's and not the sender's: nothing that arrived in time may lose to a timeout because of it.",
        &[],
    ),
    (
        10,
        "a token is part of the match",
        "An identifier can be guessed or shared; a token says that this very question was seen.",
        &[],
    ),
    (
        11,
        "of several waits on a key the oldest takes the event",
        "One event is one answer. To give it to all would apply it more than once.",
        &[],
    ),
    (
        12,
        "a position is a stack of frames, and a wait belongs to its place in it",
        "A brain can be inside a brain, a list inside a step. A wait that only knew its run could not be found again after a restart.",
        &[
            "px-testkit/tests/forms.rs::a_wait_inside_a_nested_brain_resumes_at_its_depth_whatever_dies",
            "px-testkit/tests/forms.rs::the_items_of_a_list_keep_their_order_and_are_done_once_whatever_dies",
        ],
    ),
    (
        13,
        "a step whose future is gone runs again with what it remembered",
        "A later form of wait lies inside a step. Nothing may depend on a future that a restart has taken.",
        &[],
    ),
    (
        14,
        "a response that changed since its wait opened pauses the run",
        "A response that no longer fits its type cannot be given to the step, and guessing would be worse than asking.",
        &[],
    ),
    (
        15,
        "a name of `once` is used once in an execution, and its commit is fenced",
        "A name that is used twice would silently give the second effect the first one's result.",
        &[],
    ),
    (
        16,
        "a delivery carries events, each with a state of its own",
        "A sender packs several events into one request, and each has its own fate; the request has one answer.",
        &[],
    ),
    (
        17,
        "a dedup key is written with a 2xx and never without",
        "A provider retries what was refused. If the refusal were remembered as done, the retry would be answered as a duplicate and the event lost.",
        &[],
    ),
    (
        18,
        "a duplicate names its original",
        "\"Already seen\" may only be said of what is durable, and the one who asks why wants to know of which delivery.",
        &["tests/webhooks.rs::fifty_copies_at_once_have_one_effect"],
    ),
    (
        19,
        "without an id there is no dedup, unless the webhook says what a repetition is",
        "Two people may both answer \"yes\": equal bytes are not the same message unless somebody says so.",
        &[],
    ),
    (
        20,
        "a replay skips dedup and runs the handler on what is stored",
        "A replay is asked for by an operator who has mended something; to treat it as a repetition would refuse just that.",
        &[],
    ),
    (
        21,
        "a response lives as long as the run that took it",
        "An inbox is tidied up, a run that waits for three weeks is not: its answers belong to its log.",
        &[],
    ),
    (
        22,
        "slugs have a form, and few routes answer without a token",
        "Senders cannot log in. Everything else can, so the list of what answers without a token has to be short and closed.",
        &["px-server/src/api/tests/matrix.rs::every_route_lets_in_whom_its_door_does"],
    ),
    (
        23,
        "the schema is the payload type's, and unknown kinds pass",
        "A provider adds kinds of events at any time. To refuse what nobody asked for would turn off the webhook at its sender.",
        &[],
    ),
    (
        24,
        "a handler sees the whole request, and has two seconds",
        "The answer to the sender waits for the handler; a sender gives up after some seconds, and px must be the first to say so.",
        &[],
    ),
    (
        25,
        "a reply says in headers what became of the event",
        "Whoever looks at the sender's log should find the run without px at hand.",
        &["px-server/tests/edge.rs::a_handler_replies_with_text_xml_or_a_status_of_its_own"],
    ),
    (
        26,
        "an unverified webhook answers this machine only",
        "A tunnel to the public network also arrives from this machine; its forwarding header tells them apart.",
        &[
            "px-verify/tests/verify_behaviour.rs::unverified_webhooks_answer_this_machine_only",
            "px-server/tests/spellings.rs::the_api_and_unverified_webhooks_agree_on_every_spelling",
            "tests/webhooks.rs::without_a_secret_only_this_machine_may_send",
        ],
    ),
    (
        27,
        "what is signed is the public URL",
        "A sender signs the URL that it was given, and a proxy in between has rewritten that.",
        &["px-verify/tests/verify_behaviour.rs::a_twilio_url_is_rebuilt_from_what_is_trusted"],
    ),
    (
        28,
        "a removed webhook is busy while runs wait on it",
        "A redeploy that forgets a webhook would otherwise turn answers to open questions into 404, after which senders stop trying.",
        &[],
    ),
    (
        29,
        "the sample's webhooks know bots, mentions and reviews",
        "A bot that answers itself is a loop; a review is as much an event of a pull request as its opening.",
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
        "A start that is repeated after a lost answer must not become a second order.",
        &["tests/api.rs::starting_a_run", "tests/api.rs::an_idempotency_key_starts_one_run"],
    ),
    (
        31,
        "a log tells reruns, partial arrivals and kinds of errors, and loses nothing",
        "What is only told in a form that loses something cannot be explained afterwards.",
        &["px-testkit/tests/rules.rs::a_failing_step_and_a_panicking_step_end_the_run_and_say_so"],
    ),
    (
        32,
        "a run knows its version and why it was started",
        "Weeks later the first question is by what code and by whose event a run was started.",
        &[],
    ),
    (
        33,
        "what is stored and what is shown are two forms, and a number is a number",
        "Stored logs outlive the wire's form; a number that becomes a text on the way breaks every client that computes.",
        &[
            "px-core/tests/golden.rs::every_golden_log_is_written_as_it_is_read",
            "px-core/tests/golden.rs::the_wire_form_is_flat_and_carries_what_every_event_repeats",
        ],
    ),
    (
        34,
        "a step gets the state that was committed",
        "What runs before a crash and after it must be the same.",
        &[],
    ),
    (
        35,
        "a cancel counts at once, and a pause when the step is through",
        "A cancel is meant for what is going wrong just now; a pause is meant to lose nothing.",
        &[],
    ),
    (
        36,
        "claims are fenced, and after three deaths a run is paused",
        "A process that was thought dead may wake up. Its commits must be refused, and a step that kills every process must not take them all.",
        &[
            "px-testkit/tests/broken_stores.rs::a_store_without_fences_is_caught",
            "px-testkit/tests/broken_stores.rs::a_member_that_takes_runs_from_the_living_is_caught",
            "px-testkit/tests/broken_stores.rs::a_step_that_begins_before_its_claim_is_durable_is_caught",
            "px-testkit/tests/ownership.rs::two_engines_over_one_store_begin_a_healthy_step_of_eight_seconds_once",
            "px-testkit/tests/ownership.rs::a_run_that_an_event_starts_is_born_claimed_and_costs_no_commit_for_its_claim",
            "px-testkit/tests/ownership.rs::what_was_born_claimed_by_a_process_that_died_runs_at_the_next_start",
        ],
    ),
    (
        37,
        "streams end after the last event",
        "A watcher that cannot tell the end from a broken connection has to ask for ever.",
        &["tests/api.rs::a_watch_stream_has_history_and_ids_and_ends_with_the_run"],
    ),
    (38, "each form of a step has its name", "Clients draw forms by their names.", &["tests/api.rs::brains"]),
    (
        39,
        "any error becomes px's, with its causes",
        "The first error is seldom the cause; people look for the last.",
        &["px-sdk/src/error.rs::takes_any_error_with_its_causes", "px-sdk/src/error.rs::bail_formats"],
    ),
    (
        40,
        "a malformed id is one that is not found",
        "To a person both are the same mistake, and they want to see what an id looks like.",
        &[
            "tests/api.rs::runs_that_do_not_exist",
            "px-cli/tests/cli/against_a_server.rs::an_id_that_is_none_is_not_found_and_says_what_ids_look_like",
        ],
    ),
    (
        41,
        "a hint that is lost costs a second",
        "A notice in memory does not survive a crash. What depends on one would wait for ever.",
        &[],
    ),
    (
        42,
        "a first signal ends it in order, a second at once",
        "A deploy should not run steps twice; somebody who signals again means it.",
        &["tests/crashes.rs::sigterm_ends_it_gracefully"],
    ),
    (
        43,
        "a directory has one server, and others are told which",
        "Two writers of one directory would each be right by themselves and wrong together.",
        &[
            "tests/crashes.rs::a_directory_that_is_served_is_not_served_twice",
            "px-cli/tests/cli/audit.rs::a_served_store_is_refused_and_a_killed_one_is_proved",
        ],
    ),
    (
        44,
        "values take the schema's type, and exit codes the outcome",
        "A phone number is a text even where it is all digits; a script looks at exit codes.",
        &[],
    ),
    (
        45,
        "duplicate slugs are told with both places",
        "Two webhooks of one slug would each get some of the events.",
        &[],
    ),
    (
        46,
        "cargo finds everything by itself, and the visible root is what a newcomer needs",
        "A newcomer adds a file and expects that it counts.",
        &["tests/architecture.rs::users_code_names_only_px"],
    ),
    (
        47,
        "no query is unbounded",
        "A list that grows with the store is an outage that waits for its day.",
        &[
            "px-store/src/conformance/lists.rs::lists_are_filtered_and_page",
            "px-store/src/conformance/lists.rs::tables_are_scanned_in_pages",
        ],
    ),
    (
        48,
        "a hook's numbers have no gap, and links are there if an API is",
        "A receiver can only notice what it missed if no number is left out on purpose.",
        &[],
    ),
    (
        49,
        "where a callback may go is asked twice",
        "A name can change between the check and the connection.",
        &[],
    ),
    (50, "a receiver that never answers holds no run", "A receiver's trouble is not the run's.", &[]),
    (
        55,
        "a log, a terminal or a metric that cannot be written takes no work down",
        "A log is there to help. A full disk or a closed terminal must not be able to stop an approval.",
        &[],
    ),
    (
        58,
        "the edges of HTTP are px's own",
        "A sender without an id that gets no answer sends again, which is a second effect; a head or body that is refused without a word is looked for at the wrong place.",
        &[
            "px-server/tests/http_edges.rs::rule_58_a_half_closed_request_is_answered",
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
        &["px-server/tests/streams.rs::rule_65_streams_end_with_the_permission_that_opened_them"],
    ),
    (
        66,
        "streams are bounded apart from requests",
        "A stream holds its connection and has no end of its own; one token that may only look could otherwise keep every webhook out.",
        &[
            "px-server/tests/streams.rs::rule_66_streams_are_bounded_by_holder_and_in_all_and_leave_room_for_requests",
        ],
    ),
    (
        68,
        "two headers that name two senders are refused unless one of them counts",
        "A proxy writes one of them, and lets through what a client wrote into the other.",
        &[
            "px-verify/src/evaluate/hops.rs::two_headers_that_name_two_senders_are_refused_unless_one_of_them_counts",
        ],
    ),
    (
        69,
        "a coding that is not read is 501, and one key is one start with one callback",
        "Who starts a run with a known key and another callback believes that the callback is registered.",
        &["px-server/tests/http_edges.rs::rule_69_one_key_is_one_start_with_one_callback"],
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
];
