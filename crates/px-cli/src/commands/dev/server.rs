//! The server as a process of its own: started, asked to end, waited for.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::commands::serve;
use crate::handover::VARIABLE;

/// Time that a server may take to end before it is killed: more than the
/// default grace of its requests and steps together.
const END_WITHIN: Duration = Duration::from_secs(30);

/// A running server.
pub(super) struct Server {
    child: Child,
}

/// End of a server: its exit code, unless a signal did it.
pub(super) struct End(pub(super) Option<i32>);

impl Server {
    pub(super) fn start(program: &Path, root: &Path, words: &[String]) -> Result<Self, String> {
        let mut command = Command::new(program);
        command.args(words).current_dir(root).env(VARIABLE, "1").stdin(Stdio::null()).kill_on_drop(true);
        // Ctrl-C is for px dev, which passes it on; twice would be at once.
        command.process_group(0);
        let child =
            command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        Ok(Self { child })
    }

    /// Waits until the process ends without being told to.
    pub(super) async fn ended(&mut self) -> End {
        End(self.child.wait().await.ok().and_then(|status| status.code()))
    }

    /// Asks it to end and waits for that; a server that does not is killed,
    /// which costs no run anything.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now, which is as good.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(END_WITHIN, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }
}

/// Asks a program by `px check` whether it would serve. What it says of runs
/// that it could not go on with is returned; what keeps it from serving is the
/// error.
pub(super) async fn check(
    program: &Path,
    root: &Path,
    global: &[String],
    serve: &serve::Args,
) -> Result<Vec<String>, String> {
    let output = Command::new(program)
        .args(global)
        .args(["check", "--json"])
        .current_dir(root)
        .env(VARIABLE, "1")
        .envs(serve.variables())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    if output.status.success() {
        return Ok(Vec::new());
    }
    let said = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
    if said.get("serves") == Some(&Value::Bool(true)) {
        let problems = said.get("problems").and_then(Value::as_array).into_iter().flatten();
        return Ok(problems.filter_map(Value::as_str).map(str::to_owned).collect());
    }
    let error = serde_json::from_slice::<Value>(&output.stderr).unwrap_or_default();
    let text = |name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let hint = text("hint").map_or(String::new(), |hint| format!("\nHint: {hint}"));
    let what = text("error").unwrap_or_else(|| String::from_utf8_lossy(&output.stderr).trim().to_owned());
    Err(format!("{what}{hint}"))
}
