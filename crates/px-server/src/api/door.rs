//! The doors of the server: each route names the one that it lies behind, and
//! what is asked there follows from it. `matrix` holds each against every kind
//! of caller, over real sockets.

use px_inbound::verify::local::Rule;
use px_store::tokens::Permission;

/// Callers that may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Anybody: it says nothing that is not public, and changes nothing.
    Public,
    /// Senders that the webhook's own verification believes; this machine if it
    /// verifies nobody.
    Webhook,
    /// Callers that know the token of the wait that the form is for.
    Form,
    /// Callers that have a signed link.
    Link,
    /// Callers that may read.
    Read,
    /// Callers that may read, for as long as their token is valid.
    Stream,
    /// Callers that may move runs and deliveries.
    Operate,
    /// Callers that may change hooks, tokens and secrets.
    Admin,
    /// As [`Door::Admin`], and no browser while there are no tokens: whoever
    /// makes the first one has the server.
    FirstToken,
}

impl Door {
    /// The scope that an API token needs here. `None` where none is asked for.
    pub(super) const fn scope(self) -> Option<Permission> {
        match self {
            Self::Public | Self::Webhook | Self::Form | Self::Link => None,
            Self::Read | Self::Stream => Some(Permission::Read),
            Self::Operate => Some(Permission::Operate),
            Self::Admin | Self::FirstToken => Some(Permission::Admin),
        }
    }

    /// Returns what is asked while there are no tokens.
    pub(super) const fn rule(self) -> Rule {
        match self {
            Self::FirstToken => Rule::NoBrowser,
            _ => Rule::ThisMachine,
        }
    }
}
