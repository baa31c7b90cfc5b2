//! Patterns of names, as hooks filter by them. Nothing else is known here.

/// Returns true if a name fits a pattern in which `*` stands for any text. It takes time linear in the name
/// for each star, so that no pattern can be made to take exponentially long.
#[must_use]
pub fn glob_fits(glob: &str, name: &str) -> bool {
    let mut parts = glob.split('*');
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (glob, name, fits) in [
            ("*", "", true),
            ("*", "run.started", true),
            ("run.started", "run.started", true),
            ("run.started", "run.started.x", false),
            ("*.started", "step.started", true),
            ("r*n.*ed", "run.started", true),
            ("r*n.*ed", "run.startet", false),
            ("run**", "run", true),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("", "x", false),
        ] {
            assert_eq!(glob_fits(glob, name), fits, "{glob} on {name}");
        }
    }
}
