//! Callbacks that were kept because this machine was closed to them, and is
//! open now: they are due again. What is kept for a disabled hook stays.

use px_core::hook::{Hook, Source};
use px_store::{Row, Table};

use super::SenderContext;
use crate::guard::{Refused, Target};
use crate::operate::{self, Operator};

/// Hooks that are read at once.
const PAGE: usize = 200;

/// Returns the refusal that keeps a hook's callbacks, if one does: its target is
/// this machine, by what its URL says, and that is closed. A name that a resolver
/// says is this machine may be another one in a minute, so its refusal keeps nothing.
#[must_use]
pub(crate) fn closed(parts: &SenderContext, hook: &Hook) -> Option<Refused> {
    let policy = parts.policy.clone();
    let policy = if hook.allow_private { policy.with_private(true) } else { policy };
    let refused = Target::parse(&hook.url).ok()?.check(&policy).err()?;
    refused.rule.is_held().then_some(refused)
}

/// Returns true if callbacks of a hook are sent now, and none of them is kept.
#[must_use]
pub(crate) fn is_open(parts: &SenderContext, hook: &Hook) -> bool {
    hook.disabled.is_none() && hook.deleted_at.is_none() && closed(parts, hook).is_none()
}

/// Makes due what is kept for hooks that may be sent to now. Logs how many hooks
/// of runs are still closed; those that have a name are named at the start.
///
/// # Errors
/// The store could not be read or written.
pub async fn release_held(parts: &SenderContext) -> Result<(), operate::Error> {
    let operator = Operator::new(parts.clone());
    let (mut after, mut kept) = (None, 0_u64);
    loop {
        let page = parts.store.scan(parts.scope, Table::Hook, after.as_ref(), PAGE).await?;
        for row in page.rows {
            let Row::Hook(hook) = row else { continue };
            let hook = &hook.record;
            if hook.disabled.is_some() || hook.deleted_at.is_some() {
                continue;
            }
            if closed(parts, hook).is_some() {
                kept += u64::from(matches!(hook.source, Source::Run(_)));
                continue;
            }
            operator.let_go(hook.id, true).await?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if kept > 0 {
        tracing::warn!(
            hooks = kept,
            "callbacks of runs to this machine are held, since it is closed to them; [hooks] allow or \
             allow_private opens it"
        );
    }
    Ok(())
}
