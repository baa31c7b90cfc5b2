//! The webhooks of this project, one file each: `POST /webhooks/<slug>`.

pub mod decisions;
