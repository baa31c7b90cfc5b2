//! Phase 5: the fate of each event is decided and lies in a draft. Nobody but
//! this request has seen it, and a commit that meets a conflict leaves no trace.

use px_store::{Conflict, Draft, InboxState, Outcome};

use super::Answered;
use crate::answer::Answer;
use crate::context::InboundContext;
use crate::metrics;

/// A delivery in a draft, with the answer that holds once it is durable.
pub(crate) struct Routed<'a> {
    pub(crate) draft: Box<Draft<'a>>,
    pub(crate) answer: Answer,
    /// The states of its events, for the figures.
    pub(crate) states: Vec<InboxState>,
}

/// The end of a commit that the store has taken.
pub(crate) enum Committed {
    /// It is durable.
    Answered(Answered),
    /// Something that the route rests on has changed; nothing happened.
    Conflict(Conflict),
}

impl Routed<'_> {
    /// Commits the draft.
    pub(crate) async fn commit(self, context: &InboundContext) -> Result<Committed, px_store::Error> {
        let Self { draft, answer, states } = self;
        Ok(match context.commit(draft).await? {
            Outcome::Committed { .. } => {
                states.into_iter().for_each(metrics::entered);
                Committed::Answered(Answered::new(answer))
            }
            Outcome::Conflict(conflict) => Committed::Conflict(conflict),
        })
    }
}
