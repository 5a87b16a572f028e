//! Server-sent events, read from a stream's bytes as they come (WHATWG HTML, 9.2.6).
//!
//! What comes in pieces is put together, wherever it was cut. An event is bounded, since it is held
//! until it is whole. How soon a server wants to be asked again (`retry`) isn't minded.

use std::mem;

/// The longest event, in bytes: a message's document has some hundred bytes for each delivery.
const LONGEST: usize = 16 << 20;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its type; `message` where the stream didn't say.
    pub(crate) name: String,
    /// Its data, lines parted by `\n`.
    pub(crate) data: String,
}

/// A stream sent an event that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {LONGEST} bytes")]
pub(crate) struct TooLong;

/// What has been read of a stream.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// The line that isn't at its end.
    line: Vec<u8>,
    /// Whether a `\n` that comes next belongs to the line's end before it.
    was_return: bool,
    has_begun: bool,
    name: String,
    data: String,
    id: Option<String>,
    last_id: Option<String>,
}

impl Parser {
    /// The id of the last event that had one.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Reads what has come; returns the events that are whole by it.
    ///
    /// # Errors
    /// Where an event is too long. What came is then of no use.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            let follows_return = mem::replace(&mut self.was_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()),
                _ if self.line.len() + self.data.len() >= LONGEST => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let is_first = !mem::replace(&mut self.has_begun, true);
        let line = match line.strip_prefix('\u{feff}') {
            Some(line) if is_first => line,
            _ => &line,
        };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // A comment begins with a colon: its field is empty.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        if self.id.is_some() {
            self.last_id.clone_from(&self.id);
        }
        let (name, mut data) = (mem::take(&mut self.name), mem::take(&mut self.data));
        // Without data it is none.
        data.pop()?;
        let name = if name.is_empty() {
            "message".to_owned()
        } else {
            name
        };
        Some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Parser, TooLong};

    /// Reads a stream in pieces of every size; each gives the same events.
    #[track_caller]
    fn check(stream: &str, expected: &[(&str, &str)], last_id: Option<&str>) {
        for size in 1..=stream.len() {
            let mut parser = Parser::default();
            let pieces = stream.as_bytes().chunks(size);
            let events: Vec<_> = pieces
                .flat_map(|piece| parser.read(piece).expect("short"))
                .collect();
            let found: Vec<_> = events
                .iter()
                .map(|event| (event.name.as_str(), event.data.as_str()))
                .collect();
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(parser.last_id(), last_id, "in pieces of {size}");
        }
    }

    #[test]
    fn an_event_has_a_type_data_and_an_id() {
        let stream = "event: attempt\nid: 7\ndata: {\"a\": 1}\n\ndata:plain\n\n";
        let expected = [("attempt", "{\"a\": 1}"), ("message", "plain")];
        check(stream, &expected, Some("7"));
    }

    #[test]
    fn lines_may_end_in_each_way() {
        let expected = [("a", "1"), ("message", "2")];
        check(
            "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
            &expected,
            None,
        );
        check("event: a\rdata: 1\r\rdata: 2\r\r", &expected, None);
        check("event: a\ndata: 1\r\n\ndata: 2\r\r\n", &expected, None);
    }

    #[test]
    fn data_may_have_many_lines() {
        check(
            "data: a\ndata\ndata:  b\n\n",
            &[("message", "a\n\n b")],
            None,
        );
        check("data\n\n", &[("message", "")], None);
    }

    #[test]
    fn what_is_no_event_is_passed_over() {
        check(": still here\n\n", &[], None);
        check("event: a\n\ndata: 1\n\n", &[("message", "1")], None);
        check(
            "retry: 10\nunheard-of: 1\ndata: 1\n\n",
            &[("message", "1")],
            None,
        );
        check("data: cut off", &[], None);
        check("data: cut off\n", &[], None);
    }

    #[test]
    fn an_id_stays_until_another_one_comes() {
        check(
            "id: 1\ndata: a\n\ndata: b\n\n",
            &[("message", "a"), ("message", "b")],
            Some("1"),
        );
        check("id: 1\n\n", &[], Some("1"));
        check("id: 1\ndata: a\n\nid: 2\n", &[("message", "a")], Some("1"));
        check("id: 1\n\nid\n\n", &[], Some(""));
        check("id: 1\n\nid: a\0b\n\n", &[], Some("1"));
    }

    #[test]
    fn only_the_first_line_may_have_a_byte_order_mark() {
        check(
            "\u{feff}data: a\n\n\u{feff}data: b\n\n",
            &[("message", "a")],
            None,
        );
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::default();
        let line = [b"data: ".as_slice(), &[b'x'; 1 << 20], b"\n"].concat();
        let refused = (0..LONGEST >> 20).find_map(|_| parser.read(&line).err());
        assert_eq!(refused, Some(TooLong));
    }
}
