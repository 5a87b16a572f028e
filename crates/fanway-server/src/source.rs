//! Where configs come from, at a reload.

use std::path::PathBuf;

use fanway_config::{Config, Errors};
use fanway_secrets::{Asking, Known};

/// Where a server's config comes from when it is to be read again.
pub trait Source: Send + Sync + 'static {
    /// Reads and checks it, and asks for its secrets. Blocks.
    ///
    /// # Errors
    /// With all that is wrong with it.
    fn load(&self) -> Result<Config, Unusable>;

    /// The same with the secrets that are known: nobody is asked again. Blocks.
    ///
    /// # Errors
    /// With all that is wrong with it.
    fn load_as_known(&self) -> Result<Config, Unusable> {
        self.load()
    }

    /// The secrets that its configs are read with, where there may be some to be kept fresh.
    fn known(&self) -> Option<Known> {
        None
    }

    /// Whether it is worth looking at the files that its configs name.
    fn has_files(&self) -> bool {
        true
    }
}

/// A config that can't be put to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong with it, a text for each.
    pub problems: Vec<String>,
    /// The files that were read: when one of them changes it is worth another try.
    pub files: Vec<PathBuf>,
}

/// A config in a file. Clones know the same secrets.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    path: PathBuf,
    known: Known,
}

impl ConfigFile {
    /// The config in this file, none of whose secrets is known yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            known: Known::default(),
        }
    }

    /// Reads it: commands are run and the vault is asked. Blocks.
    ///
    /// # Errors
    /// With all that is wrong with it.
    ///
    /// # Panics
    /// Within an asynchronous task.
    pub fn read(&self) -> Result<Config, Errors> {
        self.known.load(&self.path, Asking::Anew)
    }
}

impl Source for ConfigFile {
    fn load(&self) -> Result<Config, Unusable> {
        self.read().map_err(|errors| unusable(&errors))
    }

    fn load_as_known(&self) -> Result<Config, Unusable> {
        let read = self.known.load(&self.path, Asking::ForTheRest);
        read.map_err(|errors| unusable(&errors))
    }

    fn known(&self) -> Option<Known> {
        Some(self.known.clone())
    }
}

fn unusable(errors: &Errors) -> Unusable {
    Unusable {
        problems: errors.problems().iter().map(ToString::to_string).collect(),
        files: errors.files().to_vec(),
    }
}

/// A config that was made by a program, and stays as it is.
pub(crate) struct Fixed;

impl Source for Fixed {
    fn load(&self) -> Result<Config, Unusable> {
        Err(Unusable {
            problems: vec!["this server has no config file".to_owned()],
            files: Vec::new(),
        })
    }

    fn has_files(&self) -> bool {
        false
    }
}
