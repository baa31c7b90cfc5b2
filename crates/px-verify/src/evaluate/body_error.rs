//! Defects of bodies, in words for their senders.

/// Defect of a body. The text is for the sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct BodyError {
    kind: BodyErrorKind,
    text: String,
}

/// The kind of a [`BodyError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyErrorKind {
    /// The body does not have the syntax of its content type (400).
    Syntax,
    /// The content type or the encoding is none that this webhook takes (415).
    UnsupportedType,
    /// It has the syntax of its content type, and is not what the provider sends
    /// under it: a form without the field that holds the JSON, or JSON that is
    /// declared as a form (422).
    Unfit,
    /// It is more than is taken (413).
    TooLarge,
}

impl BodyError {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> BodyErrorKind {
        self.kind
    }

    pub(super) fn syntax(text: impl Into<String>) -> Self {
        Self { kind: BodyErrorKind::Syntax, text: text.into() }
    }

    pub(super) fn unsupported(text: impl Into<String>) -> Self {
        Self { kind: BodyErrorKind::UnsupportedType, text: text.into() }
    }

    pub(super) fn unfit(text: impl Into<String>) -> Self {
        Self { kind: BodyErrorKind::Unfit, text: text.into() }
    }

    pub(super) fn too_large(text: impl Into<String>) -> Self {
        Self { kind: BodyErrorKind::TooLarge, text: text.into() }
    }
}
