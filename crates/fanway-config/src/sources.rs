//! What a config is read from: every file and folder, for watching, everything that others were
//! asked for, and the fingerprint of it all.
//!
//! It stands between a check and the environment, so that nothing is read unseen. Values go into
//! the fingerprint and are not kept.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::env::VarError;
use std::io;
use std::path::{Path, PathBuf};

use fanway_types::Secret;
use sha2::{Digest, Sha256};

use crate::environment::Environment;
use crate::reference::Reference;
use crate::secrets::Secrets;

/// The record of a reading, and the environment that it goes through.
pub(crate) struct Sources<'e> {
    environment: &'e dyn Environment,
    /// The folder of the main file: names below it count without it.
    folder: PathBuf,
    paths: RefCell<Vec<PathBuf>>,
    asked: RefCell<BTreeSet<Reference>>,
    digest: RefCell<Sha256>,
}

impl<'e> Sources<'e> {
    /// A record with nothing in it; `main` is the path of the main file.
    pub(crate) fn new(main: &Path, environment: &'e dyn Environment) -> Self {
        Self {
            environment,
            folder: folder_of(main).to_owned(),
            paths: RefCell::default(),
            asked: RefCell::default(),
            digest: RefCell::default(),
        }
    }

    /// The folder that relative paths in `include` start at.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes a file or folder that is read, or that should be there to be read.
    pub(crate) fn note(&self, path: &Path) {
        let mut paths = self.paths.borrow_mut();
        if !paths.iter().any(|noted| noted == path) {
            paths.push(path.to_owned());
        }
    }

    /// Counts a config file, whole.
    pub(crate) fn count_file(&self, path: &Path, text: &str) {
        let name = path.strip_prefix(&self.folder).unwrap_or(path);
        let name = name.as_os_str().as_encoded_bytes();
        self.count([b"config", name, text.as_bytes()]);
    }

    /// Counts parts with their lengths, so that nothing moves unseen from one to the next.
    fn count(&self, parts: [&[u8]; 3]) {
        let mut digest = self.digest.borrow_mut();
        for part in parts {
            let length = u64::try_from(part.len()).expect("a length has 64 bits at most");
            digest.update(length.to_le_bytes());
            digest.update(part);
        }
    }

    /// What has been read, and the fingerprint: the first 64 bits of the SHA-256, as 16 hexadecimal
    /// digits.
    pub(crate) fn finish(self) -> Read {
        let digest = self.digest.into_inner().finalize();
        let (first, _) = digest.split_first_chunk().expect("SHA-256 has 32 bytes");
        let fingerprint = format!("{:016x}", u64::from_be_bytes(*first));
        Read {
            files: self.paths.into_inner(),
            references: self.asked.into_inner(),
            fingerprint,
        }
    }
}

/// What a config was read from.
pub(crate) struct Read {
    /// Each file and folder in the order in which it was first read.
    pub(crate) files: Vec<PathBuf>,
    /// What others were asked for.
    pub(crate) references: BTreeSet<Reference>,
    pub(crate) fingerprint: String,
}

/// The folder that a file is in; the working directory is the empty path.
fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

impl Environment for Sources<'_> {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        let value = self.environment.variable(name);
        match &value {
            Ok(value) => self.count([b"variable", name.as_bytes(), value.as_bytes()]),
            Err(_) => self.count([b"no variable", name.as_bytes(), b""]),
        }
        value
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        self.note(path);
        let content = self.environment.file(path);
        let name = path.as_os_str().as_encoded_bytes();
        match &content {
            Ok(content) => self.count([b"file", name, content.as_bytes()]),
            Err(_) => self.count([b"no file", name, b""]),
        }
        content
    }

    fn secret(&self, reference: &Reference, secrets: &Secrets) -> Result<Secret, String> {
        let value = self.environment.secret(reference, secrets);
        let name = reference.to_string();
        match &value {
            Ok(value) => self.count([b"asked", name.as_bytes(), value.expose().as_bytes()]),
            Err(_) => self.count([b"not had", name.as_bytes(), b""]),
        }
        self.asked.borrow_mut().insert(reference.clone());
        value
    }
}
