//! tracing's events as lines of the log. Users' code runs in here, where a
//! value is shown by its `Debug`; it may panic, and costs its own line then.
//! No lock is held meanwhile, and no variable of the thread is needed: an event
//! may come from a thread that is about to end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::entry::{Entry, Fields, Recorder, Span};
use super::{Log, Stream};

/// Writes events to stderr, through the queue.
pub(super) struct LogLayer {
    log: &'static Log,
}

impl LogLayer {
    pub(super) fn new(log: &'static Log) -> Self {
        Self { log }
    }

    fn line<S>(&self, event: &Event<'_>, context: &Context<'_, S>) -> Option<String>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let format = self.log.format;
        let mut recorder = Recorder::new(Fields::none(format));
        event.record(&mut recorder);
        let spans = context.event_scope(event).into_iter().flat_map(|scope| scope.from_root());
        let spans = spans.map(|span| {
            let fields = span.extensions().get::<SpanFields>().map(|fields| fields.0.clone());
            Span { name: span.name(), fields: fields.unwrap_or_else(|| Fields::none(format)) }
        });
        let about = event.metadata();
        let entry = Entry {
            level: *about.level(),
            target: about.target(),
            spans: spans.collect(),
            fields: recorder.fields,
        };
        (!recorder.is_too_long).then(|| entry.line(format))
    }
}

/// The fields of a span, kept with it.
struct SpanFields(Fields);

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        guarded(|| {
            let mut recorder = Recorder::new(Fields::none(self.log.format));
            attributes.record(&mut recorder);
            if let Some(span) = context.span(id) {
                span.extensions_mut().replace(SpanFields(recorder.fields));
            }
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        guarded(|| {
            let Some(span) = context.span(id) else { return };
            let before = span.extensions().get::<SpanFields>().map(|fields| fields.0.clone());
            let mut recorder = Recorder::new(before.unwrap_or_else(|| Fields::none(self.log.format)));
            values.record(&mut recorder);
            span.extensions_mut().replace(SpanFields(recorder.fields));
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        match guarded(|| self.line(event, &context)).flatten() {
            Some(line) => self.log.push(Stream::Err, line.into_bytes()),
            None => self.log.queue.lose(Stream::Err),
        }
    }
}

/// Keeps a panic of a value that is shown from the code that logs it. The panic itself is
/// reported as any other.
fn guarded<T>(code: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(code)).ok()
}
