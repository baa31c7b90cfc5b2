//! Whoever looks at a page, as far as the page depends on it.

use px_api::{Scope, Timestamp};

use crate::route::Route;

/// Value of the hidden field that proves that a form was sent from a page of px.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Csrf(pub String);

/// Zone that times are written in. The `datetime` of each is UTC all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Zone {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// Minutes east of it, as the browser said.
    Offset(i16),
}

impl Zone {
    /// The widest offset that a place on earth has, in minutes.
    const MAX_MINUTES: i16 = 14 * 60;

    /// Reads the value of the field [`crate::route::field::ZONE`] or of the cookie that keeps it: `utc`, or
    /// minutes east.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "utc" {
            return Some(Self::Utc);
        }
        let minutes: i16 = text.parse().ok()?;
        (-Self::MAX_MINUTES..=Self::MAX_MINUTES).contains(&minutes).then_some(Self::Offset(minutes))
    }

    /// The zone as people write it: `UTC`, `UTC+2`, `UTC−3:30`.
    #[must_use]
    pub fn name(self) -> String {
        let minutes = match self {
            Self::Utc | Self::Offset(0) => return "UTC".to_owned(),
            Self::Offset(minutes) => minutes,
        };
        let sign = if minutes < 0 { '−' } else { '+' };
        match (minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60) {
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
        }
    }

    /// Moves a point in time so that its UTC fields read as the fields of this zone.
    pub(crate) fn shifted(self, at: Timestamp) -> Timestamp {
        let Self::Offset(minutes) = self else { return at };
        let millis = u64::from(minutes.unsigned_abs()) * 60_000;
        Timestamp::from_millis(match minutes < 0 {
            true => at.as_millis().saturating_sub(millis),
            false => at.as_millis().saturating_add(millis),
        })
    }
}

/// Form that takes back what was just done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Words of its button.
    pub label: String,
    /// Route that it posts to.
    pub route: Route,
    /// Parts of the route's path.
    pub args: Vec<String>,
    /// Its hidden fields.
    pub fields: Vec<(&'static str, String)>,
}

/// Result of the action after which a page is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Sentence that says what was done.
    pub text: String,
    /// The way back, if there is one.
    pub undo: Option<Undo>,
}

/// Whoever looks at a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Permission: what it does not allow is shown disabled, with the reason.
    pub scope: Scope,
    /// Name of the token; none where no token is needed.
    pub token_name: Option<String>,
    /// Proof that every form carries.
    pub csrf: Csrf,
    /// Zone of the times.
    pub zone: Zone,
    /// True if single keys do something.
    pub keys: bool,
    /// The present, which ages are counted from.
    pub now: Timestamp,
    /// Number of things that need somebody, for the title and the icon.
    pub attention: u64,
    /// True if payloads and states may be seen.
    pub sees_payloads: bool,
    /// Result of the action before.
    pub notice: Option<Notice>,
}

impl Session {
    /// Returns whether the scope includes this one.
    #[must_use]
    pub fn may(&self, scope: &Scope) -> bool {
        rank(&self.scope) >= rank(scope)
    }
}

/// The order of scopes; one that this version does not know allows nothing beyond reading.
fn rank(scope: &Scope) -> u8 {
    match scope {
        Scope::Operate => 1,
        Scope::Admin => 2,
        _ => 0,
    }
}
