//! Who takes connections in, and how cores get them: one place accepts, and hands out in turn.
//!
//! With few connections the kernel's own way of dealing them out (`SO_REUSEPORT`) can put all of
//! them on one core; see `docs/decisions/0001-threading-model.md`.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};

use fanway_ingress::accept;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::mpsc;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;
/// Connections that wait for a core.
pub(crate) const HANDED: usize = 128;

/// An address that was taken and isn't listened on yet.
#[derive(Debug)]
pub(crate) struct Bound {
    socket: Socket,
    address: SocketAddr,
}

/// Why an address isn't listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens on it already.
    #[error("address in use: {0}")]
    InUse(SocketAddr),
    /// It isn't this machine's, or not allowed.
    #[error("can't listen on {address}")]
    Io {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        #[source]
        source: io::Error,
    },
}

/// Takes an address; port 0 takes any that is free.
///
/// # Errors
/// Where the address is in use or can't be had.
pub(crate) fn bind(address: SocketAddr) -> Result<Bound, ListenError> {
    let bind = || {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking(),
            Some(Protocol::TCP),
        )?;
        // What a server that stopped left behind in the kernel is no reason to wait.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let address = socket
            .local_addr()?
            .as_socket()
            .expect("it was bound to an IP address");
        Ok(Bound { socket, address })
    };
    bind().map_err(|error| refused(address, error))
}

impl Bound {
    /// The address, with its port.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// Where somebody else has begun to listen on the same address.
    pub(crate) fn listen(self) -> Result<TcpListener, ListenError> {
        let listening = self.socket.listen(BACKLOG);
        listening.map_err(|error| refused(self.address, error))?;
        Ok(self.socket.into())
    }
}

fn refused(address: SocketAddr, source: io::Error) -> ListenError {
    if source.kind() == ErrorKind::AddrInUse {
        ListenError::InUse(address)
    } else {
        ListenError::Io { address, source }
    }
}

/// Accepts connections and hands them out to the cores in turn, until the cores are gone.
///
/// # Errors
/// Where the runtime can't wait for the listener.
pub(crate) async fn hand_out(
    listener: TcpListener,
    cores: Vec<mpsc::Sender<TcpStream>>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    for core in cores.iter().cycle() {
        if core.send(next(&listener).await).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The next connection, out of this runtime: it goes to that of its core.
async fn next(listener: &tokio::net::TcpListener) -> TcpStream {
    loop {
        match accept(listener).await.into_std() {
            Ok(stream) => return stream,
            Err(error) => tracing::error!(%error, "a connection can't be handed on"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use tokio::sync::mpsc;

    use super::{ListenError, bind, hand_out};

    #[test]
    fn an_address_that_is_listened_on_is_in_use() {
        let bound = bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = bound.address();
        let _listener = bound.listen().expect("it is free");
        let refused = bind(address).expect_err("it is taken");
        assert!(matches!(refused, ListenError::InUse(_)), "{refused}");
        assert_eq!(refused.to_string(), format!("address in use: {address}"));
    }

    #[test]
    fn nobody_is_let_in_before_it_listens() {
        let bound = bind(([127, 0, 0, 1], 0).into()).expect("a port");
        assert!(TcpStream::connect(bound.address()).is_err());
    }

    #[tokio::test]
    async fn connections_are_handed_out_in_turn() {
        let bound = bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let address = bound.address();
        let listener = bound.listen().expect("it is free");
        let (to_one, mut one) = mpsc::channel(4);
        let (to_other, mut other) = mpsc::channel(4);
        tokio::spawn(hand_out(listener, vec![to_one, to_other]));
        let _peers: Vec<_> = (0..4)
            .map(|_| TcpStream::connect(address).expect("it listens"))
            .collect();
        for core in [&mut one, &mut other] {
            core.recv().await.expect("a connection");
            core.recv().await.expect("a connection");
            assert!(core.is_empty());
        }
    }
}
