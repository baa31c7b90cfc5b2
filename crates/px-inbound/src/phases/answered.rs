//! Phase 6: the commit is durable, so the sender may be told.

use crate::answer::Answer;

/// The answer to a delivery that is durable. Only [`Routed::commit`](super::Routed::commit) makes one.
pub(crate) struct Answered(Answer);

impl Answered {
    pub(super) const fn new(answer: Answer) -> Self {
        Self(answer)
    }

    /// Returns the answer for the sender.
    pub(crate) fn into_answer(self) -> Answer {
        self.0
    }
}
