//! What came of a load: counted from what the client knows, from what px shows,
//! and from what the steps left outside of it.

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;

use super::journey;
use super::load::Job;
use super::support::{Px, within_patience};

#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) rounds: usize,
    pub(super) not_counted: usize,
    pub(super) unanswered: usize,
    pub(super) lost: usize,
    pub(super) twice: usize,
    /// Runs that did not get as far as they must.
    pub(super) stuck: usize,
    /// Stores that an audit did not find in order.
    pub(super) unsound: usize,
}

impl Counts {
    pub(super) fn is_sound(&self) -> bool {
        self.lost + self.twice + self.stuck + self.unsound == 0
    }
}

/// Waits until each run has what was acknowledged of it, and counts.
pub(super) fn check(px: &Px, jobs: &[Job], counts: &mut Counts) {
    for job in jobs {
        let Some(run) = &job.run else { continue };
        let settled = |shown: &Value| {
            let seen = shown["state"]["events"].as_array().map_or(0, Vec::len);
            // What a journey still has in its queues is looked at when it is done.
            let has_come_far = job.is_journey() || seen >= job.acknowledged.len();
            has_come_far && (!job.is_done() || shown["status"] == "complete")
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
        counts.twice += seen.iter().filter(|event| !once.insert(*event)).count();
        if job.is_journey() {
            counts.lost += usize::from(job.is_done() && seen != journey::expected(&job.key));
            continue;
        }
        counts.lost += job.acknowledged.iter().filter(|event| !seen.contains(event)).count();
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

/// How many runs of a brain are complete.
pub(super) fn complete_runs(px: &Px, brain: &str) -> usize {
    let mut runs = 0;
    let mut cursor = String::new();
    loop {
        let path = format!("/brains/runs?brain={brain}&status=complete&limit=1000{cursor}");
        let page = px.get(&path).json();
        runs += page["runs"].as_array().unwrap().len();
        let Some(next) = page["nextCursor"].as_str() else { return runs };
        cursor = format!("&cursor={next}");
    }
}

/// Lines of the file that steps append to: process, run, event.
pub(super) fn effects(path: &Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let word = |line: &str, place: usize| line.split(' ').nth(place).unwrap().to_owned();
    text.lines().map(|line| (word(line, 0), word(line, 1), word(line, 2))).collect()
}
