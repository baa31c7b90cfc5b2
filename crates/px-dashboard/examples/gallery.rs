//! Writes every page of the tests into a folder, with the files that they name, to be looked at:
//! `cargo run -p px-dashboard --example gallery -- FOLDER`. Each page lies at its own depth.

#![expect(unreachable_pub, clippy::indexing_slicing, reason = "the answers are those of the tests")]

use std::error::Error;
use std::path::Path;

#[path = "../tests/pages/fixtures/mod.rs"]
mod fixtures;

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args().nth(1).ok_or("say which folder")?;
    let root = Path::new(&root);
    for asset in px_dashboard::assets() {
        write(&root.join("assets").join(&asset.name), asset.bytes)?;
    }
    let mut pages = fixtures::pages();
    let (fifty, path) = (fixtures::fifty_runs(), "runs".to_owned());
    pages.push(fixtures::Page { name: "fifty", path, html: fifty });
    pages.extend(fixtures::evil_pages().into_iter().map(|page| fixtures::Page { name: "evil", ..page }));
    for page in pages {
        let folder = page
            .path
            .split('?')
            .next()
            .and_then(|path| path.rsplit_once('/'))
            .map_or("", |(folder, _)| folder);
        write(&root.join(folder).join(format!("{}.html", page.name)), page.html.as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(path, bytes)?)
}
