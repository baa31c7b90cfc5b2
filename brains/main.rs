//! The project's binary: the command line, with the brains and webhooks of
//! this project linked in.

// Without this line the linker would leave the whole crate out, and the
// command line would find no brain.
use app as _;

fn main() -> std::process::ExitCode {
    px::main()
}
