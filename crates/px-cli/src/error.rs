//! Why a command did not do what it was asked: what happened, how the process
//! exits, and what to do next.

use serde_json::{Map, Value};

/// The result of a command.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of failure, each with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was tried and did not work.
    Failed,
    /// The command line, or the configuration, does not make sense.
    Usage,
    /// The thing that was named is not there.
    NotFound,
    /// The thing is there, and in a state in which this cannot be done.
    Conflict,
    /// No server answers at the URL.
    Unreachable,
    /// The reader of stdout went away, and knows that it did.
    Unread,
}

impl Kind {
    /// The exit code that the documentation promises.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Failed | Self::Unread => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::Unreachable => 5,
        }
    }
}

/// A failed command.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    /// What happened, and where.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
    /// Further fields of the server's answer, for `--json`.
    pub(crate) details: Map<String, Value>,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, details: Map::new() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// Data that could not be written to stdout. A closed pipe is not spoken of:
    /// `head` closes one when it has what it wants.
    pub(crate) fn unwritten(error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::new(Kind::Unread, "");
        }
        Self::failed(format!("cannot write the output to stdout: {error}"))
            .hint("what was printed is not complete: run the command again with room for its output")
    }

    /// Says what to do next, unless something more precise was said before.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same, if there is something to say.
    pub(crate) fn maybe_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => self.hint(hint),
            None => self,
        }
    }

    /// The error as `--json` prints it: the server's own fields, the message
    /// under `error`, and px's advice.
    pub(crate) fn to_json(&self) -> Value {
        let mut out = self.details.clone();
        out.insert("error".into(), self.message.clone().into());
        if let Some(hint) = &self.hint {
            out.insert("hint".into(), hint.clone().into());
        }
        out.insert("exitCode".into(), self.kind.exit_code().into());
        Value::Object(out)
    }
}

impl From<px_sdk::registry::RegistryError> for Error {
    fn from(error: px_sdk::registry::RegistryError) -> Self {
        Self::failed(error.to_string())
    }
}
