//! `tls`: whose certificate a target has to show, and what is shown to it.

use std::fmt;
use std::sync::Arc;

use rustls::InconsistentKeys;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::pem::{Pem, authorities, pem};
use crate::problem::Code;
use crate::value::{FromText, Refusal};

/// What there is to a target's TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The authorities that its certificate has to come from, in place of the system's: at least
    /// one, and each of them is a certificate.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// What is shown to it, where it asks.
    pub identity: Option<Arc<Identity>>,
    /// The name that it is asked for and its certificate has to be for, where that isn't the URL's.
    pub server_name: Option<String>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// A certificate and its private key, which fit. It prints as nothing.
#[derive(PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl TlsVersion {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        }
    }
}

impl FromText for TlsVersion {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err(Refusal::Unexpected),
        }
    }
}

/// A name that a certificate can be for.
struct HostName(String);

impl FromText for HostName {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match ServerName::try_from(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(Refusal::Unexpected),
        }
    }
}

pub(crate) static SECTION: Section = Section {
    about: "What there is to a target's TLS. Its certificate is always checked.",
    elsewhere: &[
        ("cert", "that is written `certificate`"),
        (
            "insecure",
            "certificates are always checked: name the authority of a target's own under `ca`",
        ),
        (
            "verify",
            "certificates are always checked: name the authority of a target's own under `ca`",
        ),
        ("alpn", "that follows from the target's `http`"),
    ],
    keys: &[
        Key {
            name: "ca",
            kind: Kind::Pem,
            default: Default::Depends("the system's authorities"),
            about: "The authorities that the target's certificate has to come from, in place of the system's: one or more certificates.",
        },
        Key {
            name: "certificate",
            kind: Kind::Pem,
            default: Default::Unset,
            about: "The certificate that is shown to a target that asks for one (mutual TLS), followed by those between it and its authority. Needs `key`.",
        },
        Key {
            name: "key",
            kind: Kind::Pem,
            default: Default::Unset,
            about: "The private key of `certificate`, unencrypted: PKCS #8, PKCS #1 or SEC 1.",
        },
        Key {
            name: "server_name",
            kind: Kind::HostName,
            default: Default::Depends("the URL's host"),
            about: "The name that the target is asked for (SNI), and that its certificate has to be for.",
        },
        Key {
            name: "min_version",
            kind: Kind::Choice(&["1.2", "1.3"]),
            default: Default::Is("1.2"),
            about: "The oldest version of TLS that is spoken.",
        },
    ],
};

pub(super) fn read(fields: &Fields<'_>) -> Option<Tls> {
    let ca = authorities(fields, "ca");
    let certificate = pem(fields, "certificate");
    let key = pem(fields, "key");
    let identity = read_identity(fields, certificate, key);
    let server_name: Option<Option<HostName>> = fields.optional("server_name");
    let min_version = fields.value("min_version");
    Some(Tls {
        ca: ca?,
        identity: identity?,
        server_name: server_name?.map(|HostName(name)| name),
        min_version: min_version?,
    })
}

/// The two that belong together; the outer `None` of each is that it was left out.
fn read_identity(
    fields: &Fields<'_>,
    certificate: Option<Option<Pem<'_>>>,
    key: Option<Option<Pem<'_>>>,
) -> Option<Option<Arc<Identity>>> {
    let (certificate, key) = match (certificate, key) {
        (None, None) => return Some(None),
        (Some(certificate), Some(key)) => (certificate, key),
        (one, _) => {
            let (there, missing) = match one {
                Some(_) => ("certificate", "key"),
                None => ("key", "certificate"),
            };
            let message = format!("there is a `{there}`, and no `{missing}` to it");
            let finding = Finding::new(Code::Fit, fields.span, message);
            fields.check.report(finding);
            return None;
        }
    };
    let certificates = certificate.as_ref().and_then(Pem::certificates);
    let private = key.as_ref().and_then(Pem::private_key);
    let (certificate, key) = (certificate?, key?);
    let identity = Identity {
        certificates: certificates?,
        key: private?,
    };
    fits(&identity, &certificate, &key).then(|| Some(Arc::new(identity)))
}

/// Whether a key is that of a certificate.
fn fits(identity: &Identity, certificate: &Pem<'_>, key: &Pem<'_>) -> bool {
    let certificates = identity.certificates.clone();
    let both = CertifiedKey::from_der(certificates, identity.key.clone_key(), &default_provider());
    let message = match both {
        Ok(_) => return true,
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            "the key isn't that of the certificate".to_owned()
        }
        Err(error) => format!("the certificate or the key can't be used: {error}"),
    };
    let finding = Finding::new(Code::Fit, key.span, message);
    key.check
        .report(finding.also(certificate.span, "the certificate"));
    false
}
