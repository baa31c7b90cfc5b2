//! A picture of every screen over a seeded store, in both schemes and two widths: what `docs/pictures/` holds.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cdp::Browser;
use super::page::Visitor;
use super::seeded::{Full, address};
use super::tokens;

/// Makes a picture smaller; a browser has all that it takes.
const PACKED: &str = include_str!("pictures.js");

/// Runs of each brain.
const OF_EACH: usize = 8;

/// Names of the pictures, in the order of the screens; a screen without one is not taken.
const NAMES: [&str; 40] = [
    "overview",
    "runs",
    "runs-attention",
    "",
    "run",
    "run-at",
    "run-paused",
    "run-failed",
    "value",
    "changes",
    "fork",
    "waits",
    "waits-due",
    "waits-overdue",
    "waits-oldest",
    "inbox",
    "delivery",
    "delivery-quarantined",
    "delivery-rejected",
    "webhooks",
    "webhook",
    "",
    "hooks",
    "hook",
    "",
    "outbox",
    "callback",
    "callback-dead",
    "brains",
    "brain",
    "",
    "store",
    "values",
    "",
    "",
    "tokens",
    "secrets",
    "",
    "settings",
    "bulk",
];

/// Takes them.
pub fn take(browser: &Browser, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let server = Full::serve(OF_EACH);
    let page = Visitor::new(browser).page(address(&server.px));
    let painter = Visitor::new(browser).page("");
    let design = serde_json::json!([tokens::LIGHT, tokens::DARK].concat());
    let mut bytes = 0;
    for (screen, name) in server.screens.iter().zip(NAMES).filter(|(_, name)| !name.is_empty()) {
        for (width, height) in [(1280, 800), (360, 720)] {
            page.size(width, height, 1);
            page.goto(&format!("/ui/{screen}"));
            for scheme in ["light", "dark"] {
                page.scheme(scheme);
                let packed = painter.eval(&format!("({PACKED})('{}', {design})", page.picture()));
                let picture = STANDARD.decode(packed.as_str().unwrap()).unwrap();
                bytes += picture.len();
                std::fs::write(folder.join(format!("{name}-{width}-{scheme}.png")), picture).unwrap();
            }
        }
    }
    println!("{bytes} bytes of pictures in {}", folder.display());
}
