//! Damage of values that outlive runs, and of the numbers that count them.

use px_store::audit::Rule;
use serde_json::json;

use super::deeds::{Damage, edit, put, remove};

pub const VALUES: &[Damage] = &[
    (Rule::KvCount, |rig| edit("counter", rig.find(b'b', |_| true), |row| row["keys"] = json!(7))),
    (Rule::KvCount, |rig| remove("counter", rig.find(b'j', |_| true))),
    (Rule::KvCount, |rig| {
        let mut row = rig.find(b'b', |_| true);
        row.key = [&row.key[..3], b"nobody\0\x01"].concat();
        put("nobody", row)
    }),
    (Rule::KvWithoutBrain, |rig| remove("counter", rig.find(b'b', |_| true))),
];
