//! The pages that people see: pure functions from the types of px's API to HTML.
//!
//! Each function of [`page`] takes a view, which borrows what the API answers, and the
//! [`Session`] of whoever looks; it reads no clock, no store and no JSON text. Links are
//! relative ([`Href`]), so a page works below any prefix. [`route::all`] lists every
//! path with the fields that its form sends; a router is written from it. [`assets`] are
//! the files that the pages name, under names that change with their bytes.
//!
//! Every page is whole without scripts, holds no style and no script of its own, and
//! shows texts of outsiders as text. Tests are in `tests/`, over answers of the real types.

mod action;
mod asset;
mod charts;
mod flat;
mod form;
mod href;
mod icon;
mod json_tree;
mod log_line;
mod number;
pub mod page;
mod prose;
pub mod route;
mod schema;
mod schema_form;
mod session;
mod shell;
mod status;
mod table;
mod text;
mod time;

pub use asset::{Asset, CSP, assets};
pub use flat::{FlatField, FlatKind, flat_fields};
pub use href::{Href, Query};
pub use session::{Csrf, Notice, Session, Undo, Zone};
pub use text::editable;
