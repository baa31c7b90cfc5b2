//! `px brains show`

use px_core::event::StepKind;
use px_sdk::{Body, BrainDef, Need};
use serde_json::{Value, json};

use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::resolve;
use crate::show::words;
use crate::ui::{FAINT, HEADING, Ui, paint};

/// Show a brain: its steps and the schema of its input
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px brains show customer-feedback\n  px brains show feedback --json")]
pub(crate) struct Args {
    /// Its title, its file's name, or a part of either
    #[arg(add = complete::brains())]
    brain: String,
}

pub(crate) fn run(context: &Context, args: &Args) -> Result<()> {
    let registry = context.registry()?;
    let brain = resolve::brain(&registry, &args.brain)?;
    let (def, ui) = (&brain.def, context.ui);
    if ui.json {
        return ui.json(&json!({
            "title": def.title,
            "description": def.shown_description(),
            "steps": def.shown_steps(),
            "input": def.input_schema,
            "options": def.options.as_ref().map(|options| &options.schema),
            "version": def.version,
            "needs": needs(&def.needs),
            "source": brain.source.to_string(),
        }));
    }
    ui.line(paint(HEADING, &def.title))?;
    ui.line(format_args!("  {}", def.shown_description()))?;
    let place = format!("  {}, version {}", brain.source, def.version);
    ui.line(paint(FAINT, place))?;
    for need in needs(&def.needs) {
        ui.line(format_args!("  needs the resource {need}"))?;
    }
    ui.line(format_args!("\n{}", paint(HEADING, "Steps")))?;
    tree(ui, def, "  ")?;
    if let Some(turns) = &def.turns {
        ui.line(format_args!("\nAt most {} of its runs are under way at once, for each key.", turns.limit))?;
    }
    if let Some(options) = &def.options {
        ui.line(format_args!("\n{}", paint(HEADING, "Options (JSON Schema)")))?;
        ui.line(format_args!("{:#}", options.schema))?;
    }
    ui.line(format_args!("\n{}", paint(HEADING, "Input (JSON Schema)")))?;
    ui.line(format_args!("{:#}", def.input_schema))
}

/// The names of resources.
pub(crate) fn needs(needs: &[Need]) -> Vec<String> {
    needs.iter().map(ToString::to_string).collect()
}

/// The steps of a brain, and below each that is a brain its own.
fn tree(ui: Ui, def: &BrainDef, indent: &str) -> Result<()> {
    for (index, step) in def.steps.iter().enumerate() {
        let is_last = index + 1 == def.steps.len();
        let branch = if is_last { "└─" } else { "├─" };
        let kind = match &step.body {
            Body::Brain(nested) => {
                let needs = match &needs(&nested.brain.needs)[..] {
                    [] => String::new(),
                    names => format!(", needs {}", names.join(" and ")),
                };
                format!(" {}", paint(FAINT, format_args!("(brain {}{needs})", nested.brain.title)))
            }
            _ if step.info.kind == StepKind::Step => String::new(),
            _ => format!(" {}", paint(FAINT, format_args!("({})", step.info.kind.as_str()))),
        };
        ui.line(format_args!("{indent}{branch} {}{kind}", step.info.title))?;
        let below = format!("{indent}{}", if is_last { "   " } else { "│  " });
        if let Some(within) = step.expect {
            let within = words::duration(within);
            ui.line(format_args!(
                "{below}{}",
                paint(FAINT, format_args!("an answer is expected within {within}"))
            ))?;
        }
        for reminder in &step.reminders {
            let after = words::duration(reminder.after);
            let when = match reminder.repeats {
                true => format!("every {after}, {} at most", words::count(reminder.at_most.into(), "time")),
                false => format!("after {after}"),
            };
            ui.line(format_args!(
                "{below}{}",
                paint(FAINT, format_args!("reminder {}, {when}", reminder.name))
            ))?;
        }
        if let Body::Brain(nested) = &step.body {
            tree(ui, &nested.brain, &below)?;
        }
        let parts = step.body.parts();
        let shown: Vec<_> = parts.iter().filter(|(_, part)| !part.steps.is_empty()).collect();
        for (index, (arm, part)) in shown.iter().enumerate() {
            let Some(arm) = arm else {
                tree(ui, part, &below)?;
                continue;
            };
            let is_last = index + 1 == shown.len();
            let branch = if is_last { "└─" } else { "├─" };
            ui.line(format_args!("{below}{branch} {}", paint(FAINT, arm)))?;
            tree(ui, part, &format!("{below}{}", if is_last { "   " } else { "│  " }))?;
        }
    }
    Ok(())
}

/// The schema of a brain's input, if this binary links the brain.
pub(crate) fn input_schema(context: &Context, brain: &str) -> Option<Value> {
    let registry = context.registry().ok()?;
    resolve::brain(&registry, brain).ok().map(|brain| brain.def.input_schema.clone())
}
