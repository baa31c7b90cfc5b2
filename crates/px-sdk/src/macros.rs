//! The two registration macros.

/// Registers a brain: `px::brain!(customer_feedback);` where
/// `customer_feedback` is a `fn() -> Brain<_>` in scope.
#[macro_export]
macro_rules! brain {
    ($brain:path) => {
        $crate::__private::inventory::submit! {
            $crate::registry::BrainEntry {
                make: || $brain().into_def(),
                file: ::core::file!(),
                line: ::core::line!(),
                manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
            }
        }
    };
}

/// Defines and registers a webhook. One a module: it defines the module's
/// `on(identifier)`, which is what steps wait for.
///
/// ```ignore
/// px::webhook! {
///     /// Replies in Slack threads
///     slug = "slack",
///     payload = SlackEvent,
///     response = SlackReply,
///     verify = px::verify::slack("SLACK_SIGNING_SECRET"),
///     handler = receive,
///     needs = (Db, Mail),                   // optional: resources that the handler uses
///     secrets = ["SLACK_BOT_TOKEN"],        // optional: secrets that the handler may read
///     early = Duration::from_hours(1),      // optional: any method of `WebhookBuilder`
/// }
/// ```
#[macro_export]
macro_rules! webhook {
    (
        $(#[doc = $doc:expr])*
        slug = $slug:literal,
        payload = $payload:ty,
        response = $response:ty,
        verify = $verify:expr,
        handler = $handler:expr
        $(, $($options:tt)*)?
    ) => {
        $crate::__webhook! {
            @options [$(#[doc = $doc])* $slug, $payload, $response, $verify, $handler] [] [] $($($options)*)?
        }
    };
}

/// The items that [`webhook!`] makes: first it sorts needs from other options.
#[doc(hidden)]
#[macro_export]
macro_rules! __webhook {
    (@options [$($head:tt)*] [$($needs:tt)*] [$($others:tt)*]
        needs = ($($need:ty),+ $(,)?) $(, $($options:tt)*)?) => {
        $crate::__webhook! {
            @options [$($head)*] [$($needs)* $(.need::<$need>())+] [$($others)*] $($($options)*)?
        }
    };
    (@options [$($head:tt)*] [$($needs:tt)*] [$($others:tt)*] needs = $($wrong:tt)*) => {
        ::core::compile_error!(
            "the needs of a webhook are types in parentheses: `needs = (Db)`, `needs = (Db, Mail)`"
        );
    };
    (@options [$($head:tt)*] [$($needs:tt)*] [$($others:tt)*]
        $option:ident = $value:expr $(, $($options:tt)*)?) => {
        $crate::__webhook! {
            @options [$($head)*] [$($needs)*] [$($others)* .$option($value)] $($($options)*)?
        }
    };
    (@options
        [$(#[doc = $doc:expr])* $slug:literal, $payload:ty, $response:ty, $verify:expr, $handler:expr]
        [$($needs:tt)*] [$($others:tt)*]
    ) => {
        #[doc = concat!("Waits for the webhook `", $slug, "` and this identifier: give it to `wait_for`.")]
        pub fn on(identifier: impl ::core::convert::Into<::std::string::String>) -> $crate::On<$response> {
            static SCHEMA: ::std::sync::OnceLock<u64> = ::std::sync::OnceLock::new();
            let schema = *SCHEMA.get_or_init($crate::__private::fingerprint::<$response>);
            $crate::On::registered($slug, identifier.into(), schema)
        }

        /// Another webhook in this module meets this name, and its `on`, which steps wait for: each
        /// webhook has a module of its own.
        #[doc(hidden)]
        #[allow(dead_code, non_camel_case_types, reason = "the compiler's message names it")]
        enum each_webhook_needs_a_module_of_its_own {}

        $crate::__private::inventory::submit! {
            $crate::registry::WebhookEntry {
                make: || {
                    $crate::WebhookBuilder::<$payload, $response>::new($slug, concat!($($doc, "\n",)*))
                        .verify($verify)
                        $($needs)*
                        $($others)*
                        .handler($handler)
                },
                file: ::core::file!(),
                line: ::core::line!(),
                manifest_dir: ::core::env!("CARGO_MANIFEST_DIR"),
            }
        }
    };
}

/// Items that the macros name; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use serde_json::Value;

    pub use crate::brain::{EndsAlike, HasArm, Missing, Settled, Taken, Unsettled, WayArms, way};
    pub use serde::de::{Deserialize, Deserializer, VariantAccess};

    /// A number that changes when the schema of a response type does (docs/rules.md#14).
    #[must_use]
    pub fn fingerprint<R: schemars::JsonSchema>() -> u64 {
        fingerprint_of(schemars::schema_for!(R).to_value())
    }

    /// The same, of a schema.
    #[must_use]
    pub fn fingerprint_of(mut schema: serde_json::Value) -> u64 {
        forget_words(&mut schema);
        // FNV-1a: stable over versions and machines, which a stored number must be.
        schema
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// A reworded doc comment is no other schema.
    fn forget_words(schema: &mut serde_json::Value) {
        match schema {
            serde_json::Value::Object(fields) => {
                // A property may be called `description`; its value is then a schema, no text.
                if fields.get("description").is_some_and(serde_json::Value::is_string) {
                    fields.remove("description");
                }
                fields.values_mut().for_each(forget_words);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(forget_words),
            _ => {}
        }
    }
}
