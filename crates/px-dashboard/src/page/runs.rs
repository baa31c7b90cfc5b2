//! The list of runs: views, a filter that is a form and an address, and a row a run with whatever it waits for.

use maud::{Markup, html};
use px_api::{ListRuns, RunPage, RunSummary, Standing};

use crate::asset::File;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, pager, table, tabs};
use crate::text::{identifier_cut, outsider, outsider_cut, short_id};
use crate::{Href, Query, Session, action, form, number, route, status, time};

/// Statuses of the view of runs that somebody has to look at.
const ATTENTION: &str = "error,paused";
/// Statuses of the view of runs that go on.
const IN_FLIGHT: &str = "pending,running,waiting";
/// Registrations of a run that its row names.
const MAX_AWAITED: usize = 2;
/// Characters of a reason or an identifier that a row shows.
const MAX_TEXT: usize = 72;

const COLUMNS: [Column; 8] = [
    Column("Choose", "pick unsaid"),
    Column("Status", ""),
    Column("Run", ""),
    Column("Brain", ""),
    Column("Step", "o"),
    Column("Waits for", "grow"),
    Column("Left", "n o"),
    Column("Age", "n"),
];

/// A page of the list of runs.
#[derive(Debug, Clone)]
pub struct RunsView<'a> {
    /// Filter as it was asked for; with `include=standing`, the rows say what is awaited.
    pub query: &'a ListRuns,
    /// The runs.
    pub page: &'a RunPage,
    /// Titles of the brains that can be chosen.
    pub brains: &'a [String],
}

/// The list of runs.
#[must_use]
pub fn runs(view: &RunsView<'_>, who: &Session) -> Markup {
    let query = query(view.query);
    let here = Href::at_depth(0).with(route::RUNS, &[], &query);
    let frame = Frame::new(route::RUNS, "Runs")
        .live("runs")
        .here(here.trim_start_matches("./"))
        .scripts(&[File::Run, File::Saved]);
    let href = frame.href();
    let rows: Vec<Markup> = view.page.runs.iter().map(|run| row(run, href, who)).collect();
    let cursor = view.query.cursor.as_deref();
    let body = html! {
        (heading(&html! { "Runs" }, &nothing(), &nothing()))
        (views(view.query, href))
        (filter(view, href))
        div.row #saved hidden {}
        @if rows.is_empty() { (none(view)) } @else {
            p.new #new hidden { button type="button" #new-go { "Show new rows" } }
            (action::bulk(&query.clone().without(route::field::CURSOR), href, who))
            (table("Runs, newest first", &COLUMNS, &rows))
        }
        @if let Some(looked) = view.page.looked {
            p.m { "Looked at " (number::of(looked, "run")) "; "
                (number::whole(number::count(&view.page.runs))) " fit." }
        }
        (pager(href, (route::RUNS, &[]), &query, cursor, view.page.next_cursor.as_deref()))
    };
    shell(&frame, who, &body)
}

/// The filter as the query of a link.
pub(super) fn query(list: &ListRuns) -> Query {
    Query::new()
        .maybe("status", list.status.as_ref())
        .maybe("brain", list.brain.as_ref())
        .maybe("slug", list.slug.as_ref())
        .maybe("identifier", list.identifier.as_ref())
        .each("label", list.label.iter())
        .maybe("where", list.state.as_ref())
        .maybe("step", list.step.as_ref())
        .maybe("requestId", list.request_id.as_ref())
        .maybe("since", list.since)
        .maybe("until", list.until)
        .maybe("order", list.order.as_ref())
        .maybe(route::field::CURSOR, list.cursor.as_ref())
}

/// Links to the views that are used most; what else is filtered for stays.
fn views(list: &ListRuns, href: Href) -> Markup {
    let now = list.status.as_deref().unwrap_or_default();
    let view = |name, status: &str| {
        let query = query(list).and("status", status).without(route::field::CURSOR);
        (name, href.with(route::RUNS, &[], &query), now == status)
    };
    let views = [
        view("Failed or paused", ATTENTION),
        view("In flight", IN_FLIGHT),
        view("Waiting", "waiting"),
        view("Finished", "complete,error,cancelled"),
        view("All", ""),
    ];
    tabs("Views of the list", &views)
}

