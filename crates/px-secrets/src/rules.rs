//! Rules of names and values.

/// Maximum length of a name, bytes.
const MAX_NAME: usize = 128;

/// Minimum length of a value, bytes. A shorter one is found in too much that is
/// none to be taken out of it.
pub(crate) const MIN_VALUE_BYTES: usize = 8;

/// Maximum length of a value, bytes: a private key or a chain of certificates fits.
pub const MAX_VALUE_BYTES: usize = 32 * 1024;

/// A name of the ancestor's, which is never set over the API.
const RESERVED: &str = "ROOT_PUBLIC_KEY";

/// Reason that a name or a value cannot be a secret's. The value is not repeated,
/// and neither is a name that is none: it may be the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// The name.
    #[error(
        "A secret's name has 1 to {MAX_NAME} letters, digits and underscores, and does not begin with a digit, such \
         as STRIPE_KEY"
    )]
    Name,
    /// The name is a part of a route.
    #[error("No secret is called bulk: `/secrets/bulk` is a route of the API")]
    Route,
    /// The name is the ancestor's.
    #[error(
        "Cannot {verb} {RESERVED} via API. This secret must be configured directly where px starts, as a variable of \
         its environment"
    )]
    Reserved {
        /// Verb of the request: `set` or `delete`.
        verb: &'static str,
    },
    /// The value is too short, or too long.
    #[error("A secret's value has {MIN_VALUE_BYTES} to {MAX_VALUE_BYTES} bytes; this one has {0}")]
    Length(usize),
    /// The value is white space.
    #[error("A secret's value is not blank")]
    Blank,
}

/// Checks a name: what may name a variable of the environment, too.
///
/// # Errors
/// [`Unfit::Name`], [`Unfit::Route`] or [`Unfit::Reserved`].
pub fn check_name(name: &str) -> Result<(), Unfit> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let begins = name.chars().next().is_some_and(|first| !first.is_ascii_digit());
    if name == "bulk" {
        return Err(Unfit::Route);
    }
    if !begins || name.len() > MAX_NAME || !name.chars().all(is_letter) {
        return Err(Unfit::Name);
    }
    if name == RESERVED { Err(Unfit::Reserved { verb: "set" }) } else { Ok(()) }
}

/// Checks that a secret of this name may be deleted.
///
/// # Errors
/// [`Unfit::Reserved`].
pub(crate) fn check_deletable(name: &str) -> Result<(), Unfit> {
    if name == RESERVED { Err(Unfit::Reserved { verb: "delete" }) } else { Ok(()) }
}

/// Checks a value.
///
/// # Errors
/// [`Unfit::Length`] or [`Unfit::Blank`].
pub fn check_value(value: &str) -> Result<(), Unfit> {
    if !(MIN_VALUE_BYTES..=MAX_VALUE_BYTES).contains(&value.len()) {
        return Err(Unfit::Length(value.len()));
    }
    if value.trim().is_empty() { Err(Unfit::Blank) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_a_variable_and_a_value_is_long_enough_to_be_found() {
        for name in ["A", "_a", "STRIPE_KEY_2", &"A".repeat(MAX_NAME)] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in ["", "2A", "A-B", "A B", "Ä", "A=x", &"A".repeat(MAX_NAME + 1)] {
            assert_eq!(check_name(name), Err(Unfit::Name), "{name}");
        }
        assert_eq!(check_name("bulk"), Err(Unfit::Route));
        assert_eq!(check_name(RESERVED), Err(Unfit::Reserved { verb: "set" }));
        assert_eq!(check_value("1234567"), Err(Unfit::Length(7)));
        assert_eq!(check_value("        "), Err(Unfit::Blank));
        assert_eq!(check_value(&"x".repeat(MAX_VALUE_BYTES + 1)), Err(Unfit::Length(MAX_VALUE_BYTES + 1)));
        for value in ["12345678", "äöüß", &"x".repeat(MAX_VALUE_BYTES)] {
            assert_eq!(check_value(value), Ok(()), "{}", value.len());
        }
        assert!(!check_value("hunter2").unwrap_err().to_string().contains("hunter2"));
    }
}
