//! What the process asks of the operating system, seen through strace: that a
//! 2xx is written only after the sync of the journal that has its delivery,
//! and that a sync that fails ends the process. Skips aloud without strace.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use app as _;
use support::{Project, Px, Request, pull_request};

const CALLS: &str = "trace=read,recvfrom,write,writev,sendto,pwrite64,fsync,fdatasync";

fn has_strace() -> bool {
    // It is there, and it may trace.
    let traced = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        support::aloud(format_args!("durability: SKIPPED, strace is not here or may not trace"));
    }
    can
}

fn traced(inject: &[&str]) -> Project {
    let project = Project::new();
    let trace = project.path().join("trace");
    let mut words = vec!["strace", "-f", "-y", "-s", "200000", "-o", trace.to_str().unwrap(), "-e", CALLS];
    words.extend_from_slice(inject);
    project.under(&words)
}

/// A system call: what strace shows of it, and the lines where it begins and ends.
#[derive(Debug, Clone)]
struct Call {
    text: String,
    begin: usize,
    end: usize,
}

impl Call {
    fn is(&self, name: &str) -> bool {
        self.text.starts_with(name) && self.text[name.len()..].starts_with('(')
    }

    /// The file that it is about.
    fn file(&self) -> Option<&str> {
        self.text.split_once('<')?.1.split('>').next()
    }

    fn is_of_the_journal(&self) -> bool {
        self.text.contains("/data/journal/")
    }

    fn is_journal_write(&self) -> bool {
        self.is("pwrite64") && self.is_of_the_journal()
    }

    fn is_journal_sync(&self) -> bool {
        (self.is("fdatasync") || self.is("fsync")) && self.is_of_the_journal()
    }

    fn succeeded(&self) -> bool {
        !self.text.contains(" = -1 ")
    }

    fn is_request(&self) -> bool {
        (self.is("recvfrom") || self.is("read")) && self.text.contains("\"POST /webhooks/")
    }

    fn is_2xx(&self) -> bool {
        (self.is("writev") || self.is("sendto") || self.is("write")) && self.text.contains("\"HTTP/1.1 2")
    }
}

/// The calls in the order of their begins. A call during which another thread
/// made one is split in two lines.
fn calls(trace: &Path) -> Vec<Call> {
    let trace = String::from_utf8_lossy(&std::fs::read(trace).unwrap()).into_owned();
    let mut calls: Vec<Call> = Vec::new();
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else { continue };
        let text = text.trim_start();
        if let Some(begun) = text.strip_suffix(" <unfinished ...>") {
            open.insert(thread, calls.len());
            calls.push(Call { text: begun.to_owned(), begin: number, end: usize::MAX });
        } else if let Some((_, rest)) =
            text.strip_prefix("<... ").and_then(|text| text.split_once(" resumed>"))
        {
            let call = &mut calls[open.remove(thread).unwrap()];
            call.text.push_str(rest);
            call.end = number;
        } else {
            calls.push(Call { text: text.to_owned(), begin: number, end: number });
        }
    }
    calls
}

fn event(number: usize) -> Request {
    pull_request("octo-org/traced", 7, &format!("event-{number:04}"))
}

#[test]
fn every_2xx_follows_the_sync_of_its_delivery() {
    if !has_strace() {
        return;
    }
    const REQUESTS: usize = 40;
    let project = traced(&[]);
    let px = project.serve();
    for number in 0..REQUESTS {
        // The first starts a run; the others resume it or are queued for it.
        assert!(px.post(&event(number)).status < 300);
    }
    assert!(px.stop().success());

    let calls = calls(&project.path().join("trace"));
    let requests: Vec<_> = calls.iter().filter(|call| call.is_request()).collect();
    let answers: Vec<_> = calls.iter().filter(|call| call.is_2xx()).collect();
    assert_eq!((requests.len(), answers.len()), (REQUESTS, REQUESTS));
    for (number, (request, answer)) in requests.iter().zip(&answers).enumerate() {
        let id = format!("guid-octo-org/traced-7-event-{number:04}");
        let of_this =
            |call: &&Call| call.begin > request.begin && call.end < answer.begin && call.succeeded();
        let write =
            calls.iter().filter(of_this).find(|call| call.is_journal_write() && call.text.contains(&id));
        let write = write.unwrap_or_else(|| panic!("{id} was answered before it was written"));
        let sync = calls.iter().filter(of_this).find(|call| call.is_journal_sync() && call.begin > write.end);
        assert!(sync.is_some(), "{id} was answered before it was synced");
    }
}

