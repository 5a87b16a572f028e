//! From a URL to a connection: name, address, proxy, TCP, TLS. Nothing of a request is sent here.
//!
//! A connection goes to an address that was [checked](Egress), and to no other: a name is resolved
//! once, what may not be connected to is left out, and one of what is left is taken. Where a proxy
//! resolves the name nobody here knows the address; an address that stands in the URL is checked.

use std::net::SocketAddr;
use std::sync::Arc;

use fanway_types::egress::{Egress, Forbidden, literal};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::failure::{Failure, describe};
use super::proxy::{Destination, Proxy, ProxyKind};
use super::socket::Socket;
use super::tls::Handshake;
use super::{BaseUrl, Version};
use crate::FailureKind;

/// Opens connections to one host and port.
pub(super) struct Connector {
    host: String,
    port: u16,
    /// Host and port as an operator reads them, and the proxy on the way.
    peer: String,
    tls: Option<Handshake>,
    version: Version,
    egress: Egress,
    proxy: Option<Proxy>,
}

/// How a connection is made.
pub(super) struct How {
    /// Where it is encrypted.
    pub(super) tls: Option<Handshake>,
    pub(super) version: Version,
    /// Which addresses it may go to.
    pub(super) egress: Egress,
    pub(super) proxy: Option<Proxy>,
}

