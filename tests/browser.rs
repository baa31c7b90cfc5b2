//! The page in a real Chromium over the real binary: what people do on it, and the rules that every screen keeps. Skips
//! aloud without a Chromium, unless `PX_BROWSER=required`; `PX_CHROMIUM` names one that is not on the path.
//!
//! This program serves its own brains and webhooks: it starts itself as `px`. With `PX_PICTURES=docs/pictures` it tests
//! nothing, and takes a picture of every screen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "browser/axe.rs"]
mod axe;
#[path = "browser/cdp.rs"]
mod cdp;
#[path = "browser/desk.rs"]
mod desk;
#[path = "browser/doors.rs"]
mod doors;
#[path = "browser/flows.rs"]
mod flows;
#[path = "browser/markup.rs"]
mod markup;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/pictures.rs"]
mod pictures;
#[path = "browser/rules.rs"]
mod rules;
#[path = "browser/seeded.rs"]
mod seeded;
#[path = "browser/site.rs"]
mod site;
mod support;
#[path = "browser/tokens.rs"]
mod tokens;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cdp::Browser;

/// Cases at a time: each has pages and a server of its own.
const AT_ONCE: usize = 2;

type Case = (&'static str, fn(&Browser));

/// Whether the environment demands what is skipped aloud elsewhere.
fn is_required() -> bool {
    std::env::var_os("PX_BROWSER").is_some_and(|value| value == "required")
}

fn run(browser: &Browser, cases: &[Case]) -> bool {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = std::time::Instant::now();
            match std::panic::catch_unwind(AssertUnwindSafe(|| case(browser))) {
                Ok(()) => println!("test {name} ... ok ({:.1} s)", begun.elapsed().as_secs_f64()),
                Err(_) => {
                    println!("test {name} ... FAILED");
                    failed.lock().unwrap().push(*name);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(work);
        }
    });
    let failed = failed.into_inner().unwrap();
    println!("\nbrowser: {} passed, {} failed {failed:?}", cases.len() - failed.len(), failed.len());
    failed.is_empty()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // As `px`: the cases start this program with these.
    if arguments.first().is_some_and(|first| matches!(first.as_str(), "serve" | "tokens" | "check")) {
        return px::main();
    }
    if arguments.iter().any(|argument| argument == "--list") {
        println!("browser: test");
        return ExitCode::SUCCESS;
    }
    let Some(program) = cdp::installed() else {
        support::aloud(format_args!(
            "browser: SKIPPED, there is no Chromium on the path, and PX_CHROMIUM names none"
        ));
        return if is_required() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    if let Some(folder) = std::env::var_os("PX_PICTURES") {
        pictures::take(&Browser::start(&program), std::path::Path::new(&folder));
        return ExitCode::SUCCESS;
    }
    let names: Vec<&String> = arguments.iter().filter(|name| !name.starts_with('-')).collect();
    let is_wanted =
        |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()));
    let all = [rules::CASES, flows::CASES, doors::CASES, markup::CASES].concat();
    let cases: Vec<Case> = all.into_iter().filter(|(name, _)| is_wanted(name)).collect();
    if arguments.iter().any(|argument| argument == "--ignored") || run(&Browser::start(&program), &cases) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
