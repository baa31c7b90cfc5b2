//! What can be done to the rows of a store: kinds of damage, and hands to do it.

use px_store::audit::Rule;
use serde_json::Value;

use super::{Parts, Rig};

/// An id that nothing has.
const NOBODY: &str = "ffffffffffff7fffbfffffffffffffff";

/// A kind of damage: the rule that it breaks, and how it is done. Gives the id
/// that the audit has to name.
pub type Damage = (Rule, fn(&Rig) -> Deed);

/// What is done to the rows.
pub struct Deed {
    pub names: String,
    pub put: Vec<Parts>,
    pub remove: Vec<Parts>,
}

pub fn put(names: impl Into<String>, row: Parts) -> Deed {
    Deed { names: names.into(), put: vec![row], remove: Vec::new() }
}

pub fn remove(names: impl Into<String>, row: Parts) -> Deed {
    Deed { names: names.into(), put: Vec::new(), remove: vec![row] }
}

/// A change of a row's JSON.
pub fn edit(names: impl Into<String>, mut row: Parts, change: impl FnOnce(&mut Value)) -> Deed {
    change(&mut row.json);
    put(names, row)
}

/// A change of the log entries in a run's row.
pub fn edit_log(mut row: Parts, change: impl FnOnce(&mut Vec<Value>)) -> Deed {
    let mut entries = row.entries();
    change(&mut entries);
    row.set_entries(&entries);
    put(row.text("/id"), row)
}

/// The bytes of such an id.
pub fn nobody_bytes() -> [u8; 16] {
    u128::from_str_radix(NOBODY, 16).unwrap().to_be_bytes()
}

pub fn nobody(prefix: &str) -> String {
    format!("{prefix}_{NOBODY}")
}
