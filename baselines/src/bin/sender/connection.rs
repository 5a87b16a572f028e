//! One connection: a request is written whole, and its answer read until its length is there. It
//! understands what the candidates answer, a `Content-Length`, and nothing else.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Context;
use baselines::{SENT, clock};

/// Digits of a time: those of the largest one in nanoseconds.
const DIGITS: usize = 20;
/// More than any candidate answers.
const ANSWER: usize = 16 << 10;

/// A request, and where the time goes into it.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    stamp: usize,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The answer isn't whole.
    Partial,
    /// It is.
    Answered { due: Duration, is_success: bool },
    /// The connection is of no more use.
    Broken { was_busy: bool },
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    gateway: SocketAddr,
    stream: TcpStream,
    request: Template,
    answer: Vec<u8>,
    /// When the request was due that is answered next.
    due: Option<Duration>,
}

/// Renders a POST with JSON of so many bytes.
pub(crate) fn request(gateway: SocketAddr, path: &str, size: usize) -> Template {
    let filler = "x".repeat(size.saturating_sub(r#"{"filler":""}"#.len()));
    let body = format!(r#"{{"filler":"{filler}"}}"#);
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {gateway}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{SENT}: "
    );
    let stamp = head.len();
    let bytes = format!("{head}{:0DIGITS$}\r\n\r\n{body}", 0).into_bytes();
    Template { bytes, stamp }
}

impl Connection {
    pub(crate) fn open(gateway: SocketAddr, request: Template) -> anyhow::Result<Self> {
        Ok(Self {
            gateway,
            stream: connect(gateway)?,
            request,
            answer: Vec::with_capacity(ANSWER),
            due: None,
        })
    }

    /// Begins anew.
    pub(crate) fn reopen(&mut self) -> anyhow::Result<()> {
        self.stream = connect(self.gateway)?;
        self.answer.clear();
        self.due = None;
        Ok(())
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends a request that was due then.
    pub(crate) fn send(&mut self, due: Duration) {
        self.due = Some(due);
        let stamp = format!("{:0DIGITS$}", clock().as_nanos());
        let range = self.request.stamp..self.request.stamp + DIGITS;
        self.request.bytes[range].copy_from_slice(stamp.as_bytes());
        // A connection that is broken is seen when its answer is read.
        let _broken = self.stream.write_all(&self.request.bytes);
    }

    /// Reads what is there.
    pub(crate) fn receive(&mut self) -> Progress {
        let mut buffer = [0; ANSWER];
        let was_busy = self.due.is_some();
        match self.stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Progress::Broken { was_busy },
            Ok(count) => self.answer.extend_from_slice(&buffer[..count]),
        }
        let Some(status) = whole_answer(&self.answer) else {
            return Progress::Partial;
        };
        self.answer.clear();
        self.due
            .take()
            .map_or(Progress::Broken { was_busy }, |due| Progress::Answered {
                due,
                is_success: (200..300).contains(&status),
            })
    }
}

fn connect(gateway: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(gateway).context("connection refused")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// The status of an answer, once all of it is there.
fn whole_answer(answer: &[u8]) -> Option<u16> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(Some(0), |(_, value)| value.trim().parse().ok())?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (answer.len() >= end + length).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::{DIGITS, request, whole_answer};

    #[track_caller]
    fn check(answer: &str, expected: Option<u16>) {
        assert_eq!(whole_answer(answer.as_bytes()), expected);
    }

    #[test]
    fn an_answer_is_whole_when_its_length_is_there() {
        check(
            "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}",
            Some(202),
        );
        check("HTTP/1.1 503 Busy\r\nContent-Length:0\r\n\r\n", Some(503));
        check("HTTP/1.1 200 OK\r\n\r\n", Some(200));
        check("HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{", None);
        check("HTTP/1.1 202 Accepted\r\ncontent-le", None);
    }

    #[test]
    fn the_time_has_its_place_in_a_request() {
        let template = request(([127, 0, 0, 1], 80).into(), "/orders", 100);
        let text = String::from_utf8(template.bytes).expect("text");
        assert_eq!(&text[template.stamp..][..DIGITS], "0".repeat(DIGITS));
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains("Content-Length: 100"));
        assert_eq!(body.len(), 100);
    }
}
