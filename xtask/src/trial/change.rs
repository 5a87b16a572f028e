//! Changing the config of a gateway that runs, as operators do: the file is replaced or written
//! over, and the gateway is told by a signal or sees it for itself.

use std::fs;
use std::path::Path;

use fanway_config::{Config, ProcessEnvironment};
use rand::RngExt;
use rand::rngs::StdRng;

use crate::gateway::Gateway;

/// One change of so many is left for the gateway to see, which takes it two seconds.
const SEEN: u32 = 6;

/// How a gateway comes to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Signal,
    Nothing,
}

impl Told {
    /// Draws one.
    pub(crate) fn draw(rng: &mut StdRng) -> Self {
        if rng.random_ratio(1, SEEN) {
            Self::Nothing
        } else {
            Self::Signal
        }
    }

    /// Puts a text in the place of the config, and tells the gateway, or doesn't.
    pub(crate) fn change(
        self,
        file: &Path,
        text: &str,
        gateway: &mut Gateway,
        rng: &mut StdRng,
    ) -> anyhow::Result<()> {
        if rng.random() {
            fs::write(file, text)?;
        } else {
            let new = file.with_extension("new");
            fs::write(&new, text)?;
            fs::rename(new, file)?;
        }
        match self {
            Self::Signal => gateway.process().hang_up(),
            Self::Nothing => Ok(()),
        }
    }
}

/// What a gateway calls a config of this text.
pub(crate) fn fingerprint(file: &Path, text: &str) -> anyhow::Result<String> {
    let file = file.display().to_string();
    let config = Config::parse(text, &file, &ProcessEnvironment);
    let config = config.map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(config.fingerprint)
}
