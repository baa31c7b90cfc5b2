//! The project's binary: the command line, with the brains and webhooks of
//! this project linked in.

use app as _;

fn main() -> std::process::ExitCode {
    px::main()
}
