//! Brains: what can run, its steps as they lie in each other, and the form that starts a run.

use std::collections::BTreeMap;
use std::time::Duration;

use maud::{Markup, html};
use px_api::{Brain, BrainReminder, BrainStep, BrainSummary, Brains, RunSummary, Runs};
use serde_json::Value;

use crate::schema::fields;
use crate::schema_form::SchemaForm;
use crate::shell::{Frame, heading, nothing, shell};
use crate::table::{Column, empty, table};
use crate::text::{outsider, outsider_cut, short_id};
use crate::{Href, Query, Session, form, number, route, status, time};

/// Levels of nested steps that are drawn.
const MAX_DEPTH: usize = 8;

/// The brains.
#[must_use]
pub fn brains(view: &Brains, who: &Session) -> Markup {
    let frame = Frame::new(route::BRAINS, "Brains");
    let href = frame.href();
    let columns = [Column("Brain", ""), Column("File", "o"), Column("Description", "grow")];
    let row = |brain: &BrainSummary| {
        html! {
            tr data-row=(brain.title) {
                td { a href=(href.to(route::BRAIN, &[&brain.title])) { (outsider(&brain.title)) } }
                td.o { code { (brain.filename) } }
                td.grow { (outsider_cut(&brain.description, 160)) }
            }
        }
    };
    let rows: Vec<Markup> = view.brains.iter().map(row).collect();
    let body = html! {
        (heading(&html! { "Brains" }, &nothing(), &nothing()))
        @if rows.is_empty() { (empty("This server has no brain. This adds one to your project:", Some("px new brain NAME"))) }
        @else { (table("Brains", &columns, &rows)) }
    };
    shell(&frame, who, &body)
}

/// A brain.
#[derive(Debug, Clone)]
pub struct BrainView<'a> {
    /// The brain.
    pub brain: &'a Brain,
    /// Its newest runs.
    pub runs: &'a Runs,
    /// A state that fits its input.
    pub example: &'a Value,
    /// Number of runs that stand at a step, by the step's title, if they were counted.
    pub standing: &'a BTreeMap<String, u64>,
}

/// A brain.
#[must_use]
pub fn brain(view: &BrainView<'_>, who: &Session) -> Markup {
    let brain = view.brain;
    let frame = Frame::new(route::BRAIN, &*brain.title)
        .place(route::BRAINS)
        .here(Href::at_depth(0).to(route::BRAIN, &[&brain.title]).trim_start_matches("./"));
    let href = frame.href();
    let about = html! {
        span { "version " (brain.version) } span { code { (brain.source) } } span { (outsider(&brain.description)) }
    };
    let of_brain = Query::new().and("brain", &brain.title);
    let steps = Steps { view, href };
    let body = html! {
        (heading(&html! { (outsider(&brain.title)) }, &about, &nothing()))
        div.two {
            div {
                section aria-labelledby="steps-h" { h2 #steps-h { "Steps" } (steps.list(&brain.steps, 0)) }
                section aria-labelledby="runs-h" {
                    h2 #runs-h { "Last runs" }
                    @if view.runs.runs.is_empty() { p.m { "None yet." } } @else {
                        ul.lines { @for run in &view.runs.runs { (run_line(run, href, who)) } }
                        p { a href=(href.with(route::RUNS, &[], &of_brain)) { "All runs" } }
                    }
                }
            }
            div {
                section aria-labelledby="start-h" { h2 #start-h { "Start a run" } (start(view, href, who)) }
                section aria-labelledby="input-h" { h2 #input-h { "Input" } (fields(&brain.input)) }
                @if let Some(options) = &brain.options { section aria-labelledby="options-h" { h2 #options-h { "Options" } (fields(options)) } }
            }
        }
    };
    shell(&frame, who, &body)
}

fn run_line(run: &RunSummary, href: Href, who: &Session) -> Markup {
    html! {
        li {
            (status::run(&run.status))
            a.grow href=(href.to(route::RUN, &[&run.brain_run_id.to_string()])) { (short_id(run.brain_run_id)) }
            span.m { (time::ago(run.created_at, who)) }
        }
    }
}

fn start(view: &BrainView<'_>, href: Href, who: &Session) -> Markup {
    let title = &view.brain.title;
    let input = SchemaForm {
        id: "f-",
        schema: Some(&view.brain.input),
        example: view.example,
        json: (route::field::STATE, "Initial state, as JSON"),
        rows: 8,
        typed: &[],
        violations: &[],
    };
    let state = match view.example.as_object() {
        Some(fields) if fields.is_empty() => String::new(),
        _ => format!(" --state {}", form::quoted(&view.example.to_string())),
    };
    let command = format!("px run {}{state}", form::quoted(title));
    html! {
        div.stack { (form::post(route::START, &[title], href, who, &html! {
            (input.controls())
            (form::text("idempotencyKey", "Idempotency key (optional)", None, "one run for each key"))
            (form::submit("Start", "primary", route::START, who))
        })) }
        (form::command(&command))
    }
}

struct Steps<'a> {
    view: &'a BrainView<'a>,
    href: Href,
}

impl Steps<'_> {
    fn list(&self, steps: &[BrainStep], depth: usize) -> Markup {
        html! {
            ol.steps {
                @for step in steps { (self.step(step, depth)) }
            }
        }
    }

    fn step(&self, step: &BrainStep, depth: usize) -> Markup {
        html! {
            li {
                span.step-name { (outsider(&step.title)) }
                @if step.kind != "step" { " " span.m { (step.kind) } }
                (self.standing(&step.title))
                @if let Some(within) = step.expected_within {
                    div.m { "an answer is expected within " (time::short(Duration::from_millis(within))) }
                }
                @for reminder in &step.reminders { div.m { (remind(reminder)) } }
                @if depth >= MAX_DEPTH && (step.inner_brain.is_some() || !step.parts.is_empty()) { div.m { "more steps" } } @else {
                    @if let Some(inner) = &step.inner_brain { (self.list(&inner.steps, depth + 1)) }
                    @for part in &step.parts {
                        @if let Some(arm) = &part.arm { div.m { "if " (outsider(arm)) } }
                        (self.list(&part.steps, depth + 1))
                    }
                }
            }
        }
    }

    /// Number of the runs that stand at a step, which leads to them.
    fn standing(&self, title: &str) -> Markup {
        let query = Query::new().and("brain", &self.view.brain.title).and("step", title);
        html! {
            @if let Some(count) = self.view.standing.get(title).filter(|count| **count > 0) {
                " " a href=(self.href.with(route::RUNS, &[], &query)) { (number::of(*count, "run")) }
            }
        }
    }
}

fn remind(reminder: &BrainReminder) -> Markup {
    html! {
        "reminder " (outsider(&reminder.name)) " after " (time::short(Duration::from_millis(reminder.after)))
        @if let Some(every) = reminder.every {
            ", then every " (time::short(Duration::from_millis(every))) ", at most " (reminder.at_most)
        }
    }
}
