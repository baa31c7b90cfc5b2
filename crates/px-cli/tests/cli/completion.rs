//! Values that a shell completes, as its script asks for them.

use crate::serving::Serving;
use crate::support::Project;

/// The candidates behind some words, the last one under way, and what is said beside them.
fn candidates(project: &Project, words: &[&str]) -> (Vec<String>, String) {
    let mut command = project.command(&["--", "px"]);
    command.args(words).env("PX_COMPLETE", "fish");
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    (text.lines().map(str::to_owned).collect(), String::from_utf8(done.stderr).unwrap())
}

#[test]
fn values_come_from_the_server() {
    let project = Project::small().with("CHAT_SECRET", "a").with("CODE_SECRET", "b").with("SMS_SECRET", "c");
    let serving = Serving::start(&project, &[]);
    let project = project.with("PX_URL", &serving.url);
    let run = project.px(&["run", "feedback", "-s", "name=Ada", "-s", "phone=+1555"]).stdout;
    let run = run.trim().to_owned();
    let tail = run[run.len() - 6..].to_owned();
    let sent = project.px(&["webhooks", "send", "open", "--json"]);
    assert_eq!(sent.code, 0);

    let of_words = |words: &[&str]| {
        let (found, said) = candidates(&project, words);
        assert_eq!(said, "", "{words:?}");
        found
    };
    let runs = of_words(&["runs", "show", ""]);
    let of_run =
        runs.iter().find(|line| line.starts_with(&tail)).unwrap_or_else(|| panic!("{tail}: {runs:?}"));
    assert!(of_run.contains("customer-feedback "), "{of_run}");
    let is_only = |found: Vec<String>, name: &str| {
        let values: Vec<&str> = found.iter().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(values, [name]);
    };
    is_only(of_words(&["runs", "show", &tail[..3]]), &tail);
    is_only(of_words(&["brains", "show", "customer"]), "customer-feedback");
    is_only(of_words(&["webhooks", "show", "sm"]), "sms");
    is_only(of_words(&["runs", "rerun", &tail, "--from", "pro"]), "process");
    is_only(of_words(&["inbox", "--state", "quar"]), "quarantined");
    let deliveries = of_words(&["webhooks", "deliveries", "show", ""]);
    let deliveries: Vec<&String> = deliveries.iter().filter(|line| !line.starts_with('-')).collect();
    assert!(deliveries.len() == 1 && deliveries[0].contains("\topen "), "{deliveries:?}");
    assert!(of_words(&["runs", "show", "zzz"]).is_empty());
    assert_eq!(serving.end().0, 0);
}

#[test]
fn without_a_server_nothing_is_offered_and_nothing_is_said() {
    let project = Project::small().with("PX_URL", "http://127.0.0.1:1");
    let (found, said) = candidates(&project, &["runs", "rerun", "abcdef", "--from", ""]);
    assert_eq!((found.len(), said.as_str()), (0, ""));
    let broken = project.with("PX_URL", "nonsense");
    assert_eq!(candidates(&broken, &["brains", "show", ""]).1, "");
    // What px knows by itself needs none.
    assert!(candidates(&broken, &["runs", "sh"]).0.iter().any(|line| line.starts_with("show")));
}
