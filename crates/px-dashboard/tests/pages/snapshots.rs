//! The HTML of every page, a line a tag. The frame is in one snapshot; of the others, the main part.

use crate::fixtures::{self, Page};

/// A tag a line, so that a change is seen where it is.
fn lines(html: &str) -> String {
    html.replace("><", ">\n<")
}

fn main_of(page: &Page) -> &str {
    let from = page.html.find("<main").expect("a main part");
    let to = page.html.find("</main>").expect("its end");
    &page.html[from..to]
}

#[test]
fn each_page_is_as_it_was() {
    for page in fixtures::pages() {
        insta::assert_snapshot!(page.name, lines(main_of(&page)));
    }
}

#[test]
fn the_frame_is_as_it_was() {
    let page = fixtures::pages().into_iter().find(|page| page.name == "runs").expect("the list of runs");
    let frame = page.html.replace(main_of(&page), "<main>");
    // Names of files change with their bytes.
    let names = px_dashboard::assets().iter().map(|asset| &asset.name);
    let frame = names.fold(frame, |frame, name| {
        let (stem, rest) = name.split_once('.').expect("a hash");
        frame.replace(name, &format!("{stem}.HASH.{}", rest.split_once('.').expect("an ending").1))
    });
    insta::assert_snapshot!("frame", lines(&frame));
}
