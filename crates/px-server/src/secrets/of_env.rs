//! Secrets of the environment and of the files that it names. A variable stays what it is while a process
//! lives; a file does not, so the values are looked at again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use secrecy::{ExposeSecret as _, SecretString};

use crate::options::Environment;

/// Maximum number of values that a variable or a file has had which are remembered.
const MAX_SEEN: usize = 20;

type Values = BTreeMap<String, SecretString>;

/// The environment, and what it was.
pub(super) struct OfEnv {
    env: Environment,
    /// Values that names have had in the life of this process, the newest first: what a step
    /// once read may be in a state.
    seen: Mutex<BTreeMap<String, Vec<SecretString>>>,
    looks: Mutex<Looks>,
    /// Number of looks that have found other values than those before.
    changes: AtomicU64,
}

/// Values as they were looked at.
#[derive(Default)]
struct Looks {
    /// Those that verifiers were given.
    believed: Values,
    /// Those of the last look.
    last: Values,
    /// Names whose value has changed since it was last asked.
    changed: BTreeSet<String>,
}

impl OfEnv {
    pub(super) fn new(env: Environment) -> Self {
        Self { env, seen: Mutex::default(), looks: Mutex::default(), changes: AtomicU64::new(0) }
    }

    /// The value of a variable, or of the file that it names; blank if the file cannot be read.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        (self.env)(name)
    }

    /// The value for a verifier: that of the last look that counts.
    pub(super) fn believed(&self, name: &str) -> Option<String> {
        let looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let believed = looks.believed.get(name).map(|value| value.expose_secret().to_owned());
        believed.or_else(|| self.value(name))
    }

    /// A number that is another one when values have changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn values(&self, names: BTreeSet<String>) -> Values {
        names.into_iter().filter_map(|name| self.value(&name).map(|value| (name, value.into()))).collect()
    }

    /// Remembers the values of these names as those that verifiers are given.
    pub(super) fn begin(&self, names: BTreeSet<String>) {
        let values = self.values(names);
        *self.looks.lock().unwrap_or_else(PoisonError::into_inner) =
            Looks { last: values.clone(), believed: values, changed: BTreeSet::new() };
    }

    /// Looks whether these names have other values than verifiers were given. A change counts once two looks
    /// have found it: a file that is being written may hold half a value.
    pub(super) fn look(&self, names: BTreeSet<String>) {
        let now = self.values(names);
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        if same(&now, &looks.last) && !same(&now, &looks.believed) {
            let text =
                |values: &Values, name: &str| values.get(name).map(|value| value.expose_secret().to_owned());
            let is_other = |name: &&String| text(&now, name) != text(&looks.believed, name);
            let changed: Vec<String> =
                now.keys().chain(looks.believed.keys()).filter(is_other).cloned().collect();
            looks.changed.extend(changed);
            looks.believed = now;
            self.changes.fetch_add(1, Ordering::SeqCst);
        } else {
            looks.last = now;
        }
    }

    /// The names whose value has changed since this was last asked.
    pub(super) fn take_changed(&self) -> BTreeSet<String> {
        std::mem::take(&mut self.looks.lock().unwrap_or_else(PoisonError::into_inner).changed)
    }

    /// The values of these names, and those that any has had before.
    pub(super) fn all(&self, names: BTreeSet<String>) -> Vec<(String, SecretString)> {
        let values = self.values(names);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, value) in values {
            let of_name = seen.entry(name).or_default();
            of_name.retain(|seen| seen.expose_secret() != value.expose_secret());
            of_name.insert(0, value);
            of_name.truncate(MAX_SEEN);
        }
        let of = |(name, values): (&String, &Vec<SecretString>)| {
            values.iter().map(|value| (name.clone(), value.clone())).collect::<Vec<_>>()
        };
        seen.iter().flat_map(of).collect()
    }
}

fn same(some: &Values, others: &Values) -> bool {
    let is_same = |((name, value), (other, theirs)): ((&String, &SecretString), (&String, &SecretString))| {
        name == other && value.expose_secret() == theirs.expose_secret()
    };
    some.len() == others.len() && some.iter().zip(others).all(is_same)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_value_counts_once_two_looks_have_found_it() {
        let file = Arc::new(Mutex::new(Some("the first value".to_owned())));
        let read = Arc::clone(&file);
        let env = OfEnv::new(Box::new(move |name| (name == "A").then(|| read.lock().unwrap().clone())?));
        let names = || BTreeSet::from(["A".to_owned(), "B".to_owned()]);
        let look = |value: Option<&str>| {
            *file.lock().unwrap() = value.map(str::to_owned);
            env.look(names());
            env.changes()
        };
        env.begin(names());
        assert_eq!([look(Some("the first value")), look(Some("the first value"))], [0, 0]);
        // Half of it is written, then all.
        assert_eq!([look(Some("the sec")), look(Some("the second value"))], [0, 0]);
        assert_eq!([look(Some("the second value")), look(Some("the second value"))], [1, 1]);
        assert_eq!((env.take_changed(), env.take_changed()), (["A".to_owned()].into(), BTreeSet::new()));
        // It is back before a second look has found it gone.
        assert_eq!([look(None), look(Some("the second value")), look(Some("the second value"))], [1, 1, 1]);
        assert_eq!([look(None), look(None), look(None)], [1, 2, 2]);
        let _ = env.all(names());
        *file.lock().unwrap() = Some("the third value".to_owned());
        let _ = env.all(names());
        *file.lock().unwrap() = None;
        let seen: Vec<_> = env.all(names()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(seen, ["A"], "what it was is taken out of what leaves px still");
    }
}
