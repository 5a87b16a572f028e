//! Where configs come from, at a reload.

use std::path::PathBuf;

use fanway_config::{Config, ProcessEnvironment};

/// Where a server's config comes from when it is to be read again.
pub trait Source: Send + Sync + 'static {
    /// Reads and checks it. Blocks.
    ///
    /// # Errors
    /// With all that is wrong with it.
    fn load(&self) -> Result<Config, Unusable>;

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

/// A config in a file.
#[derive(Clone, Debug)]
pub struct ConfigFile(pub PathBuf);

impl Source for ConfigFile {
    fn load(&self) -> Result<Config, Unusable> {
        Config::load(&self.0, &ProcessEnvironment).map_err(|errors| Unusable {
            problems: errors.problems().iter().map(ToString::to_string).collect(),
            files: errors.files().to_vec(),
        })
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
