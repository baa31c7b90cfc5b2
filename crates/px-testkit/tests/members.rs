//! Members of a cluster over one store: the work that one engine shares with others
//! by slots and builds, its end when they have ended it, and what a claim costs.

#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use house::{House, View, commits, pass, start};
use px_core::{Ids, RunId, RunStatus, Scope};
use px_engine::{Engine, Limits, Parts, Places};
use px_inbound::Answer;
use px_sdk::{Brain, Cx, Inbound, Next, Registry, Result, Sleeping, brain, verify};
use px_store::TimerKind;
use px_store::cluster::{Cluster, Member, Slot};
use px_testkit::{FaultyStore, Project, World};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
struct Job {
    name: String,
}

/// Steps that have begun, by the names of their runs, over all tests.
static BEGUN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn begun(name: &str) -> usize {
    BEGUN.lock().unwrap().iter().filter(|begun| *begun == name).count()
}

async fn end(_: Cx, job: Job) -> Result<Next<Job>> {
    BEGUN.lock().unwrap().push(job.name.clone());
    Ok(Next(job))
}

fn quick() -> Brain<Job> {
    brain("quick").step("end", end).build()
}
px_sdk::brain!(quick);

fn parent() -> Brain<Job> {
    brain("parent").step("call", call).build()
}
px_sdk::brain!(parent);

async fn call(cx: Cx, job: Job) -> Result<Next<Job>> {
    cx.start("child", quick, Job { name: format!("child of {}", job.name) }).await?;
    Ok(Next(job))
}

fn sleeper() -> Brain<Job> {
    brain("sleeper").step("rest", rest).step("wake", end).build()
}
px_sdk::brain!(sleeper);

async fn rest(_: Cx, job: Job) -> Result<Sleeping<Job>> {
    Ok(px_sdk::sleep(job, Duration::from_secs(60)))
}

fn slow() -> Brain<Job> {
    brain("slow").step("work", work).build()
}
px_sdk::brain!(slow);

async fn work(_: Cx, job: Job) -> Result<Next<Job>> {
    BEGUN.lock().unwrap().push(job.name.clone());
    tokio::time::sleep(Duration::from_secs(8)).await;
    Ok(Next(job))
}

mod jobs {
    use super::*;

    px_sdk::webhook! {
        slug = "jobs",
        payload = Job,
        response = Job,
        verify = verify::unverified(),
        handler = receive,
    }

    async fn receive(job: Job) -> Result<Inbound<Job>> {
        Ok(Inbound::start(quick, job))
    }
}

/// The same process without a free place: what it starts has to be claimed.
fn without_places(parts: &Parts) -> Parts {
    let places = Places::new(parts.cluster.me(), Arc::clone(&parts.registry), 0);
    Parts { places, ..parts.clone() }
}

