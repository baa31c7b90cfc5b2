//! The error that steps and handlers return (docs/rules.md#39). It takes any error by
//! `?`; it is no `std::error::Error` itself, which is what makes that possible.

use std::fmt;

/// Error of a step or a handler.
#[derive(Clone)]
pub struct Error {
    name: String,
    message: String,
    causes: Vec<String>,
    is_permanent: bool,
    /// True if a stored value is not what the code reads now: other code may read it.
    is_unfit: bool,
}

/// The result of a step or a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with this sentence. The step is retried if its options say so.
    pub fn msg(message: impl fmt::Display) -> Self {
        Self {
            name: "Error".into(),
            message: message.to_string(),
            causes: Vec::new(),
            is_permanent: false,
            is_unfit: false,
        }
    }

    /// An error that no retry can mend: the run fails at once.
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self { is_permanent: true, ..Self::msg(message) }
    }

    /// An error of this name that no retry can mend.
    pub(crate) fn named(name: &str, message: impl fmt::Display) -> Self {
        Self { name: name.into(), ..Self::permanent(message) }
    }

    /// An error of what is stored, which this code cannot read and another deploy can: the run is paused.
    pub(crate) fn unfit(message: impl fmt::Display) -> Self {
        Self { is_unfit: true, ..Self::permanent(message) }
    }

    /// Returns whether something stored is not what the code reads: the run is paused then, and does not fail.
    #[doc(hidden)]
    #[must_use]
    pub fn is_unfit(&self) -> bool {
        self.is_unfit
    }

    /// The same error, marked as one that no retry can mend.
    #[must_use]
    pub fn into_permanent(self) -> Self {
        Self { is_permanent: true, ..self }
    }

    /// A short name: the error's type where it is known.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns what caused it, outermost first.
    #[must_use]
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// Returns whether no retry can mend it.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.is_permanent
    }
}

impl<E> From<E> for Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    fn from(error: E) -> Self {
        let full = std::any::type_name::<E>();
        let name = full.split('<').next().unwrap_or(full).rsplit("::").next().unwrap_or(full);
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self { name: name.into(), causes, ..Self::msg(error) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.message)?;
        for cause in &self.causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        Ok(())
    }
}

/// Returns from a step or a handler with an [`Error`] of this text.
#[macro_export]
macro_rules! bail {
    ($($argument:tt)*) => {
        return ::core::result::Result::Err($crate::Error::msg(::core::format_args!($($argument)*)))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_error_with_its_causes() {
        fn parse() -> Result<u8> {
            Ok("300".parse::<u8>()?)
        }
        let error = parse().unwrap_err();
        assert_eq!(error.name(), "ParseIntError");
        assert!(!error.is_permanent());
        assert!(Error::permanent("no").is_permanent());
    }

    #[test]
    fn bail_formats() {
        fn fails() -> Result<()> {
            bail!("no {}", 7)
        }
        assert_eq!(fails().unwrap_err().message(), "no 7");
    }
}
