//! "Did you mean": the nearest of the names that there are.

/// The candidate nearest to `wrong`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wrong.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= most && *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns whether `wrong` is within two letters of `known`, whatever their case: near
/// enough to be a slip.
#[must_use]
pub fn is_slip(wrong: &str, known: &str) -> bool {
    distance(&wrong.to_lowercase(), &known.to_lowercase()) <= 2
}

/// Levenshtein's distance, two neighbours swapped counting as one
/// ("optimal string alignment").
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped =
                i > 0 && j > 0 && Some(x) == b.get(j - 1) && a.get(i - 1) == Some(y) && !before.is_empty();
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("port", "port", 0),
            ("prot", "port", 1),
            ("bnd", "bind", 1),
            ("x", "y", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_near() {
        let keys = ["bind", "port", "public_url"];
        assert_eq!(nearest("prot", keys), Some("port"));
        assert_eq!(nearest("publicUrl", keys), Some("public_url"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("a", ["b"]), None);
    }
}
