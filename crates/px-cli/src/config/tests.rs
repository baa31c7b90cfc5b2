//! Tests of the keys of `px.toml`, and that the reference in the repository says all of it.

use super::*;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("px.toml"))
        .map_err(|error| format!("{} | {}", error.message, error.hint.unwrap_or_default()))
}

#[test]
fn nothing_is_the_default() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(config.local_url(), "http://127.0.0.1:8787");
    assert_eq!(config.store.data_dir, Path::new(".px/data"));
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    assert_eq!(
        parse("[server]\nprot = 1\n").unwrap_err(),
        "px.toml:2:1: unknown key 'prot' | did you mean 'port'? the keys here are: bind, port, public_url, trusted_proxies, forwarded, \
         cors_origins, max_body_bytes, max_api_body_bytes, body_timeout_secs, shutdown_grace_secs"
    );
    assert_eq!(
        parse("[sever]\n").unwrap_err(),
        "px.toml:1:2: unknown key 'sever' | did you mean 'server'? the keys here are: server, access, ui, limits, \
         retention, store, hooks, webhooks, providers"
    );
    assert!(parse("[server]\nport = 'x'\n").unwrap_err().starts_with("px.toml:2:8: "));
    assert!(parse("[server]\nport = 70000\n").unwrap_err().starts_with("px.toml:2:8: "));
    assert!(parse("[server\n").unwrap_err().starts_with("px.toml:1:"));
}

/// The reference is the repository's own px.toml: with what is commented out
/// in these sections taken in, it says exactly the defaults.
#[test]
fn the_reference_documents_every_key_with_its_default() {
    let reference = include_str!("../../../../px.toml");
    let mut section = String::new();
    let mut plain = String::new();
    for line in reference.lines() {
        let bare = line.strip_prefix("# ").unwrap_or(line);
        if bare.starts_with('[') {
            section = bare.trim_matches(['[', ']']).to_owned();
        }
        let key = bare.split(" = ").next().unwrap_or_default();
        let is_setting = Config::default().fixed().pointer(&format!("/{section}/{key}")).is_some();
        plain += if is_setting { bare } else { line };
        plain.push('\n');
    }
    let uncommented = parse(&plain).unwrap();
    let (said, defaults) = (uncommented.fixed(), Config::default().fixed());
    for (section, keys) in defaults.as_object().unwrap() {
        for (key, default) in keys.as_object().unwrap() {
            let is_there = reference.lines().any(|line| line.starts_with(&format!("# {key} = ")));
            assert!(is_there, "px.toml does not document {section}.{key}");
            // What is not set by default has an example.
            let said = &said[section][key];
            let fits = if default.is_null() { !said.is_null() } else { said == default };
            assert!(fits, "px.toml has {section}.{key} = {said}, and the default is {default}");
        }
    }
}

/// In the sections that px.toml shows by an example, the example has every
/// key, and is valid.
#[test]
fn the_reference_shows_every_key_of_webhooks_hooks_and_providers() {
    let reference = include_str!("../../../../px.toml");
    let uncommented: String = reference
        .lines()
        .map(|line| line.strip_prefix("# ").unwrap_or(line))
        .filter(|line| line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| is_key(key)))
        .map(|line| format!("{line}\n"))
        .collect();
    let config = parse(&uncommented).unwrap();
    let secret = |_: &str| Some(format!("whsec_{}", "A".repeat(44)));
    let policy = px_outbound::guard::Policy::public();
    assert_eq!(config.hooks.problems(&secret, &policy, &|_| None), Vec::<String>::new());
    config.webhook_options(&secret).unwrap();

    let shown: Value = toml::from_str(&uncommented).unwrap();
    let known = |text: &str| {
        let error = Config::parse(text, Path::new("px.toml")).map_err(|error| error.hint.unwrap_or_default());
        let hint = error.unwrap_err();
        let keys = hint.split("the keys here are: ").nth(1).unwrap().split(", ").map(str::to_owned);
        keys.collect::<Vec<_>>()
    };
    let unknown = parse("[[hooks]]\nname = 'x'\nsecret = 's'\nzzzz = 1\n").unwrap();
    let hint = unknown.hooks.specs(&secret).unwrap_err().hint.unwrap();
    let of_hooks = hint.split("the keys here are: ").nth(1).unwrap().split(", ");
    // Shown as secret_env, which is better than the secret itself; and what
    // the API writes in another way has its own name here.
    let is_shown = |key: &&str| *key != "secret" && !key.contains(char::is_uppercase);
    let of_hooks = of_hooks.filter(is_shown).chain(["secret_env"]).map(str::to_owned);
    // A provider is called as its table is.
    let of_providers = known("[providers.x]\nzzzz = 1\n").into_iter().filter(|key| key != "provider");
    for (section, keys) in [
        ("/hooks/0", of_hooks.collect()),
        ("/webhooks/github", known("[webhooks.x]\nzzzz = 1\n")),
        ("/providers/acme", of_providers.collect()),
        ("/providers/acme/scheme/signature", known("[providers.x.scheme.signature]\nzzzz = 1\n")),
    ] {
        assert!(keys.len() > 6, "{section}: {keys:?}");
        for key in keys {
            let is_there = shown.pointer(&format!("{section}/{key}")).is_some();
            assert!(is_there, "px.toml does not show {key} of {section}");
        }
    }
    for key in ["allow_private", "allow", "hook"] {
        assert!(reference.contains(key), "px.toml does not tell of {key} of hooks");
    }
}

fn is_key(text: &str) -> bool {
    text.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
}

#[test]
fn every_top_level_key_is_shown() {
    let error = parse("zzzz = 1\n").unwrap_err();
    let known: Vec<&str> = error.split("the keys here are: ").nth(1).unwrap().split(", ").collect();
    let shown: Vec<&str> = FIXED.into_iter().chain(["hooks", "webhooks", "providers"]).collect();
    assert_eq!(known, shown, "a new section belongs into FIXED or into effective.rs");
}

#[test]
fn the_environment_counts_more_than_the_file() {
    let mut config = parse("[server]\nport = 1\nbind = '::'\n").unwrap();
    config.overlay(&|name| (name == "PX_PORT").then(|| "99".to_owned()));
    assert_eq!(config.local_url(), "http://[::1]:99");
    let mistakes = config.overlay(&|_| Some("home".to_owned()));
    let said: Vec<_> = mistakes.iter().map(|mistake| mistake.message.split(" is ").next().unwrap()).collect();
    assert_eq!(said, ["PX_BIND", "PX_PORT", "PX_HOOKS_ALLOW_PRIVATE"]);
    assert_eq!(mistakes[0].message, "PX_BIND is 'home', which is no IP address");
    assert_eq!(config.local_url(), "http://[::1]:99", "it stays");
}

#[test]
fn urls() {
    assert_eq!(base_url("x", "https://a.example/").unwrap(), "https://a.example");
    assert_eq!(base_url("x", "http://localhost:1/base").unwrap(), "http://localhost:1/base");
    for bad in ["", "a.example", "ftp://a.example", "http://", "http://a.example/?x=1"] {
        assert!(base_url("x", bad).is_err(), "{bad}");
    }
}
