//! From a URL to a connection: name, address, TCP, TLS. Nothing of a request is sent here.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::{Failure, describe};
use super::socket::Socket;
use super::{BaseUrl, Version};
use crate::FailureKind;

/// Opens connections to one host and port.
pub(super) struct Connector {
    host: String,
    port: u16,
    /// Host and port as an operator reads them.
    peer: String,
    tls: Option<Tls>,
    version: Version,
}

struct Tls {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Connector {
    /// For `url`; with `tls` exactly where it is https. `None` where the host can't stand in a
    /// certificate.
    pub(super) fn try_new(
        url: &BaseUrl,
        tls: Option<ClientConfig>,
        version: Version,
    ) -> Option<Self> {
        let host = url.host().to_owned();
        let tls = match tls {
            Some(config) => Some(Tls {
                config: Arc::new(config),
                name: ServerName::try_from(host.clone()).ok()?,
            }),
            None => None,
        };
        Some(Self {
            host,
            port: url.port(),
            peer: url.peer(),
            tls,
            version,
        })
    }

    /// Host and port as an operator reads them.
    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether a new connection may turn out to be one that many attempts share.
    pub(super) fn may_multiplex(&self) -> bool {
        match self.version {
            Version::Auto => self.tls.is_some(),
            Version::Http1 => false,
            Version::Http2 => true,
        }
    }

    /// Opens a connection, and says what is spoken over it. The caller bounds its time, of which
    /// `deadline` is the end.
    pub(super) async fn open(&self, deadline: Instant) -> Result<(Socket, Protocol), Failure> {
        let addresses = self.resolve().await?;
        let stream = self.connect(&addresses, deadline).await.map_err(|error| {
            Failure::unsent(FailureKind::Connect, describe(&error))
                .while_doing("connect to", &self.peer)
        })?;
        match &self.tls {
            Some(tls) => self.secure(stream, tls).await,
            None if self.version == Version::Http2 => Ok((Socket::Plain(stream), Protocol::Http2)),
            None => Ok((Socket::Plain(stream), Protocol::Http1)),
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, Failure> {
        let addresses: Vec<_> = lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|error| {
                Failure::unsent(FailureKind::Resolve, describe(&error))
                    .while_doing("resolve", &self.host)
            })?
            .collect();
        if addresses.is_empty() {
            return Err(Failure::unsent(FailureKind::Resolve, "no address")
                .while_doing("resolve", &self.host));
        }
        Ok(addresses)
    }

    /// Tries each address in its turn. All get the same share of the time that is left, so that
    /// one that swallows packets doesn't keep the next from being tried.
    async fn connect(&self, addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for (at, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout_at(Instant::now() + share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A request is written in one go; waiting for more to fill a packet only delays it.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last = error,
                // The last address has all the time there is: the caller says that it is up.
                Err(_) if left == 1 => std::future::pending().await,
                Err(elapsed) => last = elapsed.into(),
            }
        }
        Err(last)
    }

    async fn secure(&self, stream: TcpStream, tls: &Tls) -> Result<(Socket, Protocol), Failure> {
        let connector = TlsConnector::from(Arc::clone(&tls.config));
        let stream = connector
            .connect(tls.name.clone(), stream)
            .await
            .map_err(|error| {
                Failure::unsent(FailureKind::Tls, describe(&error))
                    .while_doing("TLS with", &self.peer)
            })?;
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ if self.version == Version::Http2 => {
                let failure = Failure::unsent(FailureKind::Protocol, "it doesn't speak HTTP/2");
                return Err(failure.while_doing("TLS with", &self.peer));
            }
            _ => Protocol::Http1,
        };
        Ok((Socket::Tls(Box::new(stream)), protocol))
    }
}
