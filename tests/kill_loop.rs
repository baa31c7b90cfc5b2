//! `kill -9` during a load of resumes, again and again over one store.
//!
//! A project of its own, linked into this very program: started as `serve …`
//! it is px, else it is the test, which starts itself as px. So there is no
//! test harness here.
//!
//! Each round serves, loads it from [`CONNECTIONS`] connections, and kills it
//! at a random number of answers. A round with fewer than [`UNANSWERED`]
//! requests unanswered at the kill does not count. A request that was not
//! answered is sent again in the next round under the same id, as a provider
//! would.
//!
//! *Lost* is counted from the client's own list of 2xx answers: an event that
//! was acknowledged and is not in its run. *Twice* is counted from what is
//! committed, and from a file that the steps append to: an event that is in a
//! run's state or log twice, or that one process gave to a step twice. A step
//! that a kill cut off runs again, as it must; that is printed, and no error.
//!
//! Every eighth run is a [`journey`], which goes through every kind of wait and
//! every form of a pipeline; every sixteenth run also calls back, to a receiver
//! in this process, which must get every event of it. After each kill the store
//! is audited by `px audit`.
//!
//! `PX_KILL_ROUNDS=100 cargo test --test kill_loop` makes more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code: what is unexpected fails the test"
)]

#[path = "kill_loop/journey.rs"]
mod journey;
#[path = "kill_loop/ledger.rs"]
mod ledger;
#[path = "kill_loop/load.rs"]
mod load;
#[path = "kill_loop/outcome.rs"]
mod outcome;
mod support;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use load::{Job, Shared};
use outcome::{Counts, check, complete_runs, effects};
use support::{Project, Px, Receiver, eventually, within_patience};

