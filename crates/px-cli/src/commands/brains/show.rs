//! `px brains show`

use serde_json::{Value, json};

use crate::context::Context;
use crate::error::Result;
use crate::resolve;
use crate::ui::{FAINT, HEADING, paint};

/// Show a brain: its steps and the schema of its input
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px brains show customer-feedback\n  px brains show feedback --json")]
pub(crate) struct Args {
    /// Its title, its file's name, or a part of either
    brain: String,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let registry = context.registry()?;
    let brain = resolve::brain(&registry, &args.brain)?;
    let (def, ui) = (&brain.def, context.ui);
    if ui.json {
        let steps: Vec<_> = def
            .steps
            .iter()
            .map(|step| json!({ "type": step.info.kind.as_str(), "title": step.info.title }))
            .collect();
        return ui.json(&json!({
            "title": def.title,
            "description": def.shown_description(),
            "steps": steps,
            "input": def.input_schema,
            "version": def.version,
            "source": brain.source.to_string(),
        }));
    }
    ui.line(paint(HEADING, &def.title))?;
    ui.line(format_args!("  {}", def.shown_description()))?;
    let place = format!("  {}, version {}", brain.source, def.version);
    ui.line(paint(FAINT, place))?;
    ui.line(format_args!("\n{}", paint(HEADING, "Steps")))?;
    for (index, step) in def.steps.iter().enumerate() {
        let branch = if index + 1 == def.steps.len() { "└─" } else { "├─" };
        let kind = match step.info.kind.as_str() {
            "step" => String::new(),
            kind => format!(" {}", paint(FAINT, format_args!("({kind})"))),
        };
        ui.line(format_args!("  {branch} {}{kind}", step.info.title))?;
    }
    ui.line(format_args!("\n{}", paint(HEADING, "Input (JSON Schema)")))?;
    ui.line(format_args!("{:#}", def.input_schema))
}

/// The schema of a brain's input, if this binary links the brain.
pub(crate) fn input_schema(context: &Context, brain: &str) -> Option<Value> {
    let registry = context.registry().ok()?;
    resolve::brain(&registry, brain).ok().map(|brain| brain.def.input_schema.clone())
}
