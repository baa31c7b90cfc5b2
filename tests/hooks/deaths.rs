//! Servers that are killed or stopped while callbacks are under way.

use super::*;

#[test]
fn hooks_4_a_kill_9_loses_nothing_and_repeats_at_most_what_was_in_flight() {
    const IN_FLIGHT: usize = 16;
    const KILL_AT: usize = 600;
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(20)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "max_in_flight": IN_FLIGHT}));
    // Runs are started until the process dies under them.
    let address = px.address;
    let started = std::thread::scope(|scope| {
        let starter = |from: usize| {
            let mut runs = Vec::new();
            for number in from.. {
                let body = json!({"identifier": "help-request", "initialState": help(number)}).to_string();
                let headers = [("content-type".to_owned(), "application/json".to_owned())];
                let Ok(mut connection) = support::Connection::open(address) else { break };
                let sent = connection.send("POST", "/brains/runs", &headers, body.as_bytes());
                let Ok(reply) = sent.and_then(|()| connection.receive()) else { break };
                if reply.status != 201 {
                    break;
                }
                runs.push(reply.run());
            }
            runs
        };
        let starters: Vec<_> =
            (0..4).map(|client| scope.spawn(move || starter(client * 1_000_000))).collect();
        receiver.waits_for("/hook", KILL_AT);
        px.kill();
        starters.into_iter().flat_map(|starter| starter.join().unwrap()).collect::<Vec<String>>()
    });
    let before = receiver.count("/hook");
    let px = project.serve();
    let restarted = Instant::now();
    receiver.waits_for("/hook", before + 1);
    aloud(format_args!(
        "the first callback after the kill came {:?} after px was ready",
        restarted.elapsed()
    ));
    // What was answered 201 is there, and maybe some runs more that nobody heard of.
    eventually("every run to be complete", || {
        (px.get("/brains/runs?status=running&limit=1").json()["runs"] == json!([])).then_some(())
    });
    let all: Vec<Value> = {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = px.get(&format!("/brains/runs?limit=1000&cursor={cursor}")).json();
            all.extend(page["runs"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break all,
            }
        }
    };
    let runs: Vec<String> = all.iter().map(|run| run["brainRunId"].as_str().unwrap().to_owned()).collect();
    assert!(started.iter().all(|run| runs.contains(run)), "a run that was answered 201 is gone");
    let expected: usize = runs.iter().map(|run| told(&px, run).len()).sum();
    eventually("every event to come", || (receiver.events("/hook").len() >= expected).then_some(()));
    all_delivered(&px, &id, expected);
    let got = receiver.got("/hook");
    agrees_with_the_logs(&px, &runs, &got);
    let ids: BTreeSet<String> =
        deliveries(&px, &id).iter().map(|one| one["eventId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(receiver.events("/hook"), ids, "the distinct ids received are those that px has");
    let copies = got.len() - ids.len();
    assert!(copies <= IN_FLIGHT, "{copies} copies, and {IN_FLIGHT} could be in flight");
    let mut bodies: BTreeMap<&str, &[u8]> = BTreeMap::new();
    for callback in &got {
        let body = bodies.entry(callback.event()).or_insert(&callback.bytes);
        assert_eq!(*body, &callback.bytes[..], "a copy has the same bytes");
    }
    assert!(px.stop().success());
    let audit = project.command(&["audit", "--data-dir", project.data().to_str().unwrap()]).output().unwrap();
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stdout));
    aloud(format_args!("{} runs, {expected} events, {copies} copies after a kill -9", runs.len()));
}

#[test]
fn hooks_4_a_graceful_end_finishes_what_is_in_flight_and_leaves_the_rest_to_the_next_start() {
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(100)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/hook"), "max_in_flight": 2}));
    start_many(&px, 10);
    receiver.waits_for("/hook", 4);
    assert!(px.stop().success());
    assert!(receiver.count("/hook") < 40, "it did not wait for all of them");
    let px = project.serve();
    receiver.waits_for("/hook", 40);
    all_delivered(&px, &id, 40);
    assert_eq!(receiver.count("/hook"), 40, "what was in flight was finished, so nothing came twice");
}
