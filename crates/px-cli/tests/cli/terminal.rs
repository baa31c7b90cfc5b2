//! Runs a command at a terminal: what it prints there, stdout and stderr as they come.

use std::fs::File;
use std::io::Read as _;
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::{Done, Project};

/// Runs a command to its end at a terminal of 80 columns. What it prints is in `stdout`.
pub(crate) fn px(project: &Project, arguments: &[&str]) -> Done {
    of_width(project, arguments, 80)
}

/// The same at a terminal of so many columns.
pub(crate) fn of_width(project: &Project, arguments: &[&str], columns: u16) -> Done {
    let (mut child, mut terminal) = begin(project, arguments, columns);
    let mut bytes = Vec::new();
    // The end of a terminal is an error on Linux, and nothing else is lost by it.
    let _ = terminal.read_to_end(&mut bytes);
    let code = child.wait().unwrap().code().unwrap_or(-1);
    Done { code, stdout: String::from_utf8(bytes).unwrap().replace("\r\n", "\n"), stderr: String::new() }
}

/// Runs a command until it has printed a text so many times, and ends it. Returns what it has
/// printed until then; all of it, if it ends before.
pub(crate) fn px_until(project: &Project, arguments: &[&str], text: &str, times: usize) -> String {
    let (mut child, mut terminal) = begin(project, arguments, 80);
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    while printed(&bytes).matches(text).count() < times {
        match terminal.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&some[..read]),
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    printed(&bytes)
}

/// A command at a terminal, and the terminal's other side.
fn begin(project: &Project, arguments: &[&str], ws_col: u16) -> (Child, File) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let open = || Stdio::from(File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap());
    let mut command = project.command(arguments);
    command.env("TERM", "xterm").stdin(open()).stdout(open()).stderr(open());
    let child = command.spawn().unwrap();
    // Else this process keeps the terminal open, and its end is never read.
    drop(command);
    (child, File::from(terminal))
}
