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
