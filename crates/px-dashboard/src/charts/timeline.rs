//! The course of a run, drawn: a row a step, one for its waits and one for its pauses. Work is dark,
//! waits are light, and idle weeks are folded.

use std::time::Duration;

use maud::{Markup, html};
use px_api::{Event, Timestamp};

use super::scale::{Scale, WIDTH};
use crate::text::{outsider, visible};
use crate::{Session, number, time};

/// Rows that are drawn.
const MAX_ROWS: usize = 24;
/// Height of a row's drawing.
const HEIGHT: u32 = 16;

/// Kind of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Work,
    Failed,
    Wait,
    Pause,
}

impl Kind {
    const fn class(self) -> &'static str {
        match self {
            Self::Work => "b-work",
            Self::Failed => "b-bad",
            Self::Wait => "b-wait",
            Self::Pause => "b-pause",
        }
    }
}

#[derive(Debug, Clone)]
struct Bar {
    kind: Kind,
    from: Timestamp,
    to: Option<Timestamp>,
    /// Number of the event that began it.
    seq: u64,
    /// Side effects that were memoised meanwhile.
    ticks: Vec<Timestamp>,
}

#[derive(Debug, Clone)]
struct Row {
    name: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Default)]
struct Rows(Vec<Row>);

impl Rows {
    fn row(&mut self, name: &str) -> Option<&mut Row> {
        let at = self.0.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            self.0.push(Row { name: name.to_owned(), bars: Vec::new() });
            self.0.len() - 1
        });
        self.0.get_mut(at)
    }

    fn open(&mut self, name: &str, kind: Kind, event: &Event) {
        let bar = Bar { kind, from: event.timestamp, to: None, seq: event.seq, ticks: Vec::new() };
        if let Some(row) = self.row(name) {
            row.bars.push(bar);
        }
    }

    /// Ends the bars that are open and of which this is so.
    fn close(&mut self, at: Timestamp, kind: Option<Kind>, is: impl Fn(&Row, &Bar) -> bool) {
        for row in &mut self.0 {
            let name = Row { name: row.name.clone(), bars: Vec::new() };
            for bar in row.bars.iter_mut().filter(|bar| bar.to.is_none()) {
                if is(&name, bar) {
                    bar.to = Some(at);
                    bar.kind = kind.unwrap_or(bar.kind);
                }
            }
        }
    }

    fn read(events: &[Event]) -> Self {
        let mut rows = Self::default();
        for event in events {
            rows.take(event);
        }
        rows
    }

    fn take(&mut self, event: &Event) {
        let at = event.timestamp;
        let step = event.step_id.as_deref().or(event.step_title.as_deref()).unwrap_or_default();
        let is_parked = |_: &Row, bar: &Bar| matches!(bar.kind, Kind::Wait | Kind::Pause);
        match &*event.kind {
            "step:start" => {
                self.close(at, None, is_parked);
                self.open(step, Kind::Work, event);
            }
            "step:complete" => self.close(at, None, |row, _| row.name == step),
            "step:retry" => self.close(at, Some(Kind::Failed), |row, _| row.name == step),
            "step:once" => {
                let bar = self.row(step).and_then(|row| row.bars.last_mut());
                if let Some(bar) = bar.filter(|bar| bar.to.is_none()) {
                    bar.ticks.push(at);
                }
            }
            "brain:webhook" => self.open("waits", Kind::Wait, event),
            "brain:webhook_response" | "brain:wait_timeout" | "brain:webhook_closed" => {
                self.close(at, None, |_, bar| bar.kind == Kind::Wait)
            }
            "brain:paused" => self.open("paused", Kind::Pause, event),
            "brain:resumed" => self.close(at, None, |_, bar| bar.kind == Kind::Pause),
            "brain:error" => {
                self.close(at, None, is_parked);
                self.close(at, Some(Kind::Failed), |_, _| true);
            }
            "brain:cancelled" => self.close(at, None, |_, _| true),
            _ => {}
        }
    }
}

/// The drawing of a log. `is_over` says that nothing more can happen; otherwise what is open lasts until now.
pub(crate) fn timeline(events: &[Event], is_over: bool, who: &Session) -> Markup {
    let mut rows = Rows::read(events).0;
    rows.retain(|row| !row.bars.is_empty());
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return html! {} };
    let end = if is_over { last.timestamp } else { last.timestamp.max(who.now) };
    let hidden = rows.len().saturating_sub(MAX_ROWS);
    rows.truncate(MAX_ROWS);
    let moments = rows
        .iter()
        .flat_map(|row| &row.bars)
        .flat_map(|bar| [bar.from, bar.to.unwrap_or(end)].into_iter().chain(bar.ticks.iter().copied()));
    let scale = Scale::over(moments.chain([end]));
    html! {
        figure.tl aria-label="Timeline" {
            ol { @for row in &rows { (drawn(row, &scale, end, !is_over)) } }
            figcaption {
                (time::exact(first.timestamp, who)) " – "
                @if is_over { (time::exact(end, who)) } @else { "now" }
                @if hidden > 0 { " · " (number::of(number_of(hidden), "row")) " more" }
                @for fold in &scale.folds {
                    " · " span.nb { "// " (time::short(fold.took)) } " folded"
                }
            }
        }
    }
}

fn number_of(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

fn drawn(row: &Row, scale: &Scale, end: Timestamp, has_now: bool) -> Markup {
    let took: Duration = row.bars.iter().map(|bar| bar.to.unwrap_or(end).since(bar.from)).sum();
    let first = row.bars.first().map_or(0, |bar| bar.seq);
    let times = row.bars.len();
    let ticks = row.bars.iter().flat_map(|bar| &bar.ticks);
    html! {
        li {
            a.tl-name href={ "#e" (first) } title=(visible(&row.name)) { (outsider(&row.name)) }
            svg aria-hidden="true" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" {
                @for bar in &row.bars { (rect(bar, scale, end)) }
                @for tick in ticks {
                    line.b-tick x1=(place(scale.x(*tick))) x2=(place(scale.x(*tick))) y1="3" y2="13" {}
                }
                @for fold in &scale.folds {
                    path.b-fold d={ "M" (place(fold.x - 4.0)) " 16L" (place(fold.x + 1.0)) " 0M" (place(fold.x))
                        " 16L" (place(fold.x + 5.0)) " 0" } {}
                }
                @if has_now { line.b-now x1=(WIDTH) x2=(WIDTH) y1="0" y2=(HEIGHT) {} }
            }
            span.tl-took { (time::short(took)) @if times > 1 { " ×" (times) } }
        }
    }
}

fn rect(bar: &Bar, scale: &Scale, end: Timestamp) -> Markup {
    let (from, to) = (scale.x(bar.from), scale.x(bar.to.unwrap_or(end)));
    html! {
        rect class=(bar.kind.class()) x=(place(from)) y="4" width=(place((to - from).max(3.0))) height="8" {}
    }
}

/// A place with one decimal.
fn place(x: f64) -> String {
    format!("{x:.1}")
}
