//! Where the values behind `${NAME}` and `${file:…}` come from.

use std::env::{self, VarError};
use std::path::Path;
use std::{fs, io};

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
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Result<String, VarError> {
        env::var(name)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }
}
