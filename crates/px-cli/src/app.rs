//! The program of a project: its command line, and the resources that its
//! brains and webhooks share.

use std::future::Future;
use std::process::ExitCode;

use px_sdk::{Providers, Resource, Result};

use crate::entry;

/// A project's program in the making: see [`app`].
#[must_use = "nothing runs before `.main()`"]
#[derive(Debug, Default)]
pub struct App {
    providers: Providers,
}

/// Begins the program of a project whose brains or webhooks need resources:
///
/// ```ignore
/// fn main() -> std::process::ExitCode {
///     px::app()
///         .provide(async || {
///             let url = std::env::var("DATABASE_URL")?;
///             Ok(Db::connect(&url).await?)
///         })
///         .main()
/// }
/// ```
pub fn app() -> App {
    App::default()
}

impl App {
    /// Makes a resource for the brains and webhooks that need its type. Called
    /// once, by the commands that run steps (`serve`, and so `dev`), before they
    /// take work; those of one program are made in the order of its lines. The
    /// resource is dropped at the end, once no step runs, the newest first.
    ///
    /// It runs where steps do, so what it spawns and opens outlives it. Until it
    /// returns px takes no work; if it fails, px does not start and says why.
    /// The function must own what it uses, as a step does.
    #[track_caller]
    pub fn provide<T, F, Fut>(mut self, make: F) -> Self
    where
        T: Resource,
        F: FnOnce() -> Fut + Send + 'static, // takes no argument, and owns what it uses: `async move || ..`
        Fut: Future<Output = Result<T>> + Send + 'static,
    {
        self.providers.add(make);
        self
    }

    /// Runs the command line with the arguments of the process, and gives its exit code.
    #[must_use]
    pub fn main(self) -> ExitCode {
        entry::main(self.providers)
    }
}
