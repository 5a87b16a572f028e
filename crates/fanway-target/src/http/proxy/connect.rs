//! A tunnel through an HTTP proxy (RFC 9110, 9.3.6).

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Destination, Refusal};

/// The longest head of an answer, in bytes.
const LIMIT: usize = 16 << 10;

/// The most headers of an answer.
const MAX_HEADERS: usize = 100;

/// Asks for a tunnel; `authorization` is a whole line, or nothing.
pub(super) async fn reach(
    stream: &mut TcpStream,
    authorization: &str,
    to: Destination<'_>,
) -> Result<(), Refusal> {
    let request = format!("CONNECT {to} HTTP/1.1\r\nhost: {to}\r\n{authorization}\r\n");
    stream.write_all(request.as_bytes()).await?;
    loop {
        let head = head(stream).await?;
        let (status, reason) = read(&head)?;
        match status {
            100..=199 => {}
            200..=299 => return Ok(()),
            407 if authorization.is_empty() => {
                let why = format!("{status} {reason}: it wants a user and a password");
                return Err(Refusal(why));
            }
            _ => return Err(Refusal(format!("{status} {reason}").trim_end().to_owned())),
        }
    }
}

/// An answer's head, and not a byte of what follows: that is the destination's already.
async fn head(stream: &mut TcpStream) -> Result<Vec<u8>, Refusal> {
    let mut head = Vec::with_capacity(256);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == LIMIT {
            return Err(Refusal::new("its answer's head is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}

fn read(head: &[u8]) -> Result<(u16, String), Refusal> {
    let mut headers = [EMPTY_HEADER; MAX_HEADERS];
    let mut response = Response::new(&mut headers);
    match (response.parse(head), response.code) {
        (Ok(Status::Complete(_)), Some(status)) => {
            Ok((status, response.reason.unwrap_or_default().to_owned()))
        }
        _ => Err(Refusal::new("its answer is no HTTP")),
    }
}
