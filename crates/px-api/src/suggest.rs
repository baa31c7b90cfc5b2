//! "Did you mean": the nearest of the names that there are.

/// The candidate nearest to `wrong`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (wrong.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .filter_map(|candidate| Some((within(most, wrong, candidate)?, candidate)))
        .filter(|(distance, candidate)| *distance < candidate.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns whether `wrong` is within two letters of `known`, whatever their case: near
/// enough to be a slip.
#[must_use]
pub fn is_slip(wrong: &str, known: &str) -> bool {
    within(2, wrong, known).is_some()
}

/// The distance of two texts, whatever their case, if it is at most this. Texts whose
/// lengths differ by more are not compared: comparing takes the product of both
/// lengths, and a caller may send a text of any.
fn within(most: usize, wrong: &str, known: &str) -> Option<usize> {
    let (wrong, known) = (wrong.to_lowercase(), known.to_lowercase());
    let difference = wrong.chars().count().abs_diff(known.chars().count());
    if difference > most {
        return None;
    }
    Some(distance(&wrong, &known)).filter(|distance| *distance <= most)
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

    #[test]
    fn texts_of_other_lengths_are_told_apart_without_being_compared() {
        // Compared, one of them would take a billion cells.
        let (long, known) = ("x".repeat(1 << 20), "identifier".repeat(100));
        for _ in 0..100 {
            assert!(!is_slip(&long, &known));
            assert_eq!(nearest(&long, [known.as_str()]), None);
        }
        assert!(is_slip("webhook_url", "webhookUrl") && !is_slip("webhook__urls", "webhookUrl"));
    }
}
