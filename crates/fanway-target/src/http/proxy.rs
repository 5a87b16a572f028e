//! A proxy on the way to a target: an HTTP proxy, or SOCKS 5. It decides who is asked to reach what;
//! where a host's name is resolved follows from the kind.
//!
//! A plain `http` request goes to an HTTP proxy as it is, naming the whole URL (RFC 9112, 3.2.2):
//! proxies let no tunnel through to port 80 as a rule. All else goes through a tunnel.

mod connect;
mod socks;

use std::fmt;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::Secret;
use tokio::net::TcpStream;

use super::failure::Failure;
use crate::FailureKind;

/// A proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    kind: ProxyKind,
    host: String,
    port: u16,
    login: Option<Login>,
}

/// What a proxy speaks, and who resolves names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP/1.1; the proxy resolves.
    Http,
    /// SOCKS 5 (RFC 1928); names are resolved here.
    Socks5,
    /// SOCKS 5; the proxy resolves.
    Socks5h,
}

/// What a proxy is shown: by `Proxy-Authorization: Basic` (RFC 7617), or by RFC 1929.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The user, 1 to 255 bytes without a colon.
    pub user: Secret,
    /// The password, 1 to 255 bytes.
    pub password: Secret,
}

/// Why a login is none. Never quotes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// A part is empty, or longer than RFC 1929 has room for.
    #[error("a user and a password for a proxy have 1 to 255 bytes each")]
    Length,
    /// The user has a colon, where the password would begin.
    #[error("the user has a colon, which basic credentials can't carry")]
    Colon,
}

/// What a proxy is asked to reach.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'a> {
    /// A host, which the proxy resolves where it is a name.
    Host(&'a str, u16),
    /// An address.
    Address(SocketAddr),
}

impl fmt::Display for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl Proxy {
    /// A proxy at a host, an IPv6 address without its brackets.
    ///
    /// # Errors
    /// Where the login is one that can't be shown.
    pub fn try_new(
        kind: ProxyKind,
        host: String,
        port: u16,
        login: Option<Login>,
    ) -> Result<Self, LoginError> {
        if let Some(Login { user, password }) = &login {
            let fits = |part: &Secret| (1..=255).contains(&part.expose().len());
            if !fits(user) || !fits(password) {
                return Err(LoginError::Length);
            }
            if user.expose().contains(':') {
                return Err(LoginError::Colon);
            }
        }
        Ok(Self {
            kind,
            host,
            port,
            login,
        })
    }

    pub(super) fn kind(&self) -> ProxyKind {
        self.kind
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as an operator reads them.
    pub(super) fn peer(&self) -> String {
        Destination::Host(&self.host, self.port).to_string()
    }

    /// The line that shows an HTTP proxy who we are, and its end; empty where nothing is shown.
    pub(super) fn authorization(&self) -> String {
        let Some(Login { user, password }) = &self.login else {
            return String::new();
        };
        let both = STANDARD.encode(format!("{}:{}", user.expose(), password.expose()));
        format!("proxy-authorization: Basic {both}\r\n")
    }

    /// Has the proxy, at the other end of `stream`, connect to a destination: what follows is
    /// between that and us.
    pub(super) async fn reach(
        &self,
        stream: &mut TcpStream,
        to: Destination<'_>,
    ) -> Result<(), Failure> {
        let reached = match self.kind {
            ProxyKind::Http => connect::reach(stream, &self.authorization(), to).await,
            ProxyKind::Socks5 | ProxyKind::Socks5h => {
                socks::reach(stream, self.login.as_ref(), to).await
            }
        };
        reached.map_err(|refusal| {
            let (proxy, why) = (self.peer(), refusal.0);
            let detail = format!("proxy {proxy} refused {to}: {why}");
            Failure::unsent(FailureKind::Proxy, detail)
        })
    }
}

/// Why a proxy doesn't reach a destination, in its words or ours.
struct Refusal(String);

impl Refusal {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof => Self::new("it closed the connection"),
            kind => Self::new(kind.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use fanway_types::Secret;

    use super::{Login, Proxy, ProxyKind};

    fn proxy(user: &str, password: &str) -> Result<Proxy, String> {
        let login = Login {
            user: Secret::new(user.to_owned()),
            password: Secret::new(password.to_owned()),
        };
        Proxy::try_new(ProxyKind::Http, "p.example".to_owned(), 3128, Some(login))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_login_is_shown_to_the_proxy_and_to_nobody_else() {
        let proxy = proxy("Aladdin", "open sesame").expect("a login");
        // The example of RFC 7617, section 2.
        let line = "proxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
        assert_eq!(proxy.authorization(), line);
        let debug = format!("{proxy:?}");
        assert!(
            !debug.contains("Aladdin") && !debug.contains("sesame"),
            "{debug}"
        );
    }

    #[test]
    fn a_login_that_no_proxy_can_be_shown_is_refused() {
        let length = Err("a user and a password for a proxy have 1 to 255 bytes each".to_owned());
        assert_eq!(proxy("", "b"), length);
        assert_eq!(proxy("a", ""), length);
        assert_eq!(proxy("a", &"b".repeat(256)), length);
        let colon = "the user has a colon, which basic credentials can't carry";
        assert_eq!(proxy("a:b", "c"), Err(colon.to_owned()));
        assert!(proxy("a", &"b".repeat(255)).is_ok());
    }
}
