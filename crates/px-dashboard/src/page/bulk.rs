//! Bulk jobs: first what would be done, then how far it has come.

use maud::{Markup, html};
use px_api::{BulkJob, BulkReason, BulkState, ListRuns, RunId, RunSummary};

use crate::route::{self, field};
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, facts, table};
use crate::text::{outsider, outsider_cut, short_id};
use crate::{Query, Session, form, number, status, time};

/// Runs that a preview names.
const MAX_NAMED: usize = 20;

/// Preview of a bulk job.
#[derive(Debug, Clone)]
pub struct BulkView<'a> {
    /// Act: `cancel`, `pause` or `resume`.
    pub act: &'a str,
    /// Filter of the runs; it counts only if no runs are named.
    pub filter: &'a ListRuns,
    /// Runs that were chosen one by one.
    pub chosen: &'a [RunId],
    /// Runs that it would be done to, the first of them.
    pub first: &'a [RunSummary],
    /// Number of all of them.
    pub count: u64,
    /// True if there may be more than were counted.
    pub has_more: bool,
    /// Runs that match and to which it cannot be done.
    pub cannot: &'a [BulkReason],
    /// Reason that the job cannot be started, such as another one that is under way.
    pub refused: Option<&'a str>,
}

/// The preview.
#[must_use]
pub fn bulk(view: &BulkView<'_>, who: &Session) -> Markup {
    let (word, does) = words(view.act);
    let frame = Frame::new(route::BULK, format!("{word} runs")).place(route::RUNS);
    let href = frame.href();
    let count = format!("{}{}", number::of(view.count, "run"), if view.has_more { " or more" } else { "" });
    let columns = [Column("Status", ""), Column("Run", ""), Column("Brain", "grow"), Column("Age", "n")];
    let rows: Vec<Markup> = view
        .first
        .iter()
        .take(MAX_NAMED)
        .map(|run| {
            html! {
                tr {
                    td { (status::run(&run.status)) }
                    td { a href=(href.to(route::RUN, &[&run.brain_run_id.to_string()])) { (short_id(run.brain_run_id)) } }
                    td.grow {
                        (outsider_cut(&run.brain_title, 72))
                        @for (name, value) in &run.labels { " " span.label { (name) "=" (outsider_cut(value, 72)) } }
                    }
                    td.n { (time::ago(run.created_at, who)) }
                }
            }
        })
        .collect();
    let more = view.count.saturating_sub(number::count(&rows));
    let body = html! {
        (heading(&html! { (word) " " (count) "?" }, &nothing(), &nothing()))
        p { (does) " Nothing has been done yet." }
        @for cannot in view.cannot { p.m { (number::of(cannot.count, "run")) " cannot: " (outsider(&cannot.text)) "." } }
        @if let Some(refused) = view.refused { p.s-bad role="alert" { "✕ " (outsider(refused)) } }
        div.row {
            @if view.count > 0 && view.refused.is_none() {
                (form::post(route::START_JOB, &[], href, who, &html! {
                    (form::hidden(field::DO, view.act))
                    (form::hidden(field::COUNT, &view.count.to_string()))
                    @for run in view.chosen { (form::hidden(field::RUN, &run.to_string())) }
                    @if view.chosen.is_empty() { @for (name, value) in filter(view.filter).fields() { (form::hidden(name, value)) } }
                    (form::submit(&format!("{word} {count}"), if view.act == "cancel" { "danger" } else { "primary" }, route::START_JOB, who))
                }))
            }
            a href=(href.with(route::RUNS, &[], &filter(view.filter))) { "Back to the runs" }
        }
        @if rows.is_empty() { (empty("No run matches to which this can be done.", None)) } @else {
            (table("The first of them", &columns, &rows))
            @if more > 0 { p.m { "and " (number::whole(more)) " more" } }
        }
    };
    shell(&frame, who, &body)
}

fn words(act: &str) -> (&'static str, &'static str) {
    match act {
        "cancel" => ("Cancel", "They end, and their waits with them. What their steps have done stays done."),
        "resume" => ("Resume", "They go on with the step that they are at."),
        "pause" => (
            "Pause",
            "They stand still at their next step until somebody resumes them. Events are kept for them.",
        ),
        _ => ("Change", "This act is not known to this version."),
    }
}

fn filter(list: &ListRuns) -> Query {
    super::runs::query(list).without(field::CURSOR)
}

/// A bulk job.
#[must_use]
pub fn job(view: &BulkJob, who: &Session) -> Markup {
    let (word, _) = words(view.action.as_str());
    let id = view.id.to_string();
    let frame = Frame::new(route::JOB, format!("{word} runs")).place(route::RUNS).live(format!("job:{id}"));
    let href = frame.href();
    let is_running = view.state == BulkState::Running;
    let state = if is_running { "under way" } else { view.state.as_str() };
    let acts = html! {
        div #stop data-part="stop" {
            @if is_running {
                (form::post(route::STOP_JOB, &[&id], href, who, &form::submit("Stop", "", route::STOP_JOB, who)))
            }
        }
    };
    let about = html! { span #status data-part="status" { (state) } span { "started " (time::ago(view.created_at, who)) " ago by " (outsider(&view.by)) } };
    let rows: Vec<Markup> = view
        .refusals
        .iter()
        .map(|one| html! { tr { td { a href=(href.to(route::RUN, &[&one.brain_run_id.to_string()])) { (short_id(one.brain_run_id)) } } td.grow { (outsider(&one.why)) } } })
        .collect();
    let body = html! {
        (heading(&html! { (word) " runs" }, &about, &acts))
        section #progress data-part="progress" {
            @if is_running { progress max=(view.total.max(1)) value=(view.total.saturating_sub(view.left)) aria-label="Progress" {} }
            (facts(&[
                ("Done", html! { (number::whole(view.done)) }),
                ("Refused", html! { (number::whole(view.refused)) }),
                ("Left", html! { (number::whole(view.left)) }),
            ]))
        }
        @if !rows.is_empty() { h2 { "Refused" } (table("Runs that refused", &[Column("Run", ""), Column("Reason", "grow")], &rows)) }
    };
    shell(&frame, who, &body)
}
