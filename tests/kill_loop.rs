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
//! `PX_KILL_ROUNDS=100 cargo test --test kill_loop` makes more rounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use px::prelude::*;
use px_testkit::load::Connection;
use serde_json::{Value, json};
use support::{Project, Px, eventually, hmac_sha256_hex, within_patience};
use tokio::sync::Notify;

const CONNECTIONS: usize = 64;
const UNANSWERED: usize = 16;
/// Events that a run takes until it completes.
const EVENTS: usize = 4;
/// Rounds if the environment does not say.
const ROUNDS: usize = 10;
/// How long a step may let wait after a restart (WEBHOOKS.md: "crash after the ack, before the step").
const FIRST_STEP: Duration = Duration::from_secs(2);
const SECRET: &str = "a secret for kills";
/// Names the file that steps append to.
const EFFECTS: &str = "PX_KILL_EFFECTS";

// The project that is killed.

/// What is posted, and what a step gets of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Note {
    key: String,
    event: String,
    last: bool,
}

/// What a run is started with.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
struct Ask {
    key: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Ledger {
    key: String,
    events: Vec<String>,
}

mod notes {
    use super::*;

    px::webhook! {
        slug = "notes",
        payload = Note,
        response = Note,
        verify = px::verify::github("KILL_SECRET"),
        handler = receive,
    }

    async fn receive(note: Note) -> Result<Inbound<Note>> {
        Ok(Inbound::resume(note.key.clone(), note))
    }
}

fn ledger() -> Brain<Ask> {
    brain("ledger").step("open", open).each("enter", enter).build()
}
px::brain!(ledger);

async fn open(_cx: Cx, ask: Ask) -> Result<Waiting<Ledger, Note>> {
    let on = notes::on(&ask.key);
    Ok(wait_for(Ledger { key: ask.key, events: Vec::new() }, on))
}

async fn enter(cx: Cx, mut ledger: Ledger, note: Note) -> Result<Again<Ledger, Note, Ledger>> {
    let line = format!("{} {} {}\n", std::process::id(), cx.run_id(), note.event);
    // One write to a file that is only appended to: lines are whole.
    let path = std::env::var_os(EFFECTS).unwrap_or_default();
    std::fs::File::options().append(true).open(path)?.write_all(line.as_bytes())?;
    ledger.events.push(note.event);
    if note.last {
        return Ok(Again::done(ledger));
    }
    let on = notes::on(&ledger.key);
    Ok(Again::wait(ledger, on))
}

// The load.

/// One run and what its sender knows: the next event is sent when the one
/// before it is acknowledged.
#[derive(Debug, Clone)]
struct Job {
    key: String,
    run: Option<String>,
    acknowledged: Vec<String>,
}

impl Job {
    fn is_done(&self) -> bool {
        self.acknowledged.len() == EVENTS
    }

    fn event(&self, number: usize) -> String {
        format!("{}-{number}", self.key)
    }
}

#[derive(Debug, Default)]
struct Shared {
    todo: Mutex<VecDeque<Job>>,
    /// Jobs that were worked on, with what was acknowledged.
    touched: Mutex<HashMap<String, Job>>,
    made: AtomicUsize,
    in_flight: AtomicUsize,
    answered: AtomicUsize,
    actions: Mutex<BTreeMap<String, usize>>,
    /// Rung at each answer.
    bell: Notify,
    /// Whether new jobs are made when there are none.
    endless: std::sync::atomic::AtomicBool,
}

impl Shared {
    fn take(&self) -> Option<Job> {
        if let Some(job) = self.todo.lock().unwrap().pop_front() {
            return Some(job);
        }
        self.endless.load(Ordering::SeqCst).then(|| {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            Job { key: format!("k{number}"), run: None, acknowledged: Vec::new() }
        })
    }

    fn put(&self, job: Job) {
        self.touched.lock().unwrap().insert(job.key.clone(), job);
    }

    async fn send(
        &self,
        connection: &mut Connection,
        path: &str,
        headers: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let answer = connection.post(path, headers, body.to_string().as_bytes()).await;
        let answer = answer.ok()?;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        let json = answer.json();
        if answer.status < 300 {
            self.answered.fetch_add(1, Ordering::SeqCst);
            self.bell.notify_waiters();
            let action = json["action"].as_str().unwrap_or("started").to_owned();
            *self.actions.lock().unwrap().entry(action).or_default() += 1;
        } else {
            assert_eq!(answer.status, 503, "{json}");
        }
        Some((answer.status, json))
    }

    /// Works until there is nothing to do or the server is gone; true if a
    /// request of this worker was not answered.
    async fn work(&self, address: std::net::SocketAddr) -> bool {
        let Ok(mut connection) = Connection::open(address).await else { return false };
        while let Some(mut job) = self.take() {
            while !job.is_done() {
                self.put(job.clone());
                let Some(acknowledged) = self.step(&mut connection, &mut job).await else {
                    self.todo.lock().unwrap().push_front(job);
                    return true;
                };
                if !acknowledged {
                    self.todo.lock().unwrap().push_back(job.clone());
                    break;
                }
                self.put(job.clone());
            }
        }
        false
    }

