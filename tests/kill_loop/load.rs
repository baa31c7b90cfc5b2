//! The load of the kill loop: jobs, and the workers that send for them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use px_testkit::load::Connection;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::support::hmac_sha256_hex;
use super::{CALLBACKS, EVENTS, HOOK, JOURNEYS, SECRET, journey};

/// One run and what its sender knows: the next event is sent when the one
/// before it is acknowledged.
#[derive(Debug, Clone)]
pub(super) struct Job {
    number: usize,
    pub(super) key: String,
    pub(super) run: Option<String>,
    pub(super) acknowledged: Vec<String>,
}

impl Job {
    pub(super) fn of(number: usize) -> Self {
        Self { number, key: format!("k{number}"), run: None, acknowledged: Vec::new() }
    }

    pub(super) fn is_journey(&self) -> bool {
        self.number.is_multiple_of(JOURNEYS)
    }

    pub(super) fn calls_back(&self) -> bool {
        self.number.is_multiple_of(CALLBACKS)
    }

    /// How many events it takes.
    pub(super) fn events(&self) -> usize {
        if self.is_journey() { journey::EVENTS } else { EVENTS }
    }

    pub(super) fn is_done(&self) -> bool {
        self.acknowledged.len() == self.events()
    }

    fn start(&self, receiver: &str) -> Value {
        let brain = if self.is_journey() { "journey" } else { "ledger" };
        let mut body =
            json!({"identifier": brain, "initialState": {"key": self.key}, "idempotencyKey": self.key});
        if self.calls_back() {
            body["webhookUrl"] = receiver.into();
            body["webhookSecret"] = HOOK.1.into();
        }
        body
    }

    fn body(&self, number: usize) -> Value {
        if self.is_journey() {
            return journey::body(&self.key, number);
        }
        json!({"key": self.key, "event": self.event(number), "last": number + 1 == EVENTS})
    }

    fn event(&self, number: usize) -> String {
        format!("{}-{number}", self.key)
    }
}

#[derive(Debug, Default)]
pub(super) struct Shared {
    pub(super) todo: Mutex<VecDeque<Job>>,
    /// Jobs that were worked on, with what was acknowledged.
    pub(super) touched: Mutex<HashMap<String, Job>>,
    pub(super) made: AtomicUsize,
    pub(super) in_flight: AtomicUsize,
    pub(super) answered: AtomicUsize,
    pub(super) actions: Mutex<BTreeMap<String, usize>>,
    /// Rung at each answer.
    pub(super) bell: Notify,
    /// Where callbacks go.
    pub(super) receiver: String,
    /// Whether new jobs are made when there are none.
    pub(super) endless: std::sync::atomic::AtomicBool,
}

impl Shared {
    fn take(&self) -> Option<Job> {
        if let Some(job) = self.todo.lock().unwrap().pop_front() {
            return Some(job);
        }
        self.endless.load(Ordering::SeqCst).then(|| {
            let number = self.made.fetch_add(1, Ordering::SeqCst);
            Job::of(number)
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
    pub(super) async fn work(&self, address: std::net::SocketAddr) -> bool {
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
            let (status, json) =
                self.send(connection, "/brains/runs", "", &job.start(&self.receiver)).await?;
            job.run = (status < 300).then(|| json["brainRunId"].as_str().unwrap().to_owned());
            return Some(status < 300);
        }
        let number = job.acknowledged.len();
        let event = job.event(number);
        let body = job.body(number);
        let signature = hmac_sha256_hex(SECRET, body.to_string().as_bytes());
        let headers = format!("x-github-delivery: {event}\r\nx-hub-signature-256: sha256={signature}\r\n");
        let (status, json) = self.send(connection, "/webhooks/notes", &headers, &body).await?;
        if status < 300 {
            let action = json["action"].as_str().unwrap_or_default();
            assert!(matches!(action, "resumed" | "queued" | "collected" | "duplicate"), "{json}");
            job.acknowledged.push(event);
        }
        Some(status < 300)
    }
}
