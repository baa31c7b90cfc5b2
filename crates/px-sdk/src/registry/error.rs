//! Reasons that a binary cannot serve, in words for whoever built it.

use std::fmt;

use super::Source;

/// Reason that a binary cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two webhooks have one slug.
    DuplicateSlug {
        /// The slug.
        slug: String,
        /// Places of their definitions.
        sources: Vec<Source>,
    },
    /// Two brains have one title.
    DuplicateTitle {
        /// The title.
        title: String,
        /// Places of their definitions.
        sources: Vec<Source>,
    },
    /// A slug that cannot be the last part of a URL, or that px keeps for itself.
    BadSlug {
        /// The slug.
        slug: String,
        /// Its place.
        source: Source,
    },
    /// Two steps of a brain have one name.
    DuplicateStep {
        /// The brain.
        title: String,
        /// The step.
        step: String,
        /// Place of the brain's definition.
        source: Source,
    },
    /// A loop or a branch of a brain cannot be run.
    BadPart {
        /// The brain.
        title: String,
        /// The mistake, in words.
        why: String,
        /// Place of the brain's definition.
        source: Source,
    },
    /// A label that a brain takes from its input has no name or no place.
    BadLabel {
        /// The brain.
        title: String,
        /// The mistake, in words.
        why: String,
        /// Place of the brain's definition.
        source: Source,
    },
    /// A migration of a brain's states is never run, or contradicts another one.
    BadMigration {
        /// The brain.
        title: String,
        /// The mistake, in words.
        why: String,
        /// Place of the brain's definition.
        source: Source,
    },
    /// Nothing is registered.
    Empty,
}

impl std::error::Error for RegistryError {}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, sources: &[Source]| {
            sources.iter().try_for_each(|source| writeln!(f, "  - {source}"))
        };
        match self {
            Self::DuplicateSlug { slug, sources } => {
                writeln!(f, "Duplicate webhook slug '{slug}'")?;
                list(f, sources)?;
                f.write_str("Each webhook must have a unique slug for its URL path.")
            }
            Self::DuplicateTitle { title, sources } => {
                writeln!(f, "Duplicate brain title '{title}'")?;
                list(f, sources)?;
                f.write_str("Each brain must have a unique title: runs and callers know it by that.")
            }
            Self::BadSlug { slug, source } => {
                writeln!(f, "Bad webhook slug '{slug}'")?;
                writeln!(f, "  - {source}")?;
                f.write_str(
                    "A slug is 1 to 63 of a-z, 0-9 and '-', and does not begin with '-'; \
                     'deliveries', 'system' and 'page-form' are px's own.",
                )
            }
            Self::DuplicateStep { title, step, source } => {
                writeln!(f, "Duplicate step '{step}' in brain '{title}'")?;
                writeln!(f, "  - {source}")?;
                f.write_str("Each step of a brain must have a unique name: a run resumes by it.")
            }
            Self::BadLabel { title, why, source } => {
                writeln!(f, "Bad label of brain '{title}'")?;
                writeln!(f, "  - {source}")?;
                f.write_str(why)
            }
            Self::BadMigration { title, why, source } => {
                writeln!(f, "Bad migration in brain '{title}'")?;
                writeln!(f, "  - {source}")?;
                f.write_str(why)
            }
            Self::BadPart { title, why, source } => {
                writeln!(f, "Bad step in brain '{title}'")?;
                writeln!(f, "  - {source}")?;
                f.write_str(why)
            }
            Self::Empty => f.write_str(
                "No brain and no webhook is registered\n\
                 The binary does not name the crate that holds them. Add `use app as _;` to its \
                 main.rs, where `app` is the crate with your `px::brain!` and `px::webhook!`.",
            ),
        }
    }
}
