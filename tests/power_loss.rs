//! The real binary under simulated power cuts.
//!
//! Needs the source of a power-loss model for LD_PRELOAD in `PLSIM_C`, one that
//! copies a file's dirty pages to a shadow directory at fsync and fdatasync
//! only; without it this skips, and says so. `tests/scripts/power-loss.sh` does
//! it all. `PX_POWER_IMAGES` (200) says how many images, `PX_POWER_SEED` which.
//!
//! A server is loaded with pull request events and killed: in the middle of the
//! load, when the tree's file is being synced, or in the middle of coming to
//! rest. What the disk may hold then is the shadow, and of the pages that were
//! written and not synced any part. Each such image is served by the real
//! binary, and through its API everything that was answered with 2xx must be
//! there: its delivery, and the event in its run, once. Then the runs that are
//! not complete are completed. One image of a load is where the next one begins.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: what is unexpected fails the test"
)]

mod support;

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app as _;
use px_testkit::load::Connection;
use serde_json::Value;
use support::power::{self, Random, compiled, copy, image};
use support::{Project, Px, eventually, pull_request, pull_request_titled, within_patience};

const CONNECTIONS: usize = 16;
/// Length of a long title.
const LARGE: usize = 100_000;
const IMAGES_PER_LOAD: usize = 8;
/// After so many loads the next one begins with an empty directory.
const CHAIN: usize = 4;
const REPOSITORY: &str = "octo-org/power";
/// What a pull request goes through.
const ACTIONS: [&str; 6] = ["opened", "labeled", "assigned", "edited", "synchronize", "closed"];

/// A pull request, as its sender knows it.
#[derive(Debug, Clone, Default)]
struct Job {
    number: u64,
    run: Option<String>,
    /// The deliveries of the actions that were acknowledged, in order.
    acknowledged: Vec<String>,
}

impl Job {
    fn is_done(&self) -> bool {
        self.acknowledged.len() == ACTIONS.len()
    }
}

/// Everything that the sender knows.
#[derive(Debug, Default)]
struct Sender {
    todo: Mutex<VecDeque<u64>>,
    jobs: Mutex<HashMap<u64, Job>>,
    made: AtomicUsize,
    answered: AtomicUsize,
    stop: AtomicBool,
}

impl Sender {
    fn take(&self) -> Job {
        let number = self.todo.lock().unwrap().pop_front();
        let number = number.unwrap_or_else(|| self.made.fetch_add(1, Ordering::SeqCst) as u64);
        let new = || Job { number, ..Job::default() };
        self.jobs.lock().unwrap().entry(number).or_insert_with(new).clone()
    }

    /// Sends until the server is gone.
    async fn work(&self, address: SocketAddr) {
        let Ok(mut connection) = Connection::open(address).await else { return };
        while !self.stop.load(Ordering::SeqCst) {
            let mut job = self.take();
            while !job.is_done() {
                let request = event(&job);
                let headers: String =
                    request.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                let answer = connection.request("POST", &request.path, &headers, &request.body).await;
                let Ok(answer) = answer.map(|answer| (answer.status, answer.json())) else {
                    self.todo.lock().unwrap().push_back(job.number);
                    return;
                };
                if answer.0 >= 300 {
                    assert_eq!(answer.0, 503, "{}", answer.1);
                    continue;
                }
                note(&mut job, &answer.1);
                self.answered.fetch_add(1, Ordering::SeqCst);
                self.jobs.lock().unwrap().insert(job.number, job.clone());
            }
        }
    }
}

/// The next event of a pull request. Every tenth has a title that the store keeps in a
/// file of its own.
fn event(job: &Job) -> support::Request {
    let action = ACTIONS[job.acknowledged.len()];
    if !job.number.is_multiple_of(10) {
        return pull_request(REPOSITORY, job.number, action);
    }
    let mut noise = job.number + 1;
    let title: String = std::iter::repeat_with(|| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{noise:016x}")
    })
    .take(LARGE / 16)
    .collect();
    pull_request_titled(REPOSITORY, job.number, action, &title)
}

