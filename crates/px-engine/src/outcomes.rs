//! Ends and pauses of runs, for whoever operates them: a line of the log for
//! each that needs somebody, and a figure for all, by brain and outcome. They
//! are read off a batch, and told once it is committed.

use px_core::RunId;
use px_core::event::{EventBody, FailureKind};
use px_metrics::Family;
use px_store::Batch;

/// Brains that are counted by name; those beyond are counted together, so that
/// titles which come and go do not make ever more figures.
const MAX_BRAINS: usize = 256;

/// Runs that ended or were paused, by brain and outcome.
pub(crate) static ENDED: Family = Family::new(["brain", "outcome"], MAX_BRAINS * 4);

/// What the runs of a batch have come to.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Vec<Outcome>);

#[derive(Debug)]
struct Outcome {
    run: RunId,
    brain: String,
    step: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Complete,
    Cancelled,
    /// With the error, in words.
    Failed(String),
    /// With the reason.
    Paused(String),
}

impl Outcomes {
    /// What a batch says.
    pub(crate) fn of(batch: &Batch) -> Self {
        let mut found = Vec::new();
        for write in &batch.runs {
            for event in &write.events {
                let kind = match &event.event {
                    EventBody::BrainComplete => Kind::Complete,
                    EventBody::BrainCancelled { .. } => Kind::Cancelled,
                    EventBody::BrainPaused { reason } => {
                        Kind::Paused(reason.clone().unwrap_or_else(|| "an operator asked for it".into()))
                    }
                    EventBody::BrainError { error } if error.kind == FailureKind::Panic => {
                        let place = error.stack.as_deref().map_or(String::new(), |place| format!(" {place}"));
                        Kind::Failed(format!("panicked{place}: {}", error.message))
                    }
                    EventBody::BrainError { error } => Kind::Failed(error.message.clone()),
                    _ => continue,
                };
                let step = write.run.frame().map(|frame| frame.step.clone()).unwrap_or_default();
                found.push(Outcome { run: write.run.id, brain: write.run.brain.clone(), step, kind });
            }
        }
        Self(found)
    }

    /// Counts them and says which need somebody. Call it once the batch is durable.
    pub(crate) fn tell(self) {
        for Outcome { run, brain, step, kind } in self.0 {
            let outcome = match &kind {
                Kind::Complete => "complete",
                Kind::Cancelled => "cancelled",
                Kind::Failed(error) => {
                    tracing::warn!(%run, brain, step, error, "a run failed");
                    "error"
                }
                Kind::Paused(reason) => {
                    tracing::warn!(%run, brain, step, reason, "a run is paused");
                    "paused"
                }
            };
            ENDED.increment([&brain, outcome]);
        }
    }
}
