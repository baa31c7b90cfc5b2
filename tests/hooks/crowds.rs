//! Many callbacks, and receivers that are slow, ill or silent.

use super::*;

#[test]
fn rule_48_seq_is_gap_free_behind_a_filter() {
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/some"), "events": ["run.*"]}));
    let runs = start_many(&px, 20);
    let got = receiver.waits_for("/some", 40);
    all_delivered(&px, &id, 40);
    for run in &runs {
        let of_run: Vec<_> = got.iter().filter(|callback| callback.run() == *run).cloned().collect();
        let heard: Vec<_> = heard(&of_run).into_iter().map(|(seq, (_, kind))| (seq, kind)).collect();
        assert_eq!(heard, [(1, "run.started".to_owned()), (2, "run.completed".to_owned())]);
    }
}

#[test]
fn hooks_6_a_burst_of_5_000_events_arrives_whole() {
    const RUNS: usize = 1_250;
    let (project, receiver) = (Project::new(), Receiver::start());
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/burst")}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/burst", RUNS * OF_A_RUN.len());
    all_delivered(&px, &id, 5_000);
    assert_eq!(receiver.count("/burst"), 5_000, "and nothing twice");
    assert_eq!(receiver.events("/burst").len(), 5_000);
    agrees_with_the_logs(&px, &runs, &got);
    let stats = px.get(&format!("/hooks/{id}/stats")).json();
    assert_eq!((&stats["states"]["delivered"], &stats["successRate"]), (&json!(5_000), &json!(1.0)));
    assert_eq!(stats["oldestPendingAt"], Value::Null, "{stats}");
}

#[test]
fn hooks_4_a_receiver_that_needs_50_ms_gets_everything_in_order_where_asked_for() {
    const RUNS: usize = 50;
    let receiver = Receiver::answering(|_| Answer::After(Duration::from_millis(50)));
    let project = Project::new();
    let px = project.serve();
    let id = hook(&px, &json!({"url": receiver.url("/slow"), "ordered": true}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/slow", RUNS * OF_A_RUN.len());
    all_delivered(&px, &id, RUNS * OF_A_RUN.len());
    for run in &runs {
        let of_run = got.iter().filter(|callback| callback.run() == *run);
        let seqs: Vec<u64> = of_run.map(|callback| callback.json()["seq"].as_u64().unwrap()).collect();
        assert_eq!(seqs, [1, 2, 3, 4], "as they came");
    }
}

#[test]
fn hooks_6_a_hook_that_always_answers_500_costs_its_neighbour_nothing() {
    const RUNS: usize = 100;
    let receiver = Receiver::answering(|path| Answer::Now(if path == "/bad" { 500 } else { 204 }));
    let project = Project::new();
    let px = project.serve();
    let bad = hook(&px, &json!({"url": receiver.url("/bad"), "name": "bad"}));
    let good = hook(&px, &json!({"url": receiver.url("/good"), "name": "good"}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/good", RUNS * OF_A_RUN.len());
    all_delivered(&px, &good, RUNS * OF_A_RUN.len());
    agrees_with_the_logs(&px, &runs, &got);
    // The breaker counts the endpoint: five failures, and what was under way then.
    let tried = receiver.count("/bad");
    assert!((5..=5 + 16).contains(&tried), "{tried} requests to an endpoint that always fails");
    let states = states(&px, &bad);
    assert_eq!(states.get("parked"), Some(&(RUNS * OF_A_RUN.len())), "nothing is dropped: {states:?}");
    let parked = deliveries(&px, &bad);
    assert!(parked.iter().all(|one| one["parkedUntil"].is_u64()), "and it says until when");
    let listed = px.get(&format!("/hooks/{bad}/deliveries?state=parked&limit=5")).json();
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 5, "and can be asked for");
    let tries: usize = parked.iter().map(|one| one["attempts"].as_array().unwrap().len()).sum();
    assert_eq!(tries, tried, "every request is an attempt, and no other");
}

#[test]
fn hooks_4_a_hook_that_does_not_answer_holds_its_own_slots_only() {
    const RUNS: usize = 100;
    let receiver = Receiver::answering(|path| match path {
        "/stuck" => Answer::WhenReleased,
        _ => Answer::Now(204),
    });
    let project = Project::new();
    let px = project.serve();
    let stuck = hook(&px, &json!({"url": receiver.url("/stuck"), "timeout": "120s", "max_in_flight": 4}));
    let good = hook(&px, &json!({"url": receiver.url("/good")}));
    let runs = start_many(&px, RUNS);
    let got = receiver.waits_for("/good", RUNS * OF_A_RUN.len());
    all_delivered(&px, &good, RUNS * OF_A_RUN.len());
    agrees_with_the_logs(&px, &runs, &got);
    assert_eq!(
        receiver.waits_for("/stuck", 4).len(),
        4,
        "its own max_in_flight, while everything else went by"
    );
    receiver.release();
    receiver.waits_for("/stuck", RUNS * OF_A_RUN.len());
    all_delivered(&px, &stuck, RUNS * OF_A_RUN.len());
}

#[test]
fn rule_50_a_receiver_that_never_answers_holds_no_run() {
    let receiver = Receiver::answering(|_| Answer::WhenReleased);
    let project = Project::new();
    let px = project.serve();
    for number in 0..20 {
        let own = json!({"webhookUrl": receiver.url("/never"), "webhookSecret": SECRET});
        let run = start(&px, number, own);
        // Its first callback is not answered before the run is complete, or ever.
        px.reaches(&run, "complete");
    }
    assert!(receiver.got("/never").iter().all(|callback| callback.kind() == "run.started"));
    receiver.release();
    receiver.waits_for("/never", 20 * OF_A_RUN.len());
}
