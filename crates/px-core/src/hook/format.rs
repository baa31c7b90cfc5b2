//! The format of a callback's body, as a word; px-outbound writes the bodies.

use serde::{Deserialize, Serialize};

/// Format of the body of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// px's own.
    #[default]
    Px,
    /// CloudEvents 1.0, structured JSON.
    CloudEvents,
    /// `event_type, agent_id, request_id, seq, timestamp, is_final, payload`.
    Forge,
    /// `event, timestamp, data`.
    Rdev,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 4] = [Self::Px, Self::CloudEvents, Self::Forge, Self::Rdev];

    /// The word in the configuration and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Px => "px",
            Self::CloudEvents => "cloudevents",
            Self::Forge => "forge",
            Self::Rdev => "rdev",
        }
    }

    /// The format of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}
