//! `store.encrypt`: the keys by which what messages have in them is encrypted in the data folder.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fanway_types::SecretKey;
use zeroize::Zeroizing;

use crate::check::Finding;
use crate::fields::Fields;
use crate::keys::Kind;
use crate::nodes::one_or_more;
use crate::problem::Code;
use crate::value::{FromText, Refusal};

/// The word in a key's place with which nothing is encrypted any more.
const OFF: &str = "off";

/// The keys of a data folder. By default there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encrypt {
    /// The key by which messages are encrypted from now on; `None` where they are not.
    pub seals: Option<SecretKey>,
    /// Keys by which what is there may have been encrypted before.
    pub opens: Vec<SecretKey>,
}

/// What stands in a key's place.
#[derive(PartialEq)]
enum Entry {
    Off,
    Key(SecretKey),
}

impl FromText for Entry {
    fn from_text(text: &str, _: &Kind) -> Result<Self, Refusal> {
        if text == OFF {
            return Ok(Self::Off);
        }
        let refusal = |why: &str| Refusal::Secret(why.to_owned());
        // A key from a file ends as files do.
        let bytes = STANDARD.decode(text.trim_ascii_end());
        let bytes = Zeroizing::new(bytes.map_err(|_| refusal("it is no base64"))?);
        let key = <[u8; SecretKey::SIZE]>::try_from(&bytes[..]);
        let key = key.map_err(|_| refusal(&format!("it has {} bytes", bytes.len())))?;
        if key.iter().all(|byte| *byte == key[0]) {
            return Err(refusal("its bytes are all the same"));
        }
        Ok(Self::Key(SecretKey::new(key)))
    }
}

pub(super) fn read(fields: &Fields<'_>) -> Option<Encrypt> {
    let Some(entry) = fields.entry("encrypt") else {
        return Some(Encrypt::default());
    };
    let kind = Kind::OneOrMore(&Kind::EncryptionKey);
    let mut entries = one_or_more::<Entry>(fields.check, &entry.node, &kind)?;
    let refuse = |message: &str| {
        let finding = Finding::new(Code::Fit, entry.node.span, message.to_owned());
        fields.check.report(finding);
        None
    };
    if entries.len() > 1 && entries[1..].contains(&Entry::Off) {
        return refuse("\"off\" stands first, before the keys by which was encrypted before");
    }
    let is_double = |(place, key)| entries[..place].contains(key);
    if entries.iter().enumerate().any(is_double) {
        return refuse("the same key is there twice");
    }
    let seals = match entries.remove(0) {
        Entry::Off => None,
        Entry::Key(key) => Some(key),
    };
    let keys = entries.into_iter().filter_map(|entry| match entry {
        Entry::Off => None,
        Entry::Key(key) => Some(key),
    });
    Some(Encrypt {
        seals,
        opens: keys.collect(),
    })
}
