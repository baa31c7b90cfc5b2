//! The text that Prometheus reads, made of declared figures and of values that
//! are read when it is asked for.

use std::fmt::Write as _;

use crate::{Counter, Family, Histogram};

/// Kind of a figure.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A number that grows.
    Counter(&'static Counter),
    /// Numbers that grow, by the value of a label.
    Counters(&'static str, &'static [(&'static str, &'static Counter)]),
    /// Numbers that grow, by the values of two labels.
    Family(&'static Family),
    /// Times, shown in seconds.
    Times(&'static Histogram),
    /// Sizes.
    Sizes(&'static Histogram),
}

/// A figure, with its name and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// By Prometheus' rules: `px_`, the noun, the unit.
    pub name: &'static str,
    /// Its meaning, in a sentence.
    pub help: &'static str,
    /// The figure itself.
    pub kind: Kind,
}

/// The text that Prometheus reads (its text format, 0.0.4).
#[derive(Debug, Default)]
pub struct Text(String);

impl Text {
    /// Adds the figures of a stage.
    pub fn add(&mut self, metrics: &[Metric]) {
        for metric in metrics {
            match metric.kind {
                Kind::Counter(counter) => {
                    self.head(metric.name, metric.help, "counter");
                    self.value(metric.name, &[], counter.get());
                }
                Kind::Counters(label, counters) => {
                    self.head(metric.name, metric.help, "counter");
                    for (value, counter) in counters {
                        self.value(metric.name, &[(label, value)], counter.get());
                    }
                }
                Kind::Family(family) => {
                    self.head(metric.name, metric.help, "counter");
                    let [first, second] = family.labels();
                    for ([one, other], count) in family.counts() {
                        self.value(metric.name, &[(first, &one), (second, &other)], count);
                    }
                }
                Kind::Times(histogram) => self.histogram(metric, histogram, true),
                Kind::Sizes(histogram) => self.histogram(metric, histogram, false),
            }
        }
    }

    /// Begins a figure whose values are read when it is asked for.
    pub fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing into a text cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A value of the figure that was begun last.
    pub fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let open = if at == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{open}{label}=\"{text}\"");
        }
        let close = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{close} {value}");
    }

    fn histogram(&mut self, metric: &Metric, histogram: &Histogram, is_time: bool) {
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let scaled = |value: u64| if is_time { value as f64 / 1e6 } else { value as f64 };
        self.head(metric.name, metric.help, "histogram");
        let bucket = format!("{}_bucket", metric.name);
        let mut count = 0;
        for (at, place) in histogram.counts().enumerate() {
            count += place;
            let bound =
                histogram.bounds.get(at).map_or("+Inf".to_owned(), |bound| scaled(*bound).to_string());
            self.value(&bucket, &[("le", &bound)], count);
        }
        self.value(&format!("{}_sum", metric.name), &[], scaled(histogram.sum()));
        self.value(&format!("{}_count", metric.name), &[], count);
    }

    /// The whole text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    static TAKEN: Counter = Counter::new();
    static TIME: Histogram = Histogram::of_times();
    static SIZE: Histogram = Histogram::of_sizes();

    #[test]
    fn the_text_is_what_prometheus_reads() {
        TAKEN.add(2);
        TIME.observe(Duration::from_micros(100));
        TIME.observe(Duration::from_millis(3));
        TIME.observe(Duration::from_secs(7_200));
        SIZE.record(300);
        let mut text = Text::default();
        const METRICS: &[Metric] = &[
            Metric { name: "px_a_total", help: "Some.", kind: Kind::Counters("state", &[("on", &TAKEN)]) },
            Metric { name: "px_b_seconds", help: "Times.", kind: Kind::Times(&TIME) },
            Metric { name: "px_c_bytes", help: "Sizes.", kind: Kind::Sizes(&SIZE) },
        ];
        text.add(METRICS);
        text.head("px_d", "One.", "gauge");
        text.value("px_d", &[("hook", "a\"b\\c\nd"), ("x", "y")], 1.5);
        let text = text.finish();
        for line in [
            "# HELP px_a_total Some.",
            "# TYPE px_a_total counter",
            "px_a_total{state=\"on\"} 2",
            "px_b_seconds_bucket{le=\"0.0001\"} 1",
            "px_b_seconds_bucket{le=\"0.0025\"} 1",
            "px_b_seconds_bucket{le=\"0.005\"} 2",
            "px_b_seconds_bucket{le=\"600\"} 2",
            "px_b_seconds_bucket{le=\"+Inf\"} 3",
            "px_b_seconds_sum 7200.0031",
            "px_b_seconds_count 3",
            "px_c_bytes_bucket{le=\"256\"} 0",
            "px_c_bytes_bucket{le=\"1024\"} 1",
            "px_c_bytes_sum 300",
            "px_d{hook=\"a\\\"b\\\\c\\nd\",x=\"y\"} 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