fn filter(view: &RunsView<'_>, href: Href) -> Markup {
    let list = view.query;
    let brains: Vec<(&str, &str)> = std::iter::once(("", "any brain"))
        .chain(view.brains.iter().map(|title| (title.as_str(), title.as_str())))
        .collect();
    let more = [&list.state, &list.step, &list.request_id, &list.slug];
    let is_more = !list.label.is_empty()
        || more.iter().any(|field| field.is_some())
        || list.since.or(list.until).is_some();
    let times = [
        ("", "at any time"),
        ("15m", "in 15 minutes"),
        ("1h", "in the last hour"),
        ("1d", "in the last day"),
        ("7d", "in 7 days"),
    ];
    html! {
        form.filter action=(href.to(route::RUNS, &[])) method="get" {
            @if let Some(status) = &list.status { (form::hidden("status", status)) }
            (form::text("identifier", "Waits for", list.identifier.as_deref(), "+15550100"))
            (form::choice("brain", "Brain", list.brain.as_deref(), &brains))
            (form::choice("order", "Order", list.order.as_deref(), &[("", "newest first"), ("oldest", "oldest first")]))
            details.more open[is_more] {
                summary { "More" }
                div.filter {
                    (form::text("slug", "At webhook", list.slug.as_deref(), "twilio"))
                    // One more than there are: a run has all of them.
                    @for (at, label) in list.label.iter().map(Some).chain([None]).enumerate() {
                        @let (id, name) = if at == 0 { ("f-label".to_owned(), "Label") } else { (format!("f-label-{at}"), "And label") };
                        (form::text_as(&id, "label", name, label, "order=o2"))
                    }
                    (form::text("where", "State has", list.state.as_deref(), "/customer/id=42"))
                    (form::text("step", "At step", list.step.as_deref(), ""))
                    (form::text("requestId", "Request id", list.request_id.as_deref(), ""))
                    @match list.since {
                        Some(since) => (form::text("since", "Created since", Some(&since.to_string()), "15m, 2h, 3d")),
                        None => (form::choice("since", "Created", None, &times)),
                    }
                    (form::text("until", "Created before", list.until.map(|at| at.to_string()).as_deref(), "1d"))
                }
            }
            div.row {
                button type="submit" { "Filter" }
                @if query(list).without("status") != Query::new() { a href=(href.to(route::RUNS, &[])) { "Clear" } }
            }
        }
    }
}

fn none(view: &RunsView<'_>) -> Markup {
    let asked = query(view.query);
    if asked == Query::new() {
        return empty("No run yet. This starts one:", Some("px run BRAIN"));
    }
    match view.query.status.as_deref() {
        Some(ATTENTION) if asked == Query::new().and("status", ATTENTION) => {
            empty("Nothing needs attention: no run has failed, and none is paused.", None)
        }
        _ => empty("No run fits this filter.", None),
    }
}

fn row(run: &RunSummary, href: Href, who: &Session) -> Markup {
    let id = run.brain_run_id.to_string();
    let standing = run.standing.as_ref();
    let until = standing.and_then(|standing| standing.until).filter(|_| !run.status.is_terminal());
    html! {
        tr {
            td.pick { input type="checkbox" form="bulk" name=(route::field::RUN) value=(id) aria-label="Choose"; }
            td { (status::run(&run.status)) }
            td { a href=(href.to(route::RUN, &[&id])) { (short_id(&id)) } }
            td { (outsider(&run.brain_title)) }
            td.o { @if let Some(step) = standing.and_then(|standing| standing.step.as_ref()) { (outsider_cut(step, MAX_TEXT)) } }
            td.grow {
                @if let Some(standing) = standing { (awaited(standing)) }
                @for (name, value) in &run.labels { " " span.label { (name) "=" (outsider_cut(value, MAX_TEXT)) } }
            }
            td.n.o { @if let Some(until) = until { (time::until(until, who)) } }
            td.n { (time::ago(run.created_at, who)) }
        }
    }
}

/// Whatever a run waits for, or why it stands still.
pub(super) fn awaited(standing: &Standing) -> Markup {
    if let Some(error) = &standing.error {
        return html! { span.s-bad { (outsider_cut(error, MAX_TEXT)) } };
    }
    if let Some(reason) = &standing.reason {
        return outsider_cut(reason, MAX_TEXT);
    }
    let named = standing.awaits.len().min(MAX_AWAITED);
    let rest = standing.awaits_count.saturating_sub(u32::try_from(named).unwrap_or(u32::MAX));
    html! {
        @for (at, place) in standing.awaits.iter().take(MAX_AWAITED).enumerate() {
            @if at > 0 { " | " }
            span.m { (place.slug) } " " (identifier_cut(&place.identifier, MAX_TEXT))
        }
        @if rest > 0 { span.m { " | " (rest) " more" } }
    }
}
