//! Drawings. Shapes are SVG, whose places are attributes; words stand beside them as HTML, so
//! that they keep their size on narrow pages.

mod scale;
mod spark;
mod timeline;

pub(crate) use spark::spark;
pub(crate) use timeline::timeline;
