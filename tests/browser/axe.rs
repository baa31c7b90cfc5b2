//! axe-core, which finds what keeps people from using a page. It is fetched by npm into the target folder and is no part
//! of this repository; without npm or a network the check is skipped aloud.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use super::page::Page;
use super::support;

/// The rules that are held; the scheme decides about contrast alone.
const RULES: &str = r#"{"resultTypes": ["violations"], "runOnly": {"type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}"#;
const CONTRAST: &str =
    r#"{"resultTypes": ["violations"], "runOnly": {"type": "rule", "values": ["color-contrast"]}}"#;

/// Its program.
pub struct Axe(String);

/// One process fetches it once.
static FETCH: Mutex<()> = Mutex::new(());

impl Axe {
    /// It, if it is here or can be fetched.
    ///
    /// # Panics
    /// It cannot, and `PX_BROWSER=required` demands it.
    pub fn fetched() -> Option<Self> {
        let _alone = FETCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
        let file = folder.join("package/axe.min.js");
        if !file.exists()
            && let Err(why) = fetch(&folder)
        {
            assert!(!super::is_required(), "axe-core cannot be fetched: {why}");
            support::aloud(format_args!("browser: axe SKIPPED, it cannot be fetched: {why}"));
            return None;
        }
        Some(Self(std::fs::read_to_string(file).unwrap()))
    }

    /// What it finds on a page. In a scheme that is not light only contrast is different.
    pub fn faults(&self, page: &Page, scheme: &str) -> Vec<String> {
        page.eval(&format!("window.axe || (() => {{ {} }})(); true", self.0));
        let rules = if scheme == "light" { RULES } else { CONTRAST };
        let found: Value = page.eval(&format!(
            "axe.run(document, {rules}).then((all) => all.violations.flatMap((one) => one.nodes.map((node) => \
             `${{one.id}} at ${{node.target.join(' ')}}: ${{(node.failureSummary || '').split('\\n').slice(1).join(' ')}}`)))"
        ));
        let found = found.as_array().unwrap().iter();
        found.map(|fault| format!("axe, {scheme}: {}", fault.as_str().unwrap())).collect()
    }
}

fn fetch(folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let run = |program: &str, arguments: &[&str]| {
        let done = Command::new(program).args(arguments).current_dir(folder).output();
        let done = done.map_err(|error| format!("{program}: {error}"))?;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        let why = || String::from_utf8_lossy(&done.stderr).trim().to_owned();
        done.status.success().then_some(said).ok_or_else(why)
    };
    let archive = run("npm", &["pack", "--silent", "axe-core@4"])?;
    run("tar", &["xzf", archive.lines().last().unwrap_or_default()]).map(drop)
}
