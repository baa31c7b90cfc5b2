//! `px secrets reads <name>`

use px_api::SecretRead;

use crate::context::Context;
use crate::error::Result;
use crate::show::words;

/// Show who has read a secret, and when
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs a server that runs. It counts the reads of the last hundred readers of each secret, also of one that was deleted; \
                  those of secrets that come from the environment are known to the process that read them, as long as it lives.\n\n\
                  Examples:\n  px secrets reads STRIPE_KEY"
)]
pub(crate) struct Args {
    /// Its name
    name: String,
}

pub(crate) async fn run(context: &Context, args: Args) -> Result<()> {
    let client = context.client()?;
    let answer = client.secret_reads(&args.name).await?;
    if context.ui.json {
        return context.ui.answer(&answer);
    }
    let listed = answer.into_value();
    // Only said: an older server knows no reads of one that was deleted, and has said that it is not there.
    let is_there = client.secret_exists(&args.name).await?.exists;
    if !is_there {
        context.ui.note(format_args!(
            "({} is not in the store: it was deleted, or the environment has it. These reads were recorded.)",
            args.name
        ));
    }
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
            format!("{} ago", words::duration(now.since(read.first_at))),
            format!("{} ago", words::duration(now.since(read.last_at))),
            read.brain_run_id.map_or_else(|| "-".to_owned(), |run| run.to_string()),
        ]
    };
    let header = ["Reader", "Reads", "First read", "Last read", "Last run"];
    context.ui.table(&header, listed.reads.iter().map(row).collect(), &[4])
}
