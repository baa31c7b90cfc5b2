//! Shrinking: from a schedule that fails to a small one that still does, by
//! leaving acts out (delta debugging, Zeller and Hildebrandt 2002).

/// Leaves out what the failure does not need. `fails` must be repeatable; it
/// has held for the whole schedule. The result fails, and no single act of it
/// can be left out.
pub fn shrink<A: Clone>(acts: &[A], mut fails: impl FnMut(&[A]) -> bool) -> Vec<A> {
    let mut kept = acts.to_vec();
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let before = kept.len();
        while at < kept.len() {
            let to = (at + size).min(kept.len());
            let mut fewer = kept.clone();
            fewer.drain(at..to);
            if fails(&fewer) {
                kept = fewer;
            } else {
                at = to;
            }
        }
        if size > 1 {
            size = size.div_ceil(2);
        } else if kept.len() == before {
            return kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_failure_needs_is_kept_in_order() {
        let acts: Vec<u32> = (0..100).collect();
        let needs = |acts: &[u32]| acts.contains(&7) && acts.contains(&42) && acts.contains(&99);
        assert_eq!(shrink(&acts, needs), [7, 42, 99]);
    }

    #[test]
    fn no_single_act_can_be_left_out() {
        let acts: Vec<u32> = (0..50).collect();
        // Fails with an even number of acts, so that one less is never enough.
        let small = shrink(&acts, |acts| acts.len().is_multiple_of(2) && acts.len() >= 4);
        assert_eq!(small.len(), 4);
    }

    #[test]
    fn a_failure_that_needs_nothing_is_empty() {
        assert!(shrink(&[1, 2, 3], |_| true).is_empty());
    }
}
