//! Damaged images of small stores, thousands of them: each is refused by name, with
//! nothing changed or removed, or serves everything that was acknowledged.
//!
//! A store of 40 records in segments of 4 KiB was checkpointed after some of them,
//! and stopped or killed. Its images are damaged in one place or in two: every bit of
//! what the journal stands on, and of its files each missing, empty, cut, grown,
//! swapped, or as it was earlier. Exempt, and counted apart, is the last record of a
//! killed store with two or more bits turned, or cut off: nothing tells it from one
//! that a power cut tore before it was answered.
//!
//! `PX_LONG=1` opens all images but those of a page's padding, `PX_LONG=all` these
//! too; else a drawn part of them.

mod attacks;
mod files;
mod image;
mod power;
mod tree;
mod versions;

use std::collections::BTreeMap;
use std::io::Write as _;

use image::{Base, Change, End, Found};

use super::rig::Random;
use crate::journal::format::{HEADER, RECORD};

/// One of so many images is opened if not all are.
const DRAWN: usize = 25;

/// Drawn bits of other bodies, and drawn pairs.
const DRAWN_BITS: usize = 2_000;
const DRAWN_PAIRS: usize = 2_000;

fn is_long() -> bool {
    std::env::var_os("PX_LONG").is_some()
}

/// Says something that is seen though the test passes.
fn aloud(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Results of the images of one kind, counted.
#[derive(Debug, Default)]
struct Counts {
    refused: usize,
    served: usize,
    exempt: usize,
}

#[derive(Default)]
struct Tally(BTreeMap<&'static str, Counts>);

impl Tally {
    /// Opens an image and counts what came of it.
    fn open(&mut self, kind: &'static str, base: &Base, changes: &[Change]) {
        let counts = self.0.entry(kind).or_default();
        match base.open(changes) {
            Found::Refused => counts.refused += 1,
            Found::Served => counts.served += 1,
            Found::WithoutTheLast => {
                assert!(
                    base.end == End::Killed && base.tears_the_last_record(changes),
                    "the last record is gone: {changes:?}"
                );
                counts.exempt += 1;
            }
        }
    }

    fn say(&self, base: &Base) {
        for (kind, Counts { refused, served, exempt }) in &self.0 {
            let end = base.end;
            let images = refused + served + exempt;
            aloud(&format!(
                "damage: {end:?}, {kind}: {images} images, {refused} refused, {served} served, {exempt} exempt"
            ));
        }
    }
}

/// Bits that are turned one at a time.
fn bits(base: &Base, random: &mut Random) -> Vec<(&'static str, Change)> {
    let flip = |file: &str, bit: usize| Change::Flip { file: file.to_owned(), bit };
    let mut found = Vec::new();
    let mut bodies = Vec::new();
    for segment in &base.segments {
        let name = segment.name.as_str();
        found.extend((0..HEADER * 8).map(|bit| ("a segment's header", flip(name, bit))));
        for record in segment.starts.windows(2) {
            let (from, to) = (record[0], record[1]);
            found.extend((from * 8..(from + RECORD) * 8).map(|bit| ("a record's head", flip(name, bit))));
            bodies.extend(((from + RECORD) * 8..to * 8).map(|bit| flip(name, bit)));
        }
    }
    if let Some((name, from, to)) = base.last_record() {
        found.extend((from * 8..to * 8).map(|bit| ("the last record", flip(&name, bit))));
    }
    let pages = base.files["high-water"].len() * 8;
    found.extend((0..pages).map(|bit| ("the pages of the mark", flip("high-water", bit))));
    if is_long() {
        // Behind its 44 bytes a page is zeros that nobody reads: nearly 200,000
        // bits, which take half an hour. `PX_LONG=all` opens these images too.
        let is_padding = |change: &Change| matches!(change, Change::Flip { bit, .. } if bit / 8 % 4096 >= 44);
        let is_all = std::env::var("PX_LONG").is_ok_and(|value| value == "all");
        found.retain(|(kind, change)| {
            is_all || *kind != "the pages of the mark" || !is_padding(change) || random.one_in(DRAWN)
        });
    }
    if !is_long() || base.end == End::Idle {
        // All that can matter of the pages, and a part of the rest.
        found.retain(|(kind, change)| match change {
            Change::Flip { bit, .. } if *kind == "the pages of the mark" && bit / 8 % 4096 < 44 => {
                random.one_in(4)
            }
            Change::Flip { .. } if *kind == "the pages of the mark" => random.one_in(40 * DRAWN),
            _ => random.one_in(DRAWN),
        });
    }
    let drawn = if is_long() { DRAWN_BITS } else { DRAWN_BITS / DRAWN };
    found.extend((0..drawn).map(|_| ("other bodies", bodies[random.below(bodies.len())].clone())));
    found
}

/// Returns the damage that can be done to whole files.
fn files(base: &Base) -> Vec<(&'static str, Change)> {
    let mut found = Vec::new();
    let names: Vec<_> = base.files.keys().cloned().collect();
    for file in names.iter().cloned() {
        found.push(("missing", Change::Missing { file: file.clone() }));
        found.push(("empty", Change::Cut { file: file.clone(), at: 0 }));
        found.push(("grown by a page", Change::Grown { file: file.clone() }));
        for snapshot in 0..base.earlier.len() {
            found.push(("an earlier copy", Change::Earlier { file: file.clone(), snapshot }));
        }
        for other in names.iter().filter(|other| **other > file).cloned() {
            found.push(("swapped", Change::Swapped { file: file.clone(), other }));
        }
    }
    for segment in &base.segments {
        for record in segment.starts.windows(2) {
            let borders =
                [record[0], record[0] + 1, record[0] + RECORD, (record[0] + record[1]) / 2, record[1]];
            found.extend(borders.map(|at| ("cut", Change::Cut { file: segment.name.clone(), at })));
        }
    }
    for page in 0..6 {
        for at in [page * 4096, page * 4096 + 20, page * 4096 + 44, page * 4096 + 2000] {
            found.push(("cut", Change::Cut { file: "high-water".into(), at }));
        }
    }
    found
}

fn every_image_is_refused_or_serves_everything(end: End) {
    let base = Base::make(end);
    let mut random = Random(14);
    let mut tally = Tally::default();
    let bits = bits(&base, &mut random);
    let files = files(&base);
    for (kind, change) in bits.iter().chain(&files) {
        tally.open(kind, &base, std::slice::from_ref(change));
    }
    let mut kinds: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
    for (kind, change) in bits.iter().chain(&files) {
        kinds.entry(kind).or_default().push(change);
    }
    let kinds: Vec<_> = kinds.into_values().collect();
    let drawn = if is_long() { DRAWN_PAIRS } else { DRAWN_PAIRS / 5 };
    for _ in 0..drawn {
        let [first, second] = [(); 2].map(|()| {
            let kind = &kinds[random.below(kinds.len())];
            kind[random.below(kind.len())].clone()
        });
        tally.open("pairs", &base, &[first, second]);
    }
    tally.say(&base);
    let whole = base.open(&[]);
    assert!(matches!(whole, Found::Served), "the undamaged one opens: {whole:?}");
}

#[test]
fn every_damaged_image_of_a_stopped_store_is_refused_or_serves_everything() {
    every_image_is_refused_or_serves_everything(End::Stopped);
}

#[test]
fn every_damaged_image_of_a_killed_store_is_refused_or_serves_everything() {
    every_image_is_refused_or_serves_everything(End::Killed);
}

#[test]
fn every_damaged_image_of_an_idle_store_is_refused_or_serves_everything() {
    every_image_is_refused_or_serves_everything(End::Idle);
}
