//! What a key is: its name, what it expects, its default and what it means, said once.
//!
//! Each section of the config has a table of its keys, beside the code that reads it. From the
//! tables come the check for unknown keys, what errors say is expected, the defaults, the JSON
//! Schema and the table in the documentation.

use std::time::Duration;

use fanway_types::ByteCount;

use crate::units;

/// A mapping of known keys.
pub(crate) struct Section {
    /// A sentence for the JSON Schema.
    pub(crate) about: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys that somebody may expect here, and what to say to that.
    pub(crate) elsewhere: &'static [(&'static str, &'static str)],
}

pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: Default,
    /// A paragraph in Markdown.
    pub(crate) about: &'static str,
}

/// What holds where a key is left out.
#[derive(Clone, Copy)]
pub(crate) enum Default {
    /// Nothing: the key has to be there.
    Required,
    /// This text, as if it had been written.
    Is(&'static str),
    /// What these words say.
    Depends(&'static str),
    /// Nothing is set.
    Unset,
}

/// What a key expects.
pub(crate) enum Kind {
    Address,
    Url,
    /// Scheme, host and port, where the host may begin with `*.`.
    Origin,
    /// The same, or `*` for all.
    PageOrigin,
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// A secret of Standard Webhooks, which is never shown either.
    SigningKey,
    /// What an HMAC is computed over: a text with placeholders.
    SignedContent,
    /// How a signature is written: the same, with others.
    SignatureValue,
    /// A key of 256 bits in base64, or the word `off`; it is never shown either.
    EncryptionKey,
    /// A file.
    File,
    /// A folder.
    Path,
    /// A file or a folder of the config itself.
    Source,
    /// The path of a PEM file, or PEM itself.
    Pem,
    /// A name or an address that a certificate can be for.
    HostName,
    /// Where a proxy is.
    ProxyUrl,
    /// A range of addresses.
    Network,
    Flag,
    Duration(Least),
    DurationWithin {
        least: Duration,
        most: Duration,
    },
    Size {
        least: ByteCount,
        most: ByteCount,
    },
    Count {
        least: u32,
        most: u32,
    },
    /// A count, or a word in its place.
    CountOr {
        least: u32,
        most: u32,
        word: &'static str,
    },
    /// So many in a second, a minute or an hour.
    Rate,
    Number {
        least: f64,
        most: f64,
    },
    Choice(&'static [&'static str]),
    /// A status, a class or a range of them.
    Statuses,
    /// The same, or a preset or word for what is worth another attempt.
    Worth,
    /// The name of a route, target or step.
    Name,
    Method,
    PathTemplate,
    /// A path without expressions, percent-encoded.
    UrlPath,
    /// A method and a path template.
    Match,
    /// A jq program.
    Program,
    /// Text with `\(jq)` in it.
    Template,
    /// Names, each with a template.
    Templates,
    Header,
    List(&'static Kind),
    /// One, or a list of at least one.
    OneOrMore(&'static Kind),
    /// A short form, or a mapping.
    Either(&'static Kind, &'static Section),
    Section(&'static Section),
    /// Names that people choose, each with a mapping.
    Named(&'static Section),
}

/// The shortest duration that is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Least {
    Zero,
    AboveZero,
}

impl Section {
    /// The key of a name, if there is one.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// What it expects, in words that go on from "expected".
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Address => "an address with a port, such as 127.0.0.1:8080".to_owned(),
            Self::Url => "a URL such as https://api.example/v1".to_owned(),
            Self::Origin => {
                "an origin such as https://*.example.com or http://127.0.0.1:9000".to_owned()
            }
            Self::PageOrigin => "an origin such as https://shop.example, or *".to_owned(),
            Self::Secret => "a text, best a reference such as ${TOKEN}".to_owned(),
            Self::Text => "a text".to_owned(),
            Self::SigningKey => {
                "`whsec_` and the base64 of 24 to 64 bytes, or `whsk_` and that of an Ed25519 key"
                    .to_owned()
            }
            Self::SignedContent => "what is signed, such as {timestamp}.{body}".to_owned(),
            Self::SignatureValue => "a header's value, such as sha256={signature}".to_owned(),
            Self::EncryptionKey => "the base64 of 32 random bytes".to_owned(),
            Self::File => "the path of a file".to_owned(),
            Self::Path => "the path of a folder".to_owned(),
            Self::Source => "the path of a file or a folder".to_owned(),
            Self::Pem => "the path of a PEM file, or PEM itself".to_owned(),
            Self::HostName => "a name such as api.example, or an address".to_owned(),
            Self::ProxyUrl => {
                "a proxy such as http://proxy.example:3128 or socks5h://127.0.0.1:1080".to_owned()
            }
            Self::Network => "a range of addresses such as 10.20.0.0/16 or fd00::/8".to_owned(),
            Self::Flag => "true or false".to_owned(),
            Self::Duration(_)
            | Self::DurationWithin { .. }
            | Self::Size { .. }
            | Self::Count { .. }
            | Self::CountOr { .. }
            | Self::Number { .. } => self.words_of_an_amount(),
            Self::Rate => "a rate such as 100/s, 600/m or 5000/h".to_owned(),
            Self::Choice(words) => one_of(words),
            Self::Statuses => {
                "a status such as 409, a class such as 5xx, or a range such as 520-529".to_owned()
            }
            Self::Worth => format!(
                "transient, knative, standard-webhooks, unanswered, or {}",
                Self::Statuses.words()
            ),
            Self::Name => {
                "a name: a lower-case letter, then lower-case letters, digits and `_`".to_owned()
            }
            Self::Method => "a method such as POST, in capitals".to_owned(),
            Self::UrlPath => "a path such as /health".to_owned(),
            Self::PathTemplate => "a path such as /orders/{id}".to_owned(),
            Self::Match => "a method (or `*`) and a path, such as POST /orders/{id}".to_owned(),
            Self::Program => "a jq program".to_owned(),
            Self::Template => "a template: text with \\(jq) in it".to_owned(),
            Self::Templates => "a mapping from names to templates".to_owned(),
            Self::Header => "the name of a header".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::OneOrMore(each) => format!("{}; or a list of that", each.words()),
            Self::Either(short, _) => format!("{}; or a mapping", short.words()),
            Self::Section(_) => "a mapping".to_owned(),
            Self::Named(_) => "a mapping from names to mappings".to_owned(),
        }
    }

    /// The same, of what is so much or so many.
    fn words_of_an_amount(&self) -> String {
        match self {
            Self::Duration(Least::Zero) => "a duration such as 250ms, 10s, 1h30m or 30d".to_owned(),
            Self::Duration(Least::AboveZero) => {
                "a duration above 0 such as 250ms, 10s, 1h30m or 30d".to_owned()
            }
            Self::DurationWithin { least, most } => format!(
                "a duration from {} to {}, such as 90s or 1h30m",
                units::text(*least),
                units::text(*most)
            ),
            Self::Size { least, most } if most.get() == u64::MAX => {
                format!(
                    "a size of {least} or more, such as {}",
                    size_within(*least, *most)
                )
            }
            Self::Size { least, most } => format!(
                "a size from {least} to {most}, such as {}",
                size_within(*least, *most)
            ),
            Self::Count { least, most } if least == most => format!("{least}"),
            Self::Count {
                least,
                most: u32::MAX,
            } => format!("a whole number of {least} or more"),
            Self::Count { least, most } => format!("a whole number from {least} to {most}"),
            Self::CountOr { least, most, word } => {
                format!("a whole number from {least} to {most}, or {word}")
            }
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            other => other.words(),
        }
    }

    /// Its type for the table in the documentation.
    pub(crate) fn short_words(&self) -> String {
        match self {
            Self::Address => "address".to_owned(),
            Self::Url => "URL".to_owned(),
            Self::Origin => "origin".to_owned(),
            Self::PageOrigin => "origin or `*`".to_owned(),
            Self::Text | Self::Secret => "text".to_owned(),
            Self::SigningKey => "`whsec_…` or `whsk_…`".to_owned(),
            Self::SignedContent | Self::SignatureValue => "text with `{…}`".to_owned(),
            Self::EncryptionKey => "base64 of 32 bytes".to_owned(),
            Self::Path | Self::Source | Self::File => "path".to_owned(),
            Self::Pem => "path, or PEM".to_owned(),
            Self::HostName => "host name".to_owned(),
            Self::ProxyUrl => "URL of a proxy".to_owned(),
            Self::Network => "range of addresses".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Duration(_) => "duration".to_owned(),
            Self::DurationWithin { least, most } => {
                format!(
                    "duration, {} to {}",
                    units::text(*least),
                    units::text(*most)
                )
            }
            Self::Size { least, most } if most.get() == u64::MAX => {
                format!("size, at least {least}")
            }
            Self::Size { least, most } => format!("size, {least} to {most}"),
            Self::Count { least, most } if least == most => format!("`{least}`"),
            Self::Count {
                least,
                most: u32::MAX,
            } => format!("whole number, at least {least}"),
            Self::Count { least, most } => format!("whole number, {least} to {most}"),
            Self::CountOr { least, most, word } => {
                format!("whole number, {least} to {most}, or `{word}`")
            }
            Self::Rate => "rate".to_owned(),
            Self::Number { least, most } => format!("number, {least} to {most}"),
            Self::Choice(words) => words
                .iter()
                .map(|word| format!("`{word}`"))
                .collect::<Vec<_>>()
                .join(", "),
            Self::Statuses => "status, class or range".to_owned(),
            Self::Worth => {
                "`transient`, `knative`, `standard-webhooks`, `unanswered`, status, class or range"
                    .to_owned()
            }
            Self::Name => "name".to_owned(),
            Self::Method => "method".to_owned(),
            Self::UrlPath | Self::PathTemplate => "path".to_owned(),
            Self::Match => "method and path".to_owned(),
            Self::Program => "jq program".to_owned(),
            Self::Template => "template".to_owned(),
            Self::Templates => "names with templates".to_owned(),
            Self::Header => "header name".to_owned(),
            Self::List(each) => format!("list: {}", each.short_words()),
            Self::OneOrMore(each) => format!("{}, or a list", each.short_words()),
            Self::Either(short, _) => format!("{}, or a mapping", short.short_words()),
            Self::Section(_) => "mapping".to_owned(),
            Self::Named(_) => "names with mappings".to_owned(),
        }
    }

    /// Whether what stands here is never shown.
    pub(crate) fn is_secret(&self) -> bool {
        match self {
            Self::Secret | Self::SigningKey | Self::EncryptionKey => true,
            Self::List(each) | Self::OneOrMore(each) => each.is_secret(),
            Self::Either(short, _) => short.is_secret(),
            _ => false,
        }
    }

    /// The mapping that may stand here, and how its keys go on from this one's in a dotted name.
    pub(crate) fn section(&self) -> Option<(&'static Section, &'static str)> {
        match self {
            Self::Section(section) | Self::Either(_, section) => Some((section, "")),
            Self::Named(section) => Some((section, ".<name>")),
            Self::List(each) => each.section().map(|(section, _)| (section, "[]")),
            _ => None,
        }
    }
}

/// An example of a size: 10 MiB, or what is nearest to twice the least where that is too little.
fn size_within(least: ByteCount, most: ByteCount) -> ByteCount {
    let usual = ByteCount::mib(10);
    let fits = if least <= usual {
        usual
    } else {
        ByteCount::new(least.get().saturating_mul(2))
    };
    fits.min(most)
}

/// `a, b or c`.
fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
