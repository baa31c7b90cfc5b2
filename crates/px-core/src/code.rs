//! The codes of errors: stable, and the same in the API, in webhooks' replies
//! and on the command line. Each has a page in px-api that says what happened and
//! what to do next, `px explain PX0012` prints it. A code that was given out once
//! is never given to anything else.
//!
//! This file knows no HTTP: which status goes with a code is said where it is
//! answered. That each code is used, and each page belongs to one, is tested in
//! the root's `tests/architecture.rs`.

use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)+) => {
        /// Stable code of an error, under which its documentation page is found.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// As it is written: `PX` and four digits.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }

            /// The name in the sources.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
                }
            }
        }
    };
}

codes! {
    /// There is no such route.
    NoRoute = "PX0001",
    /// The route does not take this method.
    WrongMethod = "PX0002",
    /// The request does not make sense.
    BadRequest = "PX0003",
    /// The body of the request is too large.
    TooLarge = "PX0004",
    /// The body of the request took too long.
    TooSlow = "PX0005",
    /// The request has too many header lines.
    TooManyHeaders = "PX0006",
    /// The thing is not in a state for this.
    Conflict = "PX0007",
    /// The run, hook, delivery or other thing that the request names does not exist.
    NotFound = "PX0008",
    /// Not now; come back.
    Unavailable = "PX0009",
    /// Something failed in px.
    Internal = "PX0010",
    /// There is no such brain.
    BrainNotFound = "PX0011",
    /// Several brains could be meant.
    BrainAmbiguous = "PX0012",
    /// The initial state does not fit the brain.
    StateUnfit = "PX0013",
    /// The idempotency key was used with another input.
    IdempotencyKeyUsed = "PX0014",
    /// There is no such run.
    RunNotFound = "PX0015",
    /// The run is over, or not active.
    RunNotActive = "PX0016",
    /// The status of the run does not allow this.
    WrongRunStatus = "PX0017",
    /// There is no such signal.
    BadSignal = "PX0018",
    /// A run cannot go to this step.
    BadPosition = "PX0019",
    /// The inbox has no such delivery.
    DeliveryNotFound = "PX0020",
    /// The delivery cannot be replayed or bound.
    DeliveryUnfit = "PX0021",
    /// There is no such webhook.
    WebhookNotFound = "PX0022",
    /// The sender is not believed.
    Unverified = "PX0023",
    /// The payload does not fit the schema of the webhook.
    PayloadUnfit = "PX0024",
    /// The body of the webhook request cannot be read.
    PayloadUnreadable = "PX0025",
    /// The content type is none that is taken.
    UnsupportedType = "PX0026",
    /// The handler of the webhook failed.
    HandlerFailed = "PX0027",
    /// The webhook takes no requests from this address.
    AddressNotAllowed = "PX0028",
    /// A form does not say which wait it is for.
    FormIdentifierMissing = "PX0029",
    /// There is no such hook.
    HookNotFound = "PX0030",
    /// The outbox has no such delivery.
    CallbackNotFound = "PX0031",
    /// A hook cannot be like this.
    HookInvalid = "PX0032",
    /// Hooks may not go to this address.
    AddressRefused = "PX0033",
    /// The hook is not in a state for this.
    HookConflict = "PX0034",
    /// The request has no API token.
    TokenMissing = "PX0035",
    /// The API token may not do this.
    ScopeMissing = "PX0036",
    /// Without API tokens, only this machine may use the API.
    NotLocal = "PX0037",
    /// There is no such API token.
    TokenNotFound = "PX0038",
    /// The API token cannot be made or revoked.
    TokenConflict = "PX0039",
    /// A row of the store is damaged.
    Damaged = "PX0040",
    /// There is no such secret.
    SecretNotFound = "PX0041",
    /// A secret cannot be like this.
    SecretInvalid = "PX0042",
    /// A form of the page was not sent from one of its pages.
    ForeignForm = "PX0043",
    /// The webhook takes no test events.
    TestNotAllowed = "PX0044",
}

impl Code {
    /// The code of this text; case does not count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text.trim()))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_either_case() {
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(*code));
        }
        assert_eq!(Code::parse("PX9999"), None);
    }

    #[test]
    fn codes_are_numbered_without_a_gap() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert_eq!(code.as_str(), format!("PX{:04}", at + 1));
        }
    }
}
