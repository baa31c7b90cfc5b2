//! The real server behind the real command line: a run is started, explained,
//! woken by the line that `explain` printed, across a restart; and the process
//! ends as it should.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::Project;

pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Self {
        let arguments = [&["serve", "--port", "0", "--json"], arguments].concat();
        let mut command = project.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let Ok(greeting) = serde_json::from_str::<Value>(&line) else {
            let mut text = String::new();
            child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
            panic!("no server: {text}");
        };
        Self { child, url: greeting["url"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn end(mut self) -> (i32, String) {
        self.signal("TERM");
        let mut text = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), text)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn project() -> Project {
    Project::small().with("CHAT_SECRET", "s1").with("CODE_SECRET", "s2").with("SMS_SECRET", "s3")
}

#[test]
fn a_run_is_explained_and_woken_across_a_restart() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &url]].concat());
    let started = px(&["run", "customer-feedback", "-s", "name=Ada", "-s", "phone=+15550100"]);
    assert_eq!(started.code, 0, "{started:?}");
    let id = started.stdout.trim();
    until_waiting(&project, &url, id);
    let explained = px(&["runs", "explain", id]);
    assert!(
        explained.stdout.contains("px webhooks send chat --identifier thread-Ada --url"),
        "{explained:?}"
    );
    assert!(explained.stdout.contains("if nothing has come by then"), "{explained:?}");
    let (code, text) = serving.end();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Shutting down"), "{text}");

    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &url]].concat());
    let wake = px(&["runs", "explain", id, "--json"]).json()["wake"].clone();
    // The Twilio signature covers the URL, and the lines of both webhooks are right.
    let send = wake[1]["send"].as_str().unwrap().replace("px webhooks", "webhooks");
    let arguments: Vec<&str> = send.split(' ').collect();
    let sent = project.px(&[&arguments[..], &["--json"]].concat());
    assert_eq!((sent.code, sent.json()["action"].as_str()), (0, Some("resumed")), "{sent:?}");
    let watched = px(&["runs", "watch", id]);
    assert_eq!(watched.code, 0);
    assert!(watched.stdout.trim_end().ends_with("brain:complete"), "{}", watched.stdout);
    let shown = px(&["runs", "show", id, "--json"]).json();
    assert_eq!(shown["state"]["source"], "sms");
    let over = px(&["runs", "cancel", id]);
    assert_eq!(over.code, 4, "{over:?}");
    assert!(over.stderr.contains(" is complete since "), "{over:?}");
    assert!(over.stderr.contains("a run that is over cannot be cancelled\n"), "{over:?}");
    let over = px(&["runs", "cancel", id, "--json"]).error();
    assert_eq!(over["error"], "Brain run is not active or already completed");
    assert_eq!(px(&["runs", "show", "@last:complete", "--json"]).json()["brainRunId"], id);
    assert_eq!(px(&["runs", "show", &id[id.len() - 8..], "--json"]).json()["brainRunId"], id);
}

#[test]
fn signatures_duplicates_and_the_inbox() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &serving.url]].concat());
    let send =
        |more: &[&str]| px(&[&["webhooks", "send", "code", "--identifier", "octo/repo#7"], more].concat());
    let twice = send(&["--duplicate", "--json"]);
    let actions: Vec<Value> = twice
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].clone())
        .collect();
    assert_eq!((twice.code, actions), (0, vec!["queued".into(), "duplicate".into()]));
    let spoilt = send(&["--bad-signature"]);
    assert_eq!((spoilt.code, spoilt.stdout.lines().next()), (1, Some("401")), "{spoilt:?}");
    assert_eq!(
        send(&["--count", "3"]).stdout.lines().filter(|line| line.starts_with("200 queued")).count(),
        3
    );
    for slug in ["chat", "sms"] {
        let sent = px(&["webhooks", "send", slug]);
        assert!(sent.stdout.starts_with("200 queued"), "{sent:?}");
        assert_eq!(px(&["webhooks", "send", slug, "--bad-signature"]).code, 1);
    }
    let by_name = serving.url.replace("127.0.0.1", "localhost");
    let sent = project.px(&["webhooks", "send", "sms", "--url", &by_name]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let listed =
        px(&["webhooks", "deliveries", "list", "--slug", "code", "--state", "queued", "--json"]).json();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 4);
    let id = listed["deliveries"][0]["id"].as_str().unwrap();
    let shown = px(&["webhooks", "deliveries", "show", id]);
    assert!(shown.stdout.contains("Nobody waits on code for 'octo/repo#7' yet"), "{shown:?}");
    let missing = px(&["webhooks", "deliveries", "show", "whd_7"]);
    assert_eq!(missing.code, 3, "{missing:?}");
    let started = px(&["run", "review", "-s", "repository=octo/repo", "-s", "number=7", "--wait", "--json"]);
    assert_eq!((started.code, started.json()["status"].as_str()), (0, Some("complete")), "{started:?}");
    let failed = px(&["run", "broken", "--wait"]);
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("failed: it was bound to fail"), "{failed:?}");
}

