//! The files that pages name, under names that hold a hash of their bytes: a browser may keep
//! them for ever, and asks for another name when they change.

use std::sync::LazyLock;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Name below `assets/`.
    pub name: String,
    /// Content type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// Content security policy of every page: it holds no script and no style of its own.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                       connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A file, by its place among [`ASSETS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Style,
    Live,
    List,
    Run,
    Saved,
    Time,
    Palette,
    Mark,
    MarkAlert,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let (css, js, svg) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml");
    // In the order of `File`.
    vec![
        asset("px", "css", css, include_bytes!("../assets/px.css")),
        asset("live", "js", js, include_bytes!("../assets/live.js")),
        asset("list", "js", js, include_bytes!("../assets/list.js")),
        asset("run", "js", js, include_bytes!("../assets/run.js")),
        asset("saved", "js", js, include_bytes!("../assets/saved.js")),
        asset("time", "js", js, include_bytes!("../assets/time.js")),
        asset("palette", "js", js, include_bytes!("../assets/palette.js")),
        asset("mark", "svg", svg, include_bytes!("../assets/mark.svg")),
        asset("mark-alert", "svg", svg, include_bytes!("../assets/mark-alert.svg")),
    ]
});

fn asset(stem: &str, ending: &str, content_type: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name: format!("{stem}.{:016x}.{ending}", hash(bytes)), content_type, bytes }
}

/// The files that pages name. A server answers each at `assets/{name}`, and may call it immutable.
#[must_use]
pub fn assets() -> &'static [Asset] {
    &ASSETS
}

/// The name of a file.
pub(crate) fn name(file: File) -> &'static str {
    ASSETS.get(file as usize).map_or("", |asset| &asset.name)
}

/// FNV-1a over 64 bits: it tells versions of our own files apart, and proves nothing.
const fn hash(bytes: &[u8]) -> u64 {
    let (mut hash, mut rest) = (0xcbf2_9ce4_8422_2325, bytes);
    while let [byte, more @ ..] = rest {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0100_0000_01b3);
        rest = more;
    }
    hash
}
