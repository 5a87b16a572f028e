//! Where the values behind `${…}` come from.

use std::env::{self, VarError};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use fanway_types::{ByteCount, Secret};

use crate::reference::Reference;
use crate::secrets::Secrets;

/// What a config may refer to outside of itself.
pub trait Environment {
    /// The value of an environment variable.
    ///
    /// # Errors
    /// Where it isn't set, or isn't Unicode.
    fn variable(&self, name: &str) -> Result<String, VarError>;

    /// The content of a file; a relative path starts at the working directory.
    ///
    /// # Errors
    /// Where it can't be read, or isn't UTF-8.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// What a command prints or a vault keeps; `secrets` says how they are asked. Blocks.
    ///
    /// # Errors
    /// With why it can't be had, which holds nothing of any secret. Where nothing else is said
    /// nobody is asked.
    fn secret(&self, reference: &Reference, secrets: &Secrets) -> Result<Secret, String> {
        let _unasked = (reference, secrets);
        Err("nobody is asked here".to_owned())
    }
}

/// The largest file that a value is read from.
const LARGEST: ByteCount = ByteCount::mib(1);

/// The environment of this process. It runs no commands and asks no vault.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        env::var(name)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut content = String::new();
        let read = File::open(path)?
            .take(LARGEST.get() + 1)
            .read_to_string(&mut content)?;
        if u64::try_from(read).is_ok_and(|read| read <= LARGEST.get()) {
            Ok(content)
        } else {
            let message = format!("it is longer than {LARGEST}");
            Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
        }
    }
}
