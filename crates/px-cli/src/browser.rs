//! The browser of whoever is at the desktop.

use std::process::{Command, Stdio};

/// Opens a page. Returns false if there is no desktop, or nothing on it opens pages.
pub(crate) fn open(url: &str) -> bool {
    let (program, has_desktop) = match cfg!(target_os = "macos") {
        true => ("open", true),
        // Without one, xdg-open begins a browser for terminals, which nobody asked for.
        false => ("xdg-open", ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| is_set(name))),
    };
    let mut command = Command::new(program);
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    has_desktop && command.status().is_ok_and(|status| status.success())
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}
