//! All that keeps `px serve` from starting, and that `px check` finds as well.

use crate::support::Project;

#[test]
fn rules_62_a_secret_that_is_there_and_blank_stops_the_start_and_the_check() {
    for blank in ["", " ", "\t\n"] {
        for name in ["CHAT_SECRET", "CHAT_SECRET_PREVIOUS", "PX_SECRET_KEY"] {
            let project = Project::small().with(name, blank);
            for command in ["serve", "check"] {
                let done = project.px(&[command]);
                let says = format!("{name} is set and empty");
                assert!(
                    done.code == 1 && done.stderr.contains(&says),
                    "{command} {name}={blank:?}: {done:?}"
                );
            }
        }
        let project = Project::small().file("secret", blank).with("CHAT_SECRET_FILE", "secret");
        for command in ["serve", "check"] {
            let done = project.px(&[command]);
            assert!(done.code == 1 && done.stderr.contains("CHAT_SECRET_FILE: secret is empty"), "{done:?}");
        }
    }
    let nowhere = Project::small().with("CHAT_SECRET_FILE", "nowhere");
    assert!(nowhere.px(&["serve"]).stderr.contains("CHAT_SECRET_FILE: cannot read nowhere"));
}

#[test]
fn px_check_finds_all_that_serve_refuses_at_once() {
    let secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
    let config = format!(
        "[server]\nbind = '0.0.0.0'\ntrusted_proxies = ['proxy']\ncors_origins = ['example']\n\
         [hooks]\nallow = ['10.0.0.0/99']\n\
         [[hooks.hook]]\nname = 'a'\nurl = 'ftp://a.example'\nsecret = '{secret}'\n\
         [[hooks.hook]]\nname = 'b'\nurl = 'https://b.example'\nsecret_env = 'NOPE'\n\
         [[hooks.hook]]\nname = 'c'\nurl = 'https://c.example'\nsecret = 'whsec_AAAA!!'\n\
         [[hooks.hook]]\nname = 'd'\nurl = 'https://d.example'\nevents = ['run.begun']\nsecret = '{secret}'\n\
         [[hooks.hook]]\nname = 'd'\nurl = 'https://d.example'\nsecret = '{secret}'\n\
         [webhooks.nobody]\nallow = ['10.0.0.0/8']\n"
    );
    let project = Project::small().file("px.toml", &config).with("CHAT_SECRET", "");
    let done = project.px(&["check"]);
    assert_eq!(done.code, 1, "{done:?}");
    for says in [
        "CHAT_SECRET is set and empty",
        "server.trusted_proxies",
        "server.cors_origins",
        "there is no API token",
        "webhooks are unverified",
        "10.0.0.0/99",
        "hook 'a'",
        "NOPE",
        "cannot sign as standard",
        "run.begun",
        "the same name",
        "no webhook 'nobody'",
    ] {
        assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
    }
    assert_ne!(project.px(&["serve"]).code, 0);
}

#[test]
fn rules_62_the_secrets_of_every_proof_are_checked_by_the_start_and_the_check_alike() {
    let config = "[webhooks.chat]\nprovider = 'acme'\n\
                  secrets = [{ env = 'ACME_OLD' }]\n\
                  [providers.acme]\nsecret = 'ACME'\nscheme = { token = { header = 'a' } }\n\
                  [[providers.acme.also]]\nsecret = 'ACME_NEW'\nscheme = { token = { header = 'b' } }\n";
    let project = || Project::small().file("px.toml", config).file("blank", " ").with("ACME", "hunter2");
    for (name, value, says) in [
        ("ACME_NEW", " ", "ACME_NEW is set and empty"),
        ("ACME_NEW_PREVIOUS", "", "ACME_NEW_PREVIOUS is set and empty"),
        ("ACME_NEW_FILE", "blank", "ACME_NEW_FILE: blank is empty"),
        ("ACME_NEW_FILE", "nowhere", "ACME_NEW_FILE: cannot read nowhere"),
        ("ACME_NEW_PREVIOUS_FILE", "", "ACME_NEW_PREVIOUS_FILE is set and names no file"),
        ("ACME_OLD", "", "[webhooks.chat]: ACME_OLD is set and empty"),
        ("ACME_OLD_FILE", "blank", "ACME_OLD_FILE: blank is empty"),
        ("ACME_OLD_FILE", "nowhere", "ACME_OLD_FILE: cannot read nowhere"),
    ] {
        for command in ["serve", "check"] {
            let done = project().with(name, value).px(&[command]);
            assert!(done.code == 1 && done.stderr.contains(says), "{command} {name}={value:?}: {done:?}");
            assert!(!done.stderr.contains("hunter2"), "{done:?}");
        }
    }
    assert_eq!(project().px(&["check"]).code, 0, "{:?}", project().px(&["check"]));
}

