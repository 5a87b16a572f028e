//! Whom a target's certificate must come from, what is shown to it, and what is offered in the
//! handshake.
//!
//! rustls with aws-lc-rs, named explicitly: nothing here reads or sets a process-wide default.
//! There is no way to switch the check off.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS13;
use rustls::{ClientConfig, DEFAULT_VERSIONS, InconsistentKeys, RootCertStore};

use super::{BaseUrl, HttpTargetError, Version};

/// The certificate authorities that targets' certificates must come from.
///
/// A clone shares what was loaded: give all targets clones of one.
#[derive(Clone)]
pub struct Roots(Arc<Shared>);

struct Shared {
    source: Source,
    loaded: OnceLock<Result<Arc<RootCertStore>, RootsError>>,
}

enum Source {
    System,
    Only(Vec<CertificateDer<'static>>),
}

impl Roots {
    /// Those of the operating system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR`. They are read when
    /// the first HTTPS target is built.
    #[must_use]
    pub fn system() -> Self {
        Self::from_source(Source::System)
    }

    /// These and no others.
    #[must_use]
    pub fn only(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self::from_source(Source::Only(certificates))
    }

    fn from_source(source: Source) -> Self {
        Self(Arc::new(Shared {
            source,
            loaded: OnceLock::new(),
        }))
    }

    /// Reads them, the first time; this blocks on files.
    fn load(&self) -> Result<Arc<RootCertStore>, RootsError> {
        self.0
            .loaded
            .get_or_init(|| self.0.source.load().map(Arc::new))
            .clone()
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.source {
            Source::System => f.write_str("Roots(system)"),
            Source::Only(certificates) => write!(f, "Roots({} of our own)", certificates.len()),
        }
    }
}

impl Source {
    fn load(&self) -> Result<RootCertStore, RootsError> {
        let mut store = RootCertStore::empty();
        match self {
            // One unreadable certificate among a system's many is no reason to do without all.
            Self::System => {
                let found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    return Err(RootsError::none_in_system(&found.errors));
                }
            }
            Self::Only(certificates) => {
                for certificate in certificates {
                    store
                        .add(certificate.clone())
                        .map_err(RootsError::Malformed)?;
                }
            }
        }
        if store.is_empty() {
            Err(RootsError::None)
        } else {
            Ok(store)
        }
    }
}

/// Why there is nobody to check targets' certificates against.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RootsError {
    /// The system has none, as in a bare container image.
    #[error(
        "the system has no certificate authorities{detail}: install them, or set SSL_CERT_FILE"
    )]
    NoneInSystem {
        /// What kept some from being read, in parentheses.
        detail: String,
    },
    /// An empty list was given.
    #[error("the list of certificate authorities is empty")]
    None,
    /// One of those given is no certificate.
    #[error("a certificate authority's certificate is malformed")]
    Malformed(#[source] rustls::Error),
}

impl RootsError {
    fn none_in_system(errors: &[rustls_native_certs::Error]) -> Self {
        let detail = errors
            .first()
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        Self::NoneInSystem { detail }
    }
}

/// What there is to a target's TLS beside [`Roots`].
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// What is shown to a target that asks who we are.
    pub identity: Option<Identity>,
    /// The name that the target is asked for (SNI, RFC 6066) and its certificate has to be for,
    /// where that isn't the URL's host.
    pub server_name: Option<String>,
    /// The oldest version that is spoken.
    pub least_version: LeastVersion,
}

/// A version of TLS below which none is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeastVersion {
    /// 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// 1.3 (RFC 8446).
    Tls13,
}

/// A certificate of our own with its private key. Clones share it; it prints as nothing.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why a certificate and a key are no identity. Quotes neither.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no certificate.
    #[error("there is no certificate")]
    NoCertificate,
    /// The certificate is for another key.
    #[error("the key isn't that of the certificate")]
    OtherKey,
    /// The certificate can't be read, or the key is of a kind that isn't supported.
    #[error("the certificate or the key can't be used")]
    Unusable(#[source] rustls::Error),
}

impl Identity {
    /// A certificate, followed by those between it and its authority, and its key.
    ///
    /// # Errors
    /// Where they can't be used, or don't belong together.
    pub fn try_new(
        certificates: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, IdentityError> {
        if certificates.is_empty() {
            return Err(IdentityError::NoCertificate);
        }
        let key = CertifiedKey::from_der(certificates, key, &default_provider());
        key.map(Arc::new).map(Self).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                IdentityError::OtherKey
            }
            error => IdentityError::Unusable(error),
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}

/// What a target's handshakes begin with.
pub(super) struct Handshake {
    pub(super) config: Arc<ClientConfig>,
    /// Whose certificate it has to be.
    pub(super) name: ServerName<'static>,
}

/// The handshakes with a target; none where it isn't https.
pub(super) fn handshake(
    url: &BaseUrl,
    roots: &Roots,
    tls: &Tls,
    version: Version,
) -> Result<Option<Handshake>, HttpTargetError> {
    if !url.is_https() {
        return Ok(None);
    }
    let host = tls.server_name.as_deref().unwrap_or(url.host());
    let name = ServerName::try_from(host.to_owned()).map_err(|_| HttpTargetError::Host)?;
    let config = client_config(roots, tls, version).map_err(HttpTargetError::Roots)?;
    Ok(Some(Handshake {
        config: Arc::new(config),
        name,
    }))
}

fn client_config(roots: &Roots, tls: &Tls, version: Version) -> Result<ClientConfig, RootsError> {
    let versions: &[_] = match tls.least_version {
        LeastVersion::Tls12 => DEFAULT_VERSIONS,
        LeastVersion::Tls13 => &[&TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(versions)
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_root_certificates(roots.load()?);
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(Identity(key)) => {
            builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))))
        }
    };
    let offered: &[&[u8]] = match version {
        Version::Auto => &[b"h2", b"http/1.1"],
        Version::Http1 => &[b"http/1.1"],
        Version::Http2 => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;

    use super::{Roots, Tls, client_config};
    use crate::http::Version;

    #[track_caller]
    fn check(roots: Vec<CertificateDer<'static>>, expected: &str) {
        let error = client_config(&Roots::only(roots), &Tls::default(), Version::Auto)
            .expect_err("no roots");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn there_is_no_handshake_without_authorities() {
        check(Vec::new(), "the list of certificate authorities is empty");
        let nonsense = CertificateDer::from(b"nonsense".to_vec());
        check(
            vec![nonsense],
            "a certificate authority's certificate is malformed",
        );
    }
}
