//! Lists of named items with parameters, as structured fields have them (RFC 9651): the part of it
//! that fields about limits are made of.
//!
//! A field that breaks the rules is none (section 4.2). Read more kindly than there: a name may be a
//! token where it should be a string, since both are seen.

/// An item of a list: `"default";r=50;t=30`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item<'a> {
    /// Its name, escapes and all: they are only compared.
    pub(super) name: &'a str,
    /// The last of a name counts.
    parameters: Vec<(&'a str, Value<'a>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    /// An integer that isn't negative.
    Number(u64),
    /// A string or a token.
    Text(&'a str),
    /// Anything else.
    Other,
}

impl<'a> Item<'a> {
    /// A parameter that is a number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        match self.value(key)? {
            Value::Number(number) => Some(number),
            Value::Text(_) | Value::Other => None,
        }
    }

    /// A parameter that is a text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        match self.value(key)? {
            Value::Text(text) => Some(text),
            Value::Number(_) | Value::Other => None,
        }
    }

    fn value(&self, key: &str) -> Option<Value<'a>> {
        let mut named = self.parameters.iter().rev();
        named
            .find(|(name, _)| *name == key)
            .map(|(_, value)| *value)
    }
}

/// Reads a field; `None` where it isn't such a list.
pub(super) fn read_list(field: &str) -> Option<Vec<Item<'_>>> {
    let mut rest = Rest(field.trim_matches(' '));
    let mut items = Vec::new();
    loop {
        items.push(rest.item()?);
        rest.skip_whitespace();
        if rest.0.is_empty() {
            return Some(items);
        }
        rest.expect(',')?;
        rest.skip_whitespace();
    }
}

/// What hasn't been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn item(&mut self) -> Option<Item<'a>> {
        let Value::Text(name) = self.bare_item()? else {
            return None;
        };
        let mut parameters = Vec::new();
        while self.expect(';').is_some() {
            self.0 = self.0.trim_start_matches(' ');
            let key = self.take_while(
                |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*'),
            );
            if key.is_empty() {
                return None;
            }
            let value = match self.expect('=') {
                Some(()) => self.bare_item()?,
                None => Value::Other,
            };
            parameters.push((key, value));
        }
        Some(Item { name, parameters })
    }

    fn bare_item(&mut self) -> Option<Value<'a>> {
        match self.0.as_bytes().first()? {
            b'"' => self.string().map(Value::Text),
            b'-' | b'0'..=b'9' => self.number(),
            b':' => self.delimited(':'),
            b'?' => {
                self.0 = self.0.strip_prefix("?0").or(self.0.strip_prefix("?1"))?;
                Some(Value::Other)
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
                let is_token =
                    |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte);
                Some(Value::Text(self.take_while(is_token)))
            }
            _ => None,
        }
    }

    fn string(&mut self) -> Option<&'a str> {
        self.expect('"')?;
        let mut bytes = self.0.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    let text = &self.0[..at];
                    self.0 = &self.0[at + 1..];
                    return Some(text);
                }
                b'\\' => {
                    bytes
                        .next()
                        .filter(|(_, byte)| matches!(byte, b'"' | b'\\'))?;
                }
                b' '..=b'~' => {}
                _ => return None,
            }
        }
        None
    }

    /// An integer of at most 15 digits, or a decimal, which is none of the numbers here.
    fn number(&mut self) -> Option<Value<'a>> {
        let is_negative = self.expect('-').is_some();
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        if digits.is_empty() || digits.len() > 15 {
            return None;
        }
        if self.expect('.').is_some() {
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            return (!fraction.is_empty()).then_some(Value::Other);
        }
        let number = digits.parse().ok()?;
        Some(match is_negative {
            true => Value::Other,
            false => Value::Number(number),
        })
    }

    fn delimited(&mut self, mark: char) -> Option<Value<'a>> {
        self.expect(mark)?;
        let (_, rest) = self.0.split_once(mark)?;
        self.0 = rest;
        Some(Value::Other)
    }

    fn take_while(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let end = self.0.bytes().position(|byte| !is_part(byte));
        let (taken, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        taken
    }

    fn expect(&mut self, mark: char) -> Option<()> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(())
    }

    fn skip_whitespace(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}
