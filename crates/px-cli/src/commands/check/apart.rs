//! The check in a process of its own. It runs users' code, migrations and the reading of states, which may end
//! the process that runs it, with 0 as well: that must not pass for a check that found nothing.
//!
//! The process tells by its stdin, of which the other end is here, which run it looks at and that it is done:
//! stdout and stderr are the ones of the command, and users' code may write there. Tested over real binaries in
//! `tests/cli/redeploy.rs`.

#[cfg(unix)]
pub(super) use unix::{begin, done, is_apart, run};

/// Elsewhere the command is the process.
#[cfg(not(unix))]
pub(super) use here::{begin, done, is_apart, run};

#[cfg(unix)]
mod unix {
    use std::io::{BufRead as _, BufReader};
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, ExitStatus};

    use px_core::Run;

    use crate::error::{Error, Result};
    use crate::log;

    /// The variable by which the process knows that it is one.
    const VARIABLE: &str = "PX_CHECK_APART";

    /// The line that says that the check is over.
    const DONE: &str = "done";

    /// Returns whether this is the process that looks.
    pub(in super::super) fn is_apart() -> bool {
        std::env::var_os(VARIABLE).is_some()
    }

    /// Tells which run is about to be looked at.
    pub(in super::super) fn begin(run: &Run) {
        tell(&format!("{} of brain '{}'", run.id, run.brain.replace('\n', " ")));
    }

    /// Tells that the check is over, whatever it has found.
    pub(in super::super) fn done() {
        tell(DONE);
    }

    fn tell(line: &str) {
        if is_apart() {
            // Nobody is told where the other end is gone, and nobody waits for it then.
            let _ = rustix::io::write(std::io::stdin(), format!("{line}\n").as_bytes());
        }
    }

    /// Runs this command in a process of its own, and ends as that has ended.
    ///
    /// # Errors
    /// It cannot be started, or ended before it was done.
    pub(in super::super) fn run() -> Result<()> {
        let cannot = |error: std::io::Error| Error::failed(format!("cannot start the check: {error}"));
        let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
        let mut command = Command::new(std::env::current_exe().map_err(cannot)?);
        command.args(std::env::args_os().skip(1)).env(VARIABLE, "1").stdin(OwnedFd::from(theirs));
        let mut child = command.spawn().map_err(cannot)?;
        // Its end is the child's alone from here on: else this would not see that it has closed.
        drop(command);
        let mut last = None;
        for line in BufReader::new(ours).lines().map_while(std::result::Result::ok) {
            last = Some(line);
            // Who has been started by users' code may hold the other end for longer.
            if last.as_deref() == Some(DONE) {
                break;
            }
        }
        let status = child.wait().map_err(cannot)?;
        match (last.as_deref(), status.code()) {
            (Some(DONE), Some(0)) => Ok(()),
            (Some(DONE), Some(code)) => log::exit(code),
            (last, _) => Err(broken_off(last, status)),
        }
    }

    /// The refusal of a check that was ended by the code that it looked at.
    fn broken_off(last: Option<&str>, status: ExitStatus) -> Error {
        let place = match last {
            Some(run) => format!("while it looked at {run}"),
            None => "before it looked at a run".to_owned(),
        };
        Error::failed(format!("the check was broken off {place}: its process ended by itself ({status})")).hint(
            "a migration, or the reading of a state, that ends the process (`std::process::exit`, an abort) would end px, \
             too: let it return an error",
        )
    }
}

#[cfg(not(unix))]
mod here {
    use px_core::Run;

    use crate::error::Result;

    pub(in super::super) fn is_apart() -> bool {
        true
    }

    pub(in super::super) fn begin(_: &Run) {}

    pub(in super::super) fn done() {}

    pub(in super::super) fn run() -> Result<()> {
        Ok(())
    }
}