    /// One request of a job; false if it was refused for now, none if it was not answered.
    async fn step(&self, connection: &mut Connection, job: &mut Job) -> Option<bool> {
        if job.run.is_none() {
            let body =
                json!({"identifier": "ledger", "initialState": {"key": job.key}, "idempotencyKey": job.key});
            let (status, json) = self.send(connection, "/brains/runs", "", &body).await?;
            job.run = (status < 300).then(|| json["brainRunId"].as_str().unwrap().to_owned());
            return Some(status < 300);
        }
        let number = job.acknowledged.len();
        let event = job.event(number);
        let body = json!({"key": job.key, "event": event, "last": number + 1 == EVENTS});
        let signature = hmac_sha256_hex(SECRET, body.to_string().as_bytes());
        let headers = format!("x-github-delivery: {event}\r\nx-hub-signature-256: sha256={signature}\r\n");
        let (status, json) = self.send(connection, "/webhooks/notes", &headers, &body).await?;
        if status < 300 {
            let action = json["action"].as_str().unwrap_or_default();
            assert!(matches!(action, "resumed" | "queued" | "duplicate"), "{json}");
            job.acknowledged.push(event);
        }
        Some(status < 300)
    }
}

// What came of it.

#[derive(Debug, Default)]
struct Counts {
    rounds: usize,
    not_counted: usize,
    unanswered: usize,
    lost: usize,
    twice: usize,
    /// Runs that did not get as far as they must.
    stuck: usize,
}

/// Waits until each run has what was acknowledged of it, and counts.
fn check(px: &Px, jobs: &[Job], counts: &mut Counts) {
    for job in jobs {
        let Some(run) = &job.run else { continue };
        let settled = |shown: &Value| {
            let seen = shown["state"]["events"].as_array().map_or(0, Vec::len);
            seen >= job.acknowledged.len() && (!job.is_done() || shown["status"] == "complete")
        };
        let look = || px.get(&format!("/brains/runs/{run}")).json();
        // One that is stuck is waited for; with it the test has failed.
        let shown = if counts.stuck == 0 { within_patience(|| Some(look()).filter(settled)) } else { None };
        let shown = shown.unwrap_or_else(|| {
            let shown = look();
            counts.stuck += usize::from(!settled(&shown));
            shown
        });
        let seen: Vec<String> = serde_json::from_value(shown["state"]["events"].clone()).unwrap_or_default();
        let mut once = HashSet::new();
        counts.lost += job.acknowledged.iter().filter(|event| !seen.contains(event)).count();
        counts.twice += seen.iter().filter(|event| !once.insert(*event)).count();
        let log = px.get(&format!("/brains/runs/{run}/events")).json();
        let log = log["events"].as_array().map_or(&[][..], Vec::as_slice);
        let logged: Vec<_> = log.iter().filter(|event| event["type"] == "brain:webhook_response").collect();
        for event in &job.acknowledged {
            match logged.iter().filter(|entry| entry["response"]["event"] == event.as_str()).count() {
                0 => counts.lost += 1,
                1 => {}
                _ => counts.twice += 1,
            }
        }
    }
}

/// Lines of the file that steps append to: process, run, event.
fn effects(path: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let word = |line: &str, place: usize| line.split(' ').nth(place).unwrap().to_owned();
    text.lines().map(|line| (word(line, 0), word(line, 1), word(line, 2))).collect()
}

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
}

impl Test {
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
    }

    /// Sends what is left, and checks every run.
    fn finish(&self, counts: &mut Counts) -> usize {
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
        let mut runs = 0;
        let mut cursor = String::new();
        loop {
            let page =
                px.get(&format!("/brains/runs?brain=ledger&status=complete&limit=1000{cursor}")).json();
            runs += page["runs"].as_array().unwrap().len();
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(runs, made, "every run has completed, and none was started twice");
        let status = px.stop();
        assert!(status.success(), "{status}");
        made
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
    let mut test = Test {
        project,
        effects: effects_file,
        shared: Arc::default(),
        runtime,
        seed,
        first_answers: Vec::new(),
        first_steps: Vec::new(),
    };
    let mut counts = Counts::default();
    // A round that does not count is made up for, but not without end.
    while counts.rounds < rounds && counts.not_counted <= rounds {
        test.round(&mut counts);
        if counts.lost + counts.twice + counts.stuck > 0 {
            println!("kill_loop: not sound after {} rounds: {counts:?}", counts.rounds);
            return false;
        }
    }
    let runs = test.finish(&mut counts);

    let lines = effects(&test.effects);
    let distinct: HashSet<_> = lines.iter().map(|(_, run, event)| (run, event)).collect();
    let events: HashSet<_> = lines.iter().map(|(_, _, event)| event).collect();
    let by_process: HashSet<_> = lines.iter().collect();
    // One process gave an event to a step twice; or two runs were given it.
    counts.twice += (lines.len() - by_process.len()) + (distinct.len() - events.len());
    counts.lost += runs * EVENTS - events.len();
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
        "kill_loop: lost {}, twice {}, stuck {}, steps executed again {}; from a start to its first 2xx at most {:?}, to its first step at most {:?}",
        counts.lost,
        counts.twice,
        counts.stuck,
        lines.len() - distinct.len(),
        worst(&test.first_answers),
        worst(&test.first_steps),
    );
    let is_sound = counts.lost + counts.twice + counts.stuck == 0;
    is_sound && counts.rounds >= rounds && worst(&test.first_steps) <= FIRST_STEP
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "serve") {
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
