//! `px brains list`

use px_api::{BrainSummary, Brains};
use serde_json::json;

use crate::context::Context;
use crate::error::Result;

/// List the brains
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  px brains list\n  px brains list --json")]
pub(crate) struct Args {}

pub(crate) fn run(context: &Context, _: &Args) -> Result<()> {
    let registry = context.registry()?;
    if context.ui.json {
        let brains = registry.brains().map(|brain| BrainSummary {
            filename: brain.source.stem().to_owned(),
            title: brain.def.title.clone(),
            description: brain.def.shown_description(),
        });
        let brains = Brains::from(brains.collect::<Vec<_>>());
        return context.ui.json_of::<Brains>(&json!(brains));
    }
    let rows = registry.brains().map(|brain| {
        let steps = brain.def.steps.len().to_string();
        vec![brain.def.title.clone(), steps, brain.source.to_string(), brain.def.shown_description()]
    });
    context.ui.table(&["Title", "Steps", "Source", "Description"], rows.collect(), &[0, 1])
}
