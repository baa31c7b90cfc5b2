//! The design's tokens: sizes, spaces, radii and colours of everything that is to be seen, as the browser has computed
//! them, and the exceptions with their reasons.

use serde_json::{Value, json};

use super::page::Page;

/// Colours of the light scheme: ground, raised, line, text, muted, accent, ok, wait, bad.
pub const LIGHT: [&str; 9] =
    ["#FFFFFF", "#F6F7F9", "#E3E6EB", "#171A20", "#5A6270", "#1F54D0", "#18713F", "#855300", "#B8261D"];

/// Colours of the dark scheme, in the same order.
pub const DARK: [&str; 9] =
    ["#101216", "#181B21", "#2A2F38", "#E7EAF0", "#9AA3B2", "#86A8FF", "#56C48C", "#E3AE45", "#FF8379"];

const SIZES: [u32; 4] = [12, 13, 14, 20];
const SPACES: [u32; 7] = [0, 4, 8, 12, 16, 24, 32];
const RADII: [&str; 2] = ["0px", "6px"];
const WEIGHTS: [&str; 3] = ["400", "500", "600"];

/// What is no token, and why: a selector, a property, the value.
const EXCEPTIONS: [(&str, &str, &str, &str); 2] = [
    (".dot", "border-radius", "50%", "the sign that a page is live is a disc"),
    ("select", "line-height", "normal", "browsers set it themselves, whatever a style says"),
];

const SCRIPT: &str = include_str!("tokens.js");

/// A colour as the browser writes it.
fn rgb(hex: &str) -> String {
    let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    format!("rgb({}, {}, {})", part(1), part(3), part(5))
}

/// Every value of a page in this scheme that is none of the tokens.
pub fn faults(page: &Page, scheme: &str) -> Vec<String> {
    let colours = if scheme == "dark" { DARK } else { LIGHT };
    let tokens = json!({
        "colours": colours.map(rgb),
        "sizes": SIZES.map(|size| format!("{size}px")),
        "spaces": SPACES,
        "radii": RADII,
        "weights": WEIGHTS,
        "exceptions": EXCEPTIONS.map(|(selector, property, value, _)| [selector, property, value]),
    });
    let found: Value = page.eval(&format!("({SCRIPT})({tokens})"));
    let found = found.as_array().unwrap().iter();
    found.map(|fault| format!("{scheme}: {}", fault.as_str().unwrap())).collect()
}
