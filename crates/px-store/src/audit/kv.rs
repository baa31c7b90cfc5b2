//! Values that outlive runs: a brain has as many as its record says.

use super::{Audit, Rule, readable};
use crate::error::Error;
use crate::kv::KvBrain;

impl Audit<'_> {
    /// A value; they come in the order of brains.
    pub(super) async fn kv_value(&mut self, brain: String) -> Result<(), Error> {
        self.report.counts.kv += 1;
        if self.kv.as_ref().is_some_and(|(last, _)| *last != brain) {
            self.end_of_values().await?;
        }
        self.kv.get_or_insert((brain, 0)).1 += 1;
        Ok(())
    }

    /// After the last value of a brain: its record has counted them.
    pub(super) async fn end_of_values(&mut self) -> Result<(), Error> {
        let Some((brain, count)) = self.kv.take() else { return Ok(()) };
        match readable(self.store.kv().brain(self.scope, &brain).await)? {
            None => self.report.violation(Rule::KvWithoutBrain, "", [("brain", brain)]),
            Some(read) if read.record.keys != count => {
                let detail = format!("it says {}, and there are {count}", read.record.keys);
                self.report.violation(Rule::KvCount, &detail, [("brain", brain)]);
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// The record of a brain. One with values was held against them before.
    pub(super) async fn kv_brain(&mut self, brain: &str, record: KvBrain) -> Result<(), Error> {
        if readable(self.store.kv().values(self.scope, brain, None, 1).await)?.is_empty() {
            let detail = format!("it says {}, and there are none", record.keys);
            self.report.violation(Rule::KvCount, &detail, [("brain", brain.to_owned())]);
        }
        Ok(())
    }
}
