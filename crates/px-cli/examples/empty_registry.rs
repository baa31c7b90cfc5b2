//! A binary that names no brain and no webhook: the command line refuses.

fn main() -> std::process::ExitCode {
    px_cli::main()
}
