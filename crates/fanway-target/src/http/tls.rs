//! Whom a target's certificate must come from, and what is offered in the handshake.
//!
//! rustls with aws-lc-rs, named explicitly: nothing here reads or sets a process-wide default.
//! There is no way to switch the check off.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use super::Version;

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

/// What a target's handshakes begin with.
pub(super) fn client_config(roots: &Roots, version: Version) -> Result<ClientConfig, RootsError> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs supports TLS 1.2 and 1.3")
        .with_root_certificates(roots.load()?)
        .with_no_client_auth();
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

    use super::{Roots, client_config};
    use crate::http::Version;

    #[track_caller]
    fn check(roots: Vec<CertificateDer<'static>>, expected: &str) {
        let error = client_config(&Roots::only(roots), Version::Auto).expect_err("no roots");
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
