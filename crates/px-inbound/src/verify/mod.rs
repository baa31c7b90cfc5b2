//! The evaluator of verification records.
