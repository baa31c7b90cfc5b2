//! `px::test`: what users test their brains with. A [`World`] runs brains in
//! virtual time, without a server and without waiting; [`weather`] runs a
//! scenario through everything that can go wrong, and prints the smallest
//! schedule that breaks it.
//!
//! Everything here is for plain `#[test]` functions: what it calls is done when
//! it returns, and what is not as expected panics, with the run's story.

mod doubles;
mod kv;
mod links;
mod process;
mod run;
mod weather;
mod windy;
mod world;

pub use doubles::Call;
pub use kv::Kv;
pub use links::LinkPage;
pub use run::Run;
pub use weather::{Trouble, Weather, weather};
pub use windy::Windy;
pub use world::{Answered, World, world};
