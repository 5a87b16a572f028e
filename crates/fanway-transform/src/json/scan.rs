//! A strict, iterative check of JSON text by RFC 8259.
//!
//! It builds nothing and doesn't recurse, so that no input can overflow a stack. What it lets
//! through jaq's reader takes too, with the same meaning. (serde_json would be no shorter: its
//! ignoring mode neither counts nesting nor looks at surrogates, and its own limit is 127.)

use super::ErrorKind;

/// The longest number, in characters: jaq keeps all digits, and reading them takes quadratic time.
const LONGEST_NUMBER: usize = 1024;

/// The first thing that is wrong with a text.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) kind: ErrorKind,
    pub(super) what: &'static str,
    pub(super) offset: usize,
}

pub(super) fn scan(text: &[u8], depth_limit: usize) -> Result<(), Flaw> {
    if let Err(error) = str::from_utf8(text) {
        return Err(Flaw {
            kind: ErrorKind::Malformed,
            what: "text that isn't UTF-8",
            offset: error.valid_up_to(),
        });
    }
    Scanner {
        text,
        at: 0,
        open: Vec::new(),
        depth_limit,
    }
    .document()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Array,
    Object,
}

impl Container {
    fn end(self) -> u8 {
        match self {
            Self::Array => b']',
            Self::Object => b'}',
        }
    }
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    open: Vec<Container>,
    depth_limit: usize,
}

impl Scanner<'_> {
    fn document(mut self) -> Result<(), Flaw> {
        loop {
            let opened = self.value()?;
            if opened {
                continue;
            }
            if !self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Passes a scalar or an empty container; or opens one, and its first key, and returns true.
    fn value(&mut self) -> Result<bool, Flaw> {
        self.space();
        match self.peek() {
            Some(b'[') => self.enter(Container::Array),
            Some(b'{') => self.enter(Container::Object),
            Some(b'"') => self.string().map(|()| false),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| false),
            Some(_) => self.word().map(|()| false),
            None => Err(self.flaw("the text ends where a value is expected")),
        }
    }

    fn enter(&mut self, container: Container) -> Result<bool, Flaw> {
        if self.open.len() >= self.depth_limit {
            let what = "arrays and objects nested too deep";
            return Err(Flaw {
                kind: ErrorKind::TooDeep,
                what,
                offset: self.at,
            });
        }
        self.at += 1;
        self.space();
        if self.eat(container.end()) {
            return Ok(false);
        }
        self.open.push(container);
        self.key_if_object()?;
        Ok(true)
    }

    /// Passes what follows a value; false where the document ends.
    fn after_value(&mut self) -> Result<bool, Flaw> {
        loop {
            self.space();
            let Some(container) = self.open.last().copied() else {
                return if self.peek().is_none() {
                    Ok(false)
                } else {
                    Err(self.flaw("text after the value"))
                };
            };
            if self.eat(b',') {
                self.key_if_object()?;
                return Ok(true);
            }
            if !self.eat(container.end()) {
                return Err(self.flaw(match container {
                    Container::Array => "expected `,` or `]`",
                    Container::Object => "expected `,` or `}`",
                }));
            }
            self.open.pop();
        }
    }

    fn key_if_object(&mut self) -> Result<(), Flaw> {
        if self.open.last() != Some(&Container::Object) {
            return Ok(());
        }
        self.space();
        if self.peek() != Some(b'"') {
            return Err(self.flaw("expected a key in quotes"));
        }
        self.string()?;
        self.space();
        if self.eat(b':') {
            Ok(())
        } else {
            Err(self.flaw("expected `:`"))
        }
    }

    fn string(&mut self) -> Result<(), Flaw> {
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(..0x20) => return Err(self.flaw("a control character in a string")),
                Some(_) => self.at += 1,
                None => return Err(self.flaw("a string without an end")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Flaw> {
        match self.text.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u') => self.unicode_escape(),
            _ => Err(self.flaw("an unknown escape")),
        }
    }

    fn unicode_escape(&mut self) -> Result<(), Flaw> {
        let first = self.code_unit(self.at);
        let length = match first {
            Some(0xD800..=0xDBFF)
                if matches!(self.code_unit(self.at + 6), Some(0xDC00..=0xDFFF)) =>
            {
                12
            }
            Some(0xD800..=0xDFFF) => return Err(self.flaw("half of a surrogate pair")),
            Some(_) => 6,
            None => return Err(self.flaw("expected four hexadecimal digits")),
        };
        self.at += length;
        Ok(())
    }

    /// The code unit of `\uXXXX` at `at`.
    fn code_unit(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 6)?.strip_prefix(br"\u")?;
        digits.iter().try_fold(0, |unit, digit| {
            Some(unit << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    fn number(&mut self) -> Result<(), Flaw> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        if self.at - start > LONGEST_NUMBER {
            self.at = start;
            return Err(self.flaw("a number of more than 1024 characters"));
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        let length = self.text[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if length == 0 {
            return Err(self.flaw("expected a digit"));
        }
        self.at += length;
        Ok(())
    }

    fn word(&mut self) -> Result<(), Flaw> {
        let rest = &self.text[self.at..];
        let words: [&[u8]; 3] = [b"null", b"true", b"false"];
        let word = words.into_iter().find(|word| rest.starts_with(word));
        let word = word.ok_or_else(|| self.flaw("expected a value"))?;
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn flaw(&self, what: &'static str) -> Flaw {
        Flaw {
            kind: ErrorKind::Malformed,
            what,
            offset: self.at,
        }
    }
}
