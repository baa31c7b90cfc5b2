//! The pages in `docs/`, so that their Rust is compiled and run with the
//! documentation's own examples. No part of the crate otherwise.

/// The Rust in `docs/webhooks.md` compiles.
#[doc = include_str!("../../../docs/webhooks.md")]
struct WebhooksPage;

/// The Rust in `docs/brains.md` compiles.
#[doc = include_str!("../../../docs/brains.md")]
struct BrainsPage;

/// The Rust in `docs/waits.md` compiles.
#[doc = include_str!("../../../docs/waits.md")]
struct WaitsPage;

/// The Rust in `docs/links.md` compiles.
#[cfg(feature = "test")]
#[doc = include_str!("../../../docs/links.md")]
struct LinksPage;

/// The Rust in `docs/forms.md` compiles.
#[doc = include_str!("../../../docs/forms.md")]
struct FormsPage;

/// The Rust in `docs/kv.md` compiles.
#[doc = include_str!("../../../docs/kv.md")]
struct KvPage;

/// The Rust in `docs/secrets.md` compiles.
#[doc = include_str!("../../../docs/secrets.md")]
struct SecretsPage;

/// The Rust in `docs/blocking.md` compiles.
#[doc = include_str!("../../../docs/blocking.md")]
struct BlockingPage;

/// The Rust in `docs/hooks.md` compiles.
#[cfg(feature = "receive")]
#[doc = include_str!("../../../docs/hooks.md")]
struct HooksPage;
