//! PEM in values: what is written there, or in the file that is named there.

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::check::{Check, Finding};
use crate::environment::Environment;
use crate::fields::Fields;
use crate::keys::Kind;
use crate::problem::Code;
use crate::value::{FromText, Refusal};
use crate::yaml::{Entry, Span};

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

/// PEM that is read, and where it is named.
pub(crate) struct Pem<'c> {
    pub(crate) check: &'c Check<'c>,
    pub(crate) span: Span,
    text: String,
}

/// The PEM of a key: the outer `None` where it was left out, the inner where it can't be read.
pub(crate) fn pem<'c>(fields: &Fields<'c>, name: &'static str) -> Option<Option<Pem<'c>>> {
    let written: Option<Option<Written>> = fields.optional(name);
    let entry = fields.entry(name)?;
    Some(
        written
            .flatten()
            .and_then(|Written(written)| load(fields, entry, written)),
    )
}

/// The certificates of authorities that may be left out: nothing where they were, `None` where they
/// can't be read.
pub(crate) fn authorities(
    fields: &Fields<'_>,
    name: &'static str,
) -> Option<Option<Vec<CertificateDer<'static>>>> {
    match pem(fields, name) {
        None => Some(None),
        Some(pem) => pem?.authorities().map(Some),
    }
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
    pub(crate) fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        let all = CertificateDer::pem_slice_iter(self.text.as_bytes());
        match all.collect::<Result<Vec<_>, _>>() {
            Ok(all) if all.is_empty() => self.refuse("there is no certificate in it"),
            Ok(all) => Some(all),
            Err(error) => self.refuse(&malformed(&error)),
        }
    }

    pub(crate) fn private_key(&self) -> Option<PrivateKeyDer<'static>> {
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
