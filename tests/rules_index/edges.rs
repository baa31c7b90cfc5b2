//! The rules of px's edges: HTTP, proxies, streams, health, and what clients get
//! wrong. `docs/rules.md` has them among the others, by their numbers.

use super::Rule;

pub(super) const EDGES: &[Rule] = &[
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
];
