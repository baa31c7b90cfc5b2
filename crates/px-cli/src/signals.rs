//! The signals that ask a serving process for its end: SIGTERM, SIGINT, and
//! SIGHUP unless it was ignored when the process began, as under `nohup`.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};

/// The signals that ask for the end.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A terminal that is closed sends it once or twice, which is one wish.
    hangup: Option<Signal>,
    /// Never looked at. A file at its size limit (`ulimit -f`) would end the
    /// process; heard, it is a write that fails, which is dropped or said.
    #[cfg(target_os = "linux")]
    _file_size: Signal,
}

/// SIGXFSZ.
#[cfg(target_os = "linux")]
const FILE_SIZE: i32 = 25;

impl Signals {
    pub(crate) fn new() -> Result<Self> {
        let listen =
            |kind| signal(kind).map_err(|error| Error::failed(format!("cannot listen to signals: {error}")));
        let hangup = if hears_hangup() { Some(listen(SignalKind::hangup())?) } else { None };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup,
            #[cfg(target_os = "linux")]
            _file_size: listen(SignalKind::from_raw(FILE_SIZE))?,
        })
    }

    /// Resolves at the next of them.
    pub(crate) async fn next(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        let is_hangup = tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => false,
            _ = hangup => true,
        };
        if is_hangup {
            self.hangup = None;
        }
    }
}

/// Returns whether SIGHUP may be listened to: listening ends that it is ignored. Where
/// the system does not say, it is left as it is.
fn hears_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status) == Some(false))
}

/// Returns whether a process ignores SIGHUP, by its status (proc(5)).
fn ignores_hangup(status: &str) -> Option<bool> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    // Signal 1 is the lowest bit.
    Some(mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ignores_a_hangup() {
        let status = |mask: &str| format!("Name:\tpx\nSigBlk:\t0000000000000000\nSigIgn:\t{mask}\n");
        assert_eq!(ignores_hangup(&status("0000000000001000")), Some(false));
        assert_eq!(ignores_hangup(&status("0000000000001001")), Some(true));
        assert_eq!(ignores_hangup(&status("none")), None);
        assert_eq!(ignores_hangup("Name:\tpx\n"), None);
    }
}
