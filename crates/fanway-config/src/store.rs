//! `store`: where messages are kept, how surely and for how long.

mod encrypt;

use std::path::PathBuf;
use std::time::Duration;

use fanway_types::ByteCount;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::{Default, Key, Kind, Least, Section};
use crate::problem::Code;
use crate::value::{FromText, Refusal};

pub use encrypt::Encrypt;

/// What stands under `store`.
#[derive(Clone, Debug)]
pub struct Store {
    /// The data folder; a relative one starts at the working directory.
    pub path: PathBuf,
    /// When what is written is made durable.
    pub sync: Sync,
    /// The size of a journal segment.
    pub segment: ByteCount,
    /// The most bytes that messages waiting for targets may take; `None` for what the disk has.
    pub max: Option<ByteCount>,
    /// How long what has ended is kept.
    pub keep: Keep,
    /// The keys by which what messages have in them is encrypted.
    pub encrypt: Encrypt,
}

/// When what is written is made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before a sender gets its 202.
    Always,
    /// Each time this much has passed.
    Interval(Duration),
    /// When the operating system likes.
    Never,
}

/// How long what has ended is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// How long an ended message can be asked for by its id.
    pub messages: Duration,
    /// How long the call log lasts.
    pub history: Duration,
    /// How long dead letters wait for a person.
    pub dead: Duration,
    /// Whose bodies are kept that long.
    pub bodies: Bodies,
}

/// Whose bodies are kept after the message has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// Everybody's.
    All,
    /// Those of messages with a dead delivery.
    Failures,
    /// Nobody's: dead letters are listed, but can't be sent again.
    None,
}

const WHENS: &[&str] = &["always", "interval", "never"];

pub(crate) static SECTION: Section = Section {
    about: "Where messages are kept, how surely and for how long.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "path",
            kind: Kind::Path,
            default: Default::Is("./fanway-data"),
            about: "The data folder, which is made if it isn't there. A relative path starts at the working directory.",
        },
        Key {
            name: "sync",
            kind: Kind::Choice(WHENS),
            default: Default::Is("always"),
            about: "When what is written is made durable: `always` before a sender gets its 202; `interval` each time `interval` has passed; `never` when the operating system likes. With the last two a power loss takes messages that were answered with 202.",
        },
        Key {
            name: "interval",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("100ms"),
            about: "Only with `sync: interval`: what a power loss may take.",
        },
        Key {
            name: "segment",
            kind: Kind::Size {
                least: ByteCount::mib(1),
                most: ByteCount::mib(1024),
            },
            default: Default::Is("64MiB"),
            about: "The size of a journal segment.",
        },
        Key {
            name: "max",
            kind: Kind::Size {
                least: ByteCount::mib(1),
                most: ByteCount::new(u64::MAX),
            },
            default: Default::Depends("what the disk has"),
            about: "The most bytes that messages waiting for targets may take. Beyond it senders get 503.",
        },
        Key {
            name: "keep",
            kind: Kind::Section(&KEEP),
            default: Default::Unset,
            about: "How long what has ended is kept.",
        },
        Key {
            name: "encrypt",
            kind: Kind::OneOrMore(&Kind::EncryptionKey),
            default: Default::Unset,
            about: "Encrypts what messages have in them wherever it is written: a key, which is the base64 of 32 random bytes, best a reference such as `${FANWAY_KEY}`. While it is rotated a list: the first encrypts, all decrypt. With `off` as the first nothing more is encrypted. See [encryption.md](encryption.md).",
        },
    ],
};

static KEEP: Section = Section {
    about: "How long what has ended is kept.",
    elsewhere: &[],
    keys: &[
        Key {
            name: "messages",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("24h"),
            about: "How long an ended message can be asked for by its id. After that the answer is 410.",
        },
        Key {
            name: "history",
            kind: Kind::Duration(Least::Zero),
            default: Default::Is("30d"),
            about: "How long the call log lasts.",
        },
        Key {
            name: "dead",
            kind: Kind::Duration(Least::AboveZero),
            default: Default::Is("90d"),
            about: "How long dead letters wait for a person.",
        },
        Key {
            name: "bodies",
            kind: Kind::Choice(&["failures", "all", "none"]),
            default: Default::Is("failures"),
            about: "Whose bodies are kept after the message has ended: those of `failures`, `all` or `none`. With `none` dead letters are listed, but can't be sent again.",
        },
    ],
};

impl FromText for Bodies {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "failures" => Ok(Self::Failures),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(Refusal::Unexpected),
        }
    }
}

/// The word of `sync`, before the interval is known.
enum When {
    Always,
    Interval,
    Never,
}

impl FromText for When {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        match text {
            "always" => Ok(Self::Always),
            "interval" => Ok(Self::Interval),
            "never" => Ok(Self::Never),
            _ => Err(Refusal::Unexpected),
        }
    }
}

pub(crate) fn read(fields: &Fields<'_>) -> Option<Store> {
    let path = fields.value("path");
    let sync = read_sync(fields);
    let segment = fields.value("segment");
    let max = fields.optional("max");
    let keep = fields.section("keep", read_keep);
    let encrypt = encrypt::read(fields);
    Some(Store {
        path: path?,
        sync: sync?,
        segment: segment?,
        max: max?,
        keep: keep?,
        encrypt: encrypt?,
    })
}

fn read_sync(fields: &Fields<'_>) -> Option<Sync> {
    let when = fields.value("sync");
    let interval = fields.value("interval");
    let when = when?;
    if let (When::Always | When::Never, Some(entry)) = (&when, fields.entry("interval")) {
        let message = "\"interval\" means something only with `sync: interval`".to_owned();
        fields
            .check
            .report(Finding::new(Code::Fit, entry.key_span, message));
        return None;
    }
    Some(match when {
        When::Always => Sync::Always,
        When::Interval => Sync::Interval(interval?),
        When::Never => Sync::Never,
    })
}

fn read_keep(fields: &Fields<'_>) -> Option<Keep> {
    let messages = fields.value("messages");
    let history = fields.value("history");
    let dead = fields.value("dead");
    let bodies = fields.value("bodies");
    Some(Keep {
        messages: messages?,
        history: history?,
        dead: dead?,
        bodies: bodies?,
    })
}