#[test]
fn rule_27_behind_a_public_url_the_public_url_is_signed() {
    let project = project().with("PX_PUBLIC_URL", "https://my-app.example");
    let serving = Serving::start(&project, &[]);
    for url in [serving.url.clone(), serving.url.replace("127.0.0.1", "localhost")] {
        let sent = project.px(&["webhooks", "send", "sms", "--token", "a b", "--url", &url]);
        assert_eq!(sent.code, 0, "{sent:?}");
    }
    let ambiguous = project.px(&["run", "e", "--url", &serving.url]);
    assert_eq!(ambiguous.code, 4);
    assert!(
        ambiguous.stderr.contains("Hint: say which one: broken, customer-feedback, review"),
        "{ambiguous:?}"
    );
    let misfit = project.px(&["run", "review", "-s", "nubmer=7", "--url", &serving.url]);
    assert_eq!(misfit.code, 2);
    assert!(misfit.stderr.contains("did you mean 'number'?"), "{misfit:?}");
    assert!(
        misfit.stderr.contains("the input does not fit brain 'review'\n  missing: repository, number"),
        "{misfit:?}"
    );
    assert!(misfit.stderr.contains("Hint: try: px run review -s 'repository=…' -s number=1"), "{misfit:?}");
}

#[test]
fn the_printed_curl_line_works() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let Ok(curl) = Command::new("curl").arg("--version").output() else {
        eprintln!("skipped: there is no curl on this machine");
        return;
    };
    assert!(curl.status.success());
    for slug in ["chat", "code", "sms"] {
        let line = project.px(&["webhooks", "send", slug, "--print-curl", "--url", &serving.url]).stdout;
        let output = Command::new("sh").args(["-c", &format!("{} -s", line.trim())]).output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["action"], "queued", "{slug}: {answer}");
    }
}

#[test]
fn rule_43_one_server_a_directory() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let second = project.px(&["serve", "--port", "0"]);
    assert_eq!((second.code, &*second.stdout), (4, ""));
    assert!(second.stderr.contains("is held by pid"), "{}", second.stderr);
    assert!(second.stderr.contains(&serving.url), "{}", second.stderr);
    assert!(second.stderr.contains("Hint: another px serves from this directory"), "{}", second.stderr);
}

#[test]
fn a_port_in_use_and_an_open_address_are_refused() {
    let project = project();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let done = project.px(&["serve", "--port", &port]);
    assert_eq!((done.code, &*done.stdout), (4, ""));
    assert!(done.stderr.contains("the address is in use\nHint: another process listens there"), "{done:?}");
    let done = project.px(&["serve", "--port", "0", "--bind", "0.0.0.0"]);
    assert_eq!((done.code, &*done.stdout), (1, ""));
    assert!(done.stderr.contains("can be reached from other machines"), "{done:?}");
}

