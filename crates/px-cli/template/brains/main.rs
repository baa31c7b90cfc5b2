//! The project's binary: px's command line, with the brains and webhooks of
//! this project linked in.

// Without this line the linker leaves the whole crate out, and px finds no brain.
use app as _;

fn main() -> std::process::ExitCode {
    px::main()
}
