//! Server-sent events (WHATWG HTML, section 9.2), as far as px sends them:
//! `id:` and `data:`; comments and other fields are skipped.

/// Largest event that is read, with the line that is still to come.
const MAX_EVENT_BYTES: usize = 64 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// An event of more than [`MAX_EVENT_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventTooLarge;

impl std::fmt::Display for EventTooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the stream has an event of more than {MAX_EVENT_BYTES} bytes")
    }
}

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    id: Option<String>,
    data: Option<String>,
}

impl Parser {
    /// Takes what arrived and gives the events that it completes.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, EventTooLarge> {
        let mut frames = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = rest.split_at(end);
            self.line.extend_from_slice(head);
            rest = tail.get(1..).unwrap_or_default();
            self.check()?;
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            frames.extend(self.take(line.trim_end_matches('\r')));
        }
        self.line.extend_from_slice(rest);
        self.check()?;
        Ok(frames)
    }

    /// Checks what is kept of an event that is not complete.
    fn check(&self) -> Result<(), EventTooLarge> {
        let kept = [&self.id, &self.data].into_iter().flatten().map(String::len).sum::<usize>();
        if kept + self.line.len() > MAX_EVENT_BYTES { Err(EventTooLarge) } else { Ok(()) }
    }

    fn take(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            let id = self.id.take();
            return self.data.take().map(|data| Frame { id, data });
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" => self.id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_arrive_however_they_are_cut() {
        let text = "id: 1\ndata: {\"a\":1}\n\n: comment\nevent: x\ndata: two\r\ndata: lines\r\n\r\nid: 9\n\n";
        let expected = vec![
            Frame { id: Some("1".into()), data: "{\"a\":1}".into() },
            Frame { id: None, data: "two\nlines".into() },
        ];
        for size in [1, 2, 7, text.len()] {
            let mut parser = Parser::default();
            let frames: Vec<Frame> =
                text.as_bytes().chunks(size).flat_map(|chunk| parser.push(chunk).unwrap()).collect();
            assert_eq!(frames, expected, "{size}");
        }
    }

    #[test]
    fn an_event_has_a_size_however_it_is_cut_into_lines() {
        let line = format!("data: {}\n", "x".repeat(1 << 20));
        let mut parser = Parser::default();
        let fitting = (0..70).take_while(|_| parser.push(line.as_bytes()).is_ok()).count();
        assert_eq!(fitting, 63, "with the next one it would be larger than the bound");
        let mut parser = Parser::default();
        assert!((0..65).any(|_| parser.push(&[b'x'; 1 << 20]).is_err()), "one line");
        // What came before is let go: a stream may have any number of events.
        let mut parser = Parser::default();
        assert!((0..70).all(|_| parser.push(format!("{line}\n").as_bytes()).is_ok()));
    }
}
