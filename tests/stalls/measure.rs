//! The time that good webhooks take beside steps and a handler that do not
//! yield: five rounds each, calm and stalled in turn, over one connection.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::Suite;

const ROUNDS: usize = 5;
const PER_SECOND: u32 = 20;

pub fn run() {
    let seconds = std::env::var("PX_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    println!("{PER_SECOND} webhooks a second over one connection, {seconds} s a round; milliseconds");
    println!("{:<10} {:>8} {:>8} {:>8}", "", "p50", "p99", "max");
    let mut medians = Vec::new();
    for is_stalled in [false, true].into_iter().cycle().take(2 * ROUNDS) {
        let times = round(is_stalled, seconds);
        let at = |part: usize| times[(times.len() * part / 1_000).min(times.len() - 1)].as_secs_f64() * 1e3;
        let name = if is_stalled { "stalled" } else { "calm" };
        println!("{name:<10} {:>8.2} {:>8.2} {:>8.2}", at(500), at(990), at(1_000));
        medians.push((is_stalled, at(990)));
    }
    for wanted in [false, true] {
        let mut p99: Vec<_> =
            medians.iter().filter(|(is, _)| *is == wanted).map(|(_, value)| *value).collect();
        p99.sort_by(f64::total_cmp);
        println!("median p99, {}: {:.2} ms", if wanted { "stalled" } else { "calm" }, p99[ROUNDS / 2]);
    }
}

fn round(is_stalled: bool, seconds: u32) -> Vec<Duration> {
    let suite = Suite::new("");
    if is_stalled {
        for (brain, file) in [("spins", "spin"), ("spins", "spin"), ("blocks", "block"), ("blocks", "block")]
        {
            suite.start(brain, file);
        }
    }
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        if is_stalled {
            let px = &suite.px;
            // One that blocks is answered 503 after two seconds; its thread stays.
            scope.spawn(move || px.post_json("/webhooks/bad", &json!({ "id": "1" })));
        }
        let mut connection = suite.px.connect().unwrap();
        let begun = Instant::now();
        for id in 0..seconds * PER_SECOND {
            let due = begun + Duration::from_secs(1) * id / PER_SECOND;
            while let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::park_timeout(left);
            }
            let sent = Instant::now();
            let body = json!({ "id": id.to_string() }).to_string();
            let head = "POST /webhooks/good HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
            let message = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            connection.send_raw(message.as_bytes()).unwrap();
            let reply = connection.receive_kept().unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text());
            times.push(sent.elapsed());
        }
    });
    times.sort();
    times
}
