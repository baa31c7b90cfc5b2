//! The weight of pages: what a click costs on a slow line.

use px_dashboard::{Asset, assets};

use crate::fixtures;

fn bytes(ending: &str) -> usize {
    assets().iter().filter(|asset: &&Asset| asset.name.ends_with(ending)).map(|asset| asset.bytes.len()).sum()
}

#[test]
fn scripts_are_small_all_together() {
    assert!(bytes(".js") <= 15_000, "{} bytes of scripts", bytes(".js"));
}

#[test]
fn a_page_of_fifty_runs_is_small_with_its_style() {
    let page = fixtures::fifty_runs().len();
    let all = page + bytes(".css");
    assert!(all <= 60_000, "{page} bytes of HTML, {all} with its style");
}

#[test]
fn names_of_files_change_with_their_bytes() {
    for asset in assets() {
        let parts: Vec<&str> = asset.name.split('.').collect();
        assert!(parts.len() == 3 && parts[1].len() == 16, "{}", asset.name);
        assert!(!asset.bytes.is_empty() && !asset.content_type.is_empty());
    }
}
