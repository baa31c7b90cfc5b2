//! The axis of a timeline, on which idle weeks take no more room than they need: a stretch between
//! two moments is as wide as the logarithm of its length, and one that is far longer than its
//! neighbours is folded.

use std::time::Duration;

use px_api::Timestamp;

/// Width of the whole axis.
pub(super) const WIDTH: f64 = 1_000.0;
/// A stretch this many times as long as its longer neighbour is folded.
const FOLD_FACTOR: u64 = 100;
/// Stretches below this many milliseconds are never folded.
const MIN_FOLD_MS: u64 = 10_000;
/// Width of a folded stretch, in the measure of logarithms.
const FOLD_WIDTH: f64 = 4.0;

/// A stretch that is folded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fold {
    pub(super) from: Timestamp,
    pub(super) took: Duration,
    /// Its middle on the axis.
    pub(super) x: f64,
}

/// Places of moments on the axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Scale {
    marks: Vec<(Timestamp, f64)>,
    pub(super) folds: Vec<Fold>,
}

impl Scale {
    /// An axis that has each of these moments.
    pub(super) fn over(moments: impl Iterator<Item = Timestamp>) -> Self {
        let mut moments: Vec<Timestamp> = moments.collect();
        moments.sort_unstable();
        moments.dedup();
        let gaps: Vec<u64> = moments.windows(2).filter_map(gap).collect();
        let widths: Vec<(f64, bool)> = (0..gaps.len()).map(|at| width(&gaps, at)).collect();
        let total: f64 = widths.iter().map(|(width, _)| width).sum();
        let unit = if total > 0.0 { WIDTH / total } else { 0.0 };
        let mut scale = Self::default();
        let mut x = 0.0;
        for (at, moment) in moments.iter().enumerate() {
            scale.marks.push((*moment, x));
            let Some((width, is_folded)) = widths.get(at) else { continue };
            if *is_folded {
                let took = Duration::from_millis(gaps.get(at).copied().unwrap_or_default());
                scale.folds.push(Fold { from: *moment, took, x: x + width * unit / 2.0 });
            }
            x += width * unit;
        }
        scale
    }

    /// The place of one of its moments.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let place = self.marks.partition_point(|(mark, _)| *mark < at);
        self.marks.get(place).or(self.marks.last()).map_or(0.0, |(_, x)| *x)
    }
}

fn gap(pair: &[Timestamp]) -> Option<u64> {
    let (first, last) = (pair.first()?, pair.last()?);
    u64::try_from(last.since(*first).as_millis()).ok()
}

/// Width of a stretch, and true if it is folded.
fn width(gaps: &[u64], at: usize) -> (f64, bool) {
    let own = gaps.get(at).copied().unwrap_or_default();
    let before = at.checked_sub(1).and_then(|before| gaps.get(before)).copied();
    let longest = before.into_iter().chain(gaps.get(at + 1).copied()).max();
    let is_folded =
        own >= MIN_FOLD_MS && longest.is_some_and(|longest| own > longest.saturating_mul(FOLD_FACTOR));
    #[expect(clippy::cast_precision_loss, reason = "a drawing needs no more")]
    let width = if is_folded { FOLD_WIDTH } else { (own as f64 + 1.0).ln().max(0.3) };
    (width, is_folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn two_days_between_two_bursts_are_folded() {
        let day = 86_400_000;
        let moments = [0, 50, 60, 2 * day, 2 * day + 1, 2 * day + 40];
        let scale = Scale::over(moments.into_iter().map(at));
        assert_eq!(scale.folds.len(), 1);
        assert_eq!(scale.folds[0].took, Duration::from_millis(2 * day - 60));
        assert!(scale.x(at(60)) > 200.0 && scale.x(at(2 * day)) < 800.0, "{scale:?}");
        assert!((scale.x(at(2 * day + 40)) - WIDTH).abs() < 0.001);
    }

    #[test]
    fn one_moment_is_an_axis_too() {
        assert!(Scale::over([at(5)].into_iter()).x(at(5)).abs() < f64::EPSILON);
    }
}
