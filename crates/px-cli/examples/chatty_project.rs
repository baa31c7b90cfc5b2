//! A project whose steps say much: to stdout, to stderr, to the log, in lines
//! that are too long, from threads that end, in values that cannot be shown.
//! The tests of the side channel drive it.

mod door {
    use px_sdk::{Inbound, Result};
    use serde_json::Value;

    px_sdk::webhook! {
        /// Refuses and logs whatever is not signed
        slug = "door",
        payload = Value,
        response = Value,
        verify = px_sdk::verify::hmac("X-Signature", "DOOR_SECRET"),
        handler = receive,
    }

    async fn receive(_: Value) -> Result<Inbound<Value>> {
        Ok(Inbound::ignore("an example"))
    }
}

mod talk {
    #![expect(clippy::print_stdout, clippy::print_stderr, reason = "as users' steps do")]

    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn talk() -> Brain<()> {
        brain("talk").describe("Speaks on every way").step("speak", speak).build()
    }
    px_sdk::brain!(talk);

    async fn speak(_: Cx, (): ()) -> Result<Next<()>> {
        println!("a step's stdout");
        eprintln!("a step's stderr");
        tracing::info!("a step's log");
        Ok(Next(()))
    }
}

mod mumble {
    #![expect(clippy::print_stdout, reason = "as users' steps do")]

    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn mumble() -> Brain<()> {
        brain("mumble").describe("Begins a line on stdout and does not end it").step("speak", speak).build()
    }
    px_sdk::brain!(mumble);

    async fn speak(_: Cx, (): ()) -> Result<Next<()>> {
        print!("half a line");
        Ok(Next(()))
    }
}

mod note {
    use px_sdk::{Brain, Cx, Next, Result, brain};
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Notes {
        /// How many lines are logged.
        lines: u32,
        /// How long each is, in bytes.
        bytes: usize,
        /// Written as it is beside each.
        text: String,
    }

    fn note() -> Brain<Notes> {
        brain("note").describe("Logs lines").step("write", write).build()
    }
    px_sdk::brain!(note);

    async fn write(_: Cx, notes: Notes) -> Result<Next<()>> {
        let span = tracing::info_span!("outer", depth = 1_u32);
        let _entered = span.enter();
        let padding = "x".repeat(notes.bytes);
        for line in 0..notes.lines {
            tracing::info!(line, text = %notes.text, "{padding}");
        }
        Ok(Next(()))
    }
}

mod vex {
    use std::cell::RefCell;
    use std::fmt;

    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn vex() -> Brain<()> {
        brain("vex").describe("Logs what cannot be logged").step("try", attempt).build()
    }
    px_sdk::brain!(vex);

    /// A value that panics when it is shown.
    struct Unshowable;

    impl fmt::Debug for Unshowable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("a value that cannot be shown")
        }
    }

    /// Logs when it is dropped.
    struct Last(&'static str);

    impl Drop for Last {
        fn drop(&mut self) {
            tracing::warn!(value = ?Unshowable, "{} and a panic", self.0);
            tracing::warn!("{}", self.0);
        }
    }

    thread_local! {
        static AT_THE_END: RefCell<Option<Last>> = const { RefCell::new(None) };
    }

    async fn attempt(_: Cx, (): ()) -> Result<Next<()>> {
        tracing::warn!(value = ?Unshowable, "never shown");
        let span = tracing::info_span!("shown", value = ?Unshowable);
        span.in_scope(|| tracing::warn!("in a span that cannot be shown"));
        // The thread's own variables are destroyed in the order in which they were made.
        let ended = std::thread::spawn(|| {
            AT_THE_END.with_borrow_mut(|last| *last = Some(Last("from a thread that ends")));
            tracing::warn!("from a thread");
        });
        let _ = ended.join();
        let unwound = std::thread::spawn(|| {
            let _last = Last("while a panic unwinds");
            panic!("the first of two panics\nwith a second line");
        });
        let _ = unwound.join();
        Ok(Next(()))
    }
}

mod fall {
    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn fall() -> Brain<()> {
        brain("fall").describe("Panics").step("panic", fail).build()
    }
    px_sdk::brain!(fall);

    async fn fail(_: Cx, (): ()) -> Result<Next<()>> {
        panic!("it had to be, said \x1b[31mnobody")
    }
}

mod crash {
    use px_sdk::{Brain, Cx, Next, Result, brain};

    fn crash() -> Brain<()> {
        brain("crash").describe("Panics while a panic unwinds").step("panic", fail).build()
    }
    px_sdk::brain!(crash);

    /// Panics when it is dropped.
    struct Twice;

    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("the second of two panics")
        }
    }

    async fn fail(_: Cx, (): ()) -> Result<Next<()>> {
        let _twice = Twice;
        panic!("the first of two panics")
    }
}

fn main() -> std::process::ExitCode {
    px_cli::main()
}