/// What is spoken over a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Connector {
    /// For `url`; with `tls` exactly where it is https.
    pub(super) fn new(url: &BaseUrl, how: How) -> Self {
        let peer = match &how.proxy {
            Some(proxy) => format!("{} by proxy {}", url.peer(), proxy.peer()),
            None => url.peer(),
        };
        Self {
            host: url.host().to_owned(),
            port: url.port(),
            peer,
            tls: how.tls,
            version: how.version,
            egress: how.egress,
            proxy: how.proxy,
        }
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

    /// The proxy that takes requests as they are and passes them on, where there is one: then a
    /// connection is one to the proxy, and a request names the whole URL.
    pub(super) fn forwarder(&self) -> Option<&Proxy> {
        let is_plain = self.tls.is_none() && self.version != Version::Http2;
        let proxy = self.proxy.as_ref();
        proxy.filter(|proxy| proxy.kind() == ProxyKind::Http && is_plain)
    }

    /// Opens a connection, and says what is spoken over it. The caller bounds its time, of which
    /// `deadline` is the end.
    pub(super) async fn open(&self, deadline: Instant) -> Result<(Socket, Protocol), Failure> {
        let stream = match &self.proxy {
            None => self.directly(deadline).await?,
            Some(proxy) => self.by_proxy(proxy, deadline).await?,
        };
        match &self.tls {
            Some(tls) => self.secure(stream, tls).await,
            None if self.version == Version::Http2 => Ok((Socket::Plain(stream), Protocol::Http2)),
            None => Ok((Socket::Plain(stream), Protocol::Http1)),
        }
    }

    async fn directly(&self, deadline: Instant) -> Result<TcpStream, Failure> {
        let addresses = self.allowed_addresses().await?;
        dial_any(&addresses, deadline, "connect to", &self.peer).await
    }

    async fn by_proxy(&self, proxy: &Proxy, deadline: Instant) -> Result<TcpStream, Failure> {
        if proxy.kind() == ProxyKind::Socks5 {
            return self.by_address(proxy, deadline).await;
        }
        if let Some(address) = literal(&self.host) {
            let checked = self.egress.check(address);
            checked.map_err(|forbidden| self.forbidden(&forbidden))?;
        }
        let tunnelled = self.forwarder().is_none();
        let to = tunnelled.then_some(Destination::Host(&self.host, self.port));
        self.through(proxy, to, deadline).await
    }

    /// Has the proxy connect to the first of the host's addresses that takes it.
    async fn by_address(&self, proxy: &Proxy, deadline: Instant) -> Result<TcpStream, Failure> {
        let addresses = self.allowed_addresses().await?;
        let mut failure = Failure::unsent(FailureKind::Connect, "no address");
        for (at, address) in addresses.iter().enumerate() {
            let to = Some(Destination::Address(*address));
            let connecting = self.through(proxy, to, deadline);
            match within_share(deadline, addresses.len() - at, connecting).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Connects to the proxy, and by that to a destination where one is given. The proxy is the
    /// config's own, so only what nothing may reach is forbidden of it.
    async fn through(
        &self,
        proxy: &Proxy,
        to: Option<Destination<'_>>,
        deadline: Instant,
    ) -> Result<TcpStream, Failure> {
        let peer = proxy.peer();
        let addresses = resolve(proxy.host(), proxy.port()).await?;
        let egress = self.egress.of_config();
        let addresses = allowed(&egress, addresses).map_err(|forbidden| {
            Failure::unsent(FailureKind::Egress, forbidden.to_string())
                .while_doing("connect to proxy", &peer)
        })?;
        let mut stream = dial_any(&addresses, deadline, "connect to proxy", &peer).await?;
        if let Some(to) = to {
            proxy.reach(&mut stream, to).await?;
        }
        Ok(stream)
    }

    /// The addresses of the host that may be connected to: at least one.
    async fn allowed_addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let addresses = resolve(&self.host, self.port).await?;
        allowed(&self.egress, addresses).map_err(|forbidden| self.forbidden(&forbidden))
    }

    fn forbidden(&self, forbidden: &Forbidden) -> Failure {
        Failure::unsent(FailureKind::Egress, forbidden.to_string())
            .while_doing("connect to", &self.peer)
    }

    async fn secure(
        &self,
        stream: TcpStream,
        tls: &Handshake,
    ) -> Result<(Socket, Protocol), Failure> {
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

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let unresolved =
        |detail: String| Failure::unsent(FailureKind::Resolve, detail).while_doing("resolve", host);
    let addresses = lookup_host((host, port)).await;
    let addresses: Vec<_> = addresses
        .map_err(|error| unresolved(describe(&error)))?
        .collect();
    if addresses.is_empty() {
        return Err(unresolved("no address".to_owned()));
    }
    Ok(addresses)
}

/// Those addresses that may be connected to; where there are none, why not the first.
fn allowed(egress: &Egress, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Forbidden> {
    let mut first = None;
    addresses.retain(|address| match egress.check(address.ip()) {
        Ok(()) => true,
        Err(forbidden) => {
            first.get_or_insert(forbidden);
            false
        }
    });
    match first {
        Some(forbidden) if addresses.is_empty() => Err(forbidden),
        _ => Ok(addresses),
    }
}

async fn dial(address: SocketAddr) -> Result<TcpStream, Failure> {
    let failed = |error| Failure::unsent(FailureKind::Connect, describe(&error));
    let stream = TcpStream::connect(address).await.map_err(failed)?;
    // A request is written in one go; waiting for more to fill a packet only delays it.
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// Connects to the first of these addresses that takes it; `doing` and `peer` are for operators.
async fn dial_any(
    addresses: &[SocketAddr],
    deadline: Instant,
    doing: &str,
    peer: &str,
) -> Result<TcpStream, Failure> {
    let mut failure = Failure::unsent(FailureKind::Connect, "no address");
    for (at, address) in addresses.iter().enumerate() {
        match within_share(deadline, addresses.len() - at, dial(*address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure.while_doing(doing, peer))
}

/// Gives the first of so many that are to be tried its share of the time that is left, so that one
/// that swallows packets doesn't keep the next from being tried. The last has all the time there is:
/// the caller says that it is up.
async fn within_share(
    deadline: Instant,
    left: usize,
    connecting: impl Future<Output = Result<TcpStream, Failure>>,
) -> Result<TcpStream, Failure> {
    if left == 1 {
        return connecting.await;
    }
    let left = u32::try_from(left).unwrap_or(u32::MAX);
    let share = deadline.saturating_duration_since(Instant::now()) / left;
    timeout_at(Instant::now() + share, connecting)
        .await
        .unwrap_or_else(|elapsed| Err(Failure::unsent(FailureKind::Connect, elapsed.to_string())))
}
