//! Two brains with one title: the command line refuses and names both places.

mod first {
    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn review() -> Brain<()> {
        brain("review").step("look", look).build()
    }
    px_sdk::brain!(review);

    async fn look(_: Cx, (): ()) -> Result<Next<()>> {
        Ok(Next(()))
    }
}

mod second {
    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn review_again() -> Brain<()> {
        brain("review").step("look", look).build()
    }
    px_sdk::brain!(review_again);

    async fn look(_: Cx, (): ()) -> Result<Next<()>> {
        Ok(Next(()))
    }
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