#[cfg(unix)]
#[test]
fn rules_62_a_secret_that_is_no_text_is_not_taken_for_one_that_is_not_there() {
    use std::os::unix::ffi::OsStrExt as _;
    let no_text = std::ffi::OsStr::from_bytes(b"\xff");
    for name in ["CHAT_SECRET", "CHAT_SECRET_FILE"] {
        for command in ["serve", "check"] {
            let done = Project::small().command(&[command]).env(name, no_text).output().unwrap();
            let stderr = String::from_utf8(done.stderr).unwrap();
            assert_eq!(done.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains(&format!("{name} is set and is no UTF-8")), "{stderr}");
        }
    }
}

#[test]
fn px_check_lists_all_values_that_cannot_be_beside_what_else_is_wrong() {
    let config = "[server]\npublic_url = 'example'\n[limits]\nmax_stalled = 0\nmax_head_bytes = 1\n\
                  [retention]\ndeliveries_days = 0\ncallbacks_days = 0\n\
                  [webhooks.chat]\nallow = ['home']\n[webhooks.nobody]\n";
    let project = Project::small().file("px.toml", config).file("data", "no folder");
    let project =
        project.with("PX_PORT", "http").with("PX_HOOKS_ALLOW_PRIVATE", "maybe").with("CHAT_SECRET", "");
    let done = project.px(&["check"]);
    assert_eq!(done.code, 1, "{done:?}");
    for says in [
        "public_url (in px.toml or PX_PUBLIC_URL) is 'example'",
        "max_stalled is 0",
        "max_head_bytes is less than 8192",
        "deliveries_days is 0",
        "callbacks_days is 0",
        "[webhooks.chat]: 'home' is not an address",
        "no webhook 'nobody'",
        "PX_PORT is 'http'",
        "PX_HOOKS_ALLOW_PRIVATE is 'maybe'",
        "CHAT_SECRET is set and empty",
    ] {
        assert!(done.stderr.contains(says), "{says}: {}", done.stderr);
    }
    assert_eq!(project.px(&["serve"]).code, 2);
}

/// The name may be the secret itself, so it is not shown.
#[test]
fn a_name_that_no_variable_has_is_refused_by_the_start_and_the_check_alike() {
    for secret in ["secret = 'hunter2 +/='", "secret = 'A'\n[[providers.acme.also]]\nsecret = 'hunter2 +/='"]
    {
        let config = format!(
            "[webhooks.chat]\nprovider = 'acme'\n[providers.acme]\nscheme = {{ token = {{ header = 'a' }} }}\n{secret}\n"
        );
        let config =
            if secret.contains("also") { config + "scheme = { token = { header = 'b' } }\n" } else { config };
        let project = Project::small().file("px.toml", &config);
        for command in ["serve", "check"] {
            let done = project.px(&[command]);
            assert_eq!(done.code, 2, "{command}: {done:?}");
            let says = "[webhooks.chat]: a secret of provider 'acme' is no name of a variable";
            assert!(done.stderr.contains(says), "{done:?}");
            assert!(!done.stderr.contains("hunter2"), "{done:?}");
        }
    }
}

#[test]
fn a_data_directory_that_cannot_be_one_stops_the_start_and_the_check() {
    let project = Project::small().file("data", "no folder").with("PX_DATA_DIR", "data");
    for command in ["serve", "check"] {
        let done = project.px(&[command]);
        assert!(done.code != 0 && done.stderr.contains("data"), "{command}: {done:?}");
    }
    let project = Project::small().file("data", "no folder").with("PX_DATA_DIR", "data/below");
    for command in ["serve", "check"] {
        let done = project.px(&[command]);
        assert!(done.code != 0 && done.stderr.contains("data/below"), "{command}: {done:?}");
    }
}
