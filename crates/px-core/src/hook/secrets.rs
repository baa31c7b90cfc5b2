//! Secrets as a hook keeps them: opaque encrypted bytes, and which of them sign
//! while one takes the place of another.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// A secret that only the sender's key can read: nonce and ciphertext.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub Vec<u8>);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// A secret that was replaced and signs beside its successor for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret.
    pub secret: Sealed,
    /// Time until which it goes on signing.
    pub until: Timestamp,
}

/// Secrets of a hook: the current one, and older ones that still sign during a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Secrets {
    /// The newest one; without any, nothing is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Sealed>,
    /// Those in their grace period, newest first, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub old: Vec<OldSecret>,
}

impl Secrets {
    /// Maximum number of old secrets that sign beside the current one.
    pub(crate) const MAX_OLD: usize = 10;
    /// Time that an old secret goes on signing unless the rotation says otherwise.
    pub const DEFAULT_GRACE: Duration = Duration::from_hours(24);
    /// Maximum time that an old secret goes on signing.
    pub const MAX_GRACE: Duration = Duration::from_hours(7 * 24);

    /// Makes `next` the current secret; the one before it signs on for `grace`. A
    /// grace of zero is for secrets that others know, and ends that of all before.
    pub fn rotate(&mut self, next: Sealed, now: Timestamp, grace: Duration) {
        self.old.retain(|old| old.until > now && !grace.is_zero());
        if let Some(secret) = self.current.replace(next).filter(|_| !grace.is_zero()) {
            self.old.insert(0, OldSecret { secret, until: now.after(grace.min(Self::MAX_GRACE)) });
        }
        self.old.truncate(Self::MAX_OLD);
    }

    /// Drops the secrets that `keep` says no to.
    pub fn retain(&mut self, keep: impl Fn(&Sealed) -> bool) {
        self.current.take_if(|sealed| !keep(sealed));
        self.old.retain(|old| keep(&old.secret));
    }

    /// The secrets that sign at `now`, the current one first.
    pub fn signing(&self, now: Timestamp) -> impl Iterator<Item = &Sealed> {
        let old = self.old.iter().filter(move |old| old.until > now).map(|old| &old.secret);
        self.current.iter().chain(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_secret_signs_for_its_grace_period_and_no_longer() {
        let sealed = |byte| Sealed(vec![byte]);
        let now = Timestamp::from_millis(1_000);
        let mut secrets = Secrets { current: Some(sealed(1)), old: Vec::new() };
        secrets.rotate(sealed(2), now, Duration::from_secs(60));
        let at =
            |secrets: &Secrets, at: Timestamp| secrets.signing(at).map(|one| one.0[0]).collect::<Vec<_>>();
        assert_eq!(at(&secrets, now.after(Duration::from_secs(59))), [2, 1]);
        assert_eq!(at(&secrets, now.after(Duration::from_secs(60))), [2]);
        secrets.rotate(sealed(3), now, Duration::ZERO);
        assert_eq!(at(&secrets, now), [3], "no grace, no signature, of none before");
        for next in 4..40 {
            secrets.rotate(sealed(next), now, Duration::from_hours(24 * 365));
        }
        assert_eq!(secrets.old.len(), Secrets::MAX_OLD);
        assert_eq!(secrets.signing(now.after(Secrets::MAX_GRACE)).count(), 1, "seven days at most");
        assert_eq!(format!("{:?}", sealed(9)), "Sealed(1 bytes)", "not even the ciphertext is printed");
    }
}
