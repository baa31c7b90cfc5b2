//! Values of secrets from whoever types or pipes them: a terminal is asked, and shows
//! nothing of what is typed.

use std::io::{IsTerminal as _, Read as _};

use px_secrets::MAX_VALUE_BYTES;
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use super::set::without_line_break;
use crate::error::{Error, Result};
use crate::log;
use crate::ui::Ui;

/// The exit code of a process that SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Reads the value of a secret.
///
/// # Errors
/// Nothing can be read, or it is no text.
pub(super) async fn value(ui: Ui, name: &str) -> Result<SecretString> {
    if !std::io::stdin().is_terminal() {
        return read(tokio::task::spawn_blocking(piped)).await;
    }
    ui.ask(format_args!("Value of {name} (it is not shown): "));
    let shown = hide().map_err(|error| Error::failed(format!("cannot hide what is typed: {error}")))?;
    let typed = tokio::select! {
        typed = read(tokio::task::spawn_blocking(line)) => Some(typed),
        _ = tokio::signal::ctrl_c() => None,
    };
    drop(shown);
    ui.ask("\n");
    match typed {
        Some(typed) => typed,
        None => log::exit(INTERRUPTED),
    }
}

async fn read(task: tokio::task::JoinHandle<std::io::Result<SecretString>>) -> Result<SecretString> {
    let failed = |why: &dyn std::fmt::Display| Error::failed(format!("cannot read the value: {why}"));
    task.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

/// All of stdin, as far as it may be a secret and the line break behind it.
fn piped() -> std::io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_VALUE_BYTES + 3));
    std::io::stdin().lock().take(MAX_VALUE_BYTES as u64 + 3).read_to_string(&mut text)?;
    Ok(without_line_break(&text))
}

fn line() -> std::io::Result<SecretString> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_VALUE_BYTES + 3));
    std::io::stdin().read_line(&mut text)?;
    Ok(without_line_break(&text))
}

/// A terminal that shows again what is typed once this is dropped.
#[cfg(unix)]
struct Shown(rustix::termios::Termios);

#[cfg(unix)]
impl Drop for Shown {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

/// Lets the terminal show nothing of what is typed.
#[cfg(unix)]
fn hide() -> std::io::Result<Shown> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(std::io::stdin())?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden)?;
    Ok(Shown(before))
}

/// A terminal that cannot be told so is not asked.
#[cfg(not(unix))]
fn hide() -> std::io::Result<()> {
    Err(std::io::Error::other("give it on stdin"))
}
