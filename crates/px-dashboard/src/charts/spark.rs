//! A row of small bars, without an axis.

use maud::{Markup, html};

/// Height of the drawing.
const HEIGHT: u64 = 24;
/// Width of a bar and of the gap behind it.
const STEP: u64 = 4;

/// Bars of these heights, the largest as high as the drawing; one that is not nothing is seen.
pub(crate) fn spark(label: &str, values: &[u64]) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0).max(1);
    let width = u64::try_from(values.len()).unwrap_or(0).saturating_mul(STEP).max(STEP);
    let bars = values.iter().zip(0_u64..).filter(|(value, _)| **value > 0).map(|(value, at)| {
        let height = (value.saturating_mul(HEIGHT) / most).max(2);
        (at * STEP, HEIGHT - height, height)
    });
    html! {
        svg.spark role="img" aria-label=(label) viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" {
            @for (x, y, height) in bars { rect x=(x) y=(y) width=(STEP - 1) height=(height) {} }
        }
    }
}