const CONNECTIONS: usize = 64;
const UNANSWERED: usize = 16;
/// Events that a run of the ledger takes until it completes.
const EVENTS: usize = 4;
/// One of so many runs is a journey, …
const JOURNEYS: usize = 8;
/// … and one of so many calls back.
const CALLBACKS: usize = 16;
/// The path of the receiver, and what callbacks are signed with.
const HOOK: (&str, &str) = ("/hook", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=");
/// Rounds if the environment does not say.
const ROUNDS: usize = 10;
/// How long a step may let wait after a restart (docs/webhooks.md: "crash after the ack, before the step").
const FIRST_STEP: Duration = Duration::from_secs(2);
/// Time without a callback after which none comes any more: a receiver that could not be reached is left alone for
/// a minute.
const NO_MORE: Duration = Duration::from_secs(90);
const SECRET: &str = "a secret for kills";
/// Names the file that steps append to.
const EFFECTS: &str = "PX_KILL_EFFECTS";

/// Any number, different from call to call; splitmix64.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

struct Test {
    project: Project,
    effects: PathBuf,
    shared: Arc<Shared>,
    runtime: tokio::runtime::Runtime,
    seed: u64,
    first_answers: Vec<Duration>,
    first_steps: Vec<Duration>,
    receiver: Receiver,
}

impl Test {
    /// Whether `px audit` finds the store of the process that was killed in order.
    fn audit(&self, counts: &mut Counts) {
        let data = self.project.data().to_str().unwrap();
        let audit = self.project.command(&["audit", "--data-dir", data]).output().unwrap();
        if !audit.status.success() {
            counts.unsound += 1;
            println!("{}{}", String::from_utf8_lossy(&audit.stdout), String::from_utf8_lossy(&audit.stderr));
        }
    }

    /// Runs whose callbacks did not all come, in a row from the first to the end.
    fn callbacks_lost(&self, jobs: &[Job]) -> (usize, usize) {
        let complete = || {
            let mut numbers: HashMap<String, BTreeSet<u64>> = HashMap::new();
            let mut ended = HashSet::new();
            for callback in self.receiver.got(HOOK.0) {
                assert!(callback.is_signed_with(HOOK.1), "a callback is signed");
                let json = callback.json();
                numbers.entry(callback.run()).or_default().insert(json["seq"].as_u64().unwrap());
                if json["type"] == "run.completed" {
                    ended.insert(callback.run());
                }
            }
            let gap_free = |run: &String| {
                let numbers = &numbers[run];
                numbers.first() == Some(&1) && numbers.last() == Some(&(numbers.len() as u64))
            };
            let complete = ended.iter().filter(|run| gap_free(run)).count();
            (complete, numbers.values().map(BTreeSet::len).sum::<usize>())
        };
        let expected = jobs.iter().filter(|job| job.calls_back()).count();
        let (mut last, mut since) = (0, Instant::now());
        loop {
            let (runs, events) = complete();
            if runs == expected {
                return (0, events);
            }
            if events > last {
                (last, since) = (events, Instant::now());
            }
            if since.elapsed() > NO_MORE {
                return (expected - runs, events);
            }
            // Only to leave the processor to px: each look verifies what came.
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    fn workers(&self, px: &Px) -> Vec<tokio::task::JoinHandle<bool>> {
        (0..CONNECTIONS)
            .map(|_| {
                let (shared, address) = (Arc::clone(&self.shared), px.address);
                self.runtime.spawn(async move { shared.work(address).await })
            })
            .collect()
    }

    /// Serves, loads, kills, serves again, and checks.
    fn round(&mut self, counts: &mut Counts) {
        let begun = Instant::now();
        let px = self.project.serve();
        self.shared.touched.lock().unwrap().clear();
        let goal = 50 + (random(&mut self.seed) % 400) as usize + self.shared.answered.load(Ordering::SeqCst);
        let at_start = self.shared.answered.load(Ordering::SeqCst);
        self.shared.endless.store(true, Ordering::SeqCst);
        self.shared.in_flight.store(0, Ordering::SeqCst);
        let workers = self.workers(&px);
        let answered = |count: usize| {
            eventually("the load to come as far", || {
                (self.shared.answered.load(Ordering::SeqCst) >= count).then_some(())
            });
        };
        answered(at_start + 1);
        self.first_answers.push(begun.elapsed());
        answered(goal);
        let in_flight = self.shared.in_flight.load(Ordering::SeqCst);
        px.kill();
        let broken = self.runtime.block_on(async {
            let mut broken = 0;
            for worker in workers {
                broken += usize::from(worker.await.unwrap());
            }
            broken
        });
        // A request that was begun after the count and before the kill is not in it.
        let unanswered = in_flight.min(broken);
        if unanswered >= UNANSWERED {
            counts.rounds += 1;
            counts.unanswered += unanswered;
        } else {
            counts.not_counted += 1;
        }
        self.shared.endless.store(false, Ordering::SeqCst);

        let done: HashSet<_> = effects(&self.effects).into_iter().map(|(_, _, event)| event).collect();
        let jobs: Vec<_> = self.shared.touched.lock().unwrap().values().cloned().collect();
        let pending = jobs.iter().flat_map(|job| &job.acknowledged).any(|event| !done.contains(event));
        let before = std::fs::metadata(&self.effects).unwrap().len();
        let begun = Instant::now();
        let px = self.project.serve();
        if pending {
            eventually("the first step after a restart", || {
                (std::fs::metadata(&self.effects).unwrap().len() > before).then_some(())
            });
            self.first_steps.push(begun.elapsed());
        }
        check(&px, &jobs, counts);
        px.kill();
        self.audit(counts);
    }

    /// Sends what is left, and checks every run.
    fn finish(&self, counts: &mut Counts) -> Vec<Job> {
        let px = self.project.serve();
        self.shared.in_flight.store(0, Ordering::SeqCst);
        let workers = self.workers(&px);
        self.runtime.block_on(async {
            for worker in workers {
                assert!(!worker.await.unwrap(), "nothing is killed any more");
            }
        });
        let jobs: Vec<_> = self.shared.touched.lock().unwrap().values().cloned().collect();
        assert!(jobs.iter().all(Job::is_done));
        check(&px, &jobs, counts);
        let made = self.shared.made.load(Ordering::SeqCst);
        let journeys = made.div_ceil(JOURNEYS);
        for (brain, made) in
            [("ledger", made - journeys), ("journey", journeys), ("errand", journeys), ("turn", journeys)]
        {
            let complete = || complete_runs(&px, brain);
            let runs =
                within_patience(|| Some(complete()).filter(|runs| *runs == made)).unwrap_or_else(complete);
            if runs != made {
                let path =
                    format!("/brains/runs?brain={brain}&status=pending,running,waiting,paused,error&limit=5");
                for run in px.get(&path).json()["runs"].as_array().unwrap() {
                    let run = run["brainRunId"].as_str().unwrap();
                    println!("{}", px.run(run));
                    px.events(run).iter().for_each(|event| println!("{event}"));
                }
            }
            assert_eq!(runs, made, "every run of {brain} has completed, and none was started twice");
        }
        let jobs: Vec<_> = (0..made).map(Job::of).collect();
        let (lost, events) = self.callbacks_lost(&jobs);
        counts.lost += lost;
        println!("kill_loop: {journeys} journeys; {events} different callbacks came, {lost} runs lack some");
        let status = px.stop();
        assert!(status.success(), "{status}");
        self.audit(counts);
        jobs
    }
}

fn kill_loop() -> bool {
    let rounds = std::env::var("PX_KILL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let seed = std::env::var("PX_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let project = Project::of(std::env::current_exe().unwrap());
    let effects_file = project.path().join("effects");
    std::fs::File::create(&effects_file).unwrap();
    let project = project.env("KILL_SECRET", SECRET).env(EFFECTS, effects_file.to_str().unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let receiver = Receiver::start();
    let mut test = Test {
        project,
        effects: effects_file,
        shared: Arc::new(Shared { receiver: receiver.url(HOOK.0), ..Shared::default() }),
        receiver,
        runtime,
        seed,
        first_answers: Vec::new(),
        first_steps: Vec::new(),
    };
    let mut counts = Counts::default();
    // A round that does not count is made up for, but not without end.
    while counts.rounds < rounds && counts.not_counted <= rounds {
        test.round(&mut counts);
        if !counts.is_sound() {
            println!("kill_loop: not sound after {} rounds: {counts:?}", counts.rounds);
            return false;
        }
    }
    let jobs = test.finish(&mut counts);
    let runs = jobs.len();

    let lines = effects(&test.effects);
    let distinct: HashSet<_> = lines.iter().map(|(_, run, event)| (run, event)).collect();
    let events: HashSet<_> = lines.iter().map(|(_, _, event)| event).collect();
    let by_process: HashSet<_> = lines.iter().collect();
    // One process gave an event to a step twice; or two runs were given it.
    let mut given = HashSet::new();
    for (process, run, event) in lines.iter().filter(|line| !given.insert(*line)) {
        println!("kill_loop: process {process} gave {event} to a step of {run} twice");
    }
    counts.twice += (lines.len() - by_process.len()) + (distinct.len() - events.len());
    counts.lost += jobs.iter().map(Job::events).sum::<usize>() - events.len();
    let worst = |times: &[Duration]| times.iter().max().copied().unwrap_or_default();
    println!(
        "kill_loop: {} rounds ({} did not count), {} requests unanswered at the kills; {runs} runs, {} events, answers {:?}",
        counts.rounds,
        counts.not_counted,
        counts.unanswered,
        events.len(),
        test.shared.actions.lock().unwrap(),
    );
    println!(
        "kill_loop: lost {}, twice {}, stuck {}, audits not clean {}, steps executed again {}; from a start to its first 2xx at most {:?}, to its first step at most {:?}",
        counts.lost,
        counts.twice,
        counts.stuck,
        counts.unsound,
        lines.len() - distinct.len(),
        worst(&test.first_answers),
        worst(&test.first_steps),
    );
    counts.is_sound() && counts.rounds >= rounds && worst(&test.first_steps) <= FIRST_STEP
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "serve" || first == "audit") {
        return px::main();
    }
    // What cargo and its runners pass to every test program.
    if arguments.iter().any(|argument| argument == "--list") {
        println!("kill_loop: test");
        return ExitCode::SUCCESS;
    }
    let mut names = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    let is_meant = names.peek().is_none() || names.any(|name| "kill_loop".contains(name.as_str()));
    if !is_meant || arguments.iter().any(|argument| argument == "--ignored") || kill_loop() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
