//! Statuses: a sign and a word in the colour of its kind, never a colour alone.

use maud::{Markup, html};
use px_api::{CallbackState, DeliveryState, RunStatus, StepProgress};

/// Colour of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// It went well.
    Ok,
    /// Something is awaited.
    Wait,
    /// Somebody has to look.
    Bad,
    /// Work goes on.
    Work,
    /// Nothing follows from it.
    Quiet,
}

impl Tone {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Ok => "s s-ok",
            Self::Wait => "s s-wait",
            Self::Bad => "s s-bad",
            Self::Work => "s s-work",
            Self::Quiet => "s s-quiet",
        }
    }
}

/// A sign and its word.
pub(crate) fn signed(tone: Tone, sign: &str, word: &str) -> Markup {
    html! {
        span class=(tone.class()) { i aria-hidden="true" { (sign) (plain(sign)) } " " (word) }
    }
}

/// The mark that keeps browsers from drawing a sign as a coloured picture, for those that they would.
fn plain(sign: &str) -> &'static str {
    if matches!(sign, "▶" | "⚡") { "\u{fe0e}" } else { "" }
}

/// The status of a run.
pub(crate) fn run(status: &RunStatus) -> Markup {
    signed(tone_of(status), status.sign(), status.as_str())
}

fn tone_of(status: &RunStatus) -> Tone {
    match status {
        RunStatus::Complete => Tone::Ok,
        RunStatus::Waiting | RunStatus::Paused => Tone::Wait,
        RunStatus::Error => Tone::Bad,
        RunStatus::Running => Tone::Work,
        _ => Tone::Quiet,
    }
}

/// The outcome of an event of a delivery.
pub(crate) fn delivery(state: &DeliveryState) -> Markup {
    use DeliveryState as S;
    let (tone, sign) = match state {
        S::Resumed | S::Started => (Tone::Ok, "✓"),
        S::Queued => (Tone::Wait, "◷"),
        S::Collected => (Tone::Wait, "◔"),
        S::Duplicate => (Tone::Quiet, "="),
        S::Ignored => (Tone::Quiet, "–"),
        S::Late | S::Expired => (Tone::Wait, "⊘"),
        S::Quarantined => (Tone::Bad, "‖"),
        S::Rejected => (Tone::Bad, "✕"),
        _ => (Tone::Quiet, "?"),
    };
    signed(tone, sign, state.as_str())
}

/// The state of a callback.
pub(crate) fn callback(state: &CallbackState) -> Markup {
    use CallbackState as S;
    let (tone, sign) = match state {
        S::Delivered => (Tone::Ok, "✓"),
        S::Pending => (Tone::Quiet, "○"),
        S::Parked => (Tone::Wait, "◷"),
        S::Held => (Tone::Wait, "‖"),
        S::Dead => (Tone::Bad, "✕"),
        S::Discarded => (Tone::Quiet, "⊘"),
        _ => (Tone::Quiet, "?"),
    };
    signed(tone, sign, state.as_str())
}

/// The mark of a test, with who asked for it, if it is one.
pub(crate) fn test(is_test: Option<bool>, by: Option<&str>) -> Markup {
    html! {
        @if is_test == Some(true) {
            span title=[by.map(|by| format!("asked for with the token {}", crate::text::visible(by)))] { (signed(Tone::Wait, "△", "test")) }
        }
    }
}

/// A step with its progress, which is said to those who see no sign.
pub(crate) fn step(progress: &StepProgress, title: &str) -> Markup {
    let (tone, sign) = match progress {
        StepProgress::Complete => (Tone::Ok, "✓"),
        StepProgress::Running => (Tone::Work, "▶"),
        StepProgress::Error => (Tone::Bad, "✕"),
        StepProgress::Halted => (Tone::Quiet, "⊘"),
        _ => (Tone::Quiet, "○"),
    };
    html! {
        span class=(tone.class()) title=(progress) { i aria-hidden="true" { (sign) (plain(sign)) } span.vh { (progress) } }
        " " (crate::text::outsider_cut(title, 48))
    }
}