/// Writes down what was acknowledged.
fn note(job: &mut Job, answer: &Value) {
    let delivery = match answer["action"].as_str().unwrap() {
        "duplicate" => answer["original"]["deliveryId"].as_str(),
        "triggered" | "resumed" | "queued" => answer["deliveryId"].as_str(),
        other => panic!("{other}: {answer}"),
    };
    let run = answer["brainRunId"].as_str().or(answer["original"]["brainRunId"].as_str());
    job.run = job.run.take().or(run.map(str::to_owned));
    job.acknowledged.push(delivery.unwrap().to_owned());
}

/// The modification time of the tree's files in the shadow: it changes when
/// they are synced.
fn synced_at(tree: &Path) -> Vec<std::time::SystemTime> {
    let Ok(entries) = fs::read_dir(tree) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok()).collect()
}

/// Where a load is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Cut {
    /// After a number of answers.
    Load,
    /// While the tree is synced, under load.
    Checkpoint,
    /// While the process comes to rest: it applies and checkpoints everything.
    Rest,
}

/// Serves under the model, loads, and cuts the power.
fn load(project: Project, sender: &Arc<Sender>, shadow: &Path, cut: Cut, random: &mut Random) {
    let mut px = project.serve();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    sender.stop.store(false, Ordering::SeqCst);
    let begun = sender.answered.load(Ordering::SeqCst);
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (sender, address) = (Arc::clone(sender), px.address);
            runtime.spawn(async move { sender.work(address).await })
        })
        .collect();
    let more = 1 + random.below(600) as usize;
    eventually("the load", || (sender.answered.load(Ordering::SeqCst) >= begun + more).then_some(()));
    let tree = shadow.join("tree");
    match cut {
        Cut::Load => {}
        Cut::Checkpoint => {
            let before = synced_at(&tree);
            // It comes every few seconds.
            within_patience(|| (synced_at(&tree) != before).then_some(()));
        }
        Cut::Rest => {
            let before = synced_at(&tree);
            px.terminate();
            let waits_for_sync = random.below(2) == 0;
            let deadline = Instant::now() + Duration::from_millis(random.below(60));
            while Instant::now() < deadline || waits_for_sync {
                if waits_for_sync && synced_at(&tree) != before || px.has_ended() {
                    break;
                }
                std::thread::park_timeout(Duration::from_micros(200));
            }
        }
    }
    // Anywhere in what just began.
    let delay = Instant::now() + Duration::from_micros(random.below(4_000));
    while cut == Cut::Checkpoint && Instant::now() < delay {
        std::hint::spin_loop();
    }
    px.kill();
    sender.stop.store(true, Ordering::SeqCst);
    runtime.block_on(async {
        for worker in workers {
            worker.await.unwrap();
        }
    });
}

#[derive(Debug, Default)]
struct Counts {
    images: usize,
    deliveries: usize,
    unopenable: usize,
    lost: usize,
    twice: usize,
    stuck: usize,
}

/// A project with a key for secrets at rest. The file that one is kept in otherwise
/// gets its name by a link, which the model does not see: it would be empty in images.
fn project(data: &Path) -> Project {
    Project::new().data_dir(data).env("PX_SECRET_KEY", &"5a".repeat(32))
}

