//! Commands that need no server, and what is wrong before one is asked.

use serde_json::json;

use crate::support::Project;
use crate::terminal;

#[test]
fn rule_45_duplicates_and_nothing_refuse_everywhere_alike() {
    let duplicate_slug = "Error: Duplicate webhook slug 'slack'\n  \
                          - crates/px-cli/examples/duplicate_slug.rs:6\n  \
                          - crates/px-cli/examples/duplicate_slug.rs:22\n\
                          Each webhook must have a unique slug for its URL path.\n";
    let duplicate_title = "Error: Duplicate brain title 'review'\n  \
                           - crates/px-cli/examples/duplicate_title.rs:9\n  \
                           - crates/px-cli/examples/duplicate_title.rs:22\n\
                           Each brain must have a unique title: runs and callers know it by that.\n";
    let empty = "Error: No brain and no webhook is registered\n\
                 The binary does not name the crate that holds them. Add `use app as _;` to its main.rs, \
                 where `app` is the crate with your `px::brain!` and `px::webhook!`.\n";
    for (example, expected) in
        [("duplicate_slug", duplicate_slug), ("duplicate_title", duplicate_title), ("empty_registry", empty)]
    {
        let project = Project::of(example);
        for command in [&["serve"][..], &["check"], &["webhooks", "list"], &["brains", "list"]] {
            let done = project.px(command);
            assert_eq!((done.code, &*done.stdout, &*done.stderr), (1, "", expected), "{example} {command:?}");
        }
        assert!(!project.path(".px").exists(), "a binary that cannot serve makes no store");
    }
}

