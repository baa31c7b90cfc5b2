//! Power cuts while forms with files come in, under a model of a disk in `PLSIM_C`, as
//! `power_loss.rs` has it; without one they are passed over, and it says so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::support::power::{self, Random, compiled, copy, image};
use super::support::{Project, aloud};
use super::{audit, form, head, post, project};

/// The power is cut while forms come in: of those that were answered every file is there, of
/// others all of it or nothing, in every image of what the disk may hold.
pub fn a_file_that_was_answered_is_there_after_a_power_cut() {
    let Some(source) = power::model() else {
        aloud(format_args!(
            "files: SKIPPED power cuts, no power-loss model (set PLSIM_C to the source of one)"
        ));
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let at = std::fs::canonicalize(work.path()).unwrap();
    let model = compiled(&source, &at);
    let [store, shadow, taken, next] = ["store", "shadow", "image", "next"].map(|name| at.join(name));
    std::fs::create_dir(&next).unwrap();
    let rounds = if std::env::var_os("PX_LONG").is_some() { 24 } else { 4 };
    let (mut random, mut answered, mut images) = (Random(1), 0, 0);
    for round in 0..rounds {
        for dir in [&store, &shadow] {
            let _ = std::fs::remove_dir_all(dir);
        }
        std::fs::rename(&next, &store).unwrap();
        copy(&store, &shadow);
        let px = keyed(&store)
            .env("LD_PRELOAD", model.to_str().unwrap())
            .env("PLSIM_DIR", store.to_str().unwrap())
            .env("PLSIM_SHADOW", shadow.to_str().unwrap())
            .env("PLSIM_SFR", ["0", "1"][round % 2])
            .serve();
        for _ in 0..1 + random.below(4) {
            let taken = post(&px, answered);
            assert!(taken.status < 300, "{}", taken.text());
            answered += 1;
        }
        // And one that is under way, or has not been answered yet.
        let (body, _) = form(answered);
        let mut connection = px.connect().unwrap();
        connection.send_raw(head(body.len()).as_bytes()).unwrap();
        connection.send_raw(&body[..body.len() - random.below(2) as usize * 1_000]).unwrap();
        px.kill();
        for percent in [0, 50, 100, 10 + random.below(80)] {
            for dir in [&taken, &next] {
                let _ = std::fs::remove_dir_all(dir);
            }
            image(&store, &shadow, &taken, percent, &mut random);
            copy(&taken, &next);
            look_into(&taken, answered);
            images += 1;
        }
    }
    aloud(format_args!("files: {images} images of power cuts, {answered} answered forms"));
}

/// A project with a key for secrets at rest: the file that one is kept in otherwise gets its
/// name by a link, which the model does not see.
fn keyed(data: &Path) -> Project {
    project().data_dir(data).env("PX_SECRET_KEY", &"5a".repeat(32))
}

/// Serves an image: every file that was answered is there, byte by byte, and nothing is half there.
fn look_into(data: &Path, answered: usize) {
    let project = keyed(data);
    let px = project.serve();
    let deliveries = px.deliveries("slug=claims");
    let mut found = BTreeSet::new();
    for delivery in &deliveries {
        let path = format!("/webhooks/deliveries/{}", delivery["id"].as_str().unwrap());
        let shown = px.get(&path).json();
        let Some(name) = shown["files"][0]["name"].as_str() else { continue };
        let number: usize = name.trim_start_matches("../").trim_end_matches(".jpg").parse().unwrap();
        let file = px.get(&format!("{path}/files/0"));
        assert!((file.status, file.body == form(number).1) == (200, true), "{number} is damaged");
        found.insert(number);
    }
    let lost: Vec<_> = (0..answered).filter(|number| !found.contains(number)).collect();
    assert!(lost.is_empty(), "{lost:?} of {answered} are lost");
    px.kill();
    let report = audit(&project);
    assert_eq!(
        (&report["clean"], &report["counts"]["files"]),
        (&json!(true), &json!(found.len())),
        "{report}"
    );
}
