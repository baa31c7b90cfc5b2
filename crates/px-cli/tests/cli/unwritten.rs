//! Commands whose data cannot be written: onto a full disk they fail and say
//! so, into a pipe that nobody reads they end without a word. None panics.

use std::fs::File;
use std::io::pipe;
use std::process::Stdio;

use crate::serving::{Serving, until_waiting};
use crate::support::{Project, eventually};

/// Commands that need no server.
const ALONE: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["runs", "--help"],
    &["brains", "list"],
    &["brains", "list", "--json"],
    &["brains", "show", "review"],
    &["webhooks", "list"],
    &["webhooks", "list", "--json"],
    &["webhooks", "show", "code"],
    &["webhooks", "send", "code", "--print-curl"],
    &["config", "show"],
    &["config", "show", "--json"],
    &["check"],
    &["explain", "PX0008"],
    &["completions", "bash"],
];

/// Commands that need a server and a run that waits, `RUN`.
const WITH_A_SERVER: &[&[&str]] = &[
    &["runs", "list"],
    &["runs", "list", "--json"],
    &["runs", "show", "RUN"],
    &["runs", "explain", "RUN"],
    &["runs", "events", "RUN"],
    &["runs", "export", "RUN"],
    &["runs", "watch", "RUN"],
    &["runs", "watch", "RUN", "--json"],
    &["run", "review", "-s", "repository=a/b", "-s", "number=1"],
    &["run", "review", "-s", "repository=a/b", "-s", "number=1", "--json"],
    &["run", "broken", "--wait"],
    &["run", "broken", "--watch"],
    &["webhooks", "send", "open"],
    &["webhooks", "deliveries", "list"],
    &["hooks", "list", "--json"],
    &["tokens", "list", "--json"],
];

/// Runs each command with a full disk, and with a pipe that nobody reads, as its stdout.
fn each_fails(project: &Project, commands: &[Vec<&str>]) {
    for arguments in commands {
        let run = |out: Stdio| {
            let output = project.command(arguments).stdout(out).stderr(Stdio::piped()).output().unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        };
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, said) = run(full.into());
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("cannot write the output to stdout: No space left on device"),
            "{arguments:?}: {said}"
        );
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let (code, said) = run(writer.into());
        assert_eq!(code, Some(1), "{arguments:?}: {said}");
        assert!(!said.contains("Error") && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn rule_55_a_command_whose_data_cannot_be_written_fails() {
    let project =
        Project::small().with("CHAT_SECRET", "s1").with("CODE_SECRET", "s2").with("SMS_SECRET", "s3");
    each_fails(&project, &ALONE.iter().map(|words| words.to_vec()).collect::<Vec<_>>());
}

#[test]
fn rule_55_a_command_whose_data_from_a_server_cannot_be_written_fails() {
    let project =
        Project::small().with("CHAT_SECRET", "s1").with("CODE_SECRET", "s2").with("SMS_SECRET", "s3");
    let serving = Serving::start(&project, &[]);
    let url = serving.url.clone();
    let started =
        project.px(&["run", "customer-feedback", "-s", "name=Ada", "-s", "phone=+1", "--url", &url]);
    let run = started.stdout.trim().to_owned();
    until_waiting(&project, &url, &run);
    let commands = WITH_A_SERVER.iter().map(|words| {
        let words = words.iter().map(|word| if *word == "RUN" { &run } else { *word });
        words.chain(["--url", &url]).collect()
    });
    each_fails(&project, &commands.collect::<Vec<_>>());
    assert_eq!(serving.end().0, 0);
    each_fails(&project, &[vec!["store", "export", "-"], vec!["audit"], vec!["audit", "--json"]]);
}

#[test]
fn a_command_that_waits_ends_when_its_reader_does() {
    let project =
        Project::small().with("CHAT_SECRET", "s1").with("CODE_SECRET", "s2").with("SMS_SECRET", "s3");
    let serving = Serving::start(&project, &[]);
    let (reader, writer) = pipe().unwrap();
    let arguments = ["run", "slow", "--wait", "--json", "--url", &serving.url];
    let mut command = project.command(&arguments);
    let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
    drop(command);
    let is_running =
        || project.px(&["runs", "list", "--json", "--url", &serving.url]).json()["runs"][0].is_object();
    eventually("the run", || is_running().then_some(()));
    assert_eq!(child.try_wait().unwrap(), None, "the run never ends");
    drop(reader);
    let status = eventually("the end of the command", || child.try_wait().unwrap());
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!((status.code(), &*said), (Some(1), ""));
}

#[test]
fn an_error_that_cannot_be_said_keeps_its_exit_code() {
    let project = Project::small();
    for (arguments, code) in
        [(&["runs", "show"][..], 2), (&["brains", "show", "nobody"], 3), (&["--nonsense"], 2)]
    {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = project.command(arguments).stdout(Stdio::null()).stderr(full).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let output = project.command(arguments).stdout(Stdio::null()).stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}
