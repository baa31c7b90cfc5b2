//! `GET /openapi.json`.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header;

/// Made once: it depends on nothing but the sources.
static DOCUMENT: LazyLock<String> = LazyLock::new(text);

/// The document as it is held in `openapi.json` beside the sources.
pub(super) fn text() -> String {
    format!("{:#}\n", super::openapi::document())
}

pub(super) async fn show() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PX_BLESS=1` writes it anew.
    #[test]
    fn the_document_is_the_golden_file() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        if std::env::var_os("PX_BLESS").is_some() {
            std::fs::write(path, text()).unwrap();
        }
        let golden = std::fs::read_to_string(path).unwrap_or_default();
        assert!(golden == text(), "the API has changed: look at it, then run the test with PX_BLESS=1");
    }

    #[test]
    fn operations_have_names_of_their_own_and_say_what_they_do() {
        let routes = super::super::routes::all();
        let names: std::collections::BTreeSet<_> = routes.iter().map(|route| route.name).collect();
        assert_eq!(names.len(), routes.len());
        assert!(routes.iter().all(|route| !route.name.is_empty() && route.what.len() > 5));
    }
}
