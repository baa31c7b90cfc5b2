//! `px secrets reads <name>`

use px_api::SecretRead;

use crate::context::Context;
use crate::error::Result;
use crate::show::words;

/// Show who has read a secret, and when
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs a server that runs. It counts the reads of the last hundred readers of each secret; those of secrets that come \
                  from the environment are known to the process that read them, as long as it lives.\n\n\
                  Examples:\n  px secrets reads STRIPE_KEY"
)]
pub(crate) struct Args {
    /// Its name
    name: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let answer = context.client()?.secret_reads(&args.name).await?;
    if context.ui.json {
        return context.ui.json(&answer.to_json());
    }
    let listed = answer.into_value();
    if listed.reads.is_empty() {
        context.ui.note(format_args!("Nobody has read {}.", args.name));
        return Ok(());
    }
    let now = context.now();
    let row = |read: &SecretRead| {
        let step = read.step.as_ref().map(|step| format!(", step {step}")).unwrap_or_default();
        vec![
            format!("{} {}{step}", read.kind, read.reader),
            read.count.to_string(),
            format!("{} ago", words::duration(now.since(read.last_at))),
            read.brain_run_id.map_or_else(|| "-".to_owned(), |run| run.to_string()),
        ]
    };
    context.ui.table(&["Reader", "Reads", "Last", "Run"], listed.reads.iter().map(row).collect(), &[3])
}
