//! `secrets`: how commands and vaults are asked for what `${command:…}` and `${vault:…}` stand
//! for, and how often again.

pub(crate) mod vault;

use std::time::Duration;

pub use vault::{Login, Vault};

use crate::fields::Fields;
use crate::keys::{Default as Absent, Key, Kind, Least, Section};

/// What stands under `secrets`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secrets {
    /// How often commands, and what a vault keeps without a lease, are asked for again.
    pub refresh: Duration,
    /// How long a command may take.
    pub command_timeout: Duration,
    /// Which vault is asked, where one is.
    pub vault: Option<Vault>,
    /// Whether nobody is to be asked, since what stands there is wrong.
    is_broken: bool,
}

impl Default for Secrets {
    /// As if nothing stood there.
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(5 * 60),
            command_timeout: Duration::from_secs(10),
            vault: None,
            is_broken: false,
        }
    }
}

impl Secrets {
    /// What stands there is wrong, and nobody can be asked by it.
    pub(crate) fn broken() -> Self {
        Self {
            is_broken: true,
            ..Self::default()
        }
    }

    /// Whether what stands there is wrong: then nobody is to be asked.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_broken
    }
}

/// Often enough for a secret that is rotated, and no load for who is asked.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longer, and nobody remembers that something is asked again.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) static SECTION: Section = Section {
    about: "How `${command:…}` and `${vault:…}` are asked, and how often again.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "refresh",
            kind: Kind::DurationWithin {
                least: SHORTEST,
                most: LONGEST,
            },
            default: Absent::Is("5m"),
            about: "How often commands, and what a vault keeps without a lease, are asked for again. A value that has changed is put to use by a reload. Files are watched instead.",
        },
        Key {
            name: "command_timeout",
            kind: Kind::Duration(Least::AboveZero),
            default: Absent::Is("10s"),
            about: "How long a command may take. Then it is killed, with all that it has started.",
        },
        Key {
            name: "vault",
            kind: Kind::Section(&vault::SECTION),
            default: Absent::Unset,
            about: "The HashiCorp Vault, or one with the same API, that `${vault:PATH#FIELD}` is read from. `${vault:…}` can't stand in here.",
        },
    ],
};

pub(crate) fn read(fields: &Fields<'_>) -> Option<Secrets> {
    let refresh = fields.value("refresh");
    let command_timeout = fields.value("command_timeout");
    let vault = fields.optional_section("vault", vault::read);
    Some(Secrets {
        refresh: refresh?,
        command_timeout: command_timeout?,
        vault: vault?,
        is_broken: false,
    })
}