/// Posts from some threads until nothing is answered any more. Returns the
/// numbers of the events that were answered with 2xx.
fn load(px: &Px) -> Vec<usize> {
    const THREADS: usize = 8;
    const EACH: usize = 60;
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    for number in (0..EACH).map(|number| number * THREADS + thread) {
                        match px.try_post(&event(number)) {
                            Ok(reply) if reply.status < 300 => acknowledged.push(number),
                            Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.text()),
                            // The connection broke, or nobody listens.
                            Err(_) => break,
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

#[test]
fn a_sync_that_fails_ends_the_process_and_nothing_is_acknowledged_after_it() {
    if !has_strace() {
        return;
    }
    for fails_at in [12, 17, 30] {
        // strace counts for each thread; it is the committer that syncs often.
        // The directory is there already, so that its creation does not fail.
        let inject = format!("inject=fdatasync:error=EIO:when={fails_at}");
        let project = traced(&["-e", &inject]);
        let (project, under) = project.swap_under(Vec::new());
        assert!(project.serve().stop().success());
        let (project, _) = project.swap_under(under);
        let mut px = project.serve();
        let acknowledged = load(&px);
        let status = px.ended();
        assert!(status.code().is_some_and(|code| code != 0), "{status}");
        assert!(px.log().contains("error"), "it says why: {}", px.log());

        let calls = calls(&project.path().join("trace"));
        let failure = calls.iter().find(|call| call.text.contains("EIO") && call.text.contains("INJECTED"));
        let failure = failure.expect("the sync failed");
        assert!(failure.is_of_the_journal(), "{}", failure.text);
        let synced_after = |write: &Call| {
            let sync = |call: &Call| call.is_journal_sync() && call.succeeded() && call.begin > write.end;
            calls.iter().any(sync)
        };
        for number in &acknowledged {
            let id = format!("guid-octo-org/traced-7-event-{number:04}");
            let write = calls.iter().find(|call| call.is_journal_write() && call.text.contains(&id));
            assert!(write.is_some_and(synced_after), "{id} was answered with 2xx and not synced");
        }
        // One more may have been sent than was read: the process ended, and
        // with it the connection. It has to be kept like all others.
        let answers = calls.iter().filter(|call| call.is_2xx()).count();
        assert!(answers >= acknowledged.len(), "the client knows of no 2xx that was not sent");
        // Beside it a spare segment may be filled with zeros.
        let after = |call: &&Call| {
            call.is_journal_write() && call.begin > failure.end && call.file() == failure.file()
        };
        assert_eq!(calls.iter().filter(after).count(), 0, "nothing is written where a sync has failed");

        // On a disk that is well again, everything that was acknowledged is there.
        drop(px);
        let (project, _) = project.swap_under(Vec::new());
        let px = project.serve();
        for number in &acknowledged {
            px.post(&event(*number)).is(200, "duplicate");
        }
        let all = px.get("/webhooks/deliveries?limit=1000").json();
        let kept = all["deliveries"].as_array().unwrap().iter().filter(|d| d["state"] != "duplicate").count();
        assert!(kept >= answers, "{answers} were answered with 2xx, and {kept} are kept");
        let count = acknowledged.len();
        support::aloud(format_args!(
            "durability: sync {fails_at} failed, {count} acknowledged before it, ended with {status}"
        ));
    }
}
