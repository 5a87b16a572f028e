//! A connection by SOCKS 5 (RFC 1928), with user and password where there are some (RFC 1929).

use std::net::{IpAddr, SocketAddr};

use fanway_types::egress::literal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Destination, Login, Refusal};

const VERSION: u8 = 5;
/// The version of RFC 1929's own exchange.
const LOGIN_VERSION: u8 = 1;

const NO_LOGIN: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NONE_OF_THEM: u8 = 0xff;

const CONNECT: u8 = 1;
const RESERVED: u8 = 0;

const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks for a connection.
pub(super) async fn reach(
    stream: &mut TcpStream,
    login: Option<&Login>,
    to: Destination<'_>,
) -> Result<(), Refusal> {
    let methods: &[u8] = match login {
        None => &[VERSION, 1, NO_LOGIN],
        Some(_) => &[VERSION, 2, NO_LOGIN, USER_AND_PASSWORD],
    };
    stream.write_all(methods).await?;
    let [version, method] = read(stream).await?;
    if version != VERSION {
        return Err(Refusal::new("it doesn't speak SOCKS 5"));
    }
    match (method, login) {
        (NO_LOGIN, _) => {}
        (USER_AND_PASSWORD, Some(login)) => log_in(stream, login).await?,
        (NONE_OF_THEM, None) => {
            return Err(Refusal::new("it wants a user and a password"));
        }
        _ => return Err(Refusal::new("it wants to be logged in to in another way")),
    }
    stream.write_all(&request(to)?).await?;
    answer(stream).await
}

async fn log_in(stream: &mut TcpStream, login: &Login) -> Result<(), Refusal> {
    let mut bytes = vec![LOGIN_VERSION];
    for part in [&login.user, &login.password] {
        push_short(&mut bytes, part.expose())?;
    }
    stream.write_all(&bytes).await?;
    match read(stream).await? {
        [_, 0] => Ok(()),
        _ => Err(Refusal::new("it doesn't know the user or the password")),
    }
}

fn request(to: Destination<'_>) -> Result<Vec<u8>, Refusal> {
    let mut bytes = vec![VERSION, CONNECT, RESERVED];
    let port = match to {
        Destination::Address(address) => push_address(&mut bytes, address),
        Destination::Host(host, port) => match literal(host) {
            Some(address) => push_address(&mut bytes, SocketAddr::new(address, port)),
            None => {
                bytes.push(NAME);
                push_short(&mut bytes, host)?;
                port
            }
        },
    };
    bytes.extend(port.to_be_bytes());
    Ok(bytes)
}

fn push_address(bytes: &mut Vec<u8>, address: SocketAddr) -> u16 {
    match address.ip() {
        IpAddr::V4(four) => {
            bytes.push(IPV4);
            bytes.extend(four.octets());
        }
        IpAddr::V6(six) => {
            bytes.push(IPV6);
            bytes.extend(six.octets());
        }
    }
    address.port()
}

/// A text behind its length.
fn push_short(bytes: &mut Vec<u8>, text: &str) -> Result<(), Refusal> {
    let length = u8::try_from(text.len());
    bytes.push(length.map_err(|_| Refusal::new("SOCKS has no room for so long a name"))?);
    bytes.extend(text.bytes());
    Ok(())
}

/// Reads the answer to a request, and the address from which the proxy has connected.
async fn answer(stream: &mut TcpStream) -> Result<(), Refusal> {
    let [_, reply, _, kind] = read(stream).await?;
    if let Some(why) = refusal(reply) {
        return Err(Refusal::new(why));
    }
    let length = match kind {
        IPV4 => 4,
        IPV6 => 16,
        NAME => usize::from(stream.read_u8().await?),
        _ => return Err(Refusal::new("its answer is no SOCKS 5")),
    };
    let mut address_and_port = vec![0; length + 2];
    stream.read_exact(&mut address_and_port).await?;
    Ok(())
}

/// What a reply says (RFC 1928, 6), where it is no success.
fn refusal(reply: u8) -> Option<&'static str> {
    Some(match reply {
        0 => return None,
        2 => "its rules don't allow it",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "its packets' time to live was over",
        7 => "it makes no connections for others",
        8 => "it can't reach addresses of that kind",
        _ => "it failed",
    })
}

async fn read<const LENGTH: usize>(stream: &mut TcpStream) -> Result<[u8; LENGTH], Refusal> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
