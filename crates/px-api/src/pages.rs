//! The pages of the codes of errors: what happened, and what to do next. Each
//! code has one. `px explain PX0012` prints it, and docs/api.md lists them all.

use px_core::Code;

macro_rules! pages {
    ($($code:literal)+) => {
        /// Every page, by its code.
        const PAGES: &[(&str, &str)] = &[$(($code, include_str!(concat!("pages/", $code, ".md"))),)+];
    };
}

pages! {
    "PX0001" "PX0002" "PX0003" "PX0004" "PX0005" "PX0006"
    "PX0007" "PX0008" "PX0009" "PX0010" "PX0011" "PX0012"
    "PX0013" "PX0014" "PX0015" "PX0016" "PX0017" "PX0018"
    "PX0019" "PX0020" "PX0021" "PX0022" "PX0023" "PX0024"
    "PX0025" "PX0026" "PX0027" "PX0028" "PX0029" "PX0030"
    "PX0031" "PX0032" "PX0033" "PX0034" "PX0035" "PX0036"
    "PX0037" "PX0038" "PX0039" "PX0040"
    "PX0041" "PX0042" "PX0043" "PX0044"
}

/// The page about a code, in Markdown.
#[must_use]
pub fn page(code: Code) -> &'static str {
    PAGES.iter().find(|(known, _)| *known == code.as_str()).map_or("", |(_, page)| page)
}

/// The first line of a code's page, without the code.
#[must_use]
pub fn title(code: Code) -> &'static str {
    let line = page(code).lines().next().unwrap_or_default();
    line.split_once(": ").map_or(line, |(_, title)| title)
}

/// The advice of a code's page: its part "What to do", in Markdown.
#[must_use]
pub fn advice(code: Code) -> &'static str {
    page(code).split_once("\n## What to do\n").map_or("", |(_, advice)| advice.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_begins_with_its_code_and_says_what_to_do() {
        for code in Code::ALL {
            assert!(page(*code).starts_with(&format!("# {code}: ")), "{code}");
            assert!(!advice(*code).is_empty(), "{code}");
        }
        assert_eq!(PAGES.len(), Code::ALL.len());
        assert_eq!(title(Code::BrainAmbiguous), "several brains could be meant");
    }
}
