//! What the compiler says to a user who made a mistake. Each file in
//! `compile_fail/` is a small program with one mistake, and the text beside it
//! is what the user reads: it must say what to write instead. A program that
//! compiles is `px/tests/prelude.rs`.
//!
//! After a change here or in px-sdk, run with `TRYBUILD=overwrite` and read
//! every changed text as a user would.

use std::io::Write as _;
use std::process::Command;

/// The texts are this compiler's; another one words them differently.
const TOOLCHAIN: &str = "1.95.0";

#[test]
fn mistakes_are_explained() {
    match release() {
        Some(release) if release == TOOLCHAIN => {}
        found => {
            let found = found.as_deref().unwrap_or("an unknown one");
            // Not `eprintln!`, which the test harness keeps to itself.
            let why =
                format!("SKIPPED mistakes_are_explained: written for rustc {TOOLCHAIN}, and this is {found}");
            writeln!(std::io::stderr(), "{why}").unwrap();
            return;
        }
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// This very program, with a compiler that says it is another one.
#[cfg(unix)]
#[test]
fn rule_46_another_toolchain_skips_the_messages_aloud() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = std::env::temp_dir().join(format!("px-other-rustc-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let rustc = folder.join("rustc");
    std::fs::write(&rustc, "#!/bin/sh\necho 'release: 1.0.0'\n").unwrap();
    std::fs::set_permissions(&rustc, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "mistakes_are_explained"])
        .env("RUSTC", &rustc)
        .output();
    std::fs::remove_dir_all(&folder).unwrap();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("SKIPPED mistakes_are_explained") && said.contains("this is 1.0.0"), "{said}");
}

/// The release of the compiler that cargo uses.
fn release() -> Option<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().find_map(|line| line.strip_prefix("release: ")).map(str::to_owned)
}