/// Serves an image and checks it against what the sender knows.
fn verify(image: &Path, sender: &Sender, counts: &mut Counts) {
    counts.images += 1;
    let px = match project(image).try_serve() {
        Ok(px) => px,
        Err((status, said)) => {
            support::aloud(format_args!("power_loss: unopenable, {status}: {said}"));
            counts.unopenable += 1;
            return;
        }
    };
    let inbox = inbox(&px);
    let mut jobs: Vec<_> = sender.jobs.lock().unwrap().values().cloned().collect();
    jobs.sort_by_key(|job| job.number);
    for job in &mut jobs {
        counts.deliveries += job.acknowledged.len();
        let known = job.acknowledged.clone();
        for delivery in &known {
            if !inbox.contains(delivery) {
                support::aloud(format_args!("power_loss: lost {delivery} of {}", job.number));
                counts.lost += 1;
            }
        }
        // The rest of it, so that the run can complete; nothing new if it was sent.
        while !job.is_done() {
            let reply = px.post(&event(job));
            note(job, &reply.json());
        }
        let run = job.run.as_deref().unwrap();
        let is_complete = |shown: &Value| shown["status"] == "complete";
        let shown =
            within_patience(|| Some(px.get(&format!("/brains/runs/{run}")).json()).filter(is_complete));
        let Some(shown) = shown else {
            support::aloud(format_args!(
                "power_loss: {run} did not complete: {}",
                px.get(&format!("/brains/runs/{run}")).text()
            ));
            counts.stuck += 1;
            // The others will not do better, and each would be waited for.
            return;
        };
        let seen: Vec<_> = shown["state"]["events"].as_array().unwrap().iter().collect();
        let logged: Vec<_> =
            px.events(run).into_iter().filter(|event| event["type"] == "brain:webhook_response").collect();
        // The first is the run's input.
        let in_log =
            |action: &str| logged.iter().filter(|event| event["response"]["action"] == action).count();
        for (place, action) in ACTIONS.iter().enumerate() {
            let in_state = seen.iter().filter(|seen| *seen == action).count();
            let (least, most) = [in_state, if place == 0 { 1 } else { in_log(action) }]
                .into_iter()
                .fold((usize::MAX, 0), |(least, most), count| (least.min(count), most.max(count)));
            if least == 0 {
                support::aloud(format_args!("power_loss: {run} has not seen {action}: {seen:?}"));
                counts.lost += 1;
            }
            if most > 1 {
                support::aloud(format_args!("power_loss: {run} has seen {action} twice: {seen:?}"));
                counts.twice += 1;
            }
        }
    }
    px.kill();
}

/// The ids of all deliveries.
fn inbox(px: &Px) -> HashSet<String> {
    let mut ids = HashSet::new();
    let mut cursor = String::new();
    loop {
        let page = px.get(&format!("/webhooks/deliveries?limit=1000{cursor}")).json();
        let deliveries = page["deliveries"].as_array().unwrap();
        ids.extend(deliveries.iter().map(|delivery| delivery["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextCursor"].as_str() else { return ids };
        cursor = format!("&cursor={next}");
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn no_power_cut_loses_or_repeats_what_was_acknowledged() {
    let Some(source) = power::model() else {
        support::aloud(format_args!(
            "power_loss: SKIPPED, no power-loss model (set PLSIM_C to the source of one)"
        ));
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let at = fs::canonicalize(work.path()).unwrap();
    let model = compiled(&source, &at);
    let loads = (setting("PX_POWER_IMAGES", 200) as usize).div_ceil(2 * IMAGES_PER_LOAD);
    let mut random = Random(setting("PX_POWER_SEED", 1));
    let [store, shadow, taken, next] = ["store", "shadow", "image", "next"].map(|name| at.join(name));
    let mut is_sound = true;
    for sfr in ["0", "1"] {
        let mut counts = Counts::default();
        let mut cuts = HashMap::new();
        let mut sender = Arc::new(Sender::default());
        for number in 0..loads {
            for dir in [&store, &shadow] {
                let _ = fs::remove_dir_all(dir);
            }
            if number % CHAIN == 0 || !next.exists() {
                fs::create_dir(&store).unwrap();
                sender = Arc::new(Sender::default());
            } else {
                fs::rename(&next, &store).unwrap();
            }
            copy(&store, &shadow);
            let cut = [Cut::Load, Cut::Checkpoint, Cut::Rest][random.below(3) as usize];
            let project = project(&store)
                .env("LD_PRELOAD", model.to_str().unwrap())
                .env("PLSIM_DIR", store.to_str().unwrap())
                .env("PLSIM_SHADOW", shadow.to_str().unwrap())
                .env("PLSIM_SFR", sfr);
            load(project, &sender, &shadow, cut, &mut random);
            for _ in 0..IMAGES_PER_LOAD {
                for dir in [&taken, &next] {
                    let _ = fs::remove_dir_all(dir);
                }
                // All and none are the ends of what can happen.
                let percent = [0, 10, 50, 50, 90, 100][random.below(6) as usize];
                image(&store, &shadow, &taken, percent, &mut random);
                copy(&taken, &next);
                verify(&taken, &sender, &mut counts);
                *cuts.entry(cut).or_insert(0) += 1;
            }
        }
        support::aloud(format_args!(
            "power_loss: PLSIM_SFR={sfr}: {loads} loads, images by where they were cut: {cuts:?}; {counts:?}"
        ));
        is_sound &= counts.unopenable + counts.lost + counts.twice + counts.stuck == 0;
    }
    assert!(is_sound, "see above");
}
