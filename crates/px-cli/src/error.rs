//! Errors of commands: a description, the exit code of the process, and a hint at the next step.

use px_client::Refusal;
use px_core::Code;
use serde_json::{Map, Value};

/// The result of a command.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Advice about a token that there is not. Where there are tokens, making one needs an admin's; the first
/// one, and one in the place of those that were lost, is made by whoever may write the store's files.
pub(crate) const MAKE_TOKEN: &str = "`px tokens create NAME` makes one: with an admin's token in PX_TOKEN, or, if \
                                     nobody has one, while px is stopped, in its folder or with its --data-dir";

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
    /// Description of what happened, and where.
    pub(crate) message: String,
    /// Advice about what to do next.
    pub(crate) hint: Option<String>,
    /// Further fields of the server's answer, for `--json`.
    pub(crate) details: Map<String, Value>,
    /// True if the message is another one's than this program's: it is shown as one line.
    pub(crate) is_foreign: bool,
}

impl Error {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, details: Map::new(), is_foreign: false }
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

/// A request that failed, with the exit code and the advice of the command line.
impl From<px_client::Error> for Error {
    fn from(error: px_client::Error) -> Self {
        use px_client::Kind as K;
        let text = error.to_string();
        let error = match error.kind() {
            K::Setup => Self::usage(text),
            K::Unreachable => Self::new(Kind::Unreachable, text)
                .hint("start it with `px serve`, or name another one with --url or PX_URL"),
            K::Interrupted => {
                Self::new(Kind::Unreachable, text).hint("see what the server says, and try again")
            }
            K::Refused(refusal) => Self::refused(text, refusal),
            K::Foreign { .. } => {
                Self::failed(text).hint("check that --url, PX_URL or px.toml names a px server")
            }
            _ => Self::failed(text).hint("the server may be newer than this px: build both from one version"),
        };
        Self { is_foreign: true, ..error }
    }
}

impl Error {
    /// The server's refusal.
    fn refused(text: String, refusal: &Refusal) -> Self {
        let kind = match refusal.status {
            404 => Kind::NotFound,
            300 | 409 => Kind::Conflict,
            _ => Kind::Failed,
        };
        let hint = match (refusal.status, refusal.error.code()) {
            (503, _) => Some("the server cannot take it now; try again in a moment".to_owned()),
            (401, Some(Code::TokenMissing)) => Some(format!("give a token in PX_TOKEN; {MAKE_TOKEN}")),
            (403, Some(Code::ScopeMissing)) => {
                Some(format!("that takes a token of another scope: {MAKE_TOKEN}, and --scope says which"))
            }
            (403, Some(Code::TestNotAllowed)) => {
                Some("`px explain PX0044` says which webhooks take test events, and why".to_owned())
            }
            (401 | 403, _) => Some("the server wants credentials that this request did not have".to_owned()),
            _ => refusal.error.details(),
        };
        let mut error = Self::new(kind, text).maybe_hint(hint);
        error.details = refusal.fields.clone();
        error.details.remove("error");
        error
    }
}

impl From<px_sample::Error> for Error {
    fn from(error: px_sample::Error) -> Self {
        let kind = match error.kind {
            px_sample::Kind::Usage => Kind::Usage,
            px_sample::Kind::Failed => Kind::Failed,
        };
        Self::new(kind, error.message).maybe_hint(error.hint)
    }
}

impl From<px_sdk::registry::RegistryError> for Error {
    fn from(error: px_sdk::registry::RegistryError) -> Self {
        Self::failed(error.to_string())
    }
}
