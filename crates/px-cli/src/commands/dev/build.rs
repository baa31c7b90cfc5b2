//! One `cargo build` of the project. What the compiler says goes to stderr as
//! it is; of cargo's own messages this knows which program came out.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::handover;

/// The program's name if a project has several, and does not say which.
const PROGRAM: &str = "px";

pub(super) struct Build;

/// Outcome of a build.
pub(super) enum Built {
    /// A program. It is served even if it is the old one: px.toml may be new.
    Program(PathBuf),
    /// None, and why; the compiler has said more.
    Failed(String),
}

impl Build {
    pub(super) async fn run(root: &Path) -> Built {
        let child = Command::from(handover::cargo())
            .args(["build", "--bins", "--message-format=json-render-diagnostics"])
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // Whoever gives up on a build does not leave it running.
            .kill_on_drop(true)
            .spawn();
        let output = match child {
            Ok(child) => child.wait_with_output().await,
            Err(error) => {
                return Built::Failed(format!("cannot start `cargo build`: {error}; px dev needs Rust"));
            }
        };
        match output {
            Ok(output) if output.status.success() => program(
                &output.stdout,
                root,
                &handover::program_of(root).unwrap_or_else(|| PROGRAM.to_owned()),
            ),
            Ok(_) => Built::Failed("it does not build".to_owned()),
            Err(error) => Built::Failed(format!("cannot read what cargo says: {error}")),
        }
    }
}

/// The program that cargo's messages tell of: the only one, or the one of this name.
fn program(messages: &[u8], root: &Path, name: &str) -> Built {
    let manifest = root.join("Cargo.toml");
    let programs: Vec<(String, Built)> = messages
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message.get("reason").is_some_and(|reason| reason == "compiler-artifact"))
        .filter(|message| {
            message
                .get("manifest_path")
                .and_then(Value::as_str)
                .is_some_and(|path| Path::new(path) == manifest)
        })
        .filter_map(|message| {
            let path = message.get("executable")?.as_str()?.into();
            Some((message.pointer("/target/name")?.as_str()?.to_owned(), Built::Program(path)))
        })
        .collect();
    let is_only = programs.len() == 1;
    let found = programs.into_iter().find(|(program, _)| is_only || program == name);
    found.map_or_else(
        || Built::Failed(format!("Cargo.toml names no program '{name}'")),
        |(_, program)| program,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_in_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","manifest_path":"/x/dep/Cargo.toml","target":{"name":"px"},"executable":"/dep/px","fresh":true}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","target":{"name":"app"},"executable":null,"fresh":false}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","target":{"name":"desk"},"executable":"/x/target/debug/desk","fresh":false}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/x/Cargo.toml","target":{"name":"tool"},"executable":"/x/target/debug/tool","fresh":false}"#,
            "\n",
        );
        let found = |root: &str, name: &str| match program(messages.as_bytes(), Path::new(root), name) {
            Built::Program(path) => Some(path),
            Built::Failed(_) => None,
        };
        assert_eq!(found("/x", "desk").as_deref(), Some(Path::new("/x/target/debug/desk")));
        assert_eq!((found("/x", "px"), found("/y", "desk")), (None, None));
    }
}
