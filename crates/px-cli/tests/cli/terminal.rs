//! Runs a command at a terminal: what it prints there, stdout and stderr as they come.

use std::fs::File;
use std::io::Read as _;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{Done, Project};

/// Runs a command to its end at a terminal of 80 columns. What it prints is in `stdout`.
pub(crate) fn px(project: &Project, arguments: &[&str]) -> Done {
    of_width(project, arguments, 80)
}

/// The same at a terminal of so many columns.
pub(crate) fn of_width(project: &Project, arguments: &[&str], ws_col: u16) -> Done {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || Stdio::from(File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap());
    let mut command = project.command(arguments);
    command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
    let mut child = command.spawn().unwrap();
    // Else this process keeps the terminal open, and its end is never read.
    drop(command);
    let mut bytes = Vec::new();
    // The end of a terminal is an error on Linux, and nothing else is lost by it.
    let _ = File::from(terminal).read_to_end(&mut bytes);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    Done { code, stdout: String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), stderr: String::new() }
}