#[test]
fn serve_speaks_to_people_too() {
    let project = project();
    let mut child = project
        .command(&["serve", "--port", "0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("px serves ").unwrap_or_else(|| panic!("{first}")).to_owned();
    assert_eq!(lines.next().unwrap().unwrap(), format!("Dashboard {url}/ui/"));
    let table: Vec<String> = lines.by_ref().take(8).map(Result::unwrap).collect();
    let serving = Serving { child, url };
    assert!(table.iter().any(|line| line.contains(&format!("{}/webhooks/sms", serving.url))), "{table:?}");
}

#[test]
fn rule_42_a_second_signal_ends_it_at_once() {
    let project = project();
    let mut serving = Serving::start(&project, &[]);
    let started = project.px(&["run", "slow", "--url", &serving.url]);
    let id = started.stdout.trim();
    let is_running =
        |_| project.px(&["runs", "events", id, "--url", &serving.url]).stdout.contains("┆ sleep ┆");
    assert!((0..200).any(is_running));
    let explained = project.px(&["runs", "explain", id, "--url", &serving.url]);
    assert!(explained.stdout.contains("Step 'sleep' runs since"), "{explained:?}");
    serving.signal("TERM");
    let mut log = BufReader::new(serving.child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(log.any(|line| line.starts_with("Shutting down")));
    serving.signal("INT");
    assert_eq!(serving.child.wait().unwrap().code(), Some(130));
    assert!(log.all(|line| line != "Stopped."));
}

pub(crate) fn until_waiting(project: &Project, url: &str, id: &str) {
    for _ in 0..200 {
        if project.px(&["runs", "show", id, "--json", "--url", url]).json()["status"] == "waiting" {
            return;
        }
    }
    panic!("{id} does not wait");
}

#[test]
fn a_watch_ends_when_its_reader_does() {
    let project = project();
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let started =
        project.px(&["run", "customer-feedback", "-s", "name=Ada", "-s", "phone=+1", "--url", &url]);
    let run = started.stdout.trim().to_owned();
    until_waiting(&project, &url, &run);
    let mut command = project.command(&["runs", "watch", &run, "--url", &url]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(watch.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert!(line.contains("brain:start"), "{line}");
    // The run waits, so there is no next event that would find the pipe closed.
    drop(out);
    let (send, over) = std::sync::mpsc::channel();
    let pid = watch.id().to_string();
    std::thread::spawn(move || send.send(watch.wait_with_output().unwrap()));
    let Ok(done) = over.recv_timeout(std::time::Duration::from_secs(60)) else {
        let _ = Command::new("kill").arg(pid).status();
        panic!("it goes on without a reader");
    };
    assert_eq!((done.status.code(), &*String::from_utf8_lossy(&done.stderr)), (Some(1), ""));
    assert_eq!(serving.end().0, 0);
}

#[test]
fn a_log_in_json_is_json_in_every_line_and_follows_a_run() {
    let project = Project::small().with("CHAT_SECRET", "s1").with("CODE_SECRET", "s2");
    let project = project.with("PX_LOG", "px_engine=debug,px_inbound=debug,info");
    let serving = Serving::start(&project, &["--log-format", "json"]);
    let url = serving.url.clone();
    let started =
        project.px(&["run", "customer-feedback", "-s", "name=Ada", "-s", "phone=+1", "--url", &url]);
    let run = started.stdout.trim().to_owned();
    until_waiting(&project, &url, &run);
    let sent = project.px(&["webhooks", "send", "sms", "--identifier", "+1", "--url", &url]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let (code, text) = serving.end();
    assert_eq!(code, 0, "{text}");
    let log: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let said = |words: &str| {
        let found = log
            .iter()
            .find(|entry| entry["fields"]["message"].as_str().is_some_and(|message| message.contains(words)));
        found.unwrap_or_else(|| panic!("nothing says '{words}': {text}"))
    };
    assert_eq!(said("SMS_SECRET")["level"], "WARN");
    assert_eq!(
        (&said("the step has run")["span"]["run"], &said("the step has run")["fields"]["step"]),
        (&Value::from(&*run), &"ask".into())
    );
    let answered = said("answered");
    assert_eq!((&answered["span"]["slug"], &answered["fields"]["status"]), (&"sms".into(), &200.into()));
    assert!(answered["span"]["delivery"].as_str().unwrap().starts_with("whd_"), "{answered}");
    said("Shutting down");
    said("Stopped.");
}

#[test]
fn providers_and_secrets_of_px_toml_count_in_every_command() {
    let config = r#"
        [webhooks.open]
        provider = "acme"
        secrets = [
            { value = "an old one", expires = 2020-01-01T00:00:00Z },
            { file = "acme-secret" },
        ]

        [webhooks.code]
        secrets = [{ value = "the second" }]

        [providers.acme]
        secret = "ACME_WEBHOOK_SECRET"
        dedup = [{ header = "acme-delivery" }]
        event_type = [{ pointer = "/type" }]
        [providers.acme.scheme.signature]
        header = "acme-signature"
        layout = { plain = { prefix = "v1=" } }
        signed = ["timestamp", { literal = "." }, "body"]
        algorithm = "hmac-sha256"
        window = { source = { header = "acme-timestamp" }, tolerance_secs = 300 }
    "#;
    let project = project().file("px.toml", config).file("acme-secret", "hush\n");
    let listed = project.px(&["webhooks", "list", "--json"]).json();
    let open = listed["webhooks"].as_array().unwrap().iter().find(|webhook| webhook["slug"] == "open");
    let open = open.unwrap();
    assert_eq!((&open["provider"], &open["verified"]), (&"acme".into(), &true.into()), "{open}");
    let shown = project.px(&["webhooks", "show", "open"]);
    assert!(shown.stdout.contains("  acme: 2 secrets from px.toml ("), "{}", shown.stdout);
    let shown = project.px(&["webhooks", "show", "code"]);
    assert!(
        shown.stdout.contains("the secret is in the variable CODE_SECRET, and 1 secret from px.toml ("),
        "{shown:?}"
    );

    let serving = Serving::start(&project, &[]);
    let px = |arguments: &[&str]| project.px(&[arguments, &["--url", &serving.url]].concat());
    let twice = px(&["webhooks", "send", "open", "--duplicate"]);
    assert_eq!(twice.code, 0, "{twice:?}");
    assert!(twice.stdout.contains("duplicate"), "the record says how one is known: {twice:?}");
    assert_eq!(px(&["webhooks", "send", "open", "--bad-signature"]).code, 1);
    let line = px(&["webhooks", "send", "open", "--print-curl"]).stdout;
    assert!(line.contains("acme-signature: v1=") && line.contains("acme-timestamp: "), "{line}");
    // Without the environment's, the second secret of another webhook signs.
    let shown = Project::small().file("px.toml", &config.replace("acme-secret", "/dev/null"));
    let sent = shown.px(&["webhooks", "send", "code", "--url", &serving.url]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert_eq!(serving.end().0, 0);

    let project = Project::small().file("px.toml", "[webhooks.opne]\nmax_in_flight = 5\n");
    for command in [&["check"][..], &["serve"], &["webhooks", "list"]] {
        let done = project.px(command);
        assert_eq!(
            (done.code, &*done.stderr),
            (
                2,
                "Error: px.toml: [webhooks.opne]: this binary has no webhook 'opne'\nHint: did you mean 'open'?\n"
            ),
            "{command:?}"
        );
    }
}
