//! Counters by the values of two labels that are known only when something
//! happens. There are at most so many; what comes beyond is counted together.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Value of the first label for what has no place of its own.
pub(crate) const OTHER: &str = "other";

/// Counters by two labels.
#[derive(Debug)]
pub struct Family {
    labels: [&'static str; 2],
    most: usize,
    counts: Mutex<BTreeMap<[String; 2], u64>>,
}

impl Family {
    /// No counter yet, and at most `most` of them ever beside the one for all others.
    #[must_use]
    pub const fn new(labels: [&'static str; 2], most: usize) -> Self {
        Self { labels, most, counts: Mutex::new(BTreeMap::new()) }
    }

    /// One more of these values. For what happens seldom: it takes a lock.
    pub fn increment(&self, values: [&str; 2]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = values.map(str::to_owned);
        let has_place = counts.contains_key(&key) || counts.len() < self.most;
        let [_, second] = values;
        let key = if has_place { key } else { [OTHER.to_owned(), second.to_owned()] };
        *counts.entry(key).or_default() += 1;
    }

    /// The names of the labels.
    pub(crate) const fn labels(&self) -> [&'static str; 2] {
        self.labels
    }

    /// Every counter, by its values.
    pub(crate) fn counts(&self) -> BTreeMap<[String; 2], u64> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_beyond_the_bound_is_counted_together() {
        let family = Family::new(["brain", "outcome"], 2);
        for (brain, outcome) in
            [("a", "error"), ("b", "error"), ("c", "error"), ("d", "error"), ("a", "error")]
        {
            family.increment([brain, outcome]);
        }
        let counts: Vec<(String, u64)> =
            family.counts().into_iter().map(|([brain, _], count)| (brain, count)).collect();
        assert_eq!(counts, [("a".to_owned(), 2), ("b".to_owned(), 1), ("other".to_owned(), 2)]);
    }
}
