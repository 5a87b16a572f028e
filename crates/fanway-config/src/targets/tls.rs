//! `tls`: whose certificate a target has to show, and what is shown to it.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{InconsistentKeys, RootCertStore};

use crate::check::{Check, Finding};
use crate::environment::Environment;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Section};
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Span};

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

/// What stands for PEM: the path of a file, or PEM itself.
struct Written(String);

impl FromText for Written {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text.is_empty() {
            true => Err(Refusal::Unexpected),
            false => Ok(Self(text.to_owned())),
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
    let ca = pem(fields, "ca").map(|pem| pem.and_then(|pem| pem.authorities()));
    let certificate = pem(fields, "certificate");
    let key = pem(fields, "key");
    let identity = read_identity(fields, certificate, key);
    let server_name: Option<Option<HostName>> = fields.optional("server_name");
    let min_version = fields.value("min_version");
    Some(Tls {
        ca: given(ca)?,
        identity: identity?,
        server_name: server_name?.map(|HostName(name)| name),
        min_version: min_version?,
    })
}

/// What may be left out: nothing where it was, and no more than that where it is wrong.
fn given<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(read) => read.map(Some),
    }
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

/// PEM that is read, and where it is named.
struct Pem<'c> {
    check: &'c Check<'c>,
    span: Span,
    text: String,
}

/// The PEM of a key: the outer `None` where it was left out, the inner where it can't be read.
fn pem<'c>(fields: &Fields<'c>, name: &'static str) -> Option<Option<Pem<'c>>> {
    let written: Option<Option<Written>> = fields.optional(name);
    let entry = fields.entry(name)?;
    Some(
        written
            .flatten()
            .and_then(|Written(written)| load(fields, entry, written)),
    )
}

fn load<'c>(fields: &Fields<'c>, entry: &Entry, written: String) -> Option<Pem<'c>> {
    let (check, span) = (fields.check, entry.node.span);
    let pem = |text| Pem { check, span, text };
    if written.contains("-----BEGIN ") {
        return Some(pem(written));
    }
    let path = check.folder_of(span.file).join(written);
    match check.sources.file(&path) {
        Ok(text) => Some(pem(text)),
        Err(error) => {
            let message = format!("{} can't be read: {error}", path.display());
            let hint = "a relative path starts at the folder of the file that it stands in";
            check.report(Finding::new(Code::Unreadable, span, message).hint(hint));
            None
        }
    }
}

impl Pem<'_> {
    /// The certificates of authorities.
    fn authorities(&self) -> Option<Vec<CertificateDer<'static>>> {
        let certificates = self.certificates()?;
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            if let Err(error) = store.add(certificate.clone()) {
                return self.refuse(&format!("a certificate in it can't be used: {error}"));
            }
        }
        Some(certificates)
    }

    /// Its certificates, at least one.
    fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        let all = CertificateDer::pem_slice_iter(self.text.as_bytes());
        match all.collect::<Result<Vec<_>, _>>() {
            Ok(all) if all.is_empty() => self.refuse("there is no certificate in it"),
            Ok(all) => Some(all),
            Err(error) => self.refuse(&malformed(&error)),
        }
    }

    fn private_key(&self) -> Option<PrivateKeyDer<'static>> {
        match PrivateKeyDer::from_pem_slice(self.text.as_bytes()) {
            Ok(key) => Some(key),
            Err(pem::Error::NoItemsFound) if self.text.contains("ENCRYPTED") => {
                self.refuse("the private key in it is encrypted, and can't be used so")
            }
            Err(pem::Error::NoItemsFound) => self.refuse("there is no private key in it"),
            Err(error) => self.refuse(&malformed(&error)),
        }
    }

    fn refuse<T>(&self, message: &str) -> Option<T> {
        let finding = Finding::new(Code::Value, self.span, message.to_owned());
        self.check.report(finding);
        None
    }
}

/// What is wrong with it, without a word of what stands there.
fn malformed(error: &pem::Error) -> String {
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "a part of it has no end",
        pem::Error::IllegalSectionStart { .. } => "a part of it has no proper beginning",
        pem::Error::Base64Decode(_) => "a part of it is no base64",
        _ => "it can't be understood",
    };
    format!("this is no PEM: {what}")
}