/// The commits of a run from its start to its end, and those of what it starts;
/// `is_full` is whether no place was free when it was started.
async fn commits_of(brain: &str, seconds: u64, is_full: bool) -> u64 {
    let house = House::new();
    let parts = house.parts(house.alone(), 8);
    let engine = Engine::start(parts.clone(), Limits::default());
    pass(1).await;
    let before = commits(&house);
    let starts = if is_full { without_places(&parts) } else { parts };
    let run = start(&starts, brain, "counted").await;
    pass(seconds).await;
    assert_eq!(house.status(run).await, RunStatus::Complete);
    assert_eq!(house.store.work(Scope::default(), None, 9).await.unwrap(), []);
    let all = commits(&house) - before;
    engine.shutdown(Duration::ZERO).await;
    all
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_caller_starts_is_born_claimed_and_costs_no_commit_for_its_claim() {
    // Its start, and its step.
    assert_eq!(commits_of("quick", 1, false).await, 2);
    assert_eq!(commits_of("quick", 1, true).await, 3, "nobody had a place for it");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_step_starts_is_born_claimed_and_costs_no_commit_for_its_claim() {
    // Its start, the start of the other one, its end, and the other one's step.
    assert_eq!(commits_of("parent", 1, false).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_timer_wakes_is_born_claimed_and_costs_no_commit_for_its_claim() {
    // Its start, the step that sleeps, the timer, and the step that it woke.
    assert_eq!(commits_of("sleeper", 62, false).await, 4);
}

#[tokio::test(start_paused = true)]
async fn what_became_of_a_run_before_it_was_taken_up_counts_though_it_was_born_claimed() {
    let house = House::new();
    let parts = house.parts(house.alone(), 1);
    house.store.hints().mute();
    let run = start(&parts, "quick", "paused at once").await;
    let row = house.store.work_of(Scope::default(), run).await.unwrap().unwrap();
    assert_eq!(row.record.owner, Some(parts.cluster.me()));
    parts.pause_run(run, None).await.unwrap();
    let engine = Engine::start(parts.clone(), Limits::default());
    pass(2).await;
    assert_eq!((house.status(run).await, begun("paused at once")), (RunStatus::Paused, 0));
    parts.resume_run(run, None).await.unwrap();
    pass(2).await;
    assert_eq!((house.status(run).await, begun("paused at once")), (RunStatus::Complete, 1));
    engine.shutdown(Duration::ZERO).await;
}

/// Runs that waited for a process are claimed by one commit, whoever the others are.
#[tokio::test(start_paused = true)]
async fn runs_that_a_look_finds_free_are_claimed_all_at_once() {
    for is_shared in [false, true] {
        let house = House::new();
        house.store.hints().mute();
        let cluster = if is_shared { house.member() } else { house.alone() };
        let parts = house.parts(cluster, 16);
        let starts = without_places(&parts);
        let mut runs = Vec::new();
        for number in 0..20 {
            runs.push(start(&starts, "slow", &format!("free {is_shared} {number}")).await);
        }
        let before = commits(&house);
        let engine = Engine::start(parts.clone(), Limits::default());
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(commits(&house) - before, 1, "sixteen have places");
        let rows = house.store.work(Scope::default(), None, 99).await.unwrap();
        let owned = rows.iter().filter(|(_, row)| row.record.owner == Some(parts.cluster.me()));
        assert_eq!(owned.count(), 16);
        pass(20).await;
        for (number, run) in runs.iter().enumerate() {
            assert_eq!(house.status(*run).await, RunStatus::Complete);
            assert_eq!(begun(&format!("free {is_shared} {number}")), 1);
        }
        engine.shutdown(Duration::ZERO).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_engine_whose_member_was_ended_stops_and_says_so() {
    let house = House::new();
    let stalls = Arc::new(View::true_of(house.member()));
    let (one, other) = (house.parts(Arc::clone(&stalls) as _, 8), house.parts(house.member(), 8));
    let engine = Engine::start(one.clone(), Limits::default());
    let lives = Engine::start(other.clone(), Limits::default());
    // Whoever judges has been there for the length of a lease.
    pass(4).await;
    let run = start(&one, "slow", "of who stalls").await;
    pass(2).await;
    stalls.cut_off(true);
    pass(5).await;
    assert_eq!((begun("of who stalls"), house.deaths(run).await), (2, Some(1)), "it was taken over");
    let ended = engine.fenced();
    assert!(tokio::time::timeout(Duration::from_secs(1), engine.fenced()).await.is_err(), "nobody told it");
    stalls.cut_off(false);
    tokio::time::timeout(Duration::from_secs(2), ended).await.unwrap();
    let late = start(&one, "slow", "after its end").await;
    pass(2).await;
    let row = house.store.work_of(Scope::default(), late).await.unwrap().unwrap();
    assert_eq!(row.record.owner, Some(other.cluster.me()), "it claims nothing more");
    pass(10).await;
    for (run, name, times) in [(run, "of who stalls", 2), (late, "after its end", 1)] {
        assert_eq!((house.status(run).await, begun(name)), (RunStatus::Complete, times));
    }
    assert!(tokio::time::timeout(Duration::from_secs(9), lives.fenced()).await.is_err());
    for engine in [engine, lives] {
        engine.shutdown(Duration::ZERO).await;
    }
}

/// The members that rang the timer of each run, where two share the slots.
type Rung = Arc<Mutex<BTreeMap<RunId, Vec<u64>>>>;

/// A member whose rings are written down.
fn watched(house: &House, cluster: Arc<dyn Cluster>, rung: &Rung) -> Parts {
    let store = FaultyStore::new(Arc::clone(&house.store));
    let (me, rung) = (cluster.me(), Arc::clone(rung));
    store.observe(move |batch| {
        for timer in &batch.disarm {
            if let TimerKind::Wait { run, .. } = timer.kind {
                rung.lock().unwrap().entry(run).or_default().push(me);
            }
        }
        None
    });
    Parts { store: Arc::new(store), ..house.parts(cluster, 64) }
}

/// Two members of a house whose runs have ids as a process gives them: those that
/// are counted have one slot.
fn house_of_two() -> (House, [Arc<dyn Cluster>; 2]) {
    let house = House { ids: Arc::new(Ids::new()), ..House::new() };
    let members = [11, 22].map(|id| Member { id, ..Member::default() });
    let members = members.map(|member| Arc::new(house.cluster.join(member)) as Arc<dyn Cluster>);
    (house, members)
}

/// Starts runs that sleep, until either member has the timers of at least four.
async fn sleepers(parts: &Parts, name: &str, members: &[Arc<dyn Cluster>; 2]) -> Vec<RunId> {
    let (mut runs, mut of) = (Vec::new(), [0, 0]);
    while of.iter().any(|own| *own < 4) {
        assert!(runs.len() < 1_000, "both have slots: {of:?}");
        let run = start(parts, "sleeper", name).await;
        for (own, member) in of.iter_mut().zip(members) {
            *own += usize::from(member.slot(Slot::of_run(run)).is_some());
        }
        runs.push(run);
    }
    runs
}

/// Lets runs sleep over two members, and returns how many of their timers were
/// not rung once by the one that has the slot.
async fn rung_by_others(view: fn(Arc<dyn Cluster>) -> View) -> usize {
    let (rung, (house, members)) = (Rung::default(), house_of_two());
    let parts = members.clone().map(|member| watched(&house, Arc::new(view(member)), &rung));
    let [one, other] = parts.map(|parts| (Engine::start(parts.clone(), Limits::default()), parts));
    pass(3).await;
    let runs = sleepers(&one.1, "sleeps", &members).await;
    pass(64).await;
    for run in &runs {
        assert_eq!(house.status(*run).await, RunStatus::Complete);
    }
    let of =
        |run: RunId| members.iter().find(|member| member.slot(Slot::of_run(run)).is_some()).unwrap().me();
    let wrong = runs.iter().filter(|run| rung.lock().unwrap().get(*run) != Some(&vec![of(**run)])).count();
    for (engine, _) in [one, other] {
        engine.shutdown(Duration::ZERO).await;
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn each_timer_is_rung_once_by_the_member_that_has_its_slot() {
    assert_eq!(rung_by_others(View::true_of).await, 0);
}

#[tokio::test(start_paused = true)]
async fn members_that_take_every_slot_for_their_own_are_caught() {
    assert!(rung_by_others(View::of_every_slot).await > 0);
}

/// A member keeps its lease, and rings nothing: an engine that hangs.
#[tokio::test(start_paused = true)]
async fn a_timer_whose_owner_does_not_ring_is_rung_by_another_member_ten_seconds_later() {
    let (house, members) = house_of_two();
    let [rings, hangs] = members.clone();
    let beating = Arc::clone(&hangs);
    let beats = tokio::spawn(async move {
        loop {
            beating.beat().await.unwrap();
            pass(1).await;
        }
    });
    let parts = house.parts(Arc::clone(&rings), 64);
    let engine = Engine::start(parts.clone(), Limits::default());
    pass(3).await;
    let runs = sleepers(&parts, "late", &members).await;
    let own = runs.iter().filter(|run| rings.slot(Slot::of_run(**run)).is_some()).count();
    for (seconds, rung) in [(65, own), (4, own), (3, runs.len())] {
        pass(seconds).await;
        let mut complete = 0;
        for run in &runs {
            complete += usize::from(house.status(*run).await == RunStatus::Complete);
        }
        assert_eq!(complete, rung);
    }
    beats.abort();
    engine.shutdown(Duration::ZERO).await;
}

/// During a deploy an old binary has runs before it whose brain only a new one has.
/// Returns what becomes of such a run while the new one is there.
async fn of_a_new_build(view: fn(Arc<dyn Cluster>) -> View) -> RunStatus {
    let house = House::new();
    let knows = |id, brains: &[&str]| {
        let brains = brains.iter().map(|brain| (*brain).to_owned()).collect();
        Arc::new(house.cluster.join(Member { id, brains, ..Member::default() })) as Arc<dyn Cluster>
    };
    let (old, new) = (knows(1, &[]), knows(2, &["quick"]));
    let nothing = Arc::new(Registry::default());
    let parts = house.parts(Arc::new(view(old)), 8);
    let places = Places::new(1, Arc::clone(&nothing), 8);
    let engine = Engine::start(Parts { registry: nothing, places, ..parts }, Limits::default());
    let run = start(&without_places(&house.parts(Arc::clone(&new), 8)), "quick", "of a new build").await;
    for _ in 0..4 {
        pass(1).await;
        new.beat().await.unwrap();
    }
    let status = house.status(run).await;
    assert_eq!(begun("of a new build"), 0);
    new.leave().await.unwrap();
    pass(2).await;
    assert_eq!(house.status(run).await, RunStatus::Paused, "nobody knows it");
    engine.shutdown(Duration::ZERO).await;
    status
}

#[tokio::test(start_paused = true)]
async fn w11_a_run_of_a_brain_that_only_another_build_has_is_left_to_it() {
    assert_eq!(of_a_new_build(View::true_of).await, RunStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn w11_a_member_that_sees_no_other_build_is_caught() {
    assert_eq!(of_a_new_build(View::blind).await, RunStatus::Paused, "it pauses what is another one's");
}

/// Returns the answers of an old binary for a webhook, and for a brain, that only a
/// member of a new build has.
async fn answers_of_an_old_build(view: fn(Arc<dyn Cluster>) -> View) -> [Answer; 2] {
    let linked = Registry::collect().unwrap();
    let webhook = linked.webhooks().next().unwrap();
    let registry = Registry::of([], [(webhook.source.clone(), (*webhook.def).clone())]).unwrap();
    let project = Project::new(registry).unwrap();
    let house = House::new();
    let old = World::in_cluster(&project, Arc::clone(&house.store), 0);
    let (brains, slugs) = (BTreeSet::from(["quick".to_owned()]), BTreeSet::from(["new".to_owned()]));
    let _new = old.cluster().unwrap().join(Member { id: 9, brains, slugs, ..Member::default() });
    let old = old.with_cluster(|inner| Arc::new(view(inner)));
    let job = Job { name: "of a new build's brain".into() };
    let answers = [old.post("new", &job).await.unwrap(), old.post("jobs", &job).await.unwrap()];
    let kept = old.inbox().await.unwrap().len();
    assert_eq!(kept, usize::from(answers[1].status != 503), "what is to come again is not kept");
    answers
}

#[tokio::test]
async fn w11_what_only_a_new_build_serves_is_answered_503_with_a_time_to_come_back() {
    for answer in Box::pin(answers_of_an_old_build(View::true_of)).await {
        assert_eq!((answer.status, answer.retry_after), (503, Some(1)), "{}", answer.body);
    }
}

#[tokio::test]
async fn w11_a_webhook_that_is_refused_for_good_by_an_old_build_is_caught() {
    let [unknown, failed] = Box::pin(answers_of_an_old_build(View::blind)).await;
    assert_eq!((unknown.status, failed.status), (404, 500));
}
