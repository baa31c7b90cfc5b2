//! Storage as px's stages see it.

mod error;
mod hints;
mod memory;
pub mod rows;

pub use error::Error;
pub use hints::{Hint, HintBus};
pub use memory::MemoryRows;
