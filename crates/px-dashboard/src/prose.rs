//! Sentences that px writes, with commands and ids in them: commands become code, and ids of
//! runs, deliveries and callbacks links.

use maud::{Markup, html};
use px_api::{CallbackId, DeliveryId, RunId};

use crate::text::{short_id, visible};
use crate::{Href, route};

/// A sentence.
pub(crate) fn sentence(text: &str, href: Href) -> Markup {
    let parts = text.split('`').enumerate();
    html! {
        @for (at, part) in parts {
            @if at % 2 == 1 { code { (visible(part)) } } @else { (with_links(part, href)) }
        }
    }
}

/// A text whose ids are links, each in the place of the id.
fn with_links(text: &str, href: Href) -> Markup {
    let pieces = text.split_inclusive(|letter: char| !is_of_id(letter));
    let mut plain = String::new();
    let mut out = Vec::new();
    for piece in pieces {
        let word = piece.trim_end_matches(|letter| !is_of_id(letter));
        let rest = piece.get(word.len()..).unwrap_or_default();
        match target(word, href) {
            Some(link) => {
                out.push(plain_text(&std::mem::take(&mut plain)));
                out.push(html! { a href=(link) { (short_id(word)) } });
                plain.push_str(rest);
            }
            None => plain.push_str(piece),
        }
    }
    out.push(plain_text(&plain));
    html! { @for part in out { (part) } }
}

/// A piece of a sentence of px's own, which has the page's direction.
fn plain_text(text: &str) -> Markup {
    html! { (visible(text)) }
}

const fn is_of_id(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The page of the thing that has this id.
fn target(word: &str, href: Href) -> Option<String> {
    let route = match word.split_once('_')?.0 {
        RunId::PREFIX if word.parse::<RunId>().is_ok() => route::RUN,
        DeliveryId::PREFIX if word.parse::<DeliveryId>().is_ok() => route::DELIVERY,
        CallbackId::PREFIX if word.parse::<CallbackId>().is_ok() => route::CALLBACK,
        _ => return None,
    };
    Some(href.to(route, &[word]))
}

/// A short page in Markdown: paragraphs, lists and blocks of code, as the pages of codes have them.
pub(crate) fn markdown(text: &str, href: Href) -> Markup {
    html! { @for block in blocks(text) { (rendered(&block, href)) } }
}

/// A paragraph, an item of a list, or a block of code.
enum Block {
    Paragraph(String),
    Items(Vec<String>),
    Code(String),
}

fn rendered(block: &Block, href: Href) -> Markup {
    match block {
        Block::Paragraph(text) => html! { p { (sentence(text, href)) } },
        Block::Items(items) => html! { ul.prose { @for item in items { li { (sentence(item, href)) } } } },
        Block::Code(text) => html! { pre tabindex="0" { (text) } },
    }
}

fn blocks(text: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut lines = text.lines();
    let mut ends = true;
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            out.push(Block::Code(code.join("\n")));
            ends = true;
            continue;
        }
        let words = line.trim();
        if words.is_empty() {
            ends = true;
            continue;
        }
        let item = words.strip_prefix("* ").or_else(|| words.strip_prefix("- "));
        match (item, out.last_mut()) {
            (Some(item), Some(Block::Items(items))) => items.push(item.to_owned()),
            (Some(item), _) => out.push(Block::Items(vec![item.to_owned()])),
            (None, Some(Block::Items(items))) if !ends => append(items.last_mut(), words),
            (None, Some(Block::Paragraph(text))) if !ends => append(Some(text), words),
            (None, _) => out.push(Block::Paragraph(words.trim_start_matches('#').trim().to_owned())),
        }
        ends = false;
    }
    out
}

fn append(text: Option<&mut String>, words: &str) {
    if let Some(text) = text {
        text.push(' ');
        text.push_str(words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_code_and_ids_are_links() {
        let text = "`px runs explain x` says why run_01a228742b5b7253b7c72ba2ba5e67c0, waits.";
        let page = sentence(text, Href::of(route::RUN)).into_string();
        assert!(page.starts_with("<code>px runs explain x</code> says why <a href=\"../runs/run_"), "{page}");
        assert!(page.ends_with("5e67c0</code></a>, waits."), "{page}");
    }

    #[test]
    fn lists_and_code_of_a_page_are_kept() {
        let page = markdown("One\ntwo.\n\n* a\n  b\n* c\n\n```sh\npx\n```\n", Href::at_depth(0));
        let expected =
            "<p>One two.</p><ul class=\"prose\"><li>a b</li><li>c</li></ul><pre tabindex=\"0\">px</pre>";
        assert_eq!(page.into_string(), expected);
    }
}
