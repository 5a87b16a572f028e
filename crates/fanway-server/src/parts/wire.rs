//! How connections to a target are made: TLS and proxies, as the target is told.

use fanway_config as config;
use fanway_target::http::{self, Roots};

use crate::outward::Outward;

/// Whose certificates a target's has to come from.
pub(super) fn roots(tls: Option<&config::Tls>, outward: &Outward) -> Roots {
    let own = tls.and_then(|tls| tls.ca.clone());
    own.map_or_else(|| outward.roots.clone(), Roots::only)
}

/// What else there is to its TLS.
pub(super) fn tls(tls: Option<&config::Tls>) -> http::Tls {
    let Some(tls) = tls else {
        return http::Tls::default();
    };
    let identity = |identity: &config::Identity| {
        http::Identity::try_new(identity.certificates.clone(), identity.key.clone_key())
            .expect("the config takes no key that isn't its certificate's")
    };
    http::Tls {
        identity: tls.identity.as_deref().map(identity),
        server_name: tls.server_name.clone(),
        least_version: match tls.min_version {
            config::TlsVersion::Tls12 => http::LeastVersion::Tls12,
            config::TlsVersion::Tls13 => http::LeastVersion::Tls13,
        },
    }
}

/// The proxy on the way.
pub(super) fn proxy(proxy: &config::Proxy) -> http::Proxy {
    let config::ProxyUrl { kind, host, port } = proxy.url.clone();
    let kind = match kind {
        config::ProxyKind::Http => http::ProxyKind::Http,
        config::ProxyKind::Socks5 => http::ProxyKind::Socks5,
        config::ProxyKind::Socks5h => http::ProxyKind::Socks5h,
    };
    let login = proxy.login.clone().map(|login| http::Login {
        user: login.user,
        password: login.password,
    });
    http::Proxy::try_new(kind, host, port, login)
        .expect("the config takes no login that proxies can't be shown")
}
