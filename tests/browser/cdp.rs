//! A client of the Chrome DevTools Protocol over `--remote-debugging-pipe`: messages of JSON that end with a zero byte,
//! to the browser's descriptor 3 and from its descriptor 4. It knows processes, calls and events, and no page.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Time that anything may take that a page does.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Names that Chromium goes by.
const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell"];

/// Nothing leaves this machine; every name below `test` is this machine, and no other name is known.
const RESOLVER: &str = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1";

/// The browser that is here: `PX_CHROMIUM`, or the first on the path.
pub fn installed() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("PX_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    NAMES
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// An event of a session.
#[derive(Debug, Clone)]
pub struct Event {
    pub method: String,
    pub params: Value,
}

/// Events of a session, in the order in which they came.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<Event>>,
    bell: Condvar,
}

struct Wire {
    to: Mutex<Option<ChildStdin>>,
    next: AtomicU64,
    answers: Mutex<HashMap<u64, Sender<Value>>>,
    sessions: Mutex<HashMap<String, Arc<Heard>>>,
}

impl Wire {
    fn send(&self, session: Option<&str>, method: &str, params: &Value) -> Receiver<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, wait) = channel();
        self.answers.lock().unwrap().insert(id, answer);
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        let mut to = self.to.lock().unwrap();
        to.as_mut().expect("the browser is there").write_all(&bytes).expect("the browser takes calls");
        wait
    }

    /// Hands on what the browser says, until it ends. Whoever waits for an answer then hears that there is none.
    fn listen(&self, from: ChildStdout) {
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        while matches!(from.read_until(0, &mut bytes), Ok(1..)) {
            let message: Value =
                serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes)).unwrap_or_default();
            bytes.clear();
            if let Some(id) = message["id"].as_u64() {
                if let Some(answer) = self.answers.lock().unwrap().remove(&id) {
                    let _ = answer.send(message);
                }
                continue;
            }
            let session = message["sessionId"].as_str().unwrap_or_default();
            let Some(heard) = self.sessions.lock().unwrap().get(session).cloned() else { continue };
            let method = message["method"].as_str().unwrap_or_default().to_owned();
            heard.events.lock().unwrap().push(Event { method, params: message["params"].clone() });
            heard.bell.notify_all();
        }
        self.answers.lock().unwrap().clear();
    }
}

/// The result of a call, or the browser's error.
fn result(wait: &Receiver<Value>) -> Result<Value, String> {
    let answer = wait.recv_timeout(PATIENCE).map_err(|why| format!("no answer: {why}"))?;
    match answer.get("error") {
        Some(error) => Err(error.to_string()),
        None => Ok(answer["result"].clone()),
    }
}

/// A browser. Dropping it ends it, after a panic too.
pub struct Browser {
    child: Child,
    wire: Arc<Wire>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts it with a profile of its own.
    pub fn start(program: &std::path::Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        // The shell gives the pipes the numbers that the browser asks for.
        command.args(["-c", r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null"#]).arg(program);
        command.args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        command.args(["--disable-dev-shm-usage", "--force-color-profile=srgb", "--lang=en"]);
        command.arg(format!("--host-resolver-rules={RESOLVER}"));
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            // Its sandbox is not for root.
            command.arg("--no-sandbox");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.arg("about:blank").spawn().unwrap();
        let (to, from) = (child.stdin.take(), child.stdout.take().unwrap());
        let wire = Arc::new(Wire {
            to: Mutex::new(to),
            next: AtomicU64::new(1),
            answers: Mutex::default(),
            sessions: Mutex::default(),
        });
        let listening = Arc::clone(&wire);
        std::thread::spawn(move || listening.listen(from));
        let browser = Self { child, wire, _profile: profile };
        browser.call("Browser.getVersion", json!({}));
        browser
    }

    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        result(&self.wire.send(None, method, &params)).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// A new page of a context, which has cookies of its own.
    pub fn session(&self, context: &str) -> Session {
        let made =
            self.call("Target.createTarget", json!({"url": "about:blank", "browserContextId": context}));
        let target = made["targetId"].as_str().unwrap().to_owned();
        let attached = self.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        let id = attached["sessionId"].as_str().unwrap().to_owned();
        let heard = Arc::<Heard>::default();
        self.wire.sessions.lock().unwrap().insert(id.clone(), Arc::clone(&heard));
        Session { wire: Arc::clone(&self.wire), id, target, heard }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends in order when its pipe does.
        *self.wire.to.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            // Only to leave the processor to the browser.
            std::thread::park_timeout(Duration::from_millis(3));
        }
    }
}

/// A page, as far as it is called and heard.
pub struct Session {
    wire: Arc<Wire>,
    id: String,
    target: String,
    heard: Arc<Heard>,
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.wire.to.lock().is_ok_and(|to| to.is_some()) {
            let _ = result(&self.wire.send(None, "Target.closeTarget", &json!({"targetId": self.target})));
        }
    }
}

impl Session {
    pub fn try_call(&self, method: &str, params: Value) -> Result<Value, String> {
        result(&self.send(method, &params))
    }

    #[track_caller]
    pub fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Makes many calls without waiting for each.
    #[track_caller]
    pub fn call_all(&self, calls: impl IntoIterator<Item = (&'static str, Value)>) {
        let waits: Vec<_> = calls.into_iter().map(|(method, params)| self.send(method, &params)).collect();
        for wait in waits {
            result(&wait).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    fn send(&self, method: &str, params: &Value) -> Receiver<Value> {
        self.wire.send(Some(&self.id), method, params)
    }

    /// The point in its events that is now.
    pub fn now(&self) -> usize {
        self.heard.events.lock().unwrap().len()
    }

    /// Everything that was heard since then.
    pub fn since(&self, then: usize) -> Vec<Event> {
        self.heard.events.lock().unwrap()[then..].to_vec()
    }

    /// Waits for an event after that point.
    #[track_caller]
    pub fn hears(&self, then: usize, what: &str, is_it: impl Fn(&Event) -> bool) -> Event {
        let deadline = Instant::now() + PATIENCE;
        let mut events = self.heard.events.lock().unwrap();
        loop {
            if let Some(event) = events[then..].iter().find(|event| is_it(event)) {
                return event.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                // Without the lock, so that others see their own failure.
                drop(events);
                panic!("waited {PATIENCE:?} for {what}");
            }
            events = self.heard.bell.wait_timeout(events, left).unwrap().0;
        }
    }
}
