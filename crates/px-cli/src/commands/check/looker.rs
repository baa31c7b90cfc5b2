//! The look at parked runs. It runs users' code, migrations and the reading of states, which may never
//! return: so that runs on a thread of its own, and a thread that does not come back in time is left behind.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use px_core::Run;
use px_engine::{Limits, hung_migration, obstacle};
use px_pool::panic_text;
use px_sdk::Registry;

use super::apart;

/// Number of runs of a brain whose code did not return, after which no other run of it is looked at.
const MAX_HUNG: u32 = 3;

/// What came of the look at one run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// It can go on.
    Fits,
    /// It would be paused for this reason.
    Stuck(String),
    /// It was not looked at, since the code of others of its brain did not return.
    Passed,
}

/// Looks at runs, one after the other.
pub(super) struct Looker {
    code: Code,
    within: Duration,
    thread: Option<Thread>,
    /// For each brain, the number of its runs whose code did not return.
    hung: BTreeMap<String, u32>,
}

/// What runs are held against.
#[derive(Clone)]
struct Code {
    registry: Arc<Registry>,
    limits: Arc<Limits>,
}

struct Thread {
    runs: SyncSender<Run>,
    answers: Receiver<Option<String>>,
}

impl Thread {
    fn start(Code { registry, limits }: Code) -> Self {
        let (runs, taken) = sync_channel::<Run>(1);
        let (answer, answers) = sync_channel(1);
        std::thread::spawn(move || {
            for run in taken {
                let looked =
                    std::panic::catch_unwind(AssertUnwindSafe(|| obstacle(&registry, &limits, &run)));
                let reason = looked.unwrap_or_else(|panic| {
                    Some(format!("the reading of its state panicked: {}", panic_text(&*panic)))
                });
                if answer.send(reason).is_err() {
                    return;
                }
            }
        });
        Self { runs, answers }
    }
}

impl Looker {
    pub(super) fn new(registry: &Registry, limits: Limits) -> Self {
        let within = limits.migration_timeout;
        let code = Code { registry: Arc::new(registry.clone()), limits: Arc::new(limits) };
        Self { code, within, thread: None, hung: BTreeMap::new() }
    }

    pub(super) fn look(&mut self, run: Run) -> Looked {
        let brain = run.brain.clone();
        if self.hung.get(&brain).is_some_and(|hung| *hung >= MAX_HUNG) {
            return Looked::Passed;
        }
        apart::begin(&run);
        let thread = self.thread.get_or_insert_with(|| Thread::start(self.code.clone()));
        let answer = match thread.runs.send(run) {
            Ok(()) => thread.answers.recv_timeout(self.within),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        };
        if answer.is_err() {
            self.thread = None;
        }
        match answer {
            Ok(None) => Looked::Fits,
            Ok(Some(reason)) => Looked::Stuck(reason),
            Err(RecvTimeoutError::Timeout) => {
                *self.hung.entry(brain).or_insert(0) += 1;
                Looked::Stuck(hung_migration(self.within))
            }
            Err(RecvTimeoutError::Disconnected) => {
                Looked::Stuck("the thread that looked at it ended without an answer".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use px_core::run::Frame;
    use px_sdk::registry::Source;
    use px_sdk::{Brain, Cx, Next, Result, brain};
    use schemars::JsonSchema;
    use serde::{Deserialize, Deserializer, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Old {
        how: String,
    }

    #[derive(Serialize, JsonSchema)]
    struct New {
        is_new: bool,
    }

    impl<'de> Deserialize<'de> for New {
        fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Read {
                is_new: bool,
            }
            let Read { is_new } = Read::deserialize(from)?;
            assert!(is_new, "a New is new");
            Ok(Self { is_new })
        }
    }

    async fn keep(_cx: Cx, new: New) -> Result<Next<New>> {
        Ok(Next(new))
    }

    /// A brain of version 2 whose migration does as the old state says.
    fn registry(title: &str) -> (Source, px_sdk::BrainDef) {
        let brain: Brain<New> = brain(title)
            .version(2)
            .migrate_state::<Old, New>(2, |old| match old.how.as_str() {
                "hangs" => loop {
                    std::thread::park();
                },
                how => Ok(New { is_new: how == "works" }),
            })
            .step("keep", keep)
            .build();
        (Source { file: "m.rs".into(), line: 3 }, brain.into_def())
    }

    fn run(brain: &str, how: &str) -> Run {
        let mut run = Run::vacant("run_00000000000000000000000000000001".parse().unwrap());
        run.brain = brain.to_owned();
        run.frames = vec![Frame {
            brain: brain.to_owned(),
            version: 1,
            step: "keep".to_owned(),
            iteration: 0,
            attempt: 0,
            state: json!({ "how": how }),
            item: None,
            steps: Vec::new(),
            progress: Vec::new(),
            halted: false,
            part: None,
        }];
        run
    }

    #[test]
    fn a_migration_that_does_not_return_keeps_the_look_from_no_other_brain() {
        let registry = Registry::of([registry("one"), registry("other")], []).unwrap();
        let mut looker =
            Looker { within: Duration::from_millis(50), ..Looker::new(&registry, Limits::default()) };
        assert_eq!(looker.look(run("one", "works")), Looked::Fits);
        for _ in 0..MAX_HUNG {
            let Looked::Stuck(why) = looker.look(run("one", "hangs")) else { panic!("it hangs") };
            assert_eq!(why, "the stored state could not be migrated: a migration did not return within 50ms");
        }
        assert_eq!(looker.look(run("one", "works")), Looked::Passed);
        assert_eq!(looker.look(run("other", "works")), Looked::Fits);
    }

    #[test]
    fn code_that_panics_keeps_the_look_from_no_other_run() {
        let registry = Registry::of([registry("one")], []).unwrap();
        let mut looker = Looker::new(&registry, Limits::default());
        let Looked::Stuck(why) = looker.look(run("one", "panics")) else { panic!("it panics") };
        assert!(why.contains("a New is new"), "{why}");
        let mut newer = run("one", "");
        newer.frames.first_mut().unwrap().version = 2;
        newer.frames.first_mut().unwrap().state = json!({ "is_new": false });
        let Looked::Stuck(why) = looker.look(newer) else { panic!("it panics") };
        assert_eq!(why, "the reading of its state panicked: a New is new");
        assert_eq!(looker.look(run("one", "works")), Looked::Fits);
    }
}
