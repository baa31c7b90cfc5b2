//! Numbers as people read them: a thin space between thousands, a space before a unit.

/// A space that is thin and breaks no line.
const THIN: char = '\u{202f}';
/// A space that breaks no line.
pub(crate) const SPACE: char = '\u{a0}';

/// A whole number: `8 993`.
pub(crate) fn whole(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(THIN);
        }
        out.push(digit);
    }
    out
}

/// A number of things as a `u64`.
pub(crate) fn count<T>(list: &[T]) -> u64 {
    u64::try_from(list.len()).unwrap_or(u64::MAX)
}

/// A number and its noun: `1 run`, `8 993 runs`.
pub(crate) fn of(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{}{SPACE}{noun}{plural}", whole(number))
}

/// A number of bytes in its largest unit: `126 B`, `1.2 MB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "KB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        Some((size, unit)) => format!("{}{SPACE}{unit}", tenths(bytes.saturating_mul(10) / size)),
        None => format!("{bytes}{SPACE}B"),
    }
}

/// A number of microseconds: `334 µs`, `5.2 ms`, `1.1 s`.
pub(crate) fn micros(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}{SPACE}µs"),
        1_000..1_000_000 => format!("{}{SPACE}ms", tenths(micros / 100)),
        _ => format!("{}{SPACE}s", tenths(micros / 100_000)),
    }
}

/// A number of whole milliseconds, as they are measured: `under 1 ms`, `12 ms`, `1.1 s`.
pub(crate) fn millis(millis: u64) -> String {
    if millis == 0 { format!("under 1{SPACE}ms") } else { micros(millis.saturating_mul(1_000)) }
}

/// A share of one: `97.1 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1}{SPACE}%", share * 100.0)
}

/// A number of tenths, without a decimal that says nothing.
fn tenths(tenths: u64) -> String {
    match tenths {
        100.. => whole(tenths / 10),
        _ if tenths.is_multiple_of(10) => whole(tenths / 10),
        _ => format!("{}.{}", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_thin_spaces_and_units_a_space() {
        assert_eq!(whole(999), "999");
        assert_eq!(whole(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(bytes(126), "126\u{a0}B");
        assert_eq!(bytes(1_234_567), "1.2\u{a0}MB");
        assert_eq!(micros(334), "334\u{a0}µs");
        assert_eq!(micros(5_230), "5.2\u{a0}ms");
        assert_eq!([millis(0), millis(12)], ["under 1\u{a0}ms", "12\u{a0}ms"]);
        assert_eq!(of(1, "run"), "1\u{a0}run");
        assert_eq!(percent(0.9712), "97.1\u{a0}%");
    }
}
