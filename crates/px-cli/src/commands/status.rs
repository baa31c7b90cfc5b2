//! `px status`: the overview of a server in a few lines.

use px_api::{Counted, Overview};
use px_core::Timestamp;

use crate::context::Context;
use crate::error::Result;
use crate::show::words;
use crate::ui::{ERROR, FAINT, GOOD, HEADING, paint, shown};

/// Show a server at one look: what needs somebody, its pace, its counts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs attention: runs that failed or are paused, timers that should have rung, callbacks that \
                        are parked or given up, requests that were rejected, set aside or late for their wait. Exits 0 \
                        whatever it finds.\n\nExamples:\n  px status\n  px status --json=attention"
)]
pub(crate) struct Args {}

pub(crate) async fn run(context: &Context, _: Args) -> Result<()> {
    let overview = context.client()?.overview().await?;
    if context.ui.json {
        return context.ui.json(&overview.to_json());
    }
    let url = context.server_url()?;
    lines(&overview, &url, usize::MAX).into_iter().try_for_each(|line| context.ui.line(line))
}

/// An overview as people read it, in lines of at most so many characters.
pub(crate) fn lines(overview: &Overview, url: &str, width: usize) -> Vec<String> {
    let now = overview.at;
    let cut = |text: String| words::cut(&text, width.saturating_sub(1));
    let up = words::age(now.since(overview.up_since));
    let mut lines = vec![cut(format!("px {} at {}, up {up}", shown(&overview.version), shown(url)))];
    lines.push(match overview.attention.is_empty() {
        true => paint(GOOD, "Nothing needs attention."),
        false => paint(HEADING, "Needs attention:"),
    });
    let texts: Vec<String> =
        overview.attention.iter().map(|one| cut(format!("  ! {}", shown(&one.text)))).collect();
    let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or_default();
    for (one, text) in overview.attention.iter().zip(texts) {
        let command = shown(&one.command);
        lines.push(match longest + 2 + command.chars().count() < width {
            true => format!("{}  {}", paint(ERROR, format_args!("{text:<longest$}")), paint(FAINT, command)),
            false => paint(ERROR, text),
        });
    }
    let named = [
        ("webhooks", webhooks(overview)),
        ("runs", runs(overview, now)),
        ("outbox", outbox(overview, now)),
        ("store", overview.store.disk_bytes.map_or_else(|| "in memory".to_owned(), bytes)),
    ];
    lines.extend(named.into_iter().map(|(name, text)| cut(format!("{name:<10}{text}"))));
    lines
}

fn webhooks(overview: &Overview) -> String {
    let pace = &overview.webhooks;
    let ack = match (pace.ack_p50_ms, pace.ack_p99_ms) {
        (Some(half), Some(most)) => format!("ack p50 {half:.1} ms, p99 {most:.1} ms"),
        _ => "none within a minute".to_owned(),
    };
    format!("{:.1} a second, {ack}; {} since the start", pace.per_second, pace.total)
}

fn runs(overview: &Overview, now: Timestamp) -> String {
    let runs = &overview.runs;
    let since =
        runs.ready_since.map_or(String::new(), |at| format!(" (oldest {})", words::age(now.since(at))));
    format!(
        "≈ {} waiting, {} running, {} ready{since}, {} paused",
        number(runs.waiting),
        number(runs.running),
        number(runs.ready),
        number(runs.paused)
    )
}

fn outbox(overview: &Overview, now: Timestamp) -> String {
    let outbox = &overview.outbox;
    let oldest = outbox.oldest.map_or(String::new(), |at| format!(", oldest {}", words::age(now.since(at))));
    format!("{} due, {} parked{oldest}", number(outbox.due), number(outbox.parked))
}

fn number(counted: Counted) -> String {
    let more = if counted.at_least { "+" } else { "" };
    format!("{}{more}", counted.count)
}

/// Bytes in the largest unit of which there is one.
fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(size, _)| bytes >= *size) {
        Some((size, name)) => format!("{}.{} {name} on disk", bytes / size, bytes % size * 10 / size),
        None => format!("{bytes} bytes on disk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (number, text) in [
            (7, "7 bytes on disk"),
            (1_536, "1.5 KiB on disk"),
            (5 << 20, "5.0 MiB on disk"),
            (1_288_490_189, "1.2 GiB on disk"),
        ] {
            assert_eq!(bytes(number), text);
        }
    }
}
