//! The wait that a step asks for, and links that it has made and does not wait on: whoever was sent one cannot
//! answer it.

use px_core::key::LINK_SLUG;
use px_core::run::OnceValue;
use px_core::wait::{Registration, Wait};
use px_core::{Run, Timestamp};
use px_sdk::{Continue, WaitRequest};
use serde_json::Value;

use crate::position::Found;
use crate::remind;
use crate::shared::Parts;

/// The wait that a step opens at this time.
pub(crate) fn opened(
    parts: &Parts,
    run: &Run,
    found: &Found<'_>,
    (request, now): (WaitRequest, Timestamp),
) -> Wait {
    Wait {
        id: parts.ids.wait(now),
        deadline: request.deadline(now),
        mode: request.mode,
        collected: Vec::new(),
        answered: Vec::new(),
        registrations: request.registrations,
        opened_at: now,
        fresh: request.fresh,
        picked: request.picked,
        reminders: remind::of_step(run, found, now),
    }
}

/// Says so in px's log where a step that goes on like this has made links that it does not wait on.
pub(crate) fn warn_of_links(run: &Run, then: &Continue) {
    let awaited = match then {
        Continue::Wait(request) => request.registrations.as_slice(),
        _ => &[],
    };
    let made: Vec<&OnceValue> = run.once.iter().filter(|once| once.depth == run.depth()).collect();
    for name in not_awaited(&made, awaited) {
        let step = run.frame().map(|frame| frame.step.as_str()).unwrap_or_default();
        tracing::warn!(
            run = %run.id, brain = %run.brain, step, link = name,
            "a step has made a signed link that it does not wait on, so nobody can answer it: give its `on()` to the \
             wait that the step returns"
        );
    }
}

/// Names of the links among what a step has made that no registration is for.
fn not_awaited<'a>(made: &[&'a OnceValue], awaited: &[Registration]) -> Vec<&'a str> {
    let is_awaited =
        |link: &str| awaited.iter().any(|one| *one.key.slug == *LINK_SLUG && *one.key.identifier == *link);
    let unanswerable = |once: &&'a OnceValue| {
        let once: &'a OnceValue = once;
        let name = once.name.strip_prefix("link ").filter(|_| once.item.is_none());
        let link = once.value.get("link").and_then(Value::as_str);
        name.zip(link).filter(|(_, link)| !is_awaited(link)).map(|(name, _)| name)
    };
    made.iter().filter_map(unanswerable).collect()
}

#[cfg(test)]
mod tests {
    use px_core::KeyId;
    use serde_json::json;

    use super::*;

    #[test]
    fn links_that_no_registration_is_for_are_named() {
        let once =
            |name: &str, value| OnceValue { depth: 0, iteration: 0, name: name.into(), value, item: None };
        let made = [
            once("link anna", json!({"link": "lnk_1"})),
            once("link ben", json!({"link": "lnk_2", "expires": 7})),
            once("link", json!("lnk_3")),
            once("mail", json!({"link": "lnk_4"})),
        ];
        let made: Vec<&OnceValue> = made.iter().collect();
        let key = KeyId::new(LINK_SLUG, "lnk_1");
        let awaited = [Registration { key, token: None, schema: 0, ask: None }];
        assert_eq!(not_awaited(&made, &awaited), ["ben"]);
        assert_eq!(not_awaited(&made, &[]), ["anna", "ben"]);
    }
}