#[test]
fn webhooks_list_is_a_table_that_marks_the_unverified() {
    let project = Project::small().with("CHAT_SECRET", "s").with("CODE_SECRET", "s").with("SMS_SECRET", "");
    let done = project.px(&["webhooks", "list"]);
    assert_eq!(done.code, 0);
    insta::assert_snapshot!(done.stdout, @r"
    ┌────────┬─────────────────────────────────────┬──────────────────────────┐
    │ Name   ┆ URL                                 ┆ Description              │
    ╞════════╪═════════════════════════════════════╪══════════════════════════╡
    │ chat   ┆ http://127.0.0.1:8787/webhooks/chat ┆ Answers in threads       │
    │ code   ┆ http://127.0.0.1:8787/webhooks/code ┆ Changes of pull requests │
    │ open ! ┆ http://127.0.0.1:8787/webhooks/open ┆ Anything from anybody    │
    │ sms !  ┆ http://127.0.0.1:8787/webhooks/sms  ┆ A text message           │
    └────────┴─────────────────────────────────────┴──────────────────────────┘
    ");
    insta::assert_snapshot!(done.stderr, @r"
    (no server answers at http://127.0.0.1:8787: these are the URLs of the configuration)
    ! webhook 'open' is declared unverified, it answers only callers on this machine
    ! webhook 'sms' is unverified, it answers only callers on this machine: set SMS_SECRET
    ");
}

#[test]
fn webhooks_list_as_json_with_the_public_url() {
    let project = Project::small().file("px.toml", "[server]\npublic_url = 'https://my-app.example/'\n");
    let done = project.px(&["webhooks", "list", "--json"]);
    assert_eq!((done.code, &*done.stderr), (0, ""));
    let listed = done.json();
    assert_eq!(listed["count"], 4);
    assert_eq!(
        listed["webhooks"][0],
        json!({
            "slug": "chat", "description": "Answers in threads", "url": "https://my-app.example/webhooks/chat",
            "provider": "slack", "verified": false, "secret": "CHAT_SECRET",
        })
    );
    let by_env = project.with("PX_PUBLIC_URL", "https://other.example");
    let listed = by_env.px(&["webhooks", "list", "--json"]).json();
    assert_eq!(listed["webhooks"][3]["url"], "https://other.example/webhooks/sms");
}

#[test]
fn webhooks_show_has_schema_verification_and_sample() {
    let project = Project::small().with("CHAT_SECRET", "s");
    let done = project.px(&["webhooks", "show", "chat"]);
    assert_eq!(done.code, 0);
    assert!(done.stdout.contains("slack: the secret is in the variable CHAT_SECRET"), "{}", done.stdout);
    assert!(done.stdout.contains("\"const\": \"message\""), "{}", done.stdout);
    let shown = project.px(&["webhooks", "show", "chat", "--json"]).json();
    assert_eq!(shown["sample"], json!({"type": "message", "user": "sample-user", "text": "sample-text"}));
    assert_eq!(shown["payloadSchema"]["title"], "Event");
    assert_eq!(shown["verified"], true);
}

#[test]
fn brains() {
    let project = Project::small();
    let done = project.px(&["brains", "list", "--json"]);
    assert_eq!(
        done.json()["brains"][2],
        json!({"title": "review", "filename": "small_project", "description": "review brain"})
    );
    let shown = project.px(&["brains", "show", "FEEDBACK", "--json"]).json();
    assert_eq!(shown["title"], "customer-feedback");
    assert_eq!(
        shown["steps"],
        json!([{"type": "step", "title": "ask"}, {"type": "step", "title": "process"}])
    );
    let done = project.px(&["brains", "show", "review"]);
    assert!(done.stdout.contains("  ├─ wait\n  └─ end\n"), "{}", done.stdout);

    let done = project.px(&["brains", "show", "reveiw"]);
    assert_eq!(done.code, 3);
    insta::assert_snapshot!(done.stderr, @r"
    Error: Brain 'reveiw' not found
    Hint: did you mean 'review'? `px brains list` shows those there are
    ");
    let done = project.px(&["brains", "show", "e", "--json"]);
    assert_eq!((done.code, &*done.stdout), (4, ""));
    assert_eq!(done.error()["matchType"], "multiple");
    assert_eq!(done.error()["candidates"][2]["title"], "review");
}

#[test]
fn unknown_slugs_are_not_found() {
    let project = Project::small();
    for command in ["show", "send"] {
        let done = project.px(&["webhooks", command, "caht"]);
        assert_eq!((done.code, &*done.stdout), (3, ""), "{command}");
        assert_eq!(
            done.stderr,
            "Error: Webhook 'caht' not found\nHint: did you mean 'chat'? `px webhooks list` shows those there are\n"
        );
    }
}

#[test]
fn check_refuses_what_serve_would_refuse() {
    let done = Project::small().file("px.toml", "[server]\nbind = \"0.0.0.0\"\n").px(&["check"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("webhooks are unverified, and server.bind"), "{}", done.stderr);
}

#[test]
fn a_payload_file_that_is_no_json_is_not_sent_as_something_else() {
    let project = Project::small().file("broken.json", "{\"action\": ");
    let done = project.px(&["webhooks", "send", "code", "--payload", "broken.json"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("broken.json is no JSON"), "{}", done.stderr);
}

#[test]
fn check() {
    let project = Project::small().file("px.toml", "").with("CHAT_SECRET", " spaced ");
    let done = project.px(&["check"]);
    assert_eq!(done.code, 0);
    assert_eq!(
        done.stdout,
        "Configuration  px.toml\nBrains         4\nWebhooks       4\nActive runs    0, 0 of them stuck\n"
    );
    insta::assert_snapshot!(done.stderr, @r"
    Warning: CHAT_SECRET has white space at an end or a line break within; it is used exactly as it is, as one secret
    Warning: webhook 'code' is unverified, it answers only callers on this machine: set CODE_SECRET
    Warning: webhook 'open' is declared unverified, it answers only callers on this machine
    Warning: webhook 'open': a repeated delivery counts as a new one, since nothing says how it is known: add `.dedup_header(..)` or `.dedup_pointer(..)` to `verify`
    Warning: webhook 'sms' is unverified, it answers only callers on this machine: set SMS_SECRET
    Everything is in order.
    ");
    let checked = project.px(&["check", "--json"]).json();
    assert_eq!(checked["ok"], true);
    assert_eq!(checked["brains"], json!(["broken", "customer-feedback", "review", "slow"]));
}

#[test]
fn configuration_errors_say_where_and_what_next() {
    for (toml, expected) in [
        (
            "[server]\nprot = 1\n",
            "Error: px.toml:2:1: unknown key 'prot'\nHint: did you mean 'port'? the keys here are: bind, port, public_url, \
             trusted_proxies, forwarded, cors_origins, max_body_bytes, max_api_body_bytes, body_timeout_secs, shutdown_grace_secs\n",
        ),
        (
            "[server]\npublic_url = 'my-app.example'\n",
            "Error: public_url (in px.toml or PX_PUBLIC_URL) is 'my-app.example', which is no URL\n\
             Hint: write it like https://my-app.example\n",
        ),
        ("[server]\nport = 99999\n", "Error: px.toml:2:8: invalid value: integer `99999`, expected u16\n"),
    ] {
        let project = Project::small().file("px.toml", toml);
        for command in [&["check"][..], &["webhooks", "list"], &["serve"], &["runs", "list"]] {
            let done = project.px(command);
            assert_eq!((done.code, &*done.stdout, &*done.stderr), (2, "", expected), "{command:?}");
        }
        assert_eq!(project.px(&["check", "--json"]).error()["exitCode"], 2);
    }
    let done = Project::small().px(&["check", "--config", "other.toml"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.starts_with("Error: cannot read other.toml: No such file"), "{}", done.stderr);
    let done = Project::small().with("PX_PORT", "http").px(&["check"]);
    assert_eq!((done.code, &*done.stderr), (2, "Error: PX_PORT is 'http', which is no port (0 to 65535)\n"));
}

#[test]
fn bad_usage() {
    let project = Project::small();
    for arguments in [
        &[][..],
        &["nonsense"],
        &["runs"],
        &["runs", "show"],
        &["runs", "list", "--limit", "0"],
        &["runs", "list", "--status", "asleep"],
        &["runs", "list", "--since", "yesterday"],
        &["run", "review", "--watch", "--wait"],
        &["run", "review", "--state", "{"],
        &["run", "review", "--state", "[]"],
        &["run", "review", "--state", "@missing.json"],
        &["run", "review", "-s", "number"],
        &["run", "review", "-s", "number=seven"],
        &["run", "review", "-o", "=1"],
        &["serve", "--port", "99999"],
        &["serve", "--bind", "home"],
        &["webhooks", "deliveries", "list", "--state", "asleep"],
        &["completions", "tcsh"],
        &["runs", "list", "--url", "px.example"],
    ] {
        let done = project.px(arguments);
        assert_eq!((done.code, &*done.stdout), (2, ""), "{arguments:?}");
        assert!(!done.stderr.is_empty(), "{arguments:?}");
    }
    let done = project.px(&["run", "review", "-s", "number=seven"]);
    insta::assert_snapshot!(done.stderr, @r"
    Error: 'number' takes an integer, and 'seven' is none
    Hint: `px brains show review` prints the input's schema
    ");
    let done = project.px(&["runs", "lst", "--json"]);
    assert_eq!(done.error()["error"], "unrecognized subcommand 'lst'");
    assert_eq!(done.error()["exitCode"], 2);
}

#[test]
fn help_has_the_exit_codes_and_examples() {
    let project = Project::small();
    let done = project.px(&["--help"]);
    assert_eq!((done.code, &*done.stderr), (0, ""));
    assert!(
        done.stdout.contains("0 ok, 1 failed, 2 usage, 3 not found, 4 conflict, 5 cannot reach the server")
    );
    for command in [
        &["serve"][..],
        &["check"],
        &["run"],
        &["brains", "list"],
        &["brains", "show"],
        &["runs", "list"],
        &["runs", "show"],
        &["runs", "events"],
        &["runs", "watch"],
        &["runs", "cancel"],
        &["runs", "resume"],
        &["runs", "explain"],
        &["webhooks", "list"],
        &["webhooks", "show"],
        &["webhooks", "send"],
        &["webhooks", "deliveries", "list"],
        &["webhooks", "deliveries", "show"],
        &["completions"],
    ] {
        let done = project.px(&[command, &["--help"]].concat());
        assert_eq!(done.code, 0);
        assert!(done.stdout.contains("Examples:\n"), "{command:?}: {}", done.stdout);
        assert!(done.stdout.contains("--json"), "{command:?}");
    }
}

#[test]
fn completions() {
    for (shell, word) in [("bash", "_px()"), ("zsh", "#compdef px"), ("fish", "--command px")] {
        let done = Project::small().px(&["completions", shell]);
        assert_eq!((done.code, &*done.stderr), (0, ""), "{shell}");
        assert!(done.stdout.contains(word), "{shell}: {}", done.stdout);
        // The script asks px itself.
        assert!(done.stdout.contains("PX_COMPLETE"), "{shell}: {}", done.stdout);
    }
}

#[test]
fn colours_only_on_a_terminal() {
    let done = Project::small().px(&["brains", "show", "review"]);
    assert!(!done.stdout.contains('\u{1b}'));
    assert!(!Project::small().px(&["brains", "show", "none"]).stderr.contains('\u{1b}'));
    let forced = Project::small().with("CLICOLOR_FORCE", "1").px(&["brains", "show", "review"]);
    assert!(forced.stdout.contains('\u{1b}'));
    let refused = Project::small().with("NO_COLOR", "1").px(&["brains", "show", "review"]);
    assert!(!refused.stdout.contains('\u{1b}'));
}

#[test]
fn at_a_terminal_no_color_takes_the_colours_and_nothing_else() {
    let escapes = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap();
    for command in [&["brains", "show", "review"][..], &["brains", "show", "none"], &["check"]] {
        let coloured = terminal::px(&Project::small(), command);
        let plain = terminal::px(&Project::small().with("NO_COLOR", "1"), command);
        assert!(coloured.stdout.contains("\u{1b}["), "{coloured:?}");
        assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
        assert_eq!(escapes.replace_all(&coloured.stdout, ""), plain.stdout);
    }
}

#[test]
fn a_table_that_does_not_fit_a_terminal_breaks_no_word() {
    let listed = terminal::px(&Project::small(), &["brains", "list"]);
    assert!(listed.stdout.contains("crates/px-cli/examples/small_project.rs:"), "{}", listed.stdout);
    assert!(listed.stdout.lines().all(|line| line.chars().count() <= 80 + "\u{1b}[1m\u{1b}[0m".len()));
    // What is not read by a person has no width.
    let piped = Project::small().px(&["brains", "list"]);
    assert!(piped.stdout.starts_with('┌'), "{}", piped.stdout);
}

#[test]
fn no_server_is_exit_code_5() {
    // Port 9 is the discard service, which nobody runs.
    let project = Project::small().with("PX_URL", "http://127.0.0.1:9");
    for command in [
        &["run", "review"][..],
        &["runs", "list"],
        &["runs", "show", "run_x"],
        &["runs", "watch", "run_x"],
        &["runs", "cancel", "run_x"],
        &["runs", "explain", "run_x"],
        &["webhooks", "send", "chat"],
        &["webhooks", "deliveries", "list"],
    ] {
        let done = project.px(command);
        assert_eq!((done.code, &*done.stdout), (5, ""), "{command:?}");
        assert_eq!(
            done.stderr,
            "Error: cannot reach the server at http://127.0.0.1:9: connection refused\n\
             Hint: start it with `px serve`, or name another one with --url or PX_URL\n"
        );
    }
    let done = project.px(&["runs", "list", "--json"]);
    assert_eq!(done.error()["exitCode"], 5);
}

#[test]
fn a_curl_line_needs_no_server() {
    let project = Project::small().with("PX_URL", "http://127.0.0.1:9").with("CODE_SECRET", "s");
    let done = project.px(&["webhooks", "send", "code", "--identifier", "octo/a#b#7", "--print-curl"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.starts_with("curl -X POST http://127.0.0.1:9/webhooks/code -H "), "{}", done.stdout);
    assert!(done.stdout.contains(r#""number":7,"repository":{"full_name":"octo/a#b"}"#), "{}", done.stdout);
    assert!(done.stdout.contains("x-hub-signature-256: sha256="), "{}", done.stdout);
}

#[test]
fn the_handler_says_where_the_identifier_belongs() {
    let project = Project::small().with("PX_URL", "http://127.0.0.1:9");
    for (slug, identifier, body) in [
        ("chat", "dm-U7", r#""text":"sample-text","type":"message","user":"U7"}"#),
        ("chat", "C1.5", r#""text":"sample-text","thread":"C1.5","type":"message","user":"sample-user"}"#),
        ("sms", "+1555", "Body=sample-Body&From=%2B1555"),
    ] {
        let done = project.px(&["webhooks", "send", slug, "--identifier", identifier, "--print-curl"]);
        assert!(done.stdout.contains(body), "{identifier}: {done:?}");
    }
    let project =
        project.file("mine.json", r#"{"type": "message", "user": "a", "text": "hello", "more": 1}"#);
    let arguments =
        ["webhooks", "send", "chat", "--payload", "mine.json", "--identifier", "dm-U7", "--print-curl"];
    let done = project.px(&arguments);
    assert!(done.stdout.contains(r#""more":1,"text":"hello","type":"message","user":"U7"}"#), "{done:?}");
    let done = project.px(&["webhooks", "send", "chat", "--payload", "none.json"]);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.starts_with("Error: cannot read none.json: No such file"), "{done:?}");
}

#[test]
fn an_identifier_that_fits_nowhere_is_an_error() {
    let project = Project::small().with("PX_URL", "http://127.0.0.1:9");
    let done = project.px(&["webhooks", "send", "code", "--identifier", "no number", "--print-curl"]);
    assert_eq!((done.code, &*done.stdout), (1, ""));
    insta::assert_snapshot!(done.stderr, @r"
    Error: the handler of webhook 'code' does not find the identifier 'no number' in any sample payload, wherever px puts it
    Hint: name the kind of event with --kind or --event, give its schema an `example`, or write a payload and send it with --payload FILE
    ");
    let done = project.px(&["webhooks", "send", "chat", "--bad-signature", "--print-curl"]);
    assert_eq!(done.code, 2);
    assert!(done.stderr.ends_with("Hint: set CHAT_SECRET\n"), "{}", done.stderr);
}
