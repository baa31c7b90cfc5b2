//! A picture of throughput and latency by connections.

use std::fmt::Write as _;

use crate::report::{Acks, Figure, Report};

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const MARGIN: f64 = 60.0;

/// A line of a panel: its name, its colour and what it shows of a measurement.
type Line = (&'static str, &'static str, fn(&Acks) -> &Figure);

const LINES: [Line; 3] = [
    ("verify + parse", "#9aa5b1", |acks| &acks.verify),
    ("… + append, group sync", "#f0a030", |acks| &acks.append),
    ("px: durable resumes", "#2266cc", |acks| &acks.px),
];

/// Two panels with logarithmic axes, as SVG.
pub(crate) fn draw(report: &Report<'_>) -> String {
    let (width, height) = (2.0 * (WIDTH + MARGIN) + MARGIN, HEIGHT + 2.0 * MARGIN + 20.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    panel(&mut out, MARGIN, "answers a second", &report.acks, |figure| figure.rate);
    panel(&mut out, 2.0 * MARGIN + WIDTH, "p99, µs", &report.acks, |figure| figure.p99_us as f64);
    for (index, (name, colour, _)) in LINES.iter().enumerate() {
        let x = MARGIN + index as f64 * 220.0;
        let y = HEIGHT + MARGIN + 55.0;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{name}</text>",
            y - 6.0,
            x + 20.0
        );
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, left: f64, title: &str, acks: &[Acks], value: fn(&Figure) -> f64) {
    let all: Vec<f64> = acks
        .iter()
        .flat_map(|acks| LINES.map(|(_, _, of)| value(of(acks))))
        .filter(|value| *value > 0.0)
        .collect();
    let low = all.iter().copied().fold(f64::MAX, f64::min).log10().floor();
    let high = all.iter().copied().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let x = |index: usize| left + WIDTH * (index as f64 + 0.5) / acks.len().max(1) as f64;
    let y = |value: f64| MARGIN + HEIGHT * (1.0 - (value.max(1.0).log10() - low) / (high - low));
    let _ = writeln!(out, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{title}</text>", MARGIN - 16.0);
    let mut decade = low;
    while decade <= high {
        let (at, value) = (y(10_f64.powf(decade)), 10_f64.powf(decade));
        let _ = writeln!(
            out,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at}\" y2=\"{at}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#666666\">{value}</text>",
            left + WIDTH,
            left - 6.0,
            at + 4.0
        );
        decade += 1.0;
    }
    for (index, acks) in acks.iter().enumerate() {
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666666\">{}</text>",
            x(index),
            MARGIN + HEIGHT + 18.0,
            acks.connections
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666666\">connections</text>",
        left + WIDTH / 2.0,
        MARGIN + HEIGHT + 34.0
    );
    for (_, colour, of) in LINES {
        let points: Vec<(f64, f64)> =
            acks.iter().enumerate().map(|(index, acks)| (x(index), y(value(of(acks))))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (acks, (x, y)) in acks.iter().zip(points) {
            let _ = writeln!(
                out,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\">{:.0}</text>",
                y - 7.0,
                value(of(acks))
            );
        }
    }
}
