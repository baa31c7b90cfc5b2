//! Compares the log of a run with the golden one of a name, or writes it anew.

#![allow(unreachable_pub, clippy::unwrap_used, reason = "shared by several tests")]

use std::fmt::Write as _;
use std::path::Path;

use px_core::RunId;
use px_testkit::World;

pub async fn compare(world: &World, run: RunId, name: &str) {
    let mut text = String::new();
    for event in world.log(run).await.unwrap() {
        writeln!(text, "{}", serde_json::to_string(&event).unwrap()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../px-core/tests/golden").join(name);
    if std::env::var_os("PX_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{name}");
}
